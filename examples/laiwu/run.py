"""``make run``: the main job on the worked city, through real HTTP, from raw logs to a verified report.

Steps, each printed: make the city's logs; set up keys, databases, policies and catalogue; start the service; push every
log; wait until all of it is judged; say what was found; issue the reports; verify them; leave the service running.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from auditsvc.ground.errors import AuditError
from auditsvc.runtime.locks import LOCK_FILE, claim_address, claim_folder
from examples.laiwu.city import ROOT, City, CityError
from examples.laiwu.findings import build_planted, find_violations
from examples.laiwu.rhythm import FIRST_DAY, LAST_DAY
from examples.laiwu.traffic import EVENTS, Traffic, generate
from tools.elasticsearch import ToolError, start
from tools.ports import find_free_port

DATA = ROOT / "var" / "laiwu"
OUT = ROOT / "out"
SERVING_PORTS = (8470, 8471)
OPEN_DATA_SOURCE = "open-data-web"
READER = "runner"
STORES = ("duckdb", "elasticsearch")
PROJECT = "P-CATALOG"


def main() -> int:
    """Run the worked city; return 0 when what was found is what was planted and every report verifies."""
    options = parse_options()
    try:
        return run(options, Steps())
    except CityError as err:
        print(f"the worked city stopped: {err}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


class Steps:
    """Prints each step with the seconds since the start."""

    def __init__(self) -> None:
        """Start counting."""
        self.started = time.monotonic()

    def say(self, text: str) -> None:
        """Print a step."""
        print(f"[{time.monotonic() - self.started:6.1f} s] {text}", flush=True)


def parse_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m examples.laiwu.run", description="Run the worked city end to end.")
    parser.add_argument("--once", action="store_true", help="stop the service at the end")
    parser.add_argument("--log", type=Path, help="also push this web server log as that of the open-data interface")
    parser.add_argument("--events", type=int, default=EVENTS, help="events to generate (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="data folder, made anew (default: var/laiwu)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder for the reports (default: out)")
    parser.add_argument("--store", choices=STORES, default=STORES[0], help="event store (default: %(default)s)")
    parser.add_argument("--elasticsearch", metavar="URL", help="open server to use; default: one started for this run")
    parser.add_argument("--prefix", default="gs", help="prefix of the indices there (default: %(default)s)")
    options = parser.parse_args()
    if options.log and not options.log.is_file():
        parser.error(f"--log: there is no file {options.log}")
    return options


def run(options: argparse.Namespace, steps: Steps) -> int:
    """Do every step; leave no service behind but the one that is meant to stay."""
    ports = (find_free_port(), find_free_port()) if options.once else SERVING_PORTS
    refuse_second_run(options.data, ports)
    shutil.rmtree(options.data, ignore_errors=True)
    traffic = generate(options.data / "logs", events=options.events)
    steps.say(
        f"made {traffic.records:,} records of 30 days in {len(traffic.files)} logs, {len(traffic.violations)} violations planted"
    )
    with find_store(options, steps) as extra:
        city = City(options.data, *ports, extra=extra)
        city.set_up()
        if extra:
            city.command("store", "init")
        steps.say("keys, databases, accounts, policies and catalogue are in place")
        city.start()
        try:
            code = work(city, traffic, options, steps)
            if not options.once:
                serve_on(city)
            return code
        finally:
            city.stop()


def refuse_second_run(data: Path, ports: Sequence[int]) -> None:
    """Check that no service works in the data folder, which is about to be removed, or listens at the ports."""
    try:
        if (data / LOCK_FILE).exists():
            with claim_folder(data, "run"):
                pass
    except AuditError as err:
        raise CityError(
            f"{data} belongs to a service that runs; stop it first, or name another folder by --data"
        ) from err
    for port in ports:
        try:
            with claim_address("", "127.0.0.1", port):
                pass
        except AuditError as err:
            raise CityError(
                f"port {port} is taken by another program; stop it, or run with --once on free ports"
            ) from err


@contextmanager
def find_store(options: argparse.Namespace, steps: Steps) -> Iterator[Mapping[str, str]]:
    """Give the settings of the event store; for Elasticsearch, start a server unless one is named, and end it after."""
    if options.store == "duckdb":
        yield {}
        return
    with ExitStack() as stack:
        url = options.elasticsearch
        if url is None:
            try:
                cluster = start("open")
            except ToolError as err:
                raise CityError(str(err)) from err
            stack.callback(cluster.stop)
            url = cluster.urls[0]
            steps.say(f"Elasticsearch is up at {url}")
        yield {
            "AUDITSVC_EVENT_STORE": "elasticsearch",
            "AUDITSVC_ELASTICSEARCH_URLS": url,
            "AUDITSVC_ELASTICSEARCH_PREFIX": options.prefix,
            "AUDITSVC_ELASTICSEARCH_REPLICAS": "0",
        }


def work(city: City, traffic: Traffic, options: argparse.Namespace, steps: Steps) -> int:
    """Push, wait, say what was found, issue and verify reports; return the exit code."""
    logs = dict(traffic.files)
    keys = {source: city.create_key(source) for source in logs}
    for source, path in logs.items():
        push(city, path, source, keys[source])
    if options.log:
        push(city, options.log, OPEN_DATA_SOURCE, keys[OPEN_DATA_SOURCE])
    city.sign_in(READER)
    status = city.wait_judged()
    steps.say(f"judged {status['events']:,} events; {status['quarantined']:,} records in quarantine")
    code = show_findings(city, traffic)
    steps.say("issuing the signed reports")
    prepare_folder(options.out)
    period = {"first": FIRST_DAY.isoformat(), "last": LAST_DAY.isoformat()}
    kinds: list[tuple[str, Mapping[str, Any]]] = [
        ("report", {"kind": "compliance", **period}),
        ("project", {"kind": "project", "project_id": PROJECT, **period}),
    ]
    for name, wanted in kinds:
        report = city.post("/reports", wanted)
        city.download_report(report, options.out, name)
    for name, _ in kinds:
        code = verify(city, options.out, name) or code
    steps.say(f"reports are in {options.out}")
    return code


def push(city: City, path: Path, source: str, key: Path) -> None:
    """Push one log with the command an integrator would use; its progress goes to the terminal."""
    words = [sys.executable, "-m", "auditsvc", "push", path, "--source", source, "--url", city.ingest_url]
    words += ["--key-file", key, "--state", city.data_dir / f"{path.name}.push.json"]
    done = subprocess.run([str(word) for word in words], cwd=ROOT, env=city.environment, check=False)
    if done.returncode:
        raise CityError(f"pushing {path} ended with {done.returncode}")


def show_findings(city: City, traffic: Traffic) -> int:
    """Print violations by policy and alerts by severity, compare with what was planted; 1 when they differ."""
    found, planted = find_violations(city), build_planted(traffic.violations)
    print("\n    policy     planted   found")
    for policy in sorted({policy for policy, _ in found | planted}):
        counts = [sum(1 for one, _ in which if one == policy) for which in (planted, found)]
        print(f"    {policy:<10} {counts[0]:>7} {counts[1]:>7}")
    alerts = Counter(alert["severity"] for alert in city.pages("/alerts", limit=500))
    print(
        "    alerts: "
        + (", ".join(f"{count} {severity}" for severity, count in sorted(alerts.items())) or "none")
        + "\n"
    )
    for title, which in (("planted but not found", planted - found), ("found but not planted", found - planted)):
        for policy, access in sorted(which)[:20]:
            print(f"    {title}: {policy} {access}", file=sys.stderr)
    return 0 if found == planted else 1


def prepare_folder(folder: Path) -> None:
    """Make the folder and take away the reports of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("report", "project"):
        for path in folder.glob(f"{name}.*"):
            path.unlink()


def verify(city: City, folder: Path, name: str) -> int:
    """Verify one report as an auditor would, print the checklist, return the command's exit code."""
    files = sorted(folder.glob(f"{name}.*"))
    done = city.command("verify", *files, "--trust", folder / "trust.json", check=False)
    print(done.stdout + done.stderr)
    return done.returncode


def serve_on(city: City) -> None:
    """Say where everything is and wait until stopped."""
    print(f"console and API  {city.console_url}   (API description: {city.console_url}/api/docs)")
    print(f"ingest           {city.ingest_url}")
    print("one-time passwords, to be changed at the first sign-in:")
    for name, password in city.accounts.items():
        print(f"    {name:<12} {password}")
    print("Ctrl-C stops the service", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    sys.exit(main())

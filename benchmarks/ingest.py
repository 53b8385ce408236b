"""Durable ingest over real HTTP: single events (64 clients) and batches, each as a ratio to a limit of the same run.

The limit is a bare WSGI callable on the same server (granian, 2 workers) that only writes and syncs what it gets
(benchmarks/bare_wsgi.py). Needs wrk (Debian package ``wrk``). Loopback only; about half a minute.

    python -m benchmarks.ingest [--seconds 5]
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from auditsvc.ground.clock import SystemClock
from auditsvc.ground.database import begin_write, migrate, open_engine
from auditsvc.ground.document import load_bundle
from auditsvc.ground.settings.model import Settings
from auditsvc.ingest.credentials import create_key
from auditsvc.ledger.ledger import Ledger

HERE = Path(__file__).parent
SOURCE = "share-gateway"
BATCH_EVENTS = 1840
WORKERS = 2
THREADS = 32
EVENT = (
    '{"time":"2026-10-12T09:31:54.123+08:00","id":"tail-%05d","action":"query","outcome":"success","source":{"ip":'
    '"10.12.7.33","port":50123},"user":{"id":"u10293","roles":["clerk"]},"consumer":{"org":"11371200LWEX0003XY","system":'
    '"permit-desk"},"interface":{"id":"pop-query"},"resource":{"code":["101001/000001"]},"fields":["name","address"],'
    '"rows":1,"bytes":1834,"agreement":{"id":"AG-2026-0012"},"purpose":"licence-review","matter":"370100-0123","subject":'
    '{"type":"person","count":1},"duration_ms":12.5,"http":{"status":200}}\n'
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one load run measured."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def prepare(settings: Settings) -> str:
    """Make a database with the example catalogue in force; return an API key."""
    engine, clock = open_engine(settings.database), SystemClock()
    migrate(engine)
    ledger = Ledger.open(engine, settings, clock)
    with begin_write(engine) as connection:
        bundle = load_bundle(HERE.parent / "examples" / "laiwu" / "catalog")
        ledger.activate(connection, kind="catalog", bundle=bundle, actor="benchmark")
        _, key = create_key(connection, clock, SOURCE)
    engine.dispose()
    return key


@contextmanager
def serve(target: list[str], folder: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Run granian on a free port until the end; give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--workers", str(WORKERS), "--blocking-threads", str(THREADS), "--backpressure", "256", "--log-level", "warning",
        *target,
    ]  # fmt: skip
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(command, env={**os.environ, **environ}, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        if not is_up(address):
            sys.exit(f"the server does not start: {(folder / 'server.log').read_text()[-2000:]}")
        yield address
    finally:
        server.terminate()
        server.wait(20)


def is_up(address: str) -> bool:
    """Whether every worker answers within half a minute: many new connections in a row are answered."""
    answered = 0
    deadline = time.monotonic() + 30
    while answered < 20 * WORKERS and time.monotonic() < deadline:
        try:
            httpx.post(f"{address}/ingest/v1/events", content=b"{}", trust_env=False, timeout=2)
            answered += 1
        except httpx.TransportError:
            answered = 0
            time.sleep(0.1)
    return answered == 20 * WORKERS


def load(address: str, key: str, tail: Path, *, clients: int, seconds: int, name: str) -> Result:
    """Run wrk and return what it measured."""
    command = [
        "wrk",
        "-t2",
        f"-c{clients}",
        f"-d{seconds}s",
        "-s",
        str(HERE / "ingest.lua"),
        address,
        "--",
        key,
        name,
        str(tail),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    requests, micros, p50, p99, errors = line.split()[1:]
    return Result(int(requests) / (int(micros) / 1e6), float(p50), float(p99), int(errors))


def main() -> None:
    """Measure limit and service in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="length of each of the four runs")
    seconds = parser.parse_args().seconds
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing; install it: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key = prepare(Settings(data_dir=folder / "var"))
        single, batch = folder / "single", folder / "batch"
        single.touch()
        batch.write_text("".join(EVENT % number for number in range(BATCH_EVENTS - 1)))
        loads = (("single events, 64 clients", single, 64, 1), ("batches of 1 MB, 8 clients", batch, 8, BATCH_EVENTS))
        results: dict[str, list[Result]] = {}
        bare = {"BENCH_DIR": name, "PYTHONPATH": str(HERE)}
        service = {"AUDITSVC_DATA_DIR": str(folder / "var"), "PYTHONPATH": f"{HERE}:{HERE.parent}"}
        for label, target, environ in (
            ("limit", ["bare_wsgi:app"], bare),
            ("auditsvc", ["--factory", "ingest_app:create"], service),
        ):
            with serve(target, folder, environ) as address:
                for title, tail, clients, _ in loads:
                    found = load(address, key, tail, clients=clients, seconds=seconds, name=f"{label}-{clients}")
                    results.setdefault(title, []).append(found)
        for title, _, _, events in loads:
            limit, ours = results[title]
            for label, found in (("limit", limit), ("auditsvc", ours)):
                rate = found.per_second * events
                print(
                    f"{title}: {label:9s} {rate:>10,.0f} events/s  p50 {found.p50_ms:.1f} ms  p99 {found.p99_ms:.1f} ms"
                    f"  errors {found.errors}"
                )
            print(f"{title}: ratio to the limit {ours.per_second / limit.per_second:.2f}")
        if any(found.errors for pair in results.values() for found in pair):
            print((folder / "server.log").read_text()[-2000:], file=sys.stderr)
            sys.exit("some requests were not answered with 2xx")


if __name__ == "__main__":
    main()

"""The service as an operator runs it: starts, takes a delivery, judges it, stops cleanly, and comes back after kill -9."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tools.ports import find_free_port

ROOT = Path(__file__).parents[2]
START_S = 180.0  # it takes 5 s, but on a machine that does other things much longer
STOP_S = 120.0
REFUSED_S = 180.0
ANSWER_S = 60.0
NEW_PASSWORD = "Nine-Red-Lanterns-Hang"

pytestmark = pytest.mark.slow


def wait_for(what: str, check: Callable[[], Any], seconds: float = START_S) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s")


def list_descendants(pid: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, todo = set(), [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            found.add(child)
            todo.append(child)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_all(process: "subprocess.Popen[bytes]", known: set[int]) -> None:
    """End a service and its processes, those that were ``known`` and those started since."""
    for pid in {process.pid, *list_descendants(process.pid), *known}:
        if is_alive(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait()


@dataclass
class Installation:
    """A data folder with its settings, accounts and ports."""

    folder: Path
    console: str = ""
    ingest: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "auditsvc", *arguments], cwd=ROOT, env=self.environ, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "auditsvc", "serve"]
        with (self.folder / "serve.log").open("ab") as errors:
            process = subprocess.Popen(command, cwd=ROOT, env=self.environ, stderr=errors)
        try:
            for address in (self.console, self.ingest):
                wait_for(f"{address} ready", lambda: process.poll() is not None or self.is_ready(address))  # noqa: B023
            assert process.poll() is None, (self.folder / "serve.log").read_text()
        except BaseException:
            kill_all(process, set())
            raise
        return process

    @contextmanager
    def running(self) -> "Iterator[subprocess.Popen[bytes]]":
        process = self.start()
        descendants = list_descendants(process.pid)
        try:
            yield process
        finally:
            kill_all(process, descendants)

    def is_ready(self, address: str) -> bool:
        try:
            return self.call(f"{address}/health/ready")[0] == 200
        except OSError:
            return False

    def call(self, address: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(address, data=body, headers=names)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as err:
            return err.code, json.loads(err.read() or b"null")

    def sign_in(self, name: str) -> dict[str, str]:
        body = json.dumps({"name": name, "password": self.passwords[name]}).encode()
        status, token = self.call(f"{self.console}/api/v1/tokens", body, Content_Type="application/json")
        assert status == 201, token
        return {"Authorization": f"Bearer {token['access_token']}"}

    def set_password(self, name: str) -> None:
        body = json.dumps({"old": self.passwords[name], "new": NEW_PASSWORD}).encode()
        headers = {**self.sign_in(name), "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.console}/api/v1/self/password", body, headers, method="PUT")  # noqa: S310
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
            assert answer.status == 204
        self.passwords[name] = NEW_PASSWORD


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    console, ingest = find_free_port(), find_free_port()
    made = Installation(tmp_path, f"http://127.0.0.1:{console}", f"http://127.0.0.1:{ingest}")
    made.environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "AUDITSVC_DATA_DIR": str(tmp_path),
        "AUDITSVC_CONSOLE_PORT": str(console),
        "AUDITSVC_INGEST_PORT": str(ingest),
        "AUDITSVC_INGEST_WORKERS": "2",
        "AUDITSVC_DUCKDB_MEMORY_LIMIT": "512MB",
        "AUDITSVC_ARGON2_MEMORY_KIB": "1024",
        "AUDITSVC_ARGON2_TIME_COST": "1",
    }
    bundles = ("--policies", "policies", "--catalog", "examples/laiwu/catalog")
    done = made.run("init", "--json", *bundles, "--account", "auditor:auditor")
    made.passwords = {account["name"]: account["one_time_password"] for account in done["accounts"]}
    return made


def push(installation: Installation, key: str, number: int) -> dict[str, Any]:
    event = {"id": f"e-{number}", "time": "2026-11-20T10:00:00+08:00", "action": "query", "outcome": "success"}
    event["interface"] = {"id": "pop-query"}  # type: ignore[assignment]
    body = json.dumps(event).encode()
    headers = {"Authorization": f"Bearer {key}", "Content_Type": "application/json"}
    status, receipt = installation.call(f"{installation.ingest}/ingest/v1/events?on_error=quarantine", body, **headers)
    assert status in {200, 201, 202}, receipt
    found: dict[str, Any] = receipt
    return found


def wait_until_judged(installation: Installation, records: int) -> None:
    headers = installation.sign_in("auditor")

    def is_judged() -> bool:
        status, state = installation.call(f"{installation.console}/api/v1/status", **headers)
        assert status == 200, state
        return bool(state["records"] == records and state["lag"] == 0 and state["signed_size"] == state["log_size"])

    wait_for(f"{records} records judged and signed", is_judged)


def test_a_delivery_is_taken_judged_and_signed_and_sigterm_ends_everything_cleanly(installation: Installation) -> None:
    key = installation.run("source", "key", "create", "share-gateway", "--json")["key"]
    with installation.running() as process:
        installation.set_password("auditor")
        receipt = push(installation, key, 1)
        assert "batch" in json.dumps(receipt)
        wait_until_judged(installation, 1)
        children = list_descendants(process.pid)
        assert len(children) >= 5
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0, (installation.folder / "serve.log").read_text()
        assert not [pid for pid in children if is_alive(pid)]
        log = (installation.folder / "serve.log").read_text()
        assert "child_killed" not in log
        assert not (installation.folder / "events.duckdb.wal").exists()


def test_a_killed_supervisor_leaves_nobody_behind_and_a_restart_goes_on(installation: Installation) -> None:
    key = installation.run("source", "key", "create", "share-gateway", "--json")["key"]
    with installation.running() as process:
        installation.set_password("auditor")
        push(installation, key, 1)
        children = list_descendants(process.pid)
        process.kill()
        process.wait()
        wait_for("children end with their supervisor", lambda: not [pid for pid in children if is_alive(pid)], STOP_S)
    with installation.running() as process:
        push(installation, key, 2)
        wait_until_judged(installation, 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0


def test_a_killed_child_is_started_again(installation: Installation) -> None:
    key = installation.run("source", "key", "create", "share-gateway", "--json")["key"]
    with installation.running() as process:
        installation.set_password("auditor")
        push(installation, key, 1)
        for pid in list_descendants(process.pid):
            with contextlib.suppress(ProcessLookupError):  # it ends with its parent, which was killed before it
                os.kill(pid, signal.SIGKILL)
        wait_for("ready again", lambda: installation.is_ready(installation.console))
        wait_for("ready again", lambda: installation.is_ready(installation.ingest))
        push(installation, key, 2)
        wait_until_judged(installation, 2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0


def serve_in_vain(installation: Installation, code: int = 3, **changes: str) -> str:
    """Run a service that must refuse to run, and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "auditsvc", "serve"],
        cwd=ROOT,
        env={**installation.environ, **changes},
        capture_output=True,
        text=True,
        timeout=REFUSED_S,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "stack backtrace" not in done.stderr.lower()
    return done.stderr


def make_other(installation: Installation, folder: Path, **changes: str) -> Installation:
    other = Installation(folder, installation.console, installation.ingest)
    other.environ = {**installation.environ, "AUDITSVC_DATA_DIR": str(folder), **changes}
    other.run("init", "--json")
    return other


def test_a_second_service_is_refused_and_the_first_goes_on(installation: Installation, tmp_path: Path) -> None:
    other = make_other(installation, tmp_path / "other")
    free = {"AUDITSVC_CONSOLE_PORT": str(find_free_port()), "AUDITSVC_INGEST_PORT": str(find_free_port())}
    with installation.running() as process:
        children = list_descendants(process.pid)
        said = serve_in_vain(installation, **free)
        assert f"`{tmp_path}` is in use by `auditsvc serve`, process {process.pid}; stop that first" in said
        assert "child_started" not in said
        said = serve_in_vain(other)
        assert f"AUDITSVC_CONSOLE_PORT: cannot listen on `{installation.console.removeprefix('http://')}`" in said
        said = serve_in_vain(other, AUDITSVC_CONSOLE_PORT=free["AUDITSVC_CONSOLE_PORT"])
        assert f"AUDITSVC_INGEST_PORT: cannot listen on `{installation.ingest.removeprefix('http://')}`" in said
        assert "child_started" not in said
        refused = subprocess.run(
            [sys.executable, "-m", "auditsvc", "reindex"],
            cwd=ROOT,
            env=installation.environ,
            capture_output=True,
            text=True,
        )
        assert refused.returncode == 3
        assert f"in use by `auditsvc serve`, process {process.pid}" in refused.stderr
        assert children <= list_descendants(process.pid)
        assert installation.is_ready(installation.console)
        assert installation.is_ready(installation.ingest)
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0


def test_a_port_of_another_program_ends_the_service_at_once(installation: Installation) -> None:
    port = int(installation.ingest.rpartition(":")[2])
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", port))
        plain.listen()
        said = serve_in_vain(installation)
    assert f"AUDITSVC_INGEST_PORT: cannot listen on `127.0.0.1:{port}`: another program listens there" in said
    assert "[address_unavailable]" in said
    assert "child_started" not in said


@pytest.mark.parametrize("role", ["all", "core"])
def test_a_core_process_that_cannot_start_ends_the_service_with_its_reason(
    installation: Installation, role: str
) -> None:
    with (installation.folder / "events.duckdb.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = subprocess.run(
            [sys.executable, "-m", "auditsvc", "serve", "--role", role],
            cwd=ROOT,
            env=installation.environ,
            capture_output=True,
            text=True,
            timeout=REFUSED_S,
        )
    assert done.returncode == 3, done.stderr
    last = done.stderr.splitlines()[-1]
    assert "events.duckdb`: another process owns it; stop the service (`auditsvc serve`), or wait until" in last
    assert last.endswith("[storage_unavailable]")
    assert "Traceback" not in done.stderr
    assert ("the core process cannot start, tried " in last) == (role == "all")
    with installation.running() as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0


def test_a_service_started_right_after_a_killed_one_waits_for_its_ports(installation: Installation) -> None:
    with installation.running() as process:
        left = list_descendants(process.pid)
        process.kill()
        process.wait()
        with installation.running() as successor:
            wait_for("the killed one's processes end", lambda: not [pid for pid in left if is_alive(pid)], STOP_S)
            wait_for("ready", lambda: installation.is_ready(installation.console))
            wait_for("ready", lambda: installation.is_ready(installation.ingest))
            successor.send_signal(signal.SIGTERM)
            assert successor.wait(STOP_S) == 0

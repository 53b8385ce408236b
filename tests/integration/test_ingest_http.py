"""The ingest worker behind its real web server: hostile senders on the wire, and ``auditsvc push``."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from auditsvc.ground.clock import SystemClock
from auditsvc.ground.database import begin_write, open_engine
from auditsvc.ground.settings.model import Settings
from auditsvc.ingest.credentials import create_key
from tests.support.ingest import build_event, prepare_data
from tools.ports import find_free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
START_S = 180.0  # it takes 3 s, but on a machine that does other things much longer
STOP_S = 120.0
ANSWER_S = 60.0


class Served:
    """A running server: its address, keys and environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = Settings(data_dir=folder / "var")
        prepare_data(settings, SystemClock())
        engine = open_engine(settings.database)
        with begin_write(engine) as connection:
            self.keys = {name: create_key(connection, SystemClock(), name)[1] for name in ("native-1", "web-1")}
        engine.dispose()
        self.port = find_free_port()
        self.environ = {**os.environ, "AUDITSVC_DATA_DIR": str(folder / "var"), "PYTHONPATH": str(ROOT)}
        self.url = f"http://127.0.0.1:{self.port}"

    def headers(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys['native-1']}", "Content-Type": "application/json", **more}

    def post(self, content: object, **more: str) -> httpx.Response:
        return httpx.post(
            f"{self.url}/ingest/v1/events",
            content=content,
            headers=self.headers(**more),
            timeout=ANSWER_S,
            trust_env=False,  # type: ignore[arg-type]
        )

    def push(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "auditsvc", "push", "--url", self.url, *arguments]
        return subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=START_S)


def wait_ready(served: Served, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{served.url}/health/ready", trust_env=False, timeout=5).status_code == 200:
                return
        time.sleep(0.25)
    pytest.fail((served.folder / "server.log").read_text())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(tmp_path_factory.mktemp("served"))
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(found.port),
        "--blocking-threads", "8", "--factory", "auditsvc.app:create_ingest_app",
    ]  # fmt: skip
    with (found.folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=found.environ, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_ready(found, server)
        yield found
    finally:
        server.terminate()
        try:
            code = server.wait(STOP_S)
        finally:
            server.kill()
    assert code == 0, (found.folder / "server.log").read_text()
    assert "Traceback" not in (found.folder / "server.log").read_text()


def test_an_event_sent_over_http_gets_a_receipt(served: Served) -> None:
    reply = served.post(json.dumps(build_event()).encode())
    assert (reply.status_code, reply.json()["accepted"]) == (201, 1)


def test_a_hundred_megabytes_of_garbage_get_their_answer(served: Served) -> None:
    garbage = b"\x9c" * 1024 * 1024
    declared = served.post((garbage for _ in range(100)), **{"Content-Length": str(100 * len(garbage))})
    chunked = served.post(garbage for _ in range(100))
    assert (declared.status_code, declared.json()["code"]) == (413, "body_too_large")
    assert (chunked.status_code, chunked.json()["code"]) == (411, "length_required")


def test_senders_who_break_off_do_no_harm(served: Served) -> None:
    head = (
        "POST /ingest/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {served.keys['native-1']}\r\n"
    )
    for rest in (
        "Content-Length: 1000\r\n\r\n{",
        "Transfer-Encoding: chunked\r\n\r\nFF\r\n{",
        "Content-Length: -5\r\n\r\n",
        "",
    ):
        with socket.create_connection(("127.0.0.1", served.port), timeout=ANSWER_S) as sender:
            sender.sendall((head + rest).encode())
    assert served.post(json.dumps(build_event(id="after")).encode()).status_code == 201


def test_half_of_a_chunked_delivery_is_not_taken_for_a_whole_one(served: Served) -> None:
    whole = json.dumps(build_event(id="half-1")).encode() + b"\n" + json.dumps(build_event(id="half-2")).encode()
    head = (
        "POST /ingest/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nIdempotency-Key: half\r\n"
        f"Authorization: Bearer {served.keys['native-1']}\r\nTransfer-Encoding: chunked\r\n\r\n{len(whole):x}\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", served.port), timeout=ANSWER_S) as sender:
        sender.sendall(head + whole[: len(whole) // 2 + 1])
        sender.shutdown(socket.SHUT_WR)
        answer = sender.recv(4096)
    assert not answer or b" 411 " in answer.split(b"\r\n")[0]
    reply = served.post(whole, **{"Idempotency-Key": "half", "Content-Type": "application/x-ndjson"})
    assert (reply.status_code, reply.json()["accepted"], reply.json()["duplicates"]) == (201, 2, 0)


def test_a_length_that_is_no_number_is_the_senders_fault(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=ANSWER_S) as sender:
        sender.sendall(b"POST /ingest/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n")
        assert b" 400 " in sender.recv(4096).split(b"\r\n")[0]


def test_push_sends_a_file_once_with_progress_and_counts(served: Served, tmp_path: Path) -> None:
    line = '10.0.0.{} - - [17/May/2015:10:05:03 +0000] "GET /files/a HTTP/1.1" 200 5 "-" "x"\n'
    log = tmp_path / "access.log"
    log.write_text("".join(line.format(number % 250) for number in range(250)) + "cut short\n")
    key = tmp_path / "key"
    key.write_text(served.keys["web-1"] + "\n")
    arguments = (str(log), "--source", "web-1", "--key-file", str(key), "--batch-bytes", "5000")
    first = served.push(*arguments)
    assert first.returncode == 0, first.stderr
    assert first.stdout == "access.log: 251 records, 250 events, 1 in quarantine, 0 sent before\n"
    assert "100 % of" in first.stderr
    (tmp_path / "access.log.push.json").unlink()
    again = served.push(*arguments, "--json")
    assert json.loads(again.stdout)["duplicates"] == 251


def test_push_with_a_wrong_key_says_so(served: Served, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x\n")
    (tmp_path / "key").write_text("auditsvc_0000_x\n")
    done = served.push(str(tmp_path / "log"), "--source", "web-1", "--key-file", str(tmp_path / "key"))
    assert done.returncode == 1
    assert "not known [unauthenticated]" in done.stderr

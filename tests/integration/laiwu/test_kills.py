"""Twenty kill -9 while the city's logs come in: nothing acknowledged is lost, nothing stands twice, the truth is found."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from examples.laiwu.city import ROOT, City, CityError
from examples.laiwu.findings import build_planted, find_violations
from examples.laiwu.traffic import Traffic, generate
from tools.ports import find_free_port

EVENTS = 20_000
ROUNDS = 10
"""Each kills one process of the core and one of ingest."""
PUSHED_WITHIN_S = 600
KILLED_WITHIN_S = 180
RESTARTS = 5
"""Times a request may meet a process that was killed just before, or its successor that is not ready yet."""


def read_children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def read_command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def find_leaves(pid: int) -> list[int]:
    children = read_children(pid)
    return [leaf for child in children for leaf in find_leaves(child)] or [pid]


def kill_one(city: City, role: str) -> None:
    """Kill a worker of ``role`` as soon as there is one."""
    assert city.service is not None
    end = time.monotonic() + KILLED_WITHIN_S
    while time.monotonic() < end:
        for child in read_children(city.service.pid):
            try:
                if role in read_command(child).split():
                    os.kill(find_leaves(child)[-1], signal.SIGKILL)
                    return
            except (OSError, IndexError):
                continue
        time.sleep(0.1)
    raise AssertionError(f"no process of {role} within {KILLED_WITHIN_S} s")


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    city = City(tmp_path / "data", find_free_port(), find_free_port(), extra={"AUDITSVC_LOG_LEVEL": "error"})
    city.set_up()
    city.start()
    yield city
    city.stop()


def push_all(city: City, traffic: Traffic, keys: dict[str, Path], done: threading.Event) -> None:
    """Push every log with the integrator's command, again and again until each is acknowledged whole."""
    end = time.monotonic() + PUSHED_WITHIN_S
    for source, path in traffic.files.items():
        words = [sys.executable, "-m", "auditsvc", "push", path, "--source", source, "--url", city.ingest_url]
        words += ["--key-file", keys[source], "--batch-bytes", "65536"]
        while time.monotonic() < end:
            if not subprocess.run(
                list(map(str, words)), cwd=ROOT, env=city.environment, capture_output=True
            ).returncode:
                break
    done.set()


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_double_nothing(city: City, tmp_path: Path) -> None:
    traffic = generate(tmp_path / "logs", events=EVENTS)
    keys = {source: city.create_key(source) for source in traffic.files}
    city.sign_in("runner")  # changes the one-time password, which a kill must not come between
    done = threading.Event()
    pusher = threading.Thread(target=push_all, args=(city, traffic, keys, done))
    pusher.start()
    killed = 0
    for _ in range(ROUNDS):
        for role in ("ingest", "core"):
            time.sleep(0.7)
            kill_one(city, role)
            killed += 1
    pusher.join(timeout=PUSHED_WITHIN_S)
    assert done.is_set()
    assert killed == 2 * ROUNDS
    status = wait_through_restarts(city)
    resent = sum(len(lines) for lines in traffic.resent.values())
    unreadable = sum(len(lines) for lines in traffic.quarantined.values())
    assert status["records"] == traffic.records
    assert status["quarantined"] == unreadable
    assert status["events"] == traffic.events
    assert status["duplicates"] >= resent
    assert find_violations(city) == build_planted(traffic.violations)


def wait_through_restarts(city: City) -> dict[str, int]:
    for _ in range(RESTARTS):
        with contextlib.suppress(CityError, httpx.HTTPError):
            city.wait_ready()
            city.sign_in("runner")
            return city.wait_judged()
        time.sleep(1)
    return city.wait_judged()

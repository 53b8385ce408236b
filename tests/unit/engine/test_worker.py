"""How the engine's thread tells of failures: one line for an illness with a name, the whole trace for anything else."""

import logging
import threading
from collections.abc import Callable

import pytest

from auditsvc.ground.errors import StorageError
from auditsvc.runtime import workers as worker_module
from auditsvc.runtime.workers import EngineWorker


class Failing:
    """Fails with ``error`` at every turn."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.turned = threading.Event()

    def run(self, stop_event: threading.Event, on_turn: Callable[[], None]) -> None:
        self.turned.set()
        raise self.error


class Recovering:
    """Fails once; then does the turns it is told to do, and waits."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.has_failed = False
        self.done = threading.Event()

    def run(self, stop_event: threading.Event, on_turn: Callable[[], None]) -> None:
        on_turn()  # a turn before the failure says nothing about the time after it
        if not self.has_failed:
            self.has_failed = True
            raise StorageError("storage_unavailable", "no connection")
        for _ in range(self.turns - 1):
            on_turn()
        self.done.set()
        stop_event.wait()


@pytest.mark.parametrize(
    ("error", "has_trace"),
    [(StorageError("storage_unavailable", "no connection"), False), (KeyError("no connection"), True)],
)
def test_only_what_has_no_name_is_logged_with_its_trace(
    error: Exception, has_trace: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RETRY_S", 60.0)
    failing = Failing(error)
    worker = EngineWorker(failing)
    with caplog.at_level(logging.ERROR, "auditsvc.runtime.workers"):
        worker.start()
        assert failing.turned.wait(10)
        worker.stop()
    (record,) = [one for one in caplog.records if one.getMessage() == "engine_failed"]
    assert "no connection" in record.__dict__["reason"]
    assert bool(record.exc_info) is has_trace


@pytest.mark.parametrize(("turns", "is_over"), [(1, False), (2, True)])
def test_a_failure_is_over_soon_only_after_two_whole_turns(
    turns: int, is_over: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RETRY_S", 0.0)
    monkeypatch.setattr(worker_module, "SETTLED_S", 1e-9)
    monkeypatch.setattr(worker_module, "LONGEST_TURNS", 10**12)
    engine = Recovering(turns)
    worker = EngineWorker(engine)
    worker.start()
    assert engine.done.wait(10)
    assert (worker.find_failure() is None) is is_over
    worker.stop()

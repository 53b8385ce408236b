"""How the engine's thread tells of failures: one line for an illness with a name, the whole trace for anything else."""

import logging
import threading

import pytest

from auditsvc.ground.errors import StorageError
from auditsvc.runtime import workers as worker_module
from auditsvc.runtime.workers import EngineWorker


class Failing:
    """Fails with ``error`` at every turn."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.turned = threading.Event()

    def run(self, stop_event: threading.Event) -> None:
        self.turned.set()
        raise self.error


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

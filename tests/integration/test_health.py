"""Ready means ready: each thing that is broken turns the answer to 503 and is named."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auditsvc.ground.errors import SigningError, StorageError
from auditsvc.runtime import readiness
from auditsvc.runtime.workers import EngineWorker
from auditsvc.store.rows import Chunk, LedgerPlace, Position
from tests.support.service import Service, open_service


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(readiness, "KEEP_S", 0.0)
    with open_service(tmp_path) as opened:
        assert opened.services.worker is not None
        opened.services.worker.start()
        yield opened


def reasons(service: Service) -> dict[str, str]:
    answer = service.client.get("/health/ready")
    checks: dict[str, str] = answer.get_json()["checks"]
    failed = {name: reason for name, reason in checks.items() if reason != "ok"}
    assert answer.status_code == (503 if failed else 200)
    assert service.client.get("/health/live").status_code == 200
    return failed


def test_a_healthy_service_is_ready(service: Service) -> None:
    assert reasons(service) == {}


def test_an_archive_that_cannot_be_written_is_named(service: Service) -> None:
    segments = service.services.ledger.archive.segments
    shutil.rmtree(segments)
    assert "archive cannot be written" in reasons(service)["archive"]
    segments.mkdir()
    assert reasons(service) == {}


def test_a_full_disk_is_named_with_its_folder(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "MIN_FREE_BYTES", 2**62)
    assert str(service.services.settings.data_dir) in reasons(service)["disk"]


def test_a_stopped_engine_is_named(service: Service) -> None:
    assert service.services.worker is not None
    service.services.worker.stop()
    assert reasons(service) == {"engine": "the engine's thread is not running"}


def test_a_refused_checkpoint_is_named(service: Service) -> None:
    assert service.services.checkpointer is not None
    service.services.checkpointer.refusal = SigningError("checkpoint_refused", "no checkpoint is signed: shrunk")
    assert reasons(service) == {"checkpoints": "no checkpoint is signed: shrunk"}


def test_a_closed_store_is_named(service: Service) -> None:
    assert service.services.worker is not None
    service.services.worker.stop()
    service.services.store.close()
    assert "store" in reasons(service)


def test_a_store_of_another_log_is_named_and_gives_no_answers(service: Service) -> None:
    assert service.services.worker is not None
    service.services.worker.stop()
    service.services.store.write(Chunk(LedgerPlace(0), Position(LedgerPlace(9), leaf="00" * 32)))
    assert "which this log does not have" in reasons(service)["store"]
    with pytest.raises(StorageError, match="which this log does not have"):
        service.services.store  # noqa: B018


class Broken:
    """An engine that fails, then works."""

    def __init__(self) -> None:
        self.runs = 0
        self.again = threading.Event()

    def run(self, stop_event: threading.Event, on_turn: Callable[[], None]) -> None:
        self.runs += 1
        if self.runs == 1:
            raise RuntimeError("frame 7 is not readable")
        self.again.set()
        stop_event.wait()


def test_a_failed_engine_says_why_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditsvc.runtime.workers.RETRY_S", 0.05)
    broken = Broken()
    worker = EngineWorker(broken)
    worker.start()
    assert broken.again.wait(5)
    assert worker.find_failure() == "the engine failed: frame 7 is not readable"
    monkeypatch.setattr("auditsvc.runtime.workers.SETTLED_S", 0.0)
    assert worker.find_failure() is None
    worker.stop()
    assert worker.find_failure() == "the engine's thread is not running"

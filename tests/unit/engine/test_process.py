"""The supervisor restarts what fell over and gives up on what cannot start."""

import json
import sys
import threading
from pathlib import Path

import pytest

from auditsvc.ground.errors import AuditError, StorageError
from auditsvc.runtime import processes as process
from auditsvc.runtime.processes import Child, Start, supervise

FAILS = (
    "import json, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(json.dumps({'code': sys.argv[2], 'message': 'm'}))"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_BACKOFF_S", 0.05)
    monkeypatch.setattr(process, "PATIENCE_S", 0.0)
    monkeypatch.setattr(process, "_POLL_S", 0.01)


def build_child(folder: Path, code: str, *words: str) -> Child:
    """Return a child that runs Python ``code``; it counts its starts in the file ``count``."""
    counted = f"open({str(folder / 'count')!r}, 'a').write('.'); {code}"
    return Child("core", [sys.executable, "-c", counted, *words], {}, Start(folder / "core"))


def count_starts(folder: Path) -> int:
    path = folder / "count"
    return len(path.read_text()) if path.exists() else 0


def run(child: Child, *others: Child) -> bool:
    return supervise([*others, child], threading.Event(), lambda: None)


def test_a_child_that_cannot_start_ends_the_supervisor_with_its_reason(tmp_path: Path) -> None:
    child = build_child(tmp_path, FAILS, str(tmp_path / "core"), "storage_unavailable")
    other = Child("ingest", [sys.executable, "-c", "import time; time.sleep(600)"], {}, Start(tmp_path / "ingest"))
    with pytest.raises(AuditError, match="the core process cannot start, tried 3 times: m") as caught:
        run(child, other)
    assert (caught.value.code, caught.value.exit_code) == ("storage_unavailable", 3)
    assert count_starts(tmp_path) == 3
    assert other.process is not None
    assert other.process.poll() is not None


def test_a_child_that_ran_before_is_given_more_time(tmp_path: Path) -> None:
    child = build_child(tmp_path, "")
    child.was_settled = True
    child.start_file.tell_failed(StorageError("storage_unavailable", "m"))
    for now in (10.0, 10.1, 10.2, 10.3, 10.0 + process.LONG_PATIENCE_S - 0.1):
        child._note_end(1, now)
    with pytest.raises(AuditError, match="the core process cannot start, tried 6 times: m"):
        child._note_end(1, 10.0 + process.LONG_PATIENCE_S)


def test_a_child_that_ends_without_a_word_is_started_many_times_then_given_up(tmp_path: Path) -> None:
    child = build_child(tmp_path, "import sys; sys.exit(7)")
    with pytest.raises(
        AuditError, match=r"the core process ended 20 times soon after it began, .* exit code 7"
    ) as caught:
        run(child)
    assert caught.value.code == "internal"
    assert count_starts(tmp_path) == process.MOST_EARLY_ENDS


def test_a_child_that_ran_well_is_started_again_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_SETTLED_S", 0.05)
    monkeypatch.setattr(process, "MOST_EARLY_ENDS", 2)
    started = f"open({str(tmp_path / 'core')!r}, 'w').write('{{}}'); import time; time.sleep(600)"
    child = build_child(tmp_path, started)
    stop = threading.Event()

    def kill_when_settled() -> None:
        if child.is_settled and child.process is not None:
            stop.set() if count_starts(tmp_path) == 5 else child.process.kill()

    supervise([child], stop, kill_when_settled)
    assert child.was_settled
    assert child.early_ends == 0


def test_what_a_start_says_is_read_back_and_failure_outlasts_success(tmp_path: Path) -> None:
    start = Start(tmp_path / "core")
    assert (start.has_started(), start.find_failure()) == (False, None)
    start.tell_started()
    assert start.has_started()
    start.tell_failed(StorageError("storage_unavailable", "no disk"))
    start.tell_started()
    failure = start.find_failure()
    assert not start.has_started()
    assert failure is not None
    assert (failure.code, failure.message) == ("storage_unavailable", "no disk")
    start.clear()
    assert start.find_failure() is None


@pytest.mark.parametrize("text", ["", "{", "[]", "1", json.dumps({"code": "nonsense", "message": "m"}), '{"code": 1}'])
def test_a_damaged_start_file_says_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "core"
    path.write_text(text)
    assert Start(path).find_failure() is None
    assert not Start(path).has_started()


def test_a_start_file_that_cannot_be_written_does_no_harm(tmp_path: Path) -> None:
    Start(tmp_path / "nowhere" / "core").tell_started()

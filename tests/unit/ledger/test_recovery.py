"""Orphan frames are found, reported and offered to the log again, exactly once."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from auditsvc.ground.errors import StorageError
from auditsvc.ledger.leaf import iter_leaves
from auditsvc.ledger.verify import verify_archive
from auditsvc.ledger.write import committer as committer_module
from auditsvc.ledger.write.committer import Delivery
from auditsvc.ledger.write.recovery import OrphanOutcome, find_orphans
from tests.support.ledger import TestLedger, build_delivery, open_ledger


class DatabaseGone(Exception):
    """Stands for any failure of the commit."""


def leave_orphan(ledger: TestLedger, monkeypatch: pytest.MonkeyPatch, *deliveries: Delivery) -> None:
    """Write each delivery's frame to the archive, and lose the commit."""

    def fail(*_: object) -> None:
        raise DatabaseGone

    with ledger.committer() as committer, monkeypatch.context() as patch:
        patch.setattr(committer_module, "append_batches", fail)
        for delivery in deliveries:
            with pytest.raises(StorageError):
                committer.submit(delivery)


def restart(ledger: TestLedger) -> tuple[OrphanOutcome, ...]:
    """Start a worker and stop it again; return what it recovered."""
    with ledger.committer() as committer:
        return committer.recovery


def read_bodies(ledger: TestLedger) -> list[bytes]:
    with ledger.engine.connect() as connection:
        return [
            ledger.archive.read_payload(leaf.segment, leaf.offset, leaf.length) for leaf in iter_leaves(connection, 0)
        ]


def states(outcomes: Sequence[OrphanOutcome]) -> list[str]:
    return [outcome.state for outcome in outcomes]


def test_an_orphan_frame_is_offered_again_in_place_and_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(tmp_path)
    ledger.submit(build_delivery(1))
    leave_orphan(ledger, monkeypatch, build_delivery(2, key="k2"), build_delivery(3))
    assert states(restart(ledger)) == ["reoffered", "reoffered"]
    assert restart(ledger) == ()
    assert read_bodies(ledger) == [build_delivery(number).body for number in (1, 2, 3)]
    with ledger.engine.connect() as connection:
        assert list(find_orphans(connection, ledger.archive)) == []
    again = ledger.submit(build_delivery(2, key="k2"), build_delivery(3))
    assert [receipt.replayed for receipt in again] == [True, True]


def test_a_frame_whose_producer_sent_again_is_superseded_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(tmp_path)
    leave_orphan(ledger, monkeypatch, build_delivery(1), build_delivery(2, key="k"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(committer_module, "recover", lambda *_: ())
        ledger.submit(build_delivery(1), build_delivery(2, key="k"))
    for _ in range(2):
        assert states(restart(ledger)) == ["superseded", "superseded"]
    assert len(read_bodies(ledger)) == 2


def test_repeated_failures_of_one_delivery_are_recovered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = open_ledger(tmp_path)
    leave_orphan(ledger, monkeypatch, build_delivery(1), build_delivery(1), build_delivery(1))
    assert sorted(states(restart(ledger))) == ["reoffered", "superseded", "superseded"]
    assert len(read_bodies(ledger)) == 1


def test_what_is_missing_of_a_frame_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = open_ledger(tmp_path)
    real = committer_module.group_parts
    seen: list[object] = []

    def both(parts: Sequence[object]) -> list[list[object]]:
        seen.extend(parts)
        return real(seen)  # type: ignore[arg-type,return-value]

    with monkeypatch.context() as patch:
        patch.setattr(committer_module, "group_parts", both)
        leave_orphan(ledger, patch, build_delivery(1), build_delivery(2))
    with monkeypatch.context() as patch:
        patch.setattr(committer_module, "recover", lambda *_: ())
        ledger.submit(build_delivery(1))
    assert states(restart(ledger)) == ["superseded", "reoffered"]
    assert read_bodies(ledger) == [build_delivery(1).body, build_delivery(2).body]


def test_a_torn_frame_and_one_without_its_index_line_are_reported_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(tmp_path)
    leave_orphan(ledger, monkeypatch, build_delivery(1))
    (segment,) = ledger.archive.segments.glob("*.seg")
    segment.with_suffix(".idx").unlink()
    data = segment.read_bytes()
    segment.write_bytes(data + data[:20])
    assert states(restart(ledger)) == ["unattributed", "torn"]
    assert segment.read_bytes() == data + data[:20]
    assert read_bodies(ledger) == []


def test_an_index_line_that_does_not_fit_its_frame_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(tmp_path)
    leave_orphan(ledger, monkeypatch, build_delivery(1))
    (index,) = ledger.archive.segments.glob("*.idx")
    text = index.read_text()
    for old, new in (
        ('"raw_sha256":"', '"raw_sha256":"0'),
        ('"records":5', '"records":4'),
        ('"size_bytes":', '"size_bytes":1'),
    ):
        assert old in text
        index.write_text(text.replace(old, new))
        assert states(restart(ledger)) == ["unattributed"]
    index.write_text(text)
    assert states(restart(ledger)) == ["reoffered"]


def test_the_frames_of_a_live_worker_are_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = open_ledger(tmp_path)
    leave_orphan(ledger, monkeypatch, build_delivery(1))
    with ledger.committer():
        pass
    with monkeypatch.context() as patch:
        patch.setattr(committer_module, "recover", lambda *_: ())
        with ledger.committer() as live:
            leave_frames = live._writer
            assert leave_frames.slot == 0
            patch.undo()
            assert restart(ledger) == ()


KILLED = """
import os, signal, sys
from pathlib import Path
from auditsvc.ledger.write import batch
from auditsvc.ledger.write import committer
from tests.support.ledger import build_delivery, open_ledger

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

ledger = open_ledger(Path(sys.argv[1]))
with ledger.committer() as worker:
    worker.submit(build_delivery(1))
    print("acknowledged", flush=True)
    if sys.argv[2] == "before the commit":
        committer.append_batches = die
    elif sys.argv[2] == "in the transaction":
        real = committer.append_batches
        committer.append_batches = lambda *args: (real(*args), die())
    elif sys.argv[2] == "after the commit":
        committer.Committer._answer = die
    else:
        committer.SegmentWriter._write = die
    worker.submit(build_delivery(2, key="k"))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "recovered"),
    [
        ("before the write", []),
        ("before the commit", ["reoffered"]),
        ("in the transaction", ["reoffered"]),
        ("after the commit", []),
    ],
)
def test_a_killed_worker_loses_nothing_it_acknowledged(tmp_path: Path, moment: str, recovered: list[str]) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), moment], cwd=root, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (-9, "acknowledged\n"), done.stderr
    ledger = open_ledger(tmp_path)
    assert states(restart(ledger)) == recovered
    receipts = ledger.submit(build_delivery(1), build_delivery(2, key="k"))
    assert [receipt.replayed for receipt in receipts] == [True, moment != "before the write"]
    assert read_bodies(ledger) == [build_delivery(1).body, build_delivery(2).body]
    ledger.sign()
    steps = verify_archive(ledger.database, ledger.archive.path, ledger.settings.checkpoint_path, ledger.trust)
    assert {step.state for step in steps} == {"pass"}

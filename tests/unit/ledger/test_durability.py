"""What a receipt or a checkpoint promises is synced before it is given: seen by what had been written at each sync."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from auditsvc.ledger.archive import Archive
from auditsvc.ledger.write import checkpoint as checkpoint_module
from auditsvc.ledger.write import committer as committer_module
from auditsvc.ledger.write import recovery as recovery_module
from auditsvc.ledger.write import segment as segment_module
from auditsvc.ledger.write.committer import Committer
from auditsvc.ledger.write.segment import IndexLine, SegmentWriter, list_segments, read_index
from tests.support.ledger import TestLedger, build_delivery, open_ledger
from tests.unit.ledger.test_recovery import leave_orphan, restart, states

LINE = IndexLine(0, 0, "b", "gateway", "lines", "00", ())


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return the list of syncs to come: the file's or folder's name, and the file's size at that moment (-1: a folder)."""
    seen: list[tuple[str, int]] = []

    def watch(sync: Callable[[int], None]) -> Callable[[int], None]:
        def note(descriptor: int) -> None:
            seen.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")).name, os.fstat(descriptor).st_size))  # noqa: PTH115
            sync(descriptor)

        return note

    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, watch(getattr(os, name)))
    for module in (segment_module, checkpoint_module):
        monkeypatch.setattr(module, "sync_folder", lambda folder: seen.append((folder.name, -1)))
    return seen


def test_frames_are_synced_whole_before_their_places_are_given(tmp_path: Path, synced: list[tuple[str, int]]) -> None:
    archive = Archive(tmp_path)
    synced.clear()
    with SegmentWriter(archive) as writer:
        writer.append([(b"abc", LINE), (b"de", LINE)])
        assert synced == [(archive.segments.name, -1), ("w0-000001.seg", 5)]
        places = writer.append([(b"fgh", LINE)])
        assert synced[2:] == [("w0-000001.seg", 8)]
    assert [(place.offset, place.length) for place in places] == [(5, 3)]


def test_a_checkpoint_is_synced_whole_and_a_new_file_with_its_name(
    tmp_path: Path, synced: list[tuple[str, int]]
) -> None:
    ledger = open_ledger(tmp_path)
    ledger.submit(build_delivery(1))
    path = ledger.settings.checkpoint_path
    for count in (1, 2):
        synced.clear()
        ledger.sign()
        names = [name for name, _ in synced]
        syncs = [item for item in synced[names.index(path.name) :] if item[0] in (path.name, path.parent.name)]
        assert syncs == [(path.name, path.stat().st_size), (path.parent.name, -1)][: 3 - count]
        ledger.submit(build_delivery(2))


def test_a_frame_offered_again_in_place_is_synced_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: list[tuple[str, int]]
) -> None:
    ledger = open_ledger(tmp_path)
    leave_orphan(ledger, monkeypatch, build_delivery(1))
    (segment,) = ledger.archive.segments.glob("*.seg")
    append = recovery_module.append_batches

    def append_after_sync(*arguments: object) -> object:
        assert (segment.name, segment.stat().st_size) in synced
        return append(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(recovery_module, "append_batches", append_after_sync)
    synced.clear()
    assert states(restart(ledger)) == ["reoffered"]


def test_nothing_is_appended_behind_a_write_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive(tmp_path)
    with SegmentWriter(archive) as writer:
        writer.append([(b"abc", LINE)])
        with monkeypatch.context() as patch:

            def fail(_: int) -> None:
                raise OSError(5, "Input/output error")

            patch.setattr(os, "fdatasync", fail)
            with pytest.raises(Exception, match="Input/output error"):
                writer.append([(b"xyz", LINE)])
        (place,) = writer.append([(b"de", LINE)])
    assert (place.segment, place.offset) == ("w0-000002.seg", 0)


@pytest.mark.parametrize(("bound", "segments"), [(3, ["w0-000001.seg", "w0-000002.seg"]), (4, ["w0-000001.seg"])])
def test_a_segment_is_closed_once_it_has_reached_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: int, segments: list[str]
) -> None:
    monkeypatch.setattr(segment_module, "SEGMENT_BYTES", bound)
    archive = Archive(tmp_path)
    with SegmentWriter(archive) as writer:
        writer.append([(b"abc", LINE)])
        writer.append([(b"d", LINE)])
    assert list_segments(archive) == segments


def test_segments_come_in_order_of_slots_and_numbers_and_none_is_written_twice(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    for slot in (10, 2, 2, 2):
        with SegmentWriter(archive, slot) as writer:
            writer.append([(b"abc", LINE)])
    assert list_segments(archive) == ["w2-000001.seg", "w2-000002.seg", "w2-000003.seg", "w10-000001.seg"]
    assert list_segments(archive, 2) == ["w2-000001.seg", "w2-000002.seg", "w2-000003.seg"]


def test_a_later_line_of_the_index_wins_and_a_broken_one_is_left_out(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    first, later = (msgspec.json.encode(msgspec.structs.replace(LINE, batch_id=name)) for name in ("first", "later"))
    (archive.segments / "w0-000001.idx").write_bytes(first + b"\n{broken\n" + later + b"\n")
    assert read_index(archive, "w0-000001.seg")[0].batch_id == "later"


def test_a_committer_gives_its_slot_back(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    committer = Committer(ledger.ledger, ledger.settings)
    assert committer.slot == 0
    committer.close()
    with SegmentWriter(ledger.archive) as writer:
        assert writer.slot == 0


def leave_orphan_of_slot(ledger: TestLedger, monkeypatch: pytest.MonkeyPatch, slot: int) -> None:
    """Leave an orphan in a slot that nobody holds."""
    with SegmentWriter(ledger.archive, 0):
        leave_orphan(ledger, monkeypatch, build_delivery(slot))


def test_the_slot_of_a_worker_that_died_is_free_again_after_its_frames_were_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(tmp_path)
    leave_orphan_of_slot(ledger, monkeypatch, 1)
    assert list_segments(ledger.archive) == ["w1-000001.seg"]
    with ledger.committer() as recovering:
        assert (recovering.slot, states(recovering.recovery)) == (0, ["reoffered"])
        with ledger.committer() as other:
            assert other.slot == 1


def test_a_frame_recovered_after_the_horizon_is_known_to_have_been_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(tmp_path)
    leave_orphan(ledger, monkeypatch, build_delivery(1))
    with monkeypatch.context() as patch:
        patch.setattr(committer_module, "recover", lambda *_: ())
        ledger.submit(build_delivery(1))
    ledger.clock.instant = ledger.clock.instant.replace(year=2036)
    assert states(restart(ledger)) == ["superseded"]


def test_an_index_line_of_another_length_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = open_ledger(tmp_path)
    leave_orphan(ledger, monkeypatch, build_delivery(1))
    (index,) = ledger.archive.segments.glob("*.idx")
    line = msgspec.json.decode(index.read_bytes().strip(), type=IndexLine)
    index.write_bytes(msgspec.json.encode(msgspec.structs.replace(line, length=line.length + 1)) + b"\n")
    assert states(restart(ledger)) == ["unattributed"]


def test_a_single_byte_that_no_leaf_names_is_reported_before_a_frame_and_behind(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with ledger.committer() as committer:
        committer._writer.append([(b"\0", LINE)])
        committer.submit(build_delivery(1))
    (segment,) = ledger.archive.segments.glob("*.seg")
    size = segment.stat().st_size
    segment.write_bytes(segment.read_bytes() + b"\0")
    outcomes = restart(ledger)
    assert states(outcomes) == ["torn", "torn"]
    assert [(outcome.place.offset, outcome.place.length) for outcome in outcomes] == [(0, 1), (size, 1)]

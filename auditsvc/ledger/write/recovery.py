"""Recovery after a crash: orphan frames are found, reported and reoffered to the log; nothing in the archive is deleted.

An orphan frame is in a segment, but no leaf names it: its worker died, or lost the database, between the sync and the
commit, so its producer got no receipt. For each frame, in order:
1. its index line must describe it and its payload must have the stated digest, else it is *unattributed* and only reported;
2. deliveries that the log has since received (the producer retried) are left out; with none left it is
   *superseded*;
3. the others are appended to the log and the frame is *reoffered*: in place when none was left out.
Bytes that are no whole frame are *torn*. ``docs/adr/0002-orphan-frames-are-reoffered.md`` has the reasons.
"""

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import zstandard
from sqlalchemy import Connection, func, select

from auditsvc.ground.database import begin_write
from auditsvc.ground.errors import InputError, LogError
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.archive import Archive, compress_frame
from auditsvc.ledger.delivery import Delivery, find_received
from auditsvc.ledger.format.frame import read_frame
from auditsvc.ledger.format.note import parse_checkpoint
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.tables import batch
from auditsvc.ledger.write.batch import HashedDelivery, append_batches, hash_delivery, prepare_batch
from auditsvc.ledger.write.checkpoint_file import read_last_note
from auditsvc.ledger.write.segment import (
    FramePlace,
    IndexLine,
    SegmentWriter,
    claim_slot,
    list_segments,
    read_index,
    slot_of,
)

EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""A frame may be old: all deliveries ever received count, not only those within the duplicate horizon."""

State = Literal["reoffered", "superseded", "unattributed", "torn"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OrphanFrame:
    """Bytes of a segment that no leaf names; ``line`` is None when their index line is missing or does not match."""

    place: FramePlace
    line: IndexLine | None
    whole: bool


@dataclass(frozen=True, slots=True)
class OrphanOutcome:
    """What became of one orphan frame; ``seq`` is the leaf it got, None unless reoffered."""

    place: FramePlace
    state: State
    source: str
    deliveries: int
    seq: int | None = None


def recover(ledger: Ledger, settings: Settings, writer: SegmentWriter) -> tuple[OrphanOutcome, ...]:
    """Offer the orphan frames of ``writer``'s slot and of every free slot to the log again; return what became of each.

    Slots held by other live workers are skipped.

    Raises:
        LogError: ``log_damaged`` when the log is shorter than its last checkpoint: anything appended to it would
            fork the log.
    """
    _check_not_rolled_back(ledger, settings)
    outcomes: list[OrphanOutcome] = []
    for slot in sorted({slot_of(name) for name in list_segments(ledger.archive)}):
        held = None if slot == writer.slot else claim_slot(ledger.archive, slot)
        if slot != writer.slot and held is None:
            continue
        try:
            with ledger.database.connect() as connection:
                orphans = list(find_orphans(connection, ledger.archive, slot))
            for orphan in orphans:
                with begin_write(ledger.database) as connection:
                    outcomes.append(_offer(connection, ledger, orphan, writer))
        finally:
            if held is not None:
                os.close(held)
    for outcome in outcomes:
        level = logging.INFO if outcome.state == "superseded" else logging.WARNING
        place = f"{outcome.place.segment}@{outcome.place.offset}"
        _log.log(level, "orphan_frame", extra={"place": place, "state": outcome.state, "seq": outcome.seq})
    return tuple(outcomes)


def _check_not_rolled_back(ledger: Ledger, settings: Settings) -> None:
    """Raise when the database is older than the checkpoint file, as after restoring an old backup."""
    note, _ = read_last_note(settings.checkpoint_path)
    if note is None:
        return
    signed = parse_checkpoint(note).size
    size = ledger.get_head().size
    if size < signed:
        message = f"the log has {size} leaves, a checkpoint was signed over {signed}; restore a newer backup"
        raise LogError("log_damaged", message)


def find_orphans(connection: Connection, archive: Archive, slot: int | None = None) -> Iterator[OrphanFrame]:
    """Yield the orphan frames of a slot, or of all, in order; includes frames that a live worker is committing."""
    total = select(batch.c.segment, func.sum(batch.c.length)).group_by(batch.c.segment)
    covered = {segment: int(length) for segment, length in connection.execute(total)}
    for segment in list_segments(archive, slot):
        size = (archive.segments / segment).stat().st_size
        if size == covered.get(segment, 0):
            continue
        index = read_index(archive, segment)
        for begin, end in _list_gaps(connection, segment, size):
            yield from _split_gap(archive, FramePlace(segment, begin, end - begin), index)


def _list_gaps(connection: Connection, segment: str, size: int) -> list[tuple[int, int]]:
    """Return the parts ``[begin, end)`` of a segment that no leaf names."""
    query = select(batch.c.offset, batch.c.length).where(batch.c.segment == segment).order_by(batch.c.offset)
    gaps, reached = [], 0
    for offset, length in connection.execute(query):
        if offset > reached:
            gaps.append((reached, offset))
        reached = max(reached, offset + length)
    if size > reached:
        gaps.append((reached, size))
    return gaps


def _split_gap(archive: Archive, gap: FramePlace, index: dict[int, IndexLine]) -> Iterator[OrphanFrame]:
    """Yield the frames of a gap; everything from the first torn one on is one piece."""
    data = archive.read_frame(gap.segment, gap.offset, gap.length)
    at = 0
    while at < len(data):
        length = _measure_frame(data[at:])
        whole = length > 0
        place = FramePlace(gap.segment, gap.offset + at, length or len(data) - at)
        payload, line = b"", index.get(place.offset)
        if whole:
            try:
                payload = read_frame(data[at : at + length])
            except LogError:
                whole = False
        if line is not None and (line.length != length or hashlib.sha256(payload).hexdigest() != line.raw_sha256):
            line = None
        yield OrphanFrame(place, line, whole)
        at += place.length


def _measure_frame(data: bytes) -> int:
    """Return the length of the zstd frame at the start of ``data``, 0 when it is not whole."""
    decoder = zstandard.ZstdDecompressor().decompressobj()
    try:
        decoder.decompress(data)
    except zstandard.ZstdError:
        return 0
    return len(data) - len(decoder.unused_data) if decoder.eof else 0


def _list_deliveries(payload: bytes, line: IndexLine) -> list[HashedDelivery]:
    """Return the deliveries an orphan frame was written for; none when its index line does not match its payload."""
    parts, at = [], 0
    if sum(item.size_bytes for item in line.deliveries) != len(payload):
        return []
    for item in line.deliveries:
        body = payload[at : at + item.size_bytes]
        at += item.size_bytes
        digest = bytes.fromhex(item.body_sha256)
        stated = Delivery(line.source, line.kind, body, item.records, item.key, digest, item.accepted, item.quarantined)
        try:
            parts.append(hash_delivery(stated))
        except InputError:
            return []
    return parts


def _offer(
    connection: Connection,
    ledger: Ledger,
    orphan: OrphanFrame,
    writer: SegmentWriter,
) -> OrphanOutcome:
    """Append what the log has not received of one orphan frame."""
    line = orphan.line
    place = orphan.place
    payload = ledger.archive.read_payload(place.segment, place.offset, place.length) if line is not None else b""
    parts = _list_deliveries(payload, line) if line is not None else []
    if line is None or not parts:
        return OrphanOutcome(orphan.place, "unattributed" if orphan.whole else "torn", "", 0)
    appender = ledger.open_appender(connection)
    received = find_received(connection, [part.delivery for part in parts], EVER)
    missing = [part for part in parts if part.delivery.identity not in received]
    if not missing:
        return OrphanOutcome(orphan.place, "superseded", line.source, len(parts))
    prepared = prepare_batch(ledger.clock, missing)
    if len(missing) == len(parts):
        _sync(ledger.archive, place.segment)
    else:
        (place,) = writer.append([(compress_frame(prepared.payload), prepared.build_index_line())])
    receipts = append_batches(connection, appender, [(prepared, place)])
    return OrphanOutcome(orphan.place, "reoffered", line.source, len(missing), receipts[0][0].seq)


def _sync(archive: Archive, segment: str) -> None:
    """Make a segment durable: its writer may have died before its own sync."""
    descriptor = os.open(archive.segments / segment, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)

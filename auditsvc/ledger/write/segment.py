"""Writing segments: append-only files of frames, one writer per slot, one fdatasync per group.

A slot is held by an exclusive lock on ``w<slot>.lock`` for as long as its writer lives; the operating system releases it
when the process dies. Each segment has an index file ``….idx``: one JSON line per frame that describes it, so
that an orphan frame can be reoffered to the log. It is written before the frame and not synced: it only matters when the
process died, and then the page cache has it; after a power failure, an orphan without its line is only reported.
"""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import msgspec
from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_random

from auditsvc.ground.errors import StorageError
from auditsvc.ground.files import sync_folder
from auditsvc.ledger.archive import Archive

SEGMENT_BYTES = 256 * 1024 * 1024
"""A segment larger than this is closed."""
MAX_SLOTS = 64
"""More ingest workers than one machine runs."""
CLAIM_TRIES = 100
CLAIM_PAUSE_S = 0.1
"""Longest pause between attempts. A given slot may be held briefly by another worker that recovers it; all pauses together
take five seconds, which is more than enough for that."""


class IndexedDelivery(msgspec.Struct, frozen=True):
    """One delivery within a frame: its records, its bytes, and its identity."""

    records: int
    size_bytes: int
    key: str | None
    body_sha256: str
    accepted: int
    quarantined: int


class IndexLine(msgspec.Struct, frozen=True):
    """The description of a frame: its position, and the batch it was written for."""

    offset: int
    length: int
    batch_id: str
    source: str
    kind: str
    raw_sha256: str
    deliveries: tuple[IndexedDelivery, ...]


@dataclass(frozen=True, slots=True)
class FramePlace:
    """The position of a frame."""

    segment: str
    offset: int
    length: int


def claim_slot(archive: Archive, slot: int) -> int | None:
    """Return a descriptor that holds the lock of ``slot``, or None when another process or writer holds it."""
    descriptor = os.open(archive.segments / f"w{slot}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def list_segments(archive: Archive, slot: int | None = None) -> list[str]:
    """Return the names of the segments of ``slot``, or of all, in order of slot and number."""
    pattern = "w*-*.seg" if slot is None else f"w{slot}-*.seg"
    return sorted((path.name for path in archive.segments.glob(pattern)), key=lambda name: (slot_of(name), name))


def slot_of(segment: str) -> int:
    """Return the slot that wrote ``segment``."""
    return int(segment[1:].partition("-")[0])


def read_index(archive: Archive, segment: str) -> dict[int, IndexLine]:
    """Return the index lines of a segment by offset; a later line for the same offset wins, malformed lines are skipped."""
    path = (archive.segments / segment).with_suffix(".idx")
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    found = {}
    for line in lines:
        try:
            entry = msgspec.json.decode(line, type=IndexLine)
        except msgspec.DecodeError:
            continue
        found[entry.offset] = entry
    return found


class SegmentWriter:
    """Appends frames to the segments of one slot."""

    def __init__(self, archive: Archive, slot: int = -1) -> None:
        """Claim ``slot``, or the first free one if it is -1; the first append opens a new segment.

        Raises:
            StorageError: ``storage_unavailable`` when the slot is taken or the folder is not writable.
        """
        self._archive = archive
        self._encoder = msgspec.json.Encoder()
        self._segment = self._index = -1
        self._name = ""
        self._offset = 0
        try:
            self.slot, self._lock = self._claim(slot)
        except OSError as err:
            raise StorageError("storage_unavailable", f"archive cannot be written: {err.strerror}") from err

    def _claim(self, slot: int) -> tuple[int, int]:
        """Return the slot and the descriptor that holds its lock."""
        retrying = Retrying(
            retry=retry_if_result(lambda held: held is None),
            stop=stop_after_attempt(CLAIM_TRIES),
            wait=wait_random(0, CLAIM_PAUSE_S),
            retry_error_callback=lambda _: None,
        )
        held = retrying(self._claim_once, range(MAX_SLOTS) if slot < 0 else (slot,))
        if held is None:
            which = "every slot" if slot < 0 else f"slot {slot}"
            raise StorageError("storage_unavailable", f"archive: {which} is in use by another worker")
        return held

    def _claim_once(self, candidates: Sequence[int]) -> tuple[int, int] | None:
        """Return the first free slot and the descriptor that holds its lock, None when all are taken."""
        for candidate in candidates:
            descriptor = claim_slot(self._archive, candidate)
            if descriptor is not None:
                return candidate, descriptor
        return None

    def append(self, frames: Sequence[tuple[bytes, IndexLine]]) -> list[FramePlace]:
        """Append frames and make them durable with one fdatasync; return their positions.

        The offset and length of each index line are filled in here.

        Raises:
            StorageError: ``storage_unavailable``; the whole group counts as not written.
        """
        try:
            if self._segment < 0 or self._offset >= SEGMENT_BYTES:
                self._open_next()
            return self._write(frames)
        except OSError as err:
            self._abandon()
            raise StorageError("storage_unavailable", f"archive cannot be written: {err.strerror}") from err

    def _write(self, frames: Sequence[tuple[bytes, IndexLine]]) -> list[FramePlace]:
        """Write index lines, then frames, then sync."""
        places, lines, offset = [], [], self._offset
        for frame, line in frames:
            places.append(FramePlace(self._name, offset, len(frame)))
            lines.append(self._encoder.encode(msgspec.structs.replace(line, offset=offset, length=len(frame))))
            offset += len(frame)
        _write_all(self._index, b"\n".join(lines) + b"\n")
        _write_all(self._segment, b"".join([frame for frame, _ in frames]))
        os.fdatasync(self._segment)
        self._offset = offset
        return places

    def _open_next(self) -> None:
        """Start the next segment, under a number never used before; its directory entries are synced."""
        self._abandon()
        existing = list_segments(self._archive, self.slot)
        number = int(existing[-1][-10:-4]) + 1 if existing else 1
        self._name = f"w{self.slot}-{number:06d}.seg"
        path = self._archive.segments / self._name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._segment = os.open(path, flags, 0o644)
        self._index = os.open(path.with_suffix(".idx"), flags, 0o644)
        self._offset = 0
        sync_folder(self._archive.segments)

    def _abandon(self) -> None:
        """Close the current segment; after a failed write or sync, nothing more is appended to it."""
        for descriptor in (self._segment, self._index):
            if descriptor >= 0:
                os.close(descriptor)
        self._segment = self._index = -1

    def close(self) -> None:
        """Close the segment and release the slot."""
        self._abandon()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> "SegmentWriter":
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the writer."""
        self.close()


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of ``data``; raise ``OSError`` when the disk is full."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]

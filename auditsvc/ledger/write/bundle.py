"""Period bundles: everything an auditor needs to check ``[first, last)`` of the log offline, in one tar file.

Members in order: ``bundle.json``; ``headers.txt``, the headers of leaves ``[0, size)`` where ``size`` is that of the
checkpoint that covers ``last``; ``checkpoints.txt``, the last checkpoint at or before ``first`` and the covering one;
``frames/<seq>.zst`` of the batches; ``fingerprints.bin``; ``objects/<sha256>.zst``; ``MANIFEST``. See ``docs/ledger.md``.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, select

from auditsvc.ground.errors import LogError, StorageError
from auditsvc.ground.files import SHARED, open_replacement
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.format.header import OBJECT_FIELDS, parse_header
from auditsvc.ledger.format.note import Checkpoint, parse_checkpoint
from auditsvc.ledger.format.tar import END, build_member_header, pad
from auditsvc.ledger.leaf import Leaf, find_latest, iter_leaves
from auditsvc.ledger.proof import checkpoint_at_least
from auditsvc.ledger.tables import batch, checkpoint
from auditsvc.ledger.verify.bundle import (
    CHECKPOINTS,
    DESCRIPTION,
    FINGERPRINTS,
    HEADERS,
    MANIFEST,
    build_description,
    name_frame,
    name_object,
)


class _TarWriter:
    """Writes members and collects their manifest lines."""

    def __init__(self, file: BinaryIO) -> None:
        """Write to ``file``."""
        self._file = file
        self._lines: list[str] = []

    def add(self, name: str, data: bytes) -> None:
        self._lines.append(f"{hashlib.sha256(data).hexdigest()} {len(data)} {name}\n")
        self._write(name, data)

    def finish(self) -> None:
        """Write the manifest and the end-of-archive blocks."""
        self._write(MANIFEST, "".join(self._lines).encode("ascii"))
        self._file.write(END)

    def _write(self, name: str, data: bytes) -> None:
        self._file.write(build_member_header(name, len(data)))
        self._file.write(data)
        self._file.write(bytes(pad(len(data))))


def write_bundle(connection: Connection, archive: Archive, path: Path, *, first: int, last: int) -> Checkpoint:
    """Write the bundle of leaves ``[first, last)`` to ``path`` and return the checkpoint that covers it.

    Equal logs give equal bytes.

    Raises:
        LogError: ``conflict`` when no checkpoint covers ``last`` yet; ``not_found`` for a missing frame or object.
        StorageError: ``storage_unavailable`` when ``path`` cannot be written.
    """
    covering = checkpoint_at_least(connection, last)
    if covering is None or not 0 <= first <= last:
        raise LogError("conflict", f"no checkpoint covers the first {last} leaves yet; wait a second and try again")
    try:
        with open_replacement(path, SHARED) as file:
            _write_members(connection, archive, _TarWriter(file), (first, last), covering)
    except OSError as err:
        raise StorageError("storage_unavailable", f"bundle `{path}` cannot be written: {err.strerror}") from err
    return covering


def _write_members(
    connection: Connection, archive: Archive, tar: _TarWriter, period: tuple[int, int], covering: Checkpoint
) -> None:
    first, last = period
    tar.add(DESCRIPTION, build_description(covering.origin, first=first, last=last, size=covering.size))
    headers = "".join(f"{entry.header}\n" for entry in iter_leaves(connection, 0, covering.size))
    tar.add(HEADERS, headers.encode("ascii"))
    notes = [note for note in (_find_before(connection, first), covering.note) if note]
    tar.add(CHECKPOINTS, "".join(f"{note}\n" for note in dict.fromkeys(notes)).encode())
    for entry in iter_leaves(connection, first, last):
        if entry.kind == "batch":
            tar.add(name_frame(entry.seq), archive.read_frame(entry.segment, entry.offset, entry.length))
    tar.add(FINGERPRINTS, b"".join(_iter_fingerprints(connection, first, last)))
    for digest in sorted(set(_iter_objects(_list_in_force(connection, first, last)))):
        tar.add(name_object(digest), archive.read_object_frame(bytes.fromhex(digest)))
    tar.finish()


def _find_before(connection: Connection, first: int) -> str | None:
    """Return the last checkpoint at or before ``first``, or None."""
    query = select(checkpoint.c.note).where(checkpoint.c.size <= first).order_by(checkpoint.c.size.desc()).limit(1)
    note = connection.execute(query).scalar_one_or_none()
    return None if note is None else parse_checkpoint(note).note


def _iter_fingerprints(connection: Connection, first: int, last: int) -> Iterator[bytes]:
    """Yield the fingerprints of the batches of ``[first, last)`` in order."""
    query = select(batch.c.fingerprints).where(batch.c.seq >= first, batch.c.seq < last).order_by(batch.c.seq)
    yield from connection.execute(query).scalars()


def _list_in_force(connection: Connection, first: int, last: int) -> Iterator[Leaf]:
    """Yield the leaves whose objects belong to the period: those in force at its start, and those within it."""
    for kind in ("policy", "catalog"):
        entry = find_latest(connection, kind, before=first)
        if entry is not None:
            yield entry
    yield from (entry for entry in iter_leaves(connection, first, last) if entry.kind in OBJECT_FIELDS)


def _iter_objects(entries: Iterable[Leaf]) -> Iterator[str]:
    """Yield the digests, hex, of the objects that ``entries`` name."""
    for entry in entries:
        yield parse_header(entry.header).fields[OBJECT_FIELDS[entry.kind]]

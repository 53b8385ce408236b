"""Reading batches of the ledger: the payload is checked against its header, then read record by record, in order.

A batch whose payload does not match its header yields no events: judging altered bytes would launder them. It is
quarantined as a whole and the engine continues; an unavailable archive stops the engine instead, because nothing is
known to be wrong.
"""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from auditsvc.event.native import HashSubject
from auditsvc.event.time import count_ns
from auditsvc.ground.clock import parse_instant
from auditsvc.ground.errors import InputError, LogError
from auditsvc.ingest.readers.model import Scanned
from auditsvc.ingest.readers.registry import LINES, BatchReader, split_lines
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.leaf import Leaf

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch's facts from its header; ``accepted`` in nanoseconds."""

    seq: int
    source: str
    kind: str
    records: int
    accepted: int
    raw_sha256: str


def read_batch_facts(leaf: Leaf) -> Batch:
    """Return the facts of a ``batch`` leaf."""
    fields = parse_header(leaf.header).fields
    return Batch(
        seq=leaf.seq,
        source=fields["source"],
        kind=fields["kind"],
        records=int(fields["records"]),
        accepted=count_ns(parse_instant(fields["accepted"])),
        raw_sha256=fields["raw-sha256"],
    )


def scan_batch(
    leaf: Leaf, batch: Batch, archive: Archive, reader: BatchReader | None, hash_subject: HashSubject
) -> Iterator[Scanned]:
    """Yield the contents of the batch, in order; every record appears.

    Raises:
        StorageError: ``storage_unavailable`` when the archive is unavailable.
    """
    try:
        payload = _read_payload(leaf, batch, archive)
    except LogError as err:
        log.error("batch_altered", extra={"seq": leaf.seq, "source": batch.source, "reason": err.message})
        yield from (Scanned(record, 0, InputError(err.code, err.message), b"") for record in range(batch.records))
        return
    if reader is not None:
        yield from reader.scan(payload, batch.kind, hash_subject)
        return
    unknown = InputError("source_unknown", f"the catalogue in force has no source `{batch.source[:128]}`")
    records = split_lines(payload) if batch.kind == LINES else iter([payload])
    yield from (Scanned(number, 0, unknown, raw) for number, raw in enumerate(records))


def _read_payload(leaf: Leaf, batch: Batch, archive: Archive) -> bytes:
    """Return the payload if it matches the header."""
    payload = archive.read_payload(leaf.segment, leaf.offset, leaf.length)
    found = hashlib.sha256(payload).hexdigest()
    if found != batch.raw_sha256:
        message = f"batch {leaf.seq}: expected bytes with SHA-256 {batch.raw_sha256}, got {found}"
        raise LogError("frame_corrupt", message)
    return payload

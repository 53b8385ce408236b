"""Batches, each of what one group commit stores for one source: from deliveries to a frame, and from frames to leaves."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from auditsvc.ground.clock import Clock
from auditsvc.ground.errors import InputError
from auditsvc.ground.ids import new_uuid7
from auditsvc.ledger.delivery import Delivery
from auditsvc.ledger.format.header import NONE
from auditsvc.ledger.format.tree import build_root, hash_records
from auditsvc.ledger.leaf import Leaf
from auditsvc.ledger.receipt import Receipt
from auditsvc.ledger.tables import batch, delivery, source_head
from auditsvc.ledger.write.appender import Appender, digest_header
from auditsvc.ledger.write.segment import FramePlace, IndexedDelivery, IndexLine

FINGERPRINT_BYTES = 4
"""Leading bytes of each record's leaf hash kept beside the batch: not evidence, but it lets a verifier identify the record."""


_READ_SOURCES = select(source_head).where(source_head.c.source.in_(bindparam("sources", expanding=True)))
_INSERT_BATCH = insert(batch)
_INSERT_DELIVERY = insert(delivery)
_SOURCE_VALUES: dict[str, Any] = {"source_seq": bindparam("place"), "header_sha256": bindparam("digest")}
_INSERT_SOURCE = insert(source_head).values(source=bindparam("name"), **_SOURCE_VALUES)
_UPDATE_SOURCE = update(source_head).where(source_head.c.source == bindparam("name")).values(**_SOURCE_VALUES)


@dataclass(frozen=True, slots=True)
class HashedDelivery:
    """A delivery with the leaf hashes of its records."""

    delivery: Delivery
    leaf_hashes: list[bytes]


@dataclass(frozen=True, slots=True)
class _SourceHead:
    """A source's last batch: its number among the source's batches, and the SHA-256 of its header, 32 bytes."""

    source_seq: int
    header_sha256: bytes


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """A batch ready to be written: its payload, the digests its header will carry, and its deliveries in order."""

    batch_id: str
    source: str
    kind: str
    payload: bytes
    events_root: bytes
    raw_sha256: str
    leaf_count: int
    fingerprints: bytes
    deliveries: tuple[HashedDelivery, ...]

    def build_index_line(self) -> IndexLine:
        """Return this batch's line of the segment index; its position is filled in by the writer."""
        parts = tuple(
            IndexedDelivery(
                records=part.delivery.records,
                size_bytes=len(part.delivery.body),
                key=part.delivery.idempotency_key,
                body_sha256=part.delivery.body_sha256.hex(),
                accepted=part.delivery.accepted,
                quarantined=part.delivery.quarantined,
            )
            for part in self.deliveries
        )
        return IndexLine(0, 0, self.batch_id, self.source, self.kind, self.raw_sha256, parts)


def hash_delivery(item: Delivery) -> HashedDelivery:
    """Return the delivery with its records' leaf hashes.

    Raises:
        InputError: ``input_invalid``; no records, a last line without LF, or a number of lines that differs from the stated one.
    """
    if not item.body:
        raise InputError("input_invalid", "delivery: no records")
    if item.kind == "lines" and not item.body.endswith(b"\n"):
        raise InputError("input_invalid", "delivery: every record of `lines` must end with LF")
    hashes = hash_records(item.body, item.kind)
    if item.kind == "lines" and len(hashes) != item.records:
        raise InputError("input_invalid", f"delivery: {item.records} records stated, {len(hashes)} lines found")
    return HashedDelivery(item, hashes)


def prepare_batch(clock: Clock, parts: Sequence[HashedDelivery], batch_id: str = "") -> PreparedBatch:
    """Return the batch of deliveries of one source and kind (``blob``: exactly one)."""
    first = parts[0].delivery
    if len(parts) == 1:
        payload, hashes = first.body, parts[0].leaf_hashes
    else:
        payload = b"".join([part.delivery.body for part in parts])
        hashes = [value for part in parts for value in part.leaf_hashes]
    return PreparedBatch(
        batch_id=batch_id or str(new_uuid7(clock)),
        source=first.source,
        kind=first.kind,
        payload=payload,
        events_root=build_root(hashes),
        raw_sha256=hashlib.sha256(payload).hexdigest(),
        leaf_count=len(hashes),
        fingerprints=b"".join([value[:FINGERPRINT_BYTES] for value in hashes]),
        deliveries=tuple(parts),
    )


def group_parts(parts: Sequence[HashedDelivery]) -> list[list[HashedDelivery]]:
    """Return deliveries by batch: all ``lines`` of one source together, every ``blob`` alone, in order of arrival."""
    groups: list[list[HashedDelivery]] = []
    lines: dict[str, list[HashedDelivery]] = {}
    for part in parts:
        if part.delivery.kind == "lines" and part.delivery.source in lines:
            lines[part.delivery.source].append(part)
            continue
        group = [part]
        groups.append(group)
        if part.delivery.kind == "lines":
            lines[part.delivery.source] = group
    return groups


def append_batches(
    connection: Connection, appender: Appender, written: Sequence[tuple[PreparedBatch, FramePlace]]
) -> list[list[Receipt]]:
    """Append a leaf for each written batch, with its deliveries, and flush; return the receipts, batch by batch."""
    sources = {item.source for item, _ in written}
    rows = connection.execute(_READ_SOURCES, {"sources": sorted(sources)})
    known = {row.source: _SourceHead(row.source_seq, row.header_sha256) for row in rows}
    latest = dict(known)
    batch_rows, delivery_rows, receipts = [], [], []
    for item, place in written:
        previous = latest.get(item.source)
        source_seq = previous.source_seq + 1 if previous else 0
        entry = appender.add("batch", _build_fields(item, source_seq, previous.header_sha256 if previous else None))
        latest[item.source] = _SourceHead(source_seq, digest_header(entry.header))
        batch_rows.append(_build_row(item, place, entry.seq, source_seq))
        given = _build_receipts(item, entry)
        receipts.append(given)
        delivery_rows += [
            {
                "seq": receipt.seq,
                "first_record": receipt.first_record,
                "records": receipt.records,
                "accepted": receipt.accepted,
                "quarantined": receipt.quarantined,
                "source": item.source,
                "idempotency_key": part.delivery.idempotency_key,
                "body_sha256": part.delivery.body_sha256,
            }
            for receipt, part in zip(given, item.deliveries, strict=True)
        ]
    appender.flush()
    connection.execute(_INSERT_BATCH, batch_rows)
    connection.execute(_INSERT_DELIVERY, delivery_rows)
    for statement, chosen in ((_UPDATE_SOURCE, sources & known.keys()), (_INSERT_SOURCE, sources - known.keys())):
        if chosen:
            connection.execute(statement, [_build_source_row(name, latest[name]) for name in sorted(chosen)])
    return receipts


def _build_source_row(source: str, head: _SourceHead) -> dict[str, Any]:
    """Return the parameters of the statement that stores a source's head."""
    return {"name": source, "place": head.source_seq, "digest": head.header_sha256}


def _build_fields(item: PreparedBatch, source_seq: int, previous: bytes | None) -> dict[str, str]:
    """Return a batch header's fields except ``seq`` and ``accepted``."""
    return {
        "batch-id": item.batch_id,
        "source": item.source,
        "source-seq": str(source_seq),
        "prev": previous.hex() if previous else NONE,
        "kind": item.kind,
        "records": str(item.leaf_count),
        "events-root": base64.b64encode(item.events_root).decode(),
        "raw-sha256": item.raw_sha256,
        "raw-bytes": str(len(item.payload)),
    }


def _build_row(item: PreparedBatch, place: FramePlace, seq: int, source_seq: int) -> dict[str, object]:
    return {
        "seq": seq,
        "batch_id": item.batch_id,
        "source": item.source,
        "source_seq": source_seq,
        "records": item.leaf_count,
        "segment": place.segment,
        "offset": place.offset,
        "length": place.length,
        "fingerprints": item.fingerprints,
    }


def _build_receipts(item: PreparedBatch, entry: Leaf) -> list[Receipt]:
    receipts, first_record = [], 0
    for part in item.deliveries:
        stated = part.delivery
        receipts.append(
            Receipt(
                batch_id=item.batch_id,
                seq=entry.seq,
                first_record=first_record,
                records=stated.records,
                accepted=stated.accepted,
                quarantined=stated.quarantined,
                leaf_hash=entry.leaf_hash,
                header=entry.header,
            )
        )
        first_record += len(part.leaf_hashes)
    return receipts

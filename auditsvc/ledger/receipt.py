"""Receipts: the acknowledgement of a delivery, and how to look it up."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, Select, bindparam, select

from auditsvc.ground.clock import parse_instant
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.tables import batch, delivery, leaf


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a producer receives for a delivery, and can present later.

    Attributes:
        batch_id: identifier of the batch the delivery went into.
        seq: leaf index of that batch.
        first_record: 0-based index of the delivery's first record in the batch.
        records, accepted, quarantined: counts of this delivery.
        leaf_hash: 32 bytes.
        header: the entry the log commits to.
        replayed: the delivery is a duplicate; this is the original receipt.
    """

    batch_id: str
    seq: int
    first_record: int
    records: int
    accepted: int
    quarantined: int
    leaf_hash: bytes
    header: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery in the log: its receipt, the digest of its body and when it was accepted."""

    receipt: Receipt
    body_sha256: bytes


def _select_receipts() -> Select[Any]:
    """Return the query for deliveries with their batch and leaf."""
    joined = delivery.join(batch, batch.c.seq == delivery.c.seq).join(leaf, leaf.c.seq == delivery.c.seq)
    return select(delivery, batch.c.batch_id, leaf.c.leaf_hash, leaf.c.header).select_from(joined)


# Looked up by one column, the leading one of an index, and filtered here: SQLite answers a list of pairs with a full scan.
_WANTED: BindParameter[Any] = bindparam("wanted", expanding=True)
_BY_BATCH = _select_receipts().where(batch.c.batch_id == bindparam("batch_id")).order_by(delivery.c.first_record)
_BY_KEY = _select_receipts().where(delivery.c.idempotency_key.in_(_WANTED))
_BY_BODY = _select_receipts().where(delivery.c.body_sha256.in_(_WANTED)).order_by(delivery.c.seq.desc())


def _build_received(row: RowMapping) -> Received:
    receipt = Receipt(
        batch_id=row["batch_id"],
        seq=row["seq"],
        first_record=row["first_record"],
        records=row["records"],
        accepted=row["accepted"],
        quarantined=row["quarantined"],
        leaf_hash=row["leaf_hash"],
        header=row["header"],
        replayed=True,
    )
    return Received(receipt, row["body_sha256"])


def find_receipt(connection: Connection, batch_id: str) -> tuple[Receipt, ...]:
    """Return the receipts of a batch, one for each of its deliveries in order; none for an unknown batch."""
    rows = connection.execute(_BY_BATCH, {"batch_id": batch_id}).mappings()
    return tuple(_build_received(row).receipt for row in rows)


def find_by_key(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Received]:
    """Return received deliveries by (source, idempotency key)."""
    wanted = set(keys)
    if not wanted:
        return {}
    rows = connection.execute(_BY_KEY, {"wanted": [key for _, key in wanted]}).mappings()
    found = {(row["source"], row["idempotency_key"]): row for row in rows}
    return {identity: _build_received(found[identity]) for identity in wanted & found.keys()}


def find_by_body(
    connection: Connection, bodies: Iterable[tuple[str, bytes]], since: datetime
) -> dict[tuple[str, bytes], Received]:
    """Return the first delivery accepted at or after ``since`` by (source, SHA-256 of its body)."""
    wanted = set(bodies)
    if not wanted:
        return {}
    found: dict[tuple[str, bytes], Received] = {}
    for row in connection.execute(_BY_BODY, {"wanted": [digest for _, digest in wanted]}).mappings():
        identity = row["source"], row["body_sha256"]
        if identity in wanted and parse_instant(parse_header(row["header"]).fields["accepted"]) >= since:
            found[identity] = _build_received(row)
    return found

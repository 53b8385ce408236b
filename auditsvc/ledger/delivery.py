"""Deliveries: what the ingest side submits, and how duplicates are recognised."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from auditsvc.ledger.receipt import Received, find_by_body, find_by_key

Identity = tuple[str, str | bytes]
"""The identity of a delivery: its source, and its idempotency key or else the digest of its body."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request's records from one source, as submitted by the ingest side.

    Attributes:
        source: identifier of the source.
        kind: ``lines`` (every record ends with LF) or ``blob`` (one record, any bytes).
        body: the bytes to keep, decompressed, otherwise as received; at least one record.
        records: number of records of ``lines``, of items of a ``blob``.
        idempotency_key: the producer's name for this delivery, or None.
        body_sha256: SHA-256 the delivery is recognised by, 32 bytes.
        accepted, quarantined: counts stated in the receipt.
    """

    source: str
    kind: str
    body: bytes
    records: int
    idempotency_key: str | None
    body_sha256: bytes
    accepted: int
    quarantined: int

    @property
    def identity(self) -> Identity:
        """What identifies the delivery when it is sent again."""
        return self.source, self.body_sha256 if self.idempotency_key is None else self.idempotency_key


def find_received(connection: Connection, items: Iterable[Delivery], since: datetime) -> dict[Identity, Received]:
    """Return those of ``items`` already in the log: same source and key or, without a key, the same body since ``since``."""
    keys, bodies = [], []
    for item in items:
        if item.idempotency_key is None:
            bodies.append((item.source, item.body_sha256))
        else:
            keys.append((item.source, item.idempotency_key))
    found: dict[Identity, Received] = {}
    found.update(find_by_key(connection, keys).items())
    found.update(find_by_body(connection, bodies, since).items())
    return found

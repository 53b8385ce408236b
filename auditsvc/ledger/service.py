"""What the rest of auditsvc asks of the log: append entries, read leaves, proofs, checkpoints and receipts.

Functions that write take a connection inside ``begin_write``, so that a change and its leaf are one transaction.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, RowMapping, Select, select

from auditsvc.ground.clock import Clock
from auditsvc.ground.document import Bundle, parse_bundle
from auditsvc.ground.errors import LogError
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.proof import (
    checkpoint_at_least,
    consistency_proof,
    get_head,
    get_root,
    inclusion_proof,
    iter_checkpoints,
    latest_checkpoint,
)
from auditsvc.ledger.receipt import Receipt, find_receipt
from auditsvc.ledger.tables import batch, leaf
from auditsvc.ledger.write.appender import Appender, Head, Leaf

__all__ = [
    "Entry",
    "Head",
    "Leaf",
    "Receipt",
    "activate_bundle",
    "active_bundle",
    "append_entry",
    "checkpoint_at_least",
    "consistency_proof",
    "find_latest",
    "find_receipt",
    "get_head",
    "get_leaf",
    "get_root",
    "inclusion_proof",
    "iter_checkpoints",
    "iter_leaves",
    "latest_checkpoint",
    "record_act",
]

PAGE = 500
"""Leaves read from the database at once."""
_SAFE = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
"""Printable ASCII that stands as it is in a header value; ``%`` and everything else is percent-encoded."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry to append: its kind (not ``batch``) and its fields except ``seq`` and ``accepted``."""

    kind: str
    fields: Mapping[str, str]


def append_entry(connection: Connection, clock: Clock, origin: str, entry: Entry) -> Leaf:
    """Append an entry to the log in the caller's transaction and return its leaf.

    Raises:
        LogError: ``header_invalid`` when the fields are not those of the kind.
    """
    if entry.kind == "batch":
        raise LogError("header_invalid", "header: batches are appended by the committer only")
    appender = Appender(connection, clock, origin)
    appended = appender.add(entry.kind, entry.fields)
    appender.flush()
    return appended


def quote_value(text: str) -> str:
    """Return ``text`` as a header value: UTF-8, percent-encoded outside printable ASCII; ``-`` for nothing."""
    return quote(text, safe=_SAFE) or "-"


def record_act(
    connection: Connection,
    archive: Archive,
    clock: Clock,
    origin: str,
    *,
    actor: str,
    act: str,
    subject: str,
    detail: Mapping[str, Any],
) -> Leaf:
    """Append an administrative act: ``actor`` did ``act`` to ``subject``; ``detail`` is kept in the archive as JSON.

    The detail is written before the leaf, so a leaf never names what is not there.
    """
    data = json.dumps(dict(detail), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str).encode()
    fields = {
        "act": quote_value(act),
        "actor": quote_value(actor),
        "subject": quote_value(subject),
        "detail-sha256": archive.put_object(data).hex(),
    }
    return append_entry(connection, clock, origin, Entry("admin", fields))


def activate_bundle(
    connection: Connection, archive: Archive, clock: Clock, origin: str, *, kind: str, bundle: Bundle, actor: str
) -> Leaf:
    """Put a policy set (``kind`` ``policy``) or a catalogue (``catalog``) in force from this leaf on."""
    digest = archive.put_object(bundle.data)
    return append_entry(connection, clock, origin, Entry(kind, {"sha256": digest.hex(), "actor": quote_value(actor)}))


def find_latest(connection: Connection, kind: str, before: int | None = None) -> Leaf | None:
    """Return the last leaf of ``kind`` (not ``batch``), with ``seq < before`` when given, or None."""
    query = select(leaf).where(leaf.c.kind == kind, leaf.c.kind != "batch").order_by(leaf.c.seq.desc()).limit(1)
    if before is not None:
        query = query.where(leaf.c.seq < before)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _build_leaf(row)


def load_bundle_of(archive: Archive, entry: Leaf) -> Bundle:
    """Return the bundle that a ``policy`` or ``catalog`` leaf put in force.

    Raises:
        LogError: ``not_found`` or ``frame_corrupt`` when the archive does not hold it.
    """
    return parse_bundle(archive.get_object(bytes.fromhex(parse_header(entry.header).fields["sha256"])))


def active_bundle(connection: Connection, archive: Archive, kind: str) -> Bundle | None:
    """Return the policy set or catalogue in force, or None when none was ever put in force."""
    entry = find_latest(connection, kind)
    return None if entry is None else load_bundle_of(archive, entry)


def _select_leaves() -> Select[Any]:
    """Return the query for leaves with their frames' places."""
    joined = leaf.outerjoin(batch, batch.c.seq == leaf.c.seq)
    return select(leaf, batch.c.segment, batch.c.offset, batch.c.length).select_from(joined)


def _build_leaf(row: RowMapping) -> Leaf:
    """Return the leaf of a row."""
    found = Leaf(row["seq"], row["kind"], row["header"], row["leaf_hash"])
    if row.get("segment") is None:
        return found
    return replace(found, segment=row["segment"], offset=row["offset"], length=row["length"])


def get_leaf(connection: Connection, seq: int) -> Leaf:
    """Return leaf ``seq``.

    Raises:
        LogError: ``not_found`` when the log is not that long.
    """
    row = connection.execute(_select_leaves().where(leaf.c.seq == seq)).mappings().one_or_none()
    if row is None:
        raise LogError("not_found", f"log: there is no leaf {seq}")
    return _build_leaf(row)


def iter_leaves(connection: Connection, first: int, last: int | None = None) -> Iterator[Leaf]:
    """Give the leaves of ``[first, last)`` in order; without ``last``, to the end as it stands when reached."""
    while last is None or first < last:
        query = _select_leaves().where(leaf.c.seq >= first).order_by(leaf.c.seq).limit(PAGE)
        if last is not None:
            query = query.where(leaf.c.seq < last)
        rows = connection.execute(query).mappings().all()
        for row in rows:
            yield _build_leaf(row)
        if len(rows) < PAGE:
            return
        first = rows[-1]["seq"] + 1

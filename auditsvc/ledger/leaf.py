"""Leaves of the log, and reading them in the caller's transaction."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from auditsvc.ground.errors import LogError
from auditsvc.ledger.tables import batch, leaf

PAGE = 500
"""Leaves read from the database at once."""


@dataclass(frozen=True, slots=True)
class Head:
    """The current state of the log: ``size`` leaves under ``root_hash``; ``last_accepted`` is None while it is empty."""

    size: int
    root_hash: bytes
    last_accepted: datetime | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf of the log.

    Attributes:
        seq: leaf index, 0-based.
        kind: ``batch``, ``policy``, ``catalog``, ``key``, ``report`` or ``admin``.
        header: the entry the log commits to, see ``docs/ledger.md``; :func:`parse_header` reads it.
        leaf_hash: 32 bytes.
        segment, offset, length: where a batch's frame is stored; empty and 0 for other kinds.
    """

    seq: int
    kind: str
    header: str
    leaf_hash: bytes
    segment: str = ""
    offset: int = 0
    length: int = 0


def find_latest(connection: Connection, kind: str, before: int | None = None) -> Leaf | None:
    """Return the last leaf of ``kind`` (not ``batch``), with ``seq < before`` when given, or None."""
    query = select(leaf).where(leaf.c.kind == kind, leaf.c.kind != "batch").order_by(leaf.c.seq.desc()).limit(1)
    if before is not None:
        query = query.where(leaf.c.seq < before)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _build_leaf(row)


def iter_latest(connection: Connection, kind: str, before: int | None = None) -> Iterator[Leaf]:
    """Yield the leaves of ``kind`` (not ``batch``), newest first, with ``seq < before`` when given."""
    while True:
        query = select(leaf).where(leaf.c.kind == kind, leaf.c.kind != "batch").order_by(leaf.c.seq.desc()).limit(PAGE)
        rows = connection.execute(query if before is None else query.where(leaf.c.seq < before)).mappings().all()
        for row in rows:
            yield _build_leaf(row)
        if len(rows) < PAGE:
            return
        before = rows[-1]["seq"]


def _select_leaves() -> Select[Any]:
    """Return the query for leaves with the positions of their frames."""
    joined = leaf.outerjoin(batch, batch.c.seq == leaf.c.seq)
    return select(leaf, batch.c.segment, batch.c.offset, batch.c.length).select_from(joined)


def _build_leaf(row: RowMapping) -> Leaf:
    found = Leaf(row["seq"], row["kind"], row["header"], row["leaf_hash"])
    if row.get("segment") is None:
        return found
    return replace(found, segment=row["segment"], offset=row["offset"], length=row["length"])


def get_leaf(connection: Connection, seq: int) -> Leaf:
    """Return leaf ``seq``.

    Raises:
        LogError: ``not_found`` when the log is shorter.
    """
    row = connection.execute(_select_leaves().where(leaf.c.seq == seq)).mappings().one_or_none()
    if row is None:
        raise LogError("not_found", f"log: there is no leaf {seq}")
    return _build_leaf(row)


def iter_leaves(connection: Connection, first: int, last: int | None = None) -> Iterator[Leaf]:
    """Yield the leaves of ``[first, last)`` in order; without ``last``, up to the end of the log at the time it is reached."""
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

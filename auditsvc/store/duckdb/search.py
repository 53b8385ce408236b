"""Search over the embedded store: pages in order of time, and single events."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any
from uuid import UUID

from duckdb import DuckDBPyConnection

from auditsvc.ground.errors import StorageError
from auditsvc.ground.ids import EventUid
from auditsvc.store.duckdb.clause import Split, SqlClause
from auditsvc.store.duckdb.columns import READ_NAMES, build_table, build_uuids, quote, read_row
from auditsvc.store.query import Cursor, Order, Page
from auditsvc.store.rows import EventDigest, Half, StoredEvent

MAX_PAGE = 1_000
"""Maximum events of one page; more is an export, read page by page."""

EXPORT_PAGE = 10_000
"""Events an export reads at once: each page scans the rest of the interval, so small ones cost more."""
_SELECT = " ".join(["SELECT", ", ".join(quote(name) for name in READ_NAMES), "FROM event"])
_PLACE = '("time", "seq", "record", "item")'
_DIRECTIONS = {Order.NEWEST: ("<", "DESC"), Order.OLDEST: (">", "ASC")}


def read_page(cursor: DuckDBPyConnection, clause: SqlClause, limit: int, after: Cursor | None, order: Order) -> Page:
    """Return a page of at most :data:`MAX_PAGE` of the events that match ``clause``."""
    return _read_page(cursor, clause, max(1, min(limit, MAX_PAGE)), after, order)


def iter_events(cursor: DuckDBPyConnection, split: Split) -> Iterator[StoredEvent]:
    """Yield the events of a condition, oldest first, reading :data:`EXPORT_PAGE` at a time."""
    after: Cursor | None = None
    while True:
        page = _read_page(cursor, split.clause, EXPORT_PAGE, after, Order.OLDEST)
        for stored in page.events:
            if split.holds(stored.event):
                yield stored
        after = page.after
        if after is None:
            return


def _read_page(cursor: DuckDBPyConnection, clause: SqlClause, wanted: int, after: Cursor | None, order: Order) -> Page:
    comparison, direction = _DIRECTIONS[order]
    if after is not None:
        place = (after.time, after.seq, after.record, after.item)
        # the first comparison lets zone maps skip what the tuple comparison cannot
        clause = clause.and_(f'"time" {comparison}= ? AND {_PLACE} {comparison} (?, ?, ?, ?)', after.time, *place)
    ordering = f'ORDER BY "time" {direction}, "seq" {direction}, "record" {direction}, "item" {direction} LIMIT ?'
    picked = " ".join(["WHERE rowid IN (SELECT rowid FROM event WHERE", clause.text, ordering, ")"])
    text = " ".join([_SELECT, picked, ordering])
    rows = cursor.execute(text, [*clause.params, wanted + 1, wanted + 1]).fetchall()
    events = tuple(read_row(READ_NAMES, row) for row in rows[:wanted])
    return Page(events, _build_cursor(events[-1]) if len(rows) > wanted else None)


def _build_cursor(stored: StoredEvent) -> Cursor:
    """Return the cursor of an event, its position in the order of pages."""
    return Cursor(stored.time_ns, stored.seq, stored.record, stored.item)


def list_rows(cursor: DuckDBPyConnection, column: str, value: bytes) -> list[StoredEvent]:
    """Return the rows with one id, in ledger order; ``column`` is ``uid`` or ``access_key``."""
    text = " ".join([_SELECT, "WHERE", quote(column), '= ? ORDER BY "seq", "record", "item"'])
    rows = cursor.execute(text, [UUID(bytes=value)]).fetchall()
    return [read_row(READ_NAMES, row) for row in rows]


def get_event(cursor: DuckDBPyConnection, uid: EventUid) -> StoredEvent:
    """Return the first row stored under ``uid``."""
    rows = list_rows(cursor, "uid", uid)
    if not rows:
        raise StorageError("not_found", f"no event `{uid.hex()}`", uid=uid.hex())
    return rows[0]


def find_uids(cursor: DuckDBPyConnection, uids: Collection[EventUid]) -> dict[EventUid, frozenset[EventDigest]]:
    """Return the stored uids among ``uids`` with their digests."""
    rows = _semi_join(
        cursor, "SELECT uid, coalesce(digest, leaf_hash) FROM event WHERE uid IN (SELECT id FROM wanted)", uids
    )
    found: dict[EventUid, set[EventDigest]] = {}
    for uid, digest in rows:
        found.setdefault(EventUid(uid.bytes), set()).add(EventDigest(digest))
    return {uid: frozenset(digests) for uid, digests in found.items()}


def find_halves(cursor: DuckDBPyConnection, keys: Collection[bytes], first_ns: int, last_ns: int) -> list[Half]:
    """Return stored sides of calls, in ledger order; duplicates and conflicting events are not sides."""
    text = """
        SELECT access_key, uid, side, "time", partner, "seq", "record", "item" FROM event
        WHERE access_key IN (SELECT id FROM wanted) AND "time" >= ? AND "time" < ? AND side IS NOT NULL
          AND NOT coalesce(list_has_any(quality, ['duplicate', 'id_conflict']), false)
        ORDER BY "seq", "record", "item"
    """
    rows = _semi_join(cursor, text, keys, [first_ns, last_ns])
    return [
        Half(key.bytes, EventUid(uid.bytes), side, time, None if partner is None else EventUid(partner.bytes), *place)
        for key, uid, side, time, partner, *place in rows
    ]


def _semi_join(
    cursor: DuckDBPyConnection, text: str, ids: Collection[bytes], params: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that compares with the ids in ``wanted``."""
    if not ids:
        return []
    cursor.register("wanted", build_table([build_uuids("id", list(ids))]))
    return cursor.execute(text, list(params)).fetchall()

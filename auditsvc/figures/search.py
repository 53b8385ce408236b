"""Searching events: what a search is, its pages in order, and the figures of everything it finds.

API and console ask here, so that one search finds the same events on each. A place between two pages is written as
one word, ``TIME.LEAF.RECORD.ITEM`` of the last row.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from auditsvc.condition.ast import Node
from auditsvc.condition.evaluate import EMPTY_CONTEXT, Context
from auditsvc.event.model import Event
from auditsvc.event.time import MAX_TIME_NS, MIN_TIME_NS
from auditsvc.figures.traffic import select_accesses
from auditsvc.ground.errors import InputError
from auditsvc.ground.ids import EventUid, FindingKey
from auditsvc.store.port import EventStore
from auditsvc.store.query import Cursor, EventQuery, NoValue, Order, RowSet, TimeBucket, TimeUnit
from auditsvc.store.rows import Finding, StoredEvent
from auditsvc.store.summary import count_by_time, count_rows, rank_values

UNITS = tuple(unit.value for unit in TimeUnit)
"""Lengths of the buckets a search can be counted in."""
NEWEST, OLDEST = Order.NEWEST.value, Order.OLDEST.value
"""Orders of a search: which event comes first."""
_CURSOR = re.compile(r"([0-9]{1,19})\.([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class EventSearch:
    """Which events are searched for.

    Attributes:
        where: a condition, None for all.
        first_ns, last_ns: event time in ``[first_ns, last_ns)``.
        context: lists and calendars that the condition may name.
        with_repeats: also what is no access: repeats, second halves of calls, probes and heartbeats.
    """

    where: Node | None
    first_ns: int
    last_ns: int
    context: Context = EMPTY_CONTEXT
    with_repeats: bool = False

    @property
    def query(self) -> EventQuery:
        """The question to the event store."""
        rows = RowSet.ALL if self.with_repeats else RowSet.COUNTED
        return select_accesses(self.where, self.first_ns, self.last_ns, context=self.context, rows=rows)


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """One stored row, and where its record stands in the ledger: leaf, 0-based record of the batch, item of the record."""

    uid: EventUid
    event: Event
    seq: int
    record: int
    item: int
    access_key: bytes | None


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Some events in order; ``after`` is where the next page starts, empty on the last one."""

    events: tuple[FoundEvent, ...]
    after: str


@dataclass(frozen=True, slots=True)
class JudgedEvent:
    """An event with the reason that a finding gives, empty without a finding."""

    uid: EventUid
    event: Event
    reason: str


@dataclass(frozen=True, slots=True)
class EventIndex:
    """What may be asked about single events; may be used by any thread.

    Raises:
        StorageError: ``storage_unavailable`` from each method when the store does not answer.
    """

    store: EventStore

    def find_page(self, search: EventSearch, *, limit: int, after: str = "", order: str = NEWEST) -> FoundPage:
        """Return at most ``limit`` events behind the place ``after``, from the beginning without one.

        Raises:
            InputError: ``field_invalid`` for a place that was not given out.
        """
        page = self.store.search(search.query, limit=limit, after=parse_cursor(after), order=Order(order))
        return FoundPage(tuple(map(_build_found, page.events)), format_cursor(page.after))

    def iter_all(self, search: EventSearch) -> Iterator[FoundEvent]:
        """Yield every event of a search, oldest first."""
        return map(_build_found, self.store.iter_events(search.query))

    def count(self, search: EventSearch) -> int:
        """Return how many events a search finds on all its pages together."""
        return count_rows(self.store, search.query)

    def count_by_unit(self, search: EventSearch, unit: str, zone: ZoneInfo) -> dict[int, int]:
        """Return first instant of a bucket to its events, in order of time; buckets without events are left out."""
        return dict(count_by_time(self.store, search.query, TimeBucket(TimeUnit(unit), zone)))

    def rank_values(self, search: EventSearch, field: str, limit: int) -> list[tuple[str, int]]:
        """Return the most frequent values of a field with their numbers; missing and null, among the ``limit``, left out."""
        ranked = rank_values(self.store, search.query, field, limit)
        return [(str(key), count) for key, count in ranked if not isinstance(key, NoValue)]

    def get(self, uid: EventUid) -> FoundEvent:
        """Return the first row stored under ``uid``; raise ``StorageError`` (``not_found``) when there is none."""
        return _build_found(self.store.get_event(uid))

    def list_rows(self, uid: EventUid) -> list[FoundEvent]:
        """Return every row stored under ``uid``, in ledger order: the event, its duplicates and conflicts."""
        return [_build_found(row) for row in self.store.list_rows(uid)]

    def list_partners(self, found: FoundEvent) -> list[FoundEvent]:
        """Return the other events that are sides of the same call, in ledger order."""
        if not found.access_key:
            return []
        rows = self.store.list_partners(found.access_key)
        return [_build_found(row) for row in rows if row.uid != found.uid]

    def list_judged(self, wanted: Sequence[tuple[FindingKey, EventUid]]) -> list[JudgedEvent]:
        """Return the events of findings in the given order; of one whose month was removed, what its finding says of it.

        Raises:
            StorageError: ``not_found`` when there is neither event nor finding.
        """
        found = {finding.key: finding for finding in self.store.get_findings([key for key, _ in wanted])}
        return [
            JudgedEvent(uid, _find_event(self.store, uid, found.get(key)), found[key].reason if key in found else "")
            for key, uid in wanted
        ]

    def find_newest_ns(self, before_ns: int) -> int | None:
        """Return the time of the newest row before an instant, None when there is none."""
        page = self.store.search(EventQuery(None, MIN_TIME_NS, before_ns, rows=RowSet.ALL), limit=1)
        return page.events[0].time_ns if page.events else None

    def find_span_ns(self) -> tuple[int, int] | None:
        """Return the times of the oldest and the newest row, future ones included; None when there is none."""
        query = EventQuery(None, MIN_TIME_NS, MAX_TIME_NS, rows=RowSet.ALL)
        pages = [self.store.search(query, limit=1, order=order) for order in (Order.OLDEST, Order.NEWEST)]
        times = [page.events[0].time_ns for page in pages if page.events]
        return (times[0], times[-1]) if times else None


def format_cursor(cursor: Cursor | None) -> str:
    """Return a place as one word, empty for none."""
    return "" if cursor is None else f"{cursor.time}.{cursor.seq}.{cursor.record}.{cursor.item}"


def parse_cursor(text: str) -> Cursor | None:
    """Return the place of a word, None for an empty one.

    Raises:
        InputError: ``field_invalid`` for a word that is no place.
    """
    if not text:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise InputError("field_invalid", f"cursor: `{text[:80]}` is not a place this service gave out")
    time, seq, record, item = map(int, found.groups())
    return Cursor(time, seq, record, item)


def _build_found(stored: StoredEvent) -> FoundEvent:
    return FoundEvent(stored.uid, stored.event, stored.seq, stored.record, stored.item, stored.access_key)


def _find_event(store: EventStore, uid: EventUid, finding: Finding | None) -> Event:
    """Return the event of a finding; of one whose month was removed, what the finding says of it.

    Raises:
        StorageError: ``not_found`` when there is neither.
    """
    if finding is None:
        return store.get_event(uid).event
    rows = store.list_rows(uid)
    if rows:
        return rows[0].event
    known = {
        "time": finding.time,
        "outcome": finding.outcome,
        "consumer.org": finding.consumer,
        "interface.id": finding.interface,
        "provider.org": finding.provider,
        "project.id": finding.project,
        "source_id": finding.source_id,
        "seq": finding.seq,
        "record": finding.record,
        "item": finding.item,
    }
    return {name: value for name, value in known.items() if value is not None}

"""The scope of a figure: one store, an interval of event time, and the time zone of its days and hours."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from auditsvc.condition.ast import Node
from auditsvc.event.time import MAX_TIME_NS, MIN_TIME_NS, to_datetime
from auditsvc.figures.period import Period, bounds_ns
from auditsvc.store.port import EventStore
from auditsvc.store.query import (
    COUNT,
    AggregateRow,
    By,
    EventQuery,
    FindingQuery,
    Measure,
    RowSet,
    TimeBucket,
    TimeUnit,
)

MISSING = "-"
"""Name of the group of missing and null values where figures are keyed by a field's value."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What figures are computed from.

    Attributes:
        store: the event store.
        zone: time zone of days and hours.
        first_ns, last_ns: event time in ``[first_ns, last_ns)``, nanoseconds since 1970-01-01T00:00:00Z.
    """

    store: EventStore
    zone: ZoneInfo
    first_ns: int
    last_ns: int

    @classmethod
    def of_days(cls, store: EventStore, zone: ZoneInfo, period: Period) -> "Scope":
        """Return the scope of whole local days."""
        return cls(store, zone, *bounds_ns(period, zone))

    @classmethod
    def of_all(cls, store: EventStore, zone: ZoneInfo) -> "Scope":
        """Return the scope of all events, whatever their time."""
        return cls(store, zone, MIN_TIME_NS, MAX_TIME_NS)

    def query(self, where: Node | None, rows: RowSet = RowSet.COUNTED) -> EventQuery:
        """Return the query for the events of the scope for which ``where`` is true."""
        return EventQuery(where, self.first_ns, self.last_ns, rows=rows)

    def aggregate(
        self, where: Node | None, *by: By, measures: tuple[Measure, ...] = (COUNT,), rows: RowSet = RowSet.COUNTED
    ) -> list[AggregateRow]:
        """Return exact aggregates over the events for which ``where`` is true."""
        return self.store.aggregate(self.query(where, rows), by, measures)

    def count_findings(self, equal: Mapping[str, Collection[str]], *by: By) -> list[AggregateRow]:
        """Return numbers of findings; an empty collection of values matches nothing."""
        return self.store.count_findings(FindingQuery(self.first_ns, self.last_ns, equal), by)

    def bucket(self, unit: TimeUnit) -> TimeBucket:
        """Return a time bucket in the scope's zone."""
        return TimeBucket(unit, self.zone)

    def local_day(self, instant_ns: int) -> date:
        """Return the local day of an instant."""
        return to_datetime(instant_ns).astimezone(self.zone).date()

    def local_hour(self, instant_ns: int) -> int:
        """Return the local hour of the day of an instant, 0 to 23."""
        return to_datetime(instant_ns).astimezone(self.zone).hour

    def local_days(self) -> list[date]:
        """Return the local days that the scope overlaps, in order."""
        first, last = self.local_day(self.first_ns), self.local_day(self.last_ns - 1)
        return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]

    def before(self) -> "Scope":
        """Return the scope of everything up to the scope's end."""
        return Scope(self.store, self.zone, 0, self.last_ns)


def name_values(rows: list[AggregateRow]) -> dict[str, int]:
    """Return value to count for rows grouped by one field; missing and null are one group, :data:`MISSING`."""
    found: dict[str, int] = {}
    for row in rows:
        name = row.text() or MISSING
        found[name] = found.get(name, 0) + row.count
    return found

"""The figures of the Today page, each from the one place that answers for it."""

from dataclasses import dataclass
from datetime import datetime

from auditsvc.alerts.model import AlertState
from auditsvc.alerts.service import count_alerts
from auditsvc.catalog.coverage import HOUR_NS, Cell, expect_cells
from auditsvc.catalog.model import Catalog
from auditsvc.console.period import DAY_NS, ShownPeriod, list_buckets
from auditsvc.event.time import MAX_TIME_NS, MIN_TIME_NS
from auditsvc.ground.bilingual import Text
from auditsvc.ground.database import read_session
from auditsvc.ledger.proof import get_head, latest_checkpoint
from auditsvc.policy.model import PolicySet
from auditsvc.runtime.services import Services
from auditsvc.store.port import EventStore
from auditsvc.store.query import AggregateQuery, FindingQuery, TimeBucket, TimeUnit

SEVERITIES = ("critical", "high", "medium", "low")
"""Severest first."""
_TOP = 6
"""Policies listed by violations."""
_HOLES = 8
"""Interfaces listed with holes."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything recorded since the first delivery.

    Attributes:
        events: rows of the event store, duplicates included.
        quarantined: records that gave no event.
        leaves: leaves of the log.
        waiting: leaves the engine has not judged yet.
    """

    events: int
    quarantined: int
    leaves: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Signed:
    """The last checkpoint: leaves it covers, its root, and when the newest leaf was accepted."""

    size: int
    root_hash: bytes
    last_accepted: datetime | None


@dataclass(frozen=True, slots=True)
class PolicyCount:
    """How often a policy was violated in the period; ``title`` is None for a policy no longer in the set."""

    policy_id: str
    title: Text | None
    severity: str
    count: int


@dataclass(frozen=True, slots=True)
class Hole:
    """An interface with hours in which data or a heartbeat was due and none came."""

    interface: str
    missing: int
    due: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Interface-hours due and covered in the last day of the period; ``share`` is None when none was due."""

    due: int
    covered: int
    holes: tuple[Hole, ...]

    @property
    def share(self) -> float | None:
        """Covered hours as a share of those due."""
        return self.covered / self.due if self.due else None


@dataclass(frozen=True, slots=True)
class DayCount:
    """One bucket of the chart: its interval, its events, and how many of them violated a policy."""

    first_ns: int
    last_ns: int
    events: int
    violated: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the page shows."""

    totals: Totals
    signed: Signed | None
    open_alerts: dict[str, int]
    new_alerts: int
    course: tuple[DayCount, ...]
    policies: tuple[PolicyCount, ...]
    coverage: Coverage
    silent_sources: tuple[str, ...]
    catalog: Catalog | None
    policy_set: PolicySet | None


def build_overview(services: Services, period: ShownPeriod) -> Overview:
    """Return the figures as of now; the course and the policies are those of ``period``."""
    catalog, policy_set = services.versions.find().find_catalog(), services.versions.find().find_policy_set()
    open_alerts, new_alerts = _count_open_alerts(services)
    totals, signed = _read_ledger(services)
    return Overview(
        totals=totals,
        signed=signed,
        open_alerts=open_alerts,
        new_alerts=new_alerts,
        course=_draw_course(services.store, period),
        policies=_rank_policies(services.store, policy_set, period),
        coverage=measure_coverage(services.store, catalog, period.last_ns),
        silent_sources=_list_silent_sources(services, catalog),
        catalog=catalog,
        policy_set=policy_set,
    )


def measure_coverage(store: EventStore, catalog: Catalog | None, last_ns: int) -> Coverage:
    """Return the coverage of the whole hours of the day that ends at ``last_ns``; heartbeats count as data."""
    if catalog is None:
        return Coverage(0, 0, ())
    first_ns = last_ns - DAY_NS
    seen = _list_seen_cells(store, catalog, first_ns, last_ns)
    due: dict[str, int] = {}
    missing: dict[str, int] = {}
    for cell in expect_cells(catalog, first_ns, last_ns):
        due[cell.interface] = due.get(cell.interface, 0) + 1
        if cell not in seen:
            missing[cell.interface] = missing.get(cell.interface, 0) + 1
    holes = sorted((Hole(name, count, due[name]) for name, count in missing.items()), key=lambda hole: -hole.missing)
    total = sum(due.values())
    return Coverage(total, total - sum(missing.values()), tuple(holes[:_HOLES]))


def _list_seen_cells(store: EventStore, catalog: Catalog, first_ns: int, last_ns: int) -> set[Cell]:
    """Return the interface-hours with at least one record of any kind."""
    hour = TimeBucket(TimeUnit.HOUR, catalog.city.zone)
    start = first_ns // HOUR_NS * HOUR_NS
    query = AggregateQuery(None, start, last_ns, by=("interface.id", hour), include_uncounted=True)
    return {
        Cell(row.key[0], row.key[1])
        for row in store.aggregate(query)
        if isinstance(row.key[0], str) and isinstance(row.key[1], int)
    }


def _count_open_alerts(services: Services) -> tuple[dict[str, int], int]:
    """Return open alerts by severity, severest first, and how many of them nobody has acknowledged."""
    with read_session(services.ledger.database) as session:
        counts = count_alerts(session)
    by_severity = {
        severity: sum(
            count for (one, state), count in counts.items() if one == severity and state is not AlertState.CLOSED
        )
        for severity in SEVERITIES
    }
    return by_severity, sum(count for (_, state), count in counts.items() if state is AlertState.NEW)


def _read_ledger(services: Services) -> tuple[Totals, Signed | None]:
    """Return the totals and the last checkpoint."""
    with services.ledger.database.connect() as connection:
        head = get_head(connection)
        checkpoint = latest_checkpoint(connection)
    totals = Totals(
        events=services.store.count(None, MIN_TIME_NS, MAX_TIME_NS),
        quarantined=sum(services.store.count_quarantine(MIN_TIME_NS, MAX_TIME_NS).values()),
        leaves=head.size,
        waiting=max(head.size - services.store.position().next.seq, 0),
    )
    signed = None if checkpoint is None else Signed(checkpoint.size, checkpoint.root_hash, head.last_accepted)
    return totals, signed


def _draw_course(store: EventStore, period: ShownPeriod) -> tuple[DayCount, ...]:
    """Return events and violated ones for every bucket of the period, empty buckets included."""
    query = AggregateQuery(None, period.first_ns, period.last_ns, by=(period.bucket, "verdict"))
    events: dict[object, int] = {}
    violated: dict[object, int] = {}
    for row in store.aggregate(query):
        count = int(str(row.values[0]))
        events[row.key[0]] = events.get(row.key[0], 0) + count
        if row.key[1] == "violated":
            violated[row.key[0]] = count
    return tuple(
        DayCount(first, last, events.get(first, 0), violated.get(first, 0)) for first, last in list_buckets(period)
    )


def _rank_policies(store: EventStore, policy_set: PolicySet | None, period: ShownPeriod) -> tuple[PolicyCount, ...]:
    """Return the policies violated most in the period."""
    query = FindingQuery(period.first_ns, period.last_ns, {"kind": ("violation",), "status": ("active",)})
    rows = store.count_findings(query, by=("policy_id", "severity"))
    counted = [(int(str(row.values[0])), str(row.key[0]), str(row.key[1])) for row in rows]
    ranked = sorted(counted, key=lambda item: -item[0])[:_TOP]
    known = {policy.id: policy.title for policy in policy_set.policies} if policy_set else {}
    return tuple(PolicyCount(policy, known.get(policy), severity, count) for count, policy, severity in ranked)


def _list_silent_sources(services: Services, catalog: Catalog | None) -> tuple[str, ...]:
    """Return the sources of the catalogue that delivered nothing in the last day."""
    if catalog is None:
        return ()
    now_ns = services.ledger.clock.now_ns()
    heard = {stat.source for stat in services.store.batch_stats(now_ns - DAY_NS, now_ns + 1)}
    return tuple(source for source in sorted(catalog.sources) if source not in heard)

"""The exact aggregates over the business accesses of one project's interfaces, from which indicators are computed."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from auditsvc.catalog.model import Catalog, Project, ServiceLevel
from auditsvc.condition.ast import All, Exists, Node, Not, build_equals, build_range
from auditsvc.event.fields import get_field
from auditsvc.figures.coverage import measure_coverage
from auditsvc.figures.rounding import percent
from auditsvc.figures.scope import MISSING, Scope, name_values
from auditsvc.figures.traffic import BUSINESS, SUCCESS
from auditsvc.figures.violations import count_by_value
from auditsvc.store.query import AggregateRow, Measure, MeasureKind, TimeUnit

NIGHT_HOURS = range(5)
"""Night hours, [00:00, 05:00) local time."""
MINUTES_A_HOUR = 60
CONSUMER_FAULT = range(400, 500)
"""HTTP statuses of failures the caller caused; every other failure counts as the provider's."""
PROVIDER_FAULT = All(
    (
        build_equals("outcome", "failure"),
        Not(All((Exists(get_field("http.status")), build_range("http.status", 400, 500)))),
    )
)
FIRST_TIME = Measure(MeasureKind.MIN, "time")


@dataclass(frozen=True, slots=True)
class InterfaceUse:
    """Successful business accesses of one interface in the period: how many and on how many local days."""

    successes: int
    active_days: int


@dataclass(frozen=True, slots=True)
class Minutes:
    """Interface-minutes within the hours of the service level.

    ``faulty`` had a provider fault and no success; ``observed`` had any traffic or probe; ``window`` is their total number.
    """

    faulty: int
    observed: int
    window: int


@dataclass(frozen=True, slots=True)
class ProjectUse:
    """Exact aggregates over the counted accesses of one project's interfaces in one period.

    Attributes:
        interfaces: by interface id, those with at least one success.
        delivered: interfaces with a success on or before the period's end.
        events: business accesses; ``successes`` those that succeeded.
        provider_faults, consumer_faults, denied: the accesses that failed, by the side at fault.
        cross: consumer organisation to successes where it is not the provider.
        own: successes where consumer and provider are one organisation.
        night: successes at night, in :data:`NIGHT_HOURS` of local time.
        verdicts: verdict to business accesses.
        violations: severity to violations of active policies.
        minutes: for availability; None when the project has no service level.
        expected_cells, covered_cells: (interface, hour) cells due, and those with data or a heartbeat.
    """

    interfaces: Mapping[str, InterfaceUse]
    delivered: frozenset[str]
    events: int
    successes: int
    provider_faults: int
    consumer_faults: int
    denied: int
    cross: Mapping[str, int]
    own: int
    night: int
    verdicts: Mapping[str, int]
    violations: Mapping[str, int]
    minutes: Minutes | None
    expected_cells: int
    covered_cells: int

    @property
    def coverage(self) -> Decimal | None:
        """Log completeness in per cent; None when no log is due."""
        return percent(self.covered_cells, self.expected_cells) if self.expected_cells else None


def list_project_interfaces(catalog: Catalog, project: Project) -> tuple[str, ...]:
    """Return ids of the interfaces promised by a project or registered as its own, sorted."""
    own = {key for key, interface in catalog.interfaces.items() if interface.project == project.id}
    return tuple(sorted(own | set(project.interfaces)))


def measure_project_use(scope: Scope, catalog: Catalog, project: Project) -> ProjectUse:
    """Return the aggregates of one project's interfaces; all are zero when it has none."""
    interfaces = list_project_interfaces(catalog, project)
    of_project = build_equals("interface.id", *interfaces)
    business = All((of_project, BUSINESS))
    success = All((of_project, BUSINESS, SUCCESS))
    by_interface = _count_interface_days(scope, success)
    cross, own = _count_cross(scope, success)
    failures = _count_failures(scope, business)
    coverage = measure_coverage(scope, catalog, interfaces)
    return ProjectUse(
        interfaces=by_interface,
        delivered=frozenset(name_values(scope.before().aggregate(success, "interface.id"))),
        events=sum(row.count for row in scope.aggregate(business)),
        successes=sum(use.successes for use in by_interface.values()),
        provider_faults=failures["provider"],
        consumer_faults=failures["consumer"],
        denied=failures["denied"],
        cross=cross,
        own=own,
        night=_count_night(scope, success),
        verdicts=name_values(scope.aggregate(business, "verdict")),
        violations=count_by_value(scope, "severity", {"interface.id": interfaces}),
        minutes=None if project.sla is None else _count_minutes(scope, of_project, len(interfaces), project.sla),
        expected_cells=coverage.due,
        covered_cells=coverage.covered,
    )


def find_log_begin(scope: Scope) -> date | None:
    """Return the local day of the first business access up to the scope's end, or None when there is none."""
    return next(
        iter(_list_first_days(scope, scope.before().aggregate(BUSINESS, measures=(FIRST_TIME,))).values()), None
    )


def list_first_seen(scope: Scope, catalog: Catalog, project: Project) -> dict[str, date]:
    """Return the local day of the first success by interface and by consumer of a project, up to the scope's end."""
    interfaces = {*list_project_interfaces(catalog, project)}
    interfaces.update(name for milestone in project.milestones for name in milestone.interfaces)
    success = All((build_equals("interface.id", *sorted(interfaces)), BUSINESS, SUCCESS))
    seen: dict[str, date] = {}
    for name in ("interface.id", "consumer.org"):
        seen |= _list_first_days(scope, scope.before().aggregate(success, name, measures=(FIRST_TIME,)))
    return seen


def _list_first_days(scope: Scope, rows: list[AggregateRow]) -> dict[str, date]:
    """Return the local day of the first event by group; groups without events are omitted."""
    found: dict[str, date] = {}
    for row in rows:
        first_ns = row.whole()
        if first_ns is not None:
            found[(row.text() if row.key else None) or MISSING] = scope.local_day(first_ns)
    return found


def _count_interface_days(scope: Scope, success: Node) -> dict[str, InterfaceUse]:
    """Return successes and active days by interface."""
    calls: Counter[str] = Counter()
    days: Counter[str] = Counter()
    for row in scope.aggregate(success, "interface.id", scope.bucket(TimeUnit.DAY)):
        name = row.text() or MISSING
        calls[name] += row.count
        days[name] += 1
    return {name: InterfaceUse(calls[name], days[name]) for name in sorted(calls)}


def _count_cross(scope: Scope, success: Node) -> tuple[dict[str, int], int]:
    """Return successes by consumer where it is not the provider, and successes where it is."""
    cross: Counter[str] = Counter()
    own = 0
    for row in scope.aggregate(success, "consumer.org", "provider.org"):
        consumer, provider = row.text(0), row.text(1)
        if consumer is None:
            continue
        if consumer == provider:
            own += row.count
        else:
            cross[consumer] += row.count
    return dict(sorted(cross.items())), own


def _count_failures(scope: Scope, business: Node) -> dict[str, int]:
    """Return the number of failed accesses by the side at fault."""
    found = {"provider": 0, "consumer": 0, "denied": 0}
    for row in scope.aggregate(business, "outcome", "http.status"):
        outcome, status = row.text(0), row.number(1)
        if outcome == "denied":
            found["denied"] += row.count
        elif outcome == "failure":
            by_consumer = status is not None and status in CONSUMER_FAULT
            found["consumer" if by_consumer else "provider"] += row.count
    return found


def _count_night(scope: Scope, success: Node) -> int:
    """Return successes at night, in local time."""
    rows = scope.aggregate(success, scope.bucket(TimeUnit.HOUR))
    return sum(row.count for row in rows if scope.local_hour(row.instant()) in NIGHT_HOURS)


def _count_minutes(scope: Scope, of_project: Node, interfaces: int, sla: ServiceLevel) -> Minutes:
    """Return interface-minutes within the hours of the service level."""
    hours = range(sla.start_hour, sla.end_hour)
    served = All((of_project, build_equals("traffic", "business", "probe")))
    observed = _list_minutes(scope, served, hours)
    good = _list_minutes(scope, All((served, SUCCESS)), hours)
    faulty = _list_minutes(scope, All((served, PROVIDER_FAULT)), hours)
    window = interfaces * len(hours) * MINUTES_A_HOUR * len(scope.local_days())
    return Minutes(faulty=len(faulty - good), observed=len(observed), window=window)


def _list_minutes(scope: Scope, where: Node, hours: range) -> set[tuple[str, int]]:
    """Return the (interface, minute) pairs with an event, in the given local hours."""
    rows = scope.aggregate(where, "interface.id", scope.bucket(TimeUnit.MINUTE))
    return {(row.text() or MISSING, row.instant(1)) for row in rows if scope.local_hour(row.instant(1)) in hours}

"""Data of the Today page, assembled from the figures."""

from dataclasses import dataclass

from auditsvc.catalog.model import Catalog
from auditsvc.console.period import ShownPeriod
from auditsvc.figures import traffic, violations
from auditsvc.figures.alerts import OpenAlerts, count_open_alerts
from auditsvc.figures.coverage import Coverage, measure_coverage
from auditsvc.figures.deliveries import DeliveryTotals, list_silent_sources, measure_deliveries
from auditsvc.figures.lag import LogStatus, read_log_status
from auditsvc.figures.scope import Scope
from auditsvc.figures.time_axis import DAY_NS
from auditsvc.figures.violations import PolicyFindings
from auditsvc.ground.bilingual import Text
from auditsvc.ground.database import read_session
from auditsvc.policy.model import PolicySet
from auditsvc.runtime.services import Services

_TOP = 6
"""Policies listed by violations."""


@dataclass(frozen=True, slots=True)
class ViolatedPolicy:
    """A policy with its violations in the period; ``title`` is None if it is no longer in the set."""

    findings: PolicyFindings
    title: Text | None


@dataclass(frozen=True, slots=True)
class DayCount:
    """One bucket of the chart: its interval, its accesses, and how many of them violated a policy."""

    first_ns: int
    last_ns: int
    events: int
    violated: int


@dataclass(frozen=True, slots=True)
class Overview:
    """All data of the page.

    Attributes:
        accesses: accesses since the first delivery.
        coverage: of the last day of the period.
        silent_sources: those that delivered nothing in the last 24 hours.
    """

    log: LogStatus
    deliveries: DeliveryTotals
    accesses: int
    alerts: OpenAlerts
    course: tuple[DayCount, ...]
    policies: tuple[ViolatedPolicy, ...]
    coverage: Coverage
    silent_sources: tuple[str, ...]
    catalog: Catalog | None
    policy_set: PolicySet | None


def build_overview(services: Services, period: ShownPeriod) -> Overview:
    """Return the current figures; counts over time and policies are those of ``period``."""
    in_force = services.versions.find()
    catalog, policy_set = in_force.find_catalog(), in_force.find_policy_set()
    store, zone, now_ns = services.store, services.settings.zone, services.ledger.clock.now_ns()
    shown = Scope(store, zone, period.first_ns, period.last_ns)
    with read_session(services.ledger.database) as session:
        alerts = count_open_alerts(session)
    return Overview(
        log=read_log_status(services.ledger),
        deliveries=measure_deliveries(store),
        accesses=traffic.count_accesses(Scope.of_all(store, zone)),
        alerts=alerts,
        course=_list_course(shown, period),
        policies=_rank_policies(shown, policy_set),
        coverage=measure_coverage(Scope(store, zone, period.last_ns - DAY_NS, period.last_ns), catalog),
        silent_sources=list_silent_sources(store, catalog, now_ns - DAY_NS, now_ns + 1),
        catalog=catalog,
        policy_set=policy_set,
    )


def _list_course(shown: Scope, period: ShownPeriod) -> tuple[DayCount, ...]:
    """Return accesses and violating ones for every bucket of the period, empty buckets included."""
    counts = traffic.count_by_time(shown, period.axis.bucket)
    none = traffic.TimeCount(0, 0)
    return tuple(
        DayCount(first, last, counts.get(first, none).accesses, counts.get(first, none).violated)
        for first, last in period.axis.list_buckets()
    )


def _rank_policies(shown: Scope, policy_set: PolicySet | None) -> tuple[ViolatedPolicy, ...]:
    """Return the policies violated most in the period."""
    found = [one for one in violations.count_by_policy(shown).values() if one.violations]
    ranked = sorted(found, key=lambda one: (-one.violations, one.policy_id))[:_TOP]
    titles = {policy.id: policy.title for policy in policy_set.policies} if policy_set else {}
    return tuple(ViolatedPolicy(one, titles.get(one.policy_id)) for one in ranked)

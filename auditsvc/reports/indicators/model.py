"""What an indicator is computed from and what it gives; "not computable" is a result, zero is a claim."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum

FULL_COVERAGE = Decimal("95.00")
"""Log completeness (I-20) from which figures stand without reserve."""
LEAST_COVERAGE = Decimal("50.00")
"""Log completeness below which nothing is computed from the log."""


class State(Enum):
    """How far a figure can be relied on."""

    COMPUTED = "computed"
    QUALIFIED = "qualified"
    NOT_COMPUTABLE = "not_computable"


@dataclass(frozen=True, slots=True)
class IndicatorValue:
    """One indicator of one project and period.

    Attributes:
        id: ``I-01`` …; ``formula_version`` says which formula of docs/reports.md.
        value: in ``unit``, rounded half to even; None when not computable.
        numerator, denominator: exact figures the value is the quotient of.
        coverage: log completeness in per cent, None when no log is due.
        reason: a key of the reasons in docs/reports.md when the state is not ``computed``, else empty.
        detail: further figures by name.
    """

    id: str
    value: Decimal | None
    unit: str
    numerator: Decimal | int | None
    denominator: Decimal | int | None
    coverage: Decimal | None
    state: State
    reason: str = ""
    formula_version: int = 1
    detail: Mapping[str, Decimal | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Period:
    """Local days ``first`` to ``last``, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class InterfaceUse:
    """Successful business accesses of one interface in the period: how many and on how many local days."""

    successes: int
    active_days: int


@dataclass(frozen=True, slots=True)
class Minutes:
    """Interface-minutes within the hours of the service level.

    ``faulty`` had a provider fault and no success; ``observed`` had any traffic or probe; ``window`` are all there are.
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
        provider_faults, consumer_faults, denied: the accesses that failed, by whose fault.
        cross: consumer organisation to successes where it is not the provider.
        own: successes where consumer and provider are one organisation.
        night: successes between 00:00 and 05:00 local time.
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


def quotient(numerator: Decimal | int, denominator: Decimal | int, digits: int = 2) -> Decimal:
    """Return ``numerator / denominator`` with ``digits`` decimals, half to even; ``denominator`` is not zero."""
    step = Decimal(1).scaleb(-digits)
    return (Decimal(numerator) / Decimal(denominator)).quantize(step, ROUND_HALF_EVEN)


def percent(numerator: Decimal | int, denominator: Decimal | int) -> Decimal:
    """Return a percentage with two decimals; ``denominator`` is not zero."""
    return quotient(Decimal(numerator) * 100, denominator)


def build_share(id_: str, numerator: int, denominator: int, use: ProjectUse, reason: str) -> IndicatorValue:
    """Return a percentage indicator, judged by coverage; ``reason`` stands where the denominator is zero."""
    if denominator == 0:
        return not_computable(id_, "%", reason, use.coverage)
    value = percent(numerator, denominator)
    return gate(IndicatorValue(id_, value, "%", numerator, denominator, use.coverage, State.COMPUTED))


def not_computable(id_: str, unit: str, reason: str, coverage: Decimal | None) -> IndicatorValue:
    """Return the indicator without a value, for a reason."""
    return IndicatorValue(id_, None, unit, None, None, coverage, State.NOT_COMPUTABLE, reason)


def gate(value: IndicatorValue) -> IndicatorValue:
    """Return an indicator computed from logs as far as their coverage allows.

    Below :data:`LEAST_COVERAGE`, or zero below :data:`FULL_COVERAGE`: not computable, because silence of the log is no
    evidence. Below :data:`FULL_COVERAGE`: qualified. Without a due log: qualified.
    """
    if value.state is not State.COMPUTED:
        return value
    if value.coverage is None:
        return replace(value, state=State.QUALIFIED, reason="no_log_due")
    if value.coverage < LEAST_COVERAGE or (value.coverage < FULL_COVERAGE and not value.value):
        return replace(value, value=None, state=State.NOT_COMPUTABLE, reason="coverage_too_low")
    if value.coverage < FULL_COVERAGE:
        return replace(value, state=State.QUALIFIED, reason="coverage_low")
    return value

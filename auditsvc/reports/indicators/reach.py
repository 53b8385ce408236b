"""I-05 consumers reached and I-07 call volume against its target."""

from calendar import monthrange
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from auditsvc.catalog.model import Project, Target
from auditsvc.figures.period import Period
from auditsvc.figures.project_use import ProjectUse
from auditsvc.figures.rounding import percent
from auditsvc.reports.indicators.model import IndicatorState, IndicatorValue, build_share, gate, not_computable

CALLS_A_MONTH = "calls/month"


def compute_consumers(project: Project, use: ProjectUse) -> IndicatorValue:
    """Return I-05: promised consumers with a success on another organisation's interface, of those promised."""
    promised = set(project.consumers)
    reached = promised & set(use.cross)
    value = build_share("I-05", len(reached), len(promised), use, "nothing_promised")
    return replace(value, detail={"extra_consumers": len(set(use.cross) - promised)})


def compute_volume(project: Project, use: ProjectUse, period: Period) -> IndicatorValue:
    """Return I-07: successes of the period against the calls promised a month, by calendar days; not capped."""
    target = find_target(project, "I-07")
    if target is None or target.unit != CALLS_A_MONTH or target.value <= 0:
        return not_computable("I-07", "%", "no_target", use.coverage)
    due = (target.value * count_months(period)).quantize(Decimal("0.01"))
    value = percent(use.successes, due)
    return gate(IndicatorValue("I-07", value, "%", use.successes, due, use.coverage, IndicatorState.COMPUTED))


def count_months(period: Period) -> Decimal:
    """Return the length of a period in calendar months; each day counts as an equal share of its own month."""
    total = Decimal(0)
    for offset in range(period.days):
        day = period.first + timedelta(days=offset)
        total += Decimal(1) / monthrange(day.year, day.month)[1]
    return total


def find_target(project: Project, indicator: str) -> Target | None:
    """Return the project's target for an indicator, or None."""
    return next((target for target in project.targets if target.indicator == indicator), None)

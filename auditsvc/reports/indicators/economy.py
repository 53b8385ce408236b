"""I-21 cost per effective call."""

from datetime import timedelta
from decimal import Decimal

from auditsvc.catalog.model import Project
from auditsvc.figures.period import Period
from auditsvc.figures.project_use import ProjectUse
from auditsvc.figures.rounding import quotient
from auditsvc.reports.indicators.model import IndicatorState, IndicatorValue, gate, not_computable


def compute_call_cost(project: Project, use: ProjectUse, period: Period) -> IndicatorValue:
    """Return I-21: the period's share of write-off and running cost, per successful access."""
    years = {(period.first + timedelta(days=offset)).year for offset in range(period.days)}
    if project.life_years <= 0 or not years <= set(project.opex_by_year):
        return not_computable("I-21", "CNY", "no_running_cost", use.coverage)
    cost = count_cost(project, period)
    if use.successes == 0:
        return not_computable("I-21", "CNY", "no_successes", use.coverage)
    value = quotient(cost, use.successes)
    return gate(IndicatorValue("I-21", value, "CNY", cost, use.successes, use.coverage, IndicatorState.COMPUTED))


def count_cost(project: Project, period: Period) -> Decimal:
    """Return what the period cost in yuan: each day an equal share of its year's write-off and running cost."""
    yearly = project.spent / project.life_years
    total = Decimal(0)
    for offset in range(period.days):
        year = (period.first + timedelta(days=offset)).year
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        total += (yearly + project.opex_by_year[year]) / (366 if leap else 365)
    return total.quantize(Decimal("0.01"))

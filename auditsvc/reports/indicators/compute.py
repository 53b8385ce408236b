"""All indicators of a project, and how they compare with its targets."""

from decimal import Decimal

from auditsvc.catalog.model import Project
from auditsvc.figures.period import Period
from auditsvc.figures.project_use import ProjectUse
from auditsvc.reports.indicators.compliance import compute_completeness, compute_compliance
from auditsvc.reports.indicators.delivery import compute_activity, compute_delivery
from auditsvc.reports.indicators.economy import compute_call_cost
from auditsvc.reports.indicators.model import IndicatorValue
from auditsvc.reports.indicators.quality import compute_availability, compute_failures
from auditsvc.reports.indicators.reach import compute_consumers, compute_volume, find_target


def compute_indicators(project: Project, use: ProjectUse, period: Period) -> tuple[IndicatorValue, ...]:
    """Return the nine indicators of a project, in order of their ids."""
    return (
        compute_delivery(project, use),
        compute_activity(project, use, period),
        compute_consumers(project, use),
        compute_volume(project, use, period),
        compute_availability(use),
        compute_failures(use),
        compute_compliance(use),
        compute_completeness(use),
        compute_call_cost(project, use, period),
    )


def judge_target(project: Project, value: IndicatorValue) -> str:
    """Return ``met``, ``missed``, ``not_computable`` or ``no_target``; I-07's target is full attainment."""
    target = find_target(project, value.id)
    if target is None:
        return "no_target"
    if value.value is None:
        return "not_computable"
    goal = Decimal(100) if value.id == "I-07" else target.value
    reached = {"gte": value.value >= goal, "lte": value.value <= goal, "eq": value.value == goal}[target.op]
    return "met" if reached else "missed"

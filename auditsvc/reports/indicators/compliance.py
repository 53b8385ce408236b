"""I-16 compliance and I-20 log completeness."""

from dataclasses import replace
from decimal import Decimal

from auditsvc.figures.project_use import ProjectUse
from auditsvc.figures.rounding import percent, quotient
from auditsvc.reports.indicators.model import IndicatorState, IndicatorValue, build_share, not_computable

EVALUATED = ("permitted", "violated", "excepted")
"""Verdicts that are a judgement; ``indeterminate`` and ``not_covered`` are not, and are counted separately."""
PER_CALLS = 10_000


def compute_compliance(use: ProjectUse) -> IndicatorValue:
    """Return I-16: judged accesses without a violation, of those judged; and violations per 10 000 by severity."""
    evaluated = sum(use.verdicts.get(verdict, 0) for verdict in EVALUATED)
    lawful = evaluated - use.verdicts.get("violated", 0)
    value = build_share("I-16", lawful, evaluated, use, "nothing_judged")
    detail: dict[str, Decimal | int | str] = {
        "indeterminate": use.verdicts.get("indeterminate", 0),
        "not_covered": use.verdicts.get("not_covered", 0),
    }
    if use.events:
        for severity, count in sorted(use.violations.items()):
            detail[f"per_10000_{severity}"] = quotient(count * PER_CALLS, use.events)
    return replace(value, detail=detail)


def compute_completeness(use: ProjectUse) -> IndicatorValue:
    """Return I-20: (interface, hour) cells with data or a heartbeat, of those in which data are expected."""
    if use.expected_cells == 0:
        return not_computable("I-20", "%", "no_log_due", None)
    value = percent(use.covered_cells, use.expected_cells)
    return IndicatorValue("I-20", value, "%", use.covered_cells, use.expected_cells, value, IndicatorState.COMPUTED)

"""Inputs and results of indicators; "not computable" is a result of its own, never reported as zero."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum

from auditsvc.figures.project_use import ProjectUse
from auditsvc.figures.rounding import percent

FULL_COVERAGE = Decimal("95.00")
"""Log completeness (I-20) from which figures are reported without reservation."""
LEAST_COVERAGE = Decimal("50.00")
"""Log completeness below which nothing is computed from the log."""


class IndicatorState(Enum):
    """How reliable a figure is."""

    COMPUTED = "computed"
    QUALIFIED = "qualified"
    NOT_COMPUTABLE = "not_computable"


@dataclass(frozen=True, slots=True)
class IndicatorValue:
    """One indicator of one project and period.

    Attributes:
        id: ``I-01`` …; ``formula_version`` says which formula of docs/reports.md.
        value: in ``unit``, rounded half to even; None when not computable.
        numerator, denominator: exact; the value is their quotient.
        coverage: log completeness in per cent, None when no data are expected.
        reason: a key of the table of reasons in docs/reports.md unless the state is ``computed``, else empty.
        detail: further figures by name.
    """

    id: str
    value: Decimal | None
    unit: str
    numerator: Decimal | int | None
    denominator: Decimal | int | None
    coverage: Decimal | None
    state: IndicatorState
    reason: str = ""
    formula_version: int = 1
    detail: Mapping[str, Decimal | int | str] = field(default_factory=dict)


def build_share(id_: str, numerator: int, denominator: int, use: ProjectUse, reason: str) -> IndicatorValue:
    """Return a percentage indicator, judged by coverage; ``reason`` is used when the denominator is zero."""
    if denominator == 0:
        return not_computable(id_, "%", reason, use.coverage)
    value = percent(numerator, denominator)
    return gate(IndicatorValue(id_, value, "%", numerator, denominator, use.coverage, IndicatorState.COMPUTED))


def not_computable(id_: str, unit: str, reason: str, coverage: Decimal | None) -> IndicatorValue:
    """Return an indicator without a value, with the reason."""
    return IndicatorValue(id_, None, unit, None, None, coverage, IndicatorState.NOT_COMPUTABLE, reason)


def gate(value: IndicatorValue) -> IndicatorValue:
    """Return an indicator computed from logs, qualified or withheld according to their coverage.

    Below :data:`LEAST_COVERAGE`, or zero below :data:`FULL_COVERAGE`: not computable, because an absent log is no
    evidence. Below :data:`FULL_COVERAGE`: qualified. When no data are expected: qualified.
    """
    if value.state is not IndicatorState.COMPUTED:
        return value
    if value.coverage is None:
        return replace(value, state=IndicatorState.QUALIFIED, reason="no_log_due")
    if value.coverage < LEAST_COVERAGE or (value.coverage < FULL_COVERAGE and not value.value):
        return replace(value, value=None, state=IndicatorState.NOT_COMPUTABLE, reason="coverage_too_low")
    if value.coverage < FULL_COVERAGE:
        return replace(value, state=IndicatorState.QUALIFIED, reason="coverage_low")
    return value

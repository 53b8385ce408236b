"""I-11 availability and I-13 failure rate."""

from dataclasses import replace

from auditsvc.figures.project_use import ProjectUse
from auditsvc.figures.rounding import percent
from auditsvc.reports.indicators.model import IndicatorState, IndicatorValue, build_share, gate, not_computable


def compute_availability(use: ProjectUse) -> IndicatorValue:
    """Return I-11: observed interface-minutes of the service hours that were not faulty, of those observed.

    A minute without traffic or probe is unknown: counted separately, neither up nor down.
    """
    minutes = use.minutes
    if minutes is None:
        return not_computable("I-11", "%", "no_service_level", use.coverage)
    if minutes.observed == 0:
        return not_computable("I-11", "%", "nothing_observed", use.coverage)
    up = minutes.observed - minutes.faulty
    detail = {"faulty_minutes": minutes.faulty, "unknown_minutes": minutes.window - minutes.observed}
    value = percent(up, minutes.observed)
    return gate(
        IndicatorValue("I-11", value, "%", up, minutes.observed, use.coverage, IndicatorState.COMPUTED, detail=detail)
    )


def compute_failures(use: ProjectUse) -> IndicatorValue:
    """Return I-13: provider faults of all business accesses; consumer faults and denials are counted separately."""
    value = build_share("I-13", use.provider_faults, use.events, use, "no_events")
    if value.state is IndicatorState.NOT_COMPUTABLE and use.events == 0:
        return value
    return replace(value, detail={"consumer_faults": use.consumer_faults, "denied": use.denied})

"""Indicators say what the formulas say, and "not computable" where the evidence does not carry a figure."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from auditsvc.catalog.load import load_catalog
from auditsvc.catalog.model import Milestone, Project, Target
from auditsvc.figures.period import Period
from auditsvc.figures.project_use import InterfaceUse, Minutes, ProjectUse
from auditsvc.figures.rounding import quotient
from auditsvc.ground.bilingual import Text
from auditsvc.ground.document import build_bundle
from auditsvc.reports.indicators.compute import compute_indicators, judge_target
from auditsvc.reports.indicators.economy import count_cost
from auditsvc.reports.indicators.gaming import list_signals
from auditsvc.reports.indicators.milestone import judge_milestones
from auditsvc.reports.indicators.model import IndicatorState, IndicatorValue
from auditsvc.reports.indicators.reach import count_months
from tests.support.catalog import SMALL

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 31))
PROJECT = replace(
    load_catalog(build_bundle({"catalog.yaml": SMALL})).projects["P-POP"],
    interfaces=("a", "b", "c", "d"),
    consumers=("X", "Y", "Z"),
    spent=Decimal("800000"),
    life_years=8,
    opex_by_year={2026: Decimal("82500")},
    targets=(
        Target("I-07", "gte", Decimal(100), "calls/month", date(2026, 12, 31)),
        Target("I-13", "lte", Decimal(1), "%", date(2026, 12, 31)),
        Target("I-01", "gte", Decimal(80), "%", date(2026, 12, 31)),
    ),
)
USE = ProjectUse(
    interfaces={"a": InterfaceUse(60, 20), "b": InterfaceUse(20, 3)},
    delivered=frozenset({"a", "b", "c", "other"}),
    events=100,
    successes=80,
    provider_faults=2,
    consumer_faults=11,
    denied=7,
    cross={"X": 50, "Q": 10},
    own=20,
    night=8,
    verdicts={"permitted": 90, "violated": 5, "excepted": 1, "indeterminate": 3, "not_covered": 1},
    violations={"high": 4, "low": 2},
    minutes=Minutes(faulty=3, observed=300, window=1000),
    expected_cells=200,
    covered_cells=198,
)


def compute(use: ProjectUse = USE, project: Project = PROJECT, period: Period = OCTOBER) -> dict[str, IndicatorValue]:
    return {value.id: value for value in compute_indicators(project, use, period)}


EXPECTED = {
    "I-01": ("75.00", 3, 4),
    "I-02": ("33.33", 1, 3),
    "I-05": ("33.33", 1, 3),
    "I-07": ("80.00", 80, Decimal("100.00")),
    "I-11": ("99.00", 297, 300),
    "I-13": ("2.00", 2, 100),
    "I-16": ("94.79", 91, 96),
    "I-20": ("99.00", 198, 200),
    "I-21": ("193.75", Decimal("15500.00"), 80),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_an_indicator_is_its_numerator_over_its_denominator(name: str) -> None:
    value = compute()[name]
    assert (str(value.value), value.numerator, value.denominator) == EXPECTED[name]
    assert value.state is IndicatorState.COMPUTED
    assert value.coverage == Decimal("99.00")


def test_the_indicators_are_the_nine_in_order() -> None:
    assert [value.id for value in compute_indicators(PROJECT, USE, OCTOBER)] == list(EXPECTED)


def test_further_figures_stand_beside_the_value() -> None:
    values = compute()
    assert values["I-05"].detail == {"extra_consumers": 1}
    assert values["I-11"].detail == {"faulty_minutes": 3, "unknown_minutes": 700}
    assert values["I-13"].detail == {"consumer_faults": 11, "denied": 7}
    assert values["I-16"].detail == {
        "indeterminate": 3,
        "not_covered": 1,
        "per_10000_high": Decimal("400.00"),
        "per_10000_low": Decimal("200.00"),
    }


@pytest.mark.parametrize(
    ("covered", "state", "reason"),
    [
        (190, IndicatorState.COMPUTED, ""),
        (189, IndicatorState.QUALIFIED, "coverage_low"),
        (100, IndicatorState.QUALIFIED, "coverage_low"),
        (99, IndicatorState.NOT_COMPUTABLE, "coverage_too_low"),
    ],
)
def test_coverage_decides_how_far_a_figure_stands(covered: int, state: IndicatorState, reason: str) -> None:
    values = compute(replace(USE, covered_cells=covered))
    assert (values["I-01"].state, values["I-01"].reason) == (state, reason)
    assert (values["I-01"].value is None) is (state is IndicatorState.NOT_COMPUTABLE)
    assert values["I-20"].state is IndicatorState.COMPUTED


def test_zero_is_a_claim_that_needs_full_coverage() -> None:
    silent = replace(USE, cross={})
    assert compute(silent)["I-05"].value == 0
    unseen = compute(replace(silent, covered_cells=180))["I-05"]
    assert (unseen.value, unseen.state) == (None, IndicatorState.NOT_COMPUTABLE)


REASONS = {
    "I-01": ({"interfaces": ()}, {}, "nothing_promised"),
    "I-02": ({}, {"delivered": frozenset()}, "nothing_delivered"),
    "I-05": ({"consumers": ()}, {}, "nothing_promised"),
    "I-07": ({"targets": ()}, {}, "no_target"),
    "I-11": ({}, {"minutes": None}, "no_service_level"),
    "I-13": ({}, {"events": 0, "provider_faults": 0}, "no_events"),
    "I-16": ({}, {"verdicts": {"not_covered": 4}}, "nothing_judged"),
    "I-20": ({}, {"expected_cells": 0, "covered_cells": 0}, "no_log_due"),
    "I-21": ({"opex_by_year": {2025: Decimal(1)}}, {}, "no_running_cost"),
}


@pytest.mark.parametrize("name", REASONS)
def test_what_cannot_be_computed_says_why_and_has_no_value(name: str) -> None:
    project_change, use_change, reason = REASONS[name]
    value = compute(replace(USE, **use_change), replace(PROJECT, **project_change))[name]  # type: ignore[arg-type]
    assert (value.value, value.state, value.reason) == (None, IndicatorState.NOT_COMPUTABLE, reason)


def test_without_successes_there_is_no_cost_per_call() -> None:
    assert compute(replace(USE, successes=0))["I-21"].reason == "no_successes"


def test_an_interface_without_a_due_log_leaves_its_figures_qualified() -> None:
    value = compute(replace(USE, expected_cells=0, covered_cells=0))["I-01"]
    assert (value.state, value.reason, value.coverage) == (IndicatorState.QUALIFIED, "no_log_due", None)


def test_cost_is_by_days_of_each_year() -> None:
    project = replace(PROJECT, opex_by_year={2026: Decimal(0), 2027: Decimal(365)}, spent=Decimal(0))
    assert count_cost(project, Period(date(2026, 12, 30), date(2027, 1, 10))) == Decimal("10.00")


def test_months_are_counted_by_days_of_each_month() -> None:
    assert quotient(count_months(Period(date(2026, 1, 1), date(2026, 3, 31))), 1, 6) == 3
    assert quotient(count_months(Period(date(2026, 2, 1), date(2026, 2, 14))), 1, 6) == Decimal("0.5")


def test_a_target_is_met_exactly_at_its_value() -> None:
    values = compute()
    assert judge_target(PROJECT, replace(values["I-01"], value=Decimal("80.00"))) == "met"
    assert judge_target(PROJECT, replace(values["I-01"], value=Decimal("79.99"))) == "missed"
    assert judge_target(PROJECT, replace(values["I-13"], value=Decimal("1.00"))) == "met"
    assert judge_target(PROJECT, replace(values["I-13"], value=Decimal("1.01"))) == "missed"
    assert judge_target(PROJECT, replace(values["I-07"], value=Decimal("100.00"))) == "met"
    assert judge_target(PROJECT, replace(values["I-07"], value=None)) == "not_computable"
    assert judge_target(PROJECT, values["I-20"]) == "no_target"


def test_signs_of_inflated_use_are_raised_above_their_limits_only() -> None:
    assert [(signal.id, str(signal.share), signal.raised) for signal in list_signals(USE)] == [
        ("one_consumer", "62.50", False),
        ("own_calls", "25.00", True),
        ("night_calls", "10.00", False),
    ]
    assert not list_signals(replace(USE, cross={"X": 64}))[0].raised
    assert list_signals(replace(USE, cross={"X": 65}))[0].raised
    assert list_signals(replace(USE, successes=0)) == ()


EARLY, DUE, AFTER, LATER = date(2026, 1, 1), date(2026, 6, 30), date(2026, 7, 3), date(2026, 12, 31)
MILESTONES = [
    (DUE, DUE, EARLY, EARLY, ("met", 0, "declared_and_seen")),
    (date(2026, 7, 1), DUE, EARLY, EARLY, ("late", 1, "declared_and_seen")),
    (DUE, DUE, None, EARLY, ("met", 0, "declared_only")),
    (date(2026, 11, 1), DUE, None, EARLY, ("late", 123, "not_reached")),
    (None, DUE, DUE, EARLY, ("met", 0, "seen_in_log")),
    (None, LATER, AFTER, EARLY, ("met", 0, "seen_in_log")),
    (None, LATER, None, EARLY, ("not_computable", None, "not_yet_due")),
    (None, DUE, AFTER, date(2026, 7, 1), ("not_computable", None, "log_begins_after_due")),
    (None, DUE, AFTER, DUE, ("late", 3, "seen_after_due")),
    (None, DUE, None, EARLY, ("late", 123, "not_reached")),
]


@pytest.mark.parametrize(("actual", "due", "seen", "begins", "expected"), MILESTONES)
def test_a_milestone_is_met_late_or_not_computable(
    actual: date | None, due: date, seen: date | None, begins: date, expected: tuple[str, int | None, str]
) -> None:
    milestone = Milestone("M", Text("里程碑", "Milestone"), due, actual, ("a",), ("X",))
    first_seen = {"X": EARLY, **({"a": seen} if seen else {})}
    (result,) = judge_milestones(
        replace(PROJECT, milestones=(milestone,)), first_seen=first_seen, log_begins=begins, end=date(2026, 10, 31)
    )
    assert (result.progress.value, result.days_late, result.reason) == expected
    assert (result.seen, result.expected) == (2 if seen else 1, 2)


def test_a_milestone_that_names_nothing_cannot_be_judged_from_the_log() -> None:
    milestone = Milestone("M", Text("里程碑", "Milestone"), DUE, None, (), ())
    (result,) = judge_milestones(
        replace(PROJECT, milestones=(milestone,)), first_seen={}, log_begins=EARLY, end=date(2026, 10, 31)
    )
    assert (result.progress.value, result.reason) == ("not_computable", "nothing_to_see")


def test_a_sign_is_not_raised_at_its_limit() -> None:
    at_limit = replace(USE, cross={"X": 64}, own=16, night=24)
    assert [signal.raised for signal in list_signals(at_limit)] == [False, False, False]
    above = replace(USE, cross={"X": 65}, own=17, night=25)
    assert [signal.raised for signal in list_signals(above)] == [True, True, True]

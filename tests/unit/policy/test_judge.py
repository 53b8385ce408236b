"""The algebra of verdicts: forbid, require and permit, exceptions, shadow policies, versions in time."""

from datetime import date
from typing import Any

import pytest

from auditsvc.condition.ast import ALWAYS, All, AnyOf, Compare, Exists, InCalendar, Node, Operator, build_equals
from auditsvc.condition.calendar import Calendar
from auditsvc.condition.evaluate import Context
from auditsvc.event.fields import get_field
from auditsvc.event.model import Event
from auditsvc.event.time import parse_time_ns
from auditsvc.policy.judge import compile_policy_set, explain, judge_reference
from auditsvc.policy.model import Effect, OnMissing, Policy, PolicyException, PolicySet, PolicyStatus, Verdict
from auditsvc.policy.rows import build_rows
from tests.support.condition import CONTEXT
from tests.support.policy import build_policy, build_set

A, B = build_equals("purpose", "a"), build_equals("purpose", "b")
DOWNLOAD = build_equals("action", "download")


def judge(policies: list[Policy], **event: Any) -> Verdict:
    policy_set = build_set(policies)
    flat = {"time": 1000, "action": "download", **event}
    verdict = compile_policy_set(policy_set).judge(flat)
    assert verdict == judge_reference(policy_set, flat)
    return verdict


def make(number: int, kind: Effect, body: Node, **options: Any) -> Policy:
    return build_policy(number, kind=kind, target=options.pop("target", DOWNLOAD), body=body, **options)


@pytest.mark.parametrize(
    ("kind", "purpose", "expected"),
    [
        (Effect.FORBID, "a", "violated"), (Effect.FORBID, "b", "permitted"),
        (Effect.REQUIRE, "a", "permitted"), (Effect.REQUIRE, "b", "violated"),
        (Effect.PERMIT, "a", "permitted"), (Effect.PERMIT, "b", "violated"),
    ],
)  # fmt: skip
def test_each_effect(kind: Effect, purpose: str, expected: str) -> None:
    assert judge([make(1, kind, A)], purpose=purpose).verdict == expected


@pytest.mark.parametrize(
    ("on_missing", "expected"),
    [(OnMissing.VIOLATE, "violated"), (OnMissing.PASS, "permitted"), (OnMissing.INDETERMINATE, "indeterminate")],
)
@pytest.mark.parametrize("kind", list(Effect))
def test_an_unknown_body_becomes_what_on_missing_says(kind: Effect, on_missing: OnMissing, expected: str) -> None:
    assert judge([make(1, kind, A, on_missing=on_missing)]).verdict == expected


def test_one_satisfied_permit_is_enough_and_none_is_against_all() -> None:
    permits = [make(1, Effect.PERMIT, A), make(2, Effect.PERMIT, B)]
    assert judge(permits, purpose="b").verdict == "permitted"
    verdict = judge(permits, purpose="c")
    assert [violation.policy_id for violation in verdict.violations] == ["P-00001", "P-00002"]


def test_forbid_wins_over_permit() -> None:
    verdict = judge([make(1, Effect.PERMIT, A), make(2, Effect.FORBID, A)], purpose="a")
    assert [violation.policy_id for violation in verdict.violations] == ["P-00002"]


def test_an_event_no_policy_targets_is_not_covered() -> None:
    assert judge([make(1, Effect.FORBID, A)], action="query", purpose="a").verdict == "not_covered"


def test_an_unknown_target_is_counted_and_not_judged() -> None:
    verdict = judge(
        [make(1, Effect.FORBID, ALWAYS, target=A), make(2, Effect.FORBID, DOWNLOAD, target=B)], purpose=None
    )
    assert verdict.untargetable == 2
    assert not verdict.violations


def test_a_shadow_policy_finds_and_does_not_change_the_verdict() -> None:
    shadow = make(1, Effect.FORBID, A, status=PolicyStatus.SHADOW)
    verdict = judge([shadow, make(2, Effect.REQUIRE, A)], purpose="a")
    assert verdict.verdict == "permitted"
    assert [(violation.policy_id, violation.status) for violation in verdict.violations] == [("P-00001", "shadow")]
    assert judge([shadow], purpose="a").verdict == "not_covered"


def test_a_shadow_permit_does_not_satisfy_for_the_active_ones() -> None:
    permits = [make(1, Effect.PERMIT, A, status=PolicyStatus.SHADOW), make(2, Effect.PERMIT, B)]
    assert judge(permits, purpose="a").verdict == "violated"
    assert judge(permits, purpose="b").verdict == "permitted"


@pytest.mark.parametrize(
    ("time", "expected"), [(99, "violated"), (100, "excepted"), (199, "excepted"), (200, "violated")]
)
def test_an_exception_holds_from_its_start_to_before_its_end(time: int, expected: str) -> None:
    exception = PolicyException("E1", Exists(get_field("project.id")), 100, 200, "a", "b", "r")
    policy = make(1, Effect.FORBID, A, exceptions=(exception,))
    assert judge([policy], time=time, purpose="a", **{"project.id": "P"}).verdict == expected


def test_overlapping_exceptions_are_all_recorded_and_serve_their_own_policy_only() -> None:
    first, second = (PolicyException(name, ALWAYS, 0, 9999, "a", "b", "r") for name in ("E1", "E2"))
    verdict = judge([make(1, Effect.FORBID, A, exceptions=(first, second)), make(2, Effect.FORBID, A)], purpose="a")
    assert verdict.verdict == "violated"
    assert [violation.exception_id for violation in verdict.excepted] == ["E1,E2"]
    assert [violation.policy_id for violation in verdict.violations] == ["P-00002"]


def test_an_exception_that_cannot_be_decided_excuses_nothing() -> None:
    exception = PolicyException("E1", build_equals("project.id", "P"), 0, 9999, "a", "b", "r")
    assert judge([make(1, Effect.FORBID, A, exceptions=(exception,))], purpose="a").verdict == "violated"


def test_the_version_in_force_at_the_events_time_judges() -> None:
    versions = [
        make(1, Effect.FORBID, A, version=1, first=0, last=500),
        make(1, Effect.FORBID, B, version=2, first=400),
        make(1, Effect.FORBID, B, version=3, first=900, status=PolicyStatus.RETIRED),
        make(1, Effect.FORBID, ALWAYS, version=4, first=0, status=PolicyStatus.DRAFT),
    ]
    seen = {time: judge(versions, time=time, purpose="b").verdict for time in (399, 400, 899, 900)}
    assert seen == {399: "permitted", 400: "violated", 899: "violated", 900: "not_covered"}
    assert judge(versions, time=399, purpose="a").violations[0].version == 1


def test_violated_outranks_indeterminate_outranks_excepted() -> None:
    excuse = PolicyException("E", ALWAYS, 0, 9999, "a", "b", "r")
    unknown = make(1, Effect.FORBID, build_equals("matter", "m"), on_missing=OnMissing.INDETERMINATE)
    excepted = make(2, Effect.FORBID, A, exceptions=(excuse,))
    assert judge([unknown, excepted], purpose="a").verdict == "indeterminate"
    assert judge([unknown, excepted, make(3, Effect.FORBID, A)], purpose="a").verdict == "violated"


def test_the_reason_names_the_part_that_decided_and_what_was_seen() -> None:
    verdict = judge([make(1, Effect.REQUIRE, A)], purpose="marketing")
    assert verdict.violations[0].reason == "require `purpose: a` does not hold: purpose is marketing"


def test_an_event_without_a_time_is_judged_by_no_version() -> None:
    assert judge([make(1, Effect.FORBID, ALWAYS)], time=None).verdict == "not_covered"


def test_an_explanation_has_every_policy_and_node() -> None:
    policy_set = build_set(
        [make(1, Effect.FORBID, A), make(2, Effect.REQUIRE, B, target=build_equals("action", "query"))]
    )
    explanation = explain(policy_set, {"time": 1, "action": "download", "purpose": "a"})
    assert [step.state.value for step in explanation.policies] == ["violated", "not_targeted"]
    assert explanation.policies[0].body.seen == "purpose is a"
    assert policy_set.context is CONTEXT


def test_a_calendar_whose_zone_shifts_is_judged_through_the_index_too() -> None:
    calendar = Calendar("summer", "Europe/Berlin", date(2026, 1, 1), date(2027, 1, 1), (((540, 1020),),) * 7)
    policy = make(1, Effect.FORBID, InCalendar(get_field("time"), ("summer",)))
    policy_set = PolicySet((policy,), Context({}, {"summer": calendar}), {}, b"")
    index = compile_policy_set(policy_set)
    for text in ("2026-01-15T08:30:00Z", "2026-01-15T07:30:00Z", "2026-07-15T07:30:00Z", "2027-01-15T08:30:00Z"):
        event: Event = {"time": parse_time_ns(text), "action": "download"}
        assert index.judge(event) == judge_reference(policy_set, event)


def test_a_long_disjunction_stays_one_probe_and_is_decided_exactly() -> None:
    pairs = tuple(AnyOf((build_equals("purpose", f"p{n}"), build_equals("matter", f"m{n}"))) for n in range(6))
    policies = [make(1, Effect.FORBID, All(pairs)), make(2, Effect.REQUIRE, All(pairs))]
    assert judge(policies, purpose="p1", matter="m1").verdict == "violated"
    assert len(build_rows(policies[0]).against) == 1


@pytest.mark.parametrize("operator", [Operator.EQ, Operator.LT, Operator.LTE, Operator.GT, Operator.GTE])
def test_the_index_cuts_numbers_exactly_at_each_bound(operator: Operator) -> None:
    body = Compare(get_field("rows"), operator, (5, 9))
    for kind in Effect:
        verdicts = {rows: judge([make(1, kind, body)], rows=rows).verdict for rows in range(3, 12)}
        assert set(verdicts.values()) == {"violated", "permitted"}, operator

"""What any two policies say together of one event, gone through case by case and held against the page's meaning."""

from itertools import combinations_with_replacement, product

import pytest

from auditsvc.condition.ast import ALWAYS, AnyOf, build_equals
from auditsvc.event.model import Event
from auditsvc.policy.judge import compile_policy_set, judge_reference
from auditsvc.policy.model import Effect, OnMissing, Policy, PolicyException, PolicyStatus
from tests.support.naive_judge import judge_naively, strip_reasons
from tests.support.policy import build_policy, build_set

EVENT: Event = {"time": 1000}
BODIES = (ALWAYS, AnyOf(()), build_equals("purpose", "a"))
"""True, false and unknown of the event."""
EXCUSE = PolicyException("E1", ALWAYS, 0, 9999, "a", "b", "r")
Choice = tuple[Effect, int, OnMissing, PolicyStatus, tuple[PolicyException, ...]]
SAYINGS: tuple[Choice, ...] = (
    *product(Effect, (0, 1), (OnMissing.VIOLATE,), (PolicyStatus.ACTIVE, PolicyStatus.SHADOW), ((), (EXCUSE,))),
    *product(Effect, (2,), OnMissing, (PolicyStatus.ACTIVE, PolicyStatus.SHADOW), ((), (EXCUSE,))),
)
"""Everything a targeted policy can be: the default for what is missing counts only where the body is unknown."""


def build(number: int, choice: Choice) -> Policy:
    kind, body, on_missing, status, exceptions = choice
    return build_policy(
        number, kind=kind, target=ALWAYS, body=BODIES[body], on_missing=on_missing, status=status, exceptions=exceptions
    )


@pytest.mark.parametrize(
    "kinds", list(combinations_with_replacement(Effect, 2)), ids=lambda kinds: "-".join(map(str, kinds))
)
def test_any_two_policies_say_together_what_the_page_says(kinds: tuple[Effect, Effect]) -> None:
    first, second = ([choice for choice in SAYINGS if choice[0] is kind] for kind in kinds)
    for pair in product(first, second):
        policy_set = build_set([build(number, choice) for number, choice in enumerate(pair, 1)])
        verdict = judge_reference(policy_set, EVENT)
        assert strip_reasons(verdict) == judge_naively(policy_set, EVENT), pair
        assert compile_policy_set(policy_set).judge(EVENT) == verdict


def test_of_two_permits_a_false_and_an_undecided_one_leave_the_event_undecided() -> None:
    permits = [
        build_policy(number, kind=Effect.PERMIT, target=ALWAYS, body=body, on_missing=OnMissing.INDETERMINATE)
        for number, body in enumerate(BODIES[1:], 1)
    ]
    verdict = judge_reference(build_set(permits), EVENT)
    assert (verdict.verdict, verdict.violations) == ("indeterminate", ())
    assert [one.policy_id for one in verdict.indeterminate] == ["P-00002"]

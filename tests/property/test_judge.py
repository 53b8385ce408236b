"""Index and reference give the page's verdict for any policies and any events, well typed or not."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auditsvc.event.model import Event
from auditsvc.policy.judge import compile_policy_set, judge_reference
from auditsvc.policy.model import PolicySet
from tests.support.condition import NAMES, TIMES, events
from tests.support.naive_judge import judge_naively, strip_reasons
from tests.support.policy import CODES, policy_sets

CODE_LISTS: st.SearchStrategy[Any] = st.one_of(
    st.lists(st.sampled_from((*CODES, "R9")), max_size=3), st.none(), st.sampled_from(("R1", 1, True, 2.5))
)
WRONG: st.SearchStrategy[Any] = st.sampled_from((True, 1, 1.0, "1", ["a"], [1], {"a": 1}, None))


@st.composite
def accesses(draw: st.DrawFn) -> Event:
    event = draw(events())
    if draw(st.integers(0, 9)):
        event["time"] = draw(st.sampled_from(TIMES))
    if draw(st.integers(0, 5)):
        event["resource.code"] = draw(CODE_LISTS)
    if not draw(st.integers(0, 4)):
        event[draw(st.sampled_from(NAMES))] = draw(WRONG)
    return event


@given(policy_set=policy_sets(), accessed=st.lists(accesses(), min_size=1, max_size=8))
def test_index_and_reference_judge_as_the_page_says(policy_set: PolicySet, accessed: list[Event]) -> None:
    judge = compile_policy_set(policy_set)
    for event in [*accessed, *accessed]:
        verdict = judge.judge(event)
        assert verdict == judge_reference(policy_set, event)
        assert strip_reasons(verdict) == judge_naively(policy_set, event)

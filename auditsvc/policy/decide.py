"""The reference judgement: one policy on one event, then the combination of all of them.

An event is a violation if a ``forbid`` that targets it is true, a ``require`` that targets it is false, or permit
policies target it and it satisfies none of them. Exceptions are applied afterwards. Shadow policies are judged by the
same rules among themselves and never change the verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from auditsvc.condition.ast import Node
from auditsvc.condition.describe import find_cause, format_node, format_seen
from auditsvc.condition.evaluate import Context, Truth, evaluate
from auditsvc.event.model import Event
from auditsvc.policy.model import Effect, OnMissing, Policy, PolicySet, PolicyStatus, Verdict, Violation


class PolicyState(Enum):
    """The result of one policy on one event."""

    NOT_TARGETED = "not_targeted"
    UNTARGETABLE = "untargetable"
    SATISFIED = "satisfied"
    VIOLATED = "violated"
    EXCEPTED = "excepted"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class Decision:
    """A policy's state for an event, with reason and exceptions where it is not satisfied."""

    policy: Policy
    state: PolicyState
    exceptions: tuple[str, ...] = ()
    reason: str = ""

    def as_violation(self) -> Violation:
        """Return the decision as an entry of a verdict."""
        policy = self.policy
        return Violation(
            policy.id,
            policy.version,
            policy.severity.value,
            policy.status.value,
            ",".join(self.exceptions) or None,
            self.reason,
        )


def find_time(event: Event) -> int | None:
    """Return the event's time, None when it has none of the right type."""
    value = event.get("time")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def decide_policy(policy: Policy, event: Event, context: Context) -> Decision:
    """Return the decision of one policy alone on an event; a permit policy as if it were the only one."""
    target = evaluate(policy.target, event, context)
    if target is Truth.FALSE:
        return Decision(policy, PolicyState.NOT_TARGETED)
    if target is Truth.UNKNOWN:
        return Decision(policy, PolicyState.UNTARGETABLE)
    body = evaluate(policy.body, event, context)
    good = Truth.FALSE if policy.kind is Effect.FORBID else Truth.TRUE
    if body is good or (body is Truth.UNKNOWN and policy.on_missing is OnMissing.PASS):
        return Decision(policy, PolicyState.SATISFIED)
    reason = describe_reason(policy, body, event, context)
    if body is Truth.UNKNOWN and policy.on_missing is OnMissing.INDETERMINATE:
        return Decision(policy, PolicyState.INDETERMINATE, reason=reason)
    exceptions = find_exceptions(policy, event, context)
    return Decision(policy, PolicyState.EXCEPTED if exceptions else PolicyState.VIOLATED, exceptions, reason)


def find_exceptions(policy: Policy, event: Event, context: Context) -> tuple[str, ...]:
    """Return the ids of the exceptions that excuse a violation by this event."""
    time = find_time(event)
    if time is None:
        return ()
    return tuple(
        exception.id
        for exception in policy.exceptions
        if exception.from_ns <= time < exception.until_ns and evaluate(exception.match, event, context) is Truth.TRUE
    )


def describe_reason(policy: Policy, body: Truth, event: Event, context: Context) -> str:
    """Return a one-line reason: the policy's demand, the part that decided, and the event's values in it."""
    cause: Node = find_cause(policy.body, event, context)
    answer = {Truth.TRUE: "holds", Truth.FALSE: "does not hold", Truth.UNKNOWN: "cannot be decided"}[body]
    return f"{policy.kind.value} `{format_node(cause)}` {answer}: {format_seen(cause, event)}"


def settle_permits(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    """Return the combined decisions of permit policies of one status that target the event: none when one is satisfied.

    Otherwise the event is indeterminate if one cannot be decided, else it violates all of them.
    """
    if any(decision.state is PolicyState.SATISFIED for decision in decisions):
        return ()
    undecided = tuple(decision for decision in decisions if decision.state is PolicyState.INDETERMINATE)
    return undecided or tuple(decisions)


def build_verdict(decisions: Sequence[Decision], *, is_covered: bool, untargetable: int) -> Verdict:
    """Return the verdict that follows from decisions, which are in order of policy ids.

    Args:
        decisions: of policies that target the event; satisfied ones may be omitted.
        is_covered: whether an active policy targets the event.
        untargetable: policies whose target is unknown.
    """
    against: list[Decision] = []
    for status in (PolicyStatus.ACTIVE, PolicyStatus.SHADOW):
        own = [decision for decision in decisions if decision.policy.status is status]
        permits = [decision for decision in own if decision.policy.kind is Effect.PERMIT]
        against += [decision for decision in own if decision.policy.kind is not Effect.PERMIT]
        against += settle_permits(permits)
    against.sort(key=lambda decision: decision.policy.id)
    active = {decision.state for decision in against if decision.policy.status is PolicyStatus.ACTIVE}
    if PolicyState.VIOLATED in active:
        verdict = "violated"
    elif PolicyState.INDETERMINATE in active:
        verdict = "indeterminate"
    elif PolicyState.EXCEPTED in active:
        verdict = "excepted"
    else:
        verdict = "permitted" if is_covered else "not_covered"
    return Verdict(
        verdict,
        _select(against, PolicyState.VIOLATED),
        _select(against, PolicyState.EXCEPTED),
        _select(against, PolicyState.INDETERMINATE),
        untargetable,
    )


def _select(decisions: Sequence[Decision], state: PolicyState) -> tuple[Violation, ...]:
    """Return the decisions of one state as entries of a verdict."""
    return tuple(decision.as_violation() for decision in decisions if decision.state is state)


def judge_reference(policy_set: PolicySet, event: Event) -> Verdict:
    """Return the verdict of a policy set on an event, policy by policy: slow, but the specification of the fast index."""
    time = find_time(event)
    policies = policy_set.in_force(time) if time is not None else ()
    decisions = [decide_policy(policy, event, policy_set.context) for policy in policies]
    targeted = [
        decision for decision in decisions if decision.state not in {PolicyState.NOT_TARGETED, PolicyState.UNTARGETABLE}
    ]
    return build_verdict(
        targeted,
        is_covered=any(decision.policy.status is PolicyStatus.ACTIVE for decision in targeted),
        untargetable=sum(decision.state is PolicyState.UNTARGETABLE for decision in decisions),
    )

"""The explanation of a verdict: every policy, every node of its conditions, and the event's values."""

from dataclasses import dataclass

from auditsvc.condition.describe import ConditionStep, explain_node
from auditsvc.event.model import Event
from auditsvc.policy.decide import PolicyState, decide_policy, find_time, judge_reference
from auditsvc.policy.model import Policy, PolicySet, Verdict


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """One policy's part in a verdict.

    Attributes:
        state: the result of the policy alone; of a permit policy as if it were the only one.
        reason: why it is not satisfied.
        exceptions: ids of the exceptions that excuse the violation.
        target, body: the conditions node by node.
    """

    policy: Policy
    state: PolicyState
    reason: str
    exceptions: tuple[str, ...]
    target: ConditionStep
    body: ConditionStep


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict with every policy in force at the event's time, in order of ids."""

    verdict: Verdict
    policies: tuple[PolicyStep, ...]


def explain(policy_set: PolicySet, event: Event) -> Explanation:
    """Return the verdict of an event with the truth value of every node of every policy in force at its time."""
    time = find_time(event)
    steps = []
    for policy in policy_set.in_force(time) if time is not None else ():
        decision = decide_policy(policy, event, policy_set.context)
        steps.append(
            PolicyStep(
                policy,
                decision.state,
                decision.reason,
                decision.exceptions,
                explain_node(policy.target, event, policy_set.context),
                explain_node(policy.body, event, policy_set.context),
            )
        )
    return Explanation(judge_reference(policy_set, event), tuple(steps))

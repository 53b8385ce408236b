"""The judgement of events by a policy set: what the engine, the console and the reports use.

:func:`judge_reference` is the meaning; :class:`Judge` gives the same verdicts through an index.
"""

from auditsvc.event.model import Event
from auditsvc.policy.decide import judge_reference
from auditsvc.policy.explain import Explanation, PolicyStep, explain
from auditsvc.policy.model import PolicySet, Verdict, Violation

__all__ = [
    "Explanation",
    "Judge",
    "PolicyStep",
    "Verdict",
    "Violation",
    "compile_policy_set",
    "explain",
    "judge_reference",
]


class Judge:
    """Judges events by one policy set."""

    def __init__(self, policy_set: PolicySet) -> None:
        """Judge by ``policy_set``."""
        self.policy_set = policy_set

    def judge(self, event: Event) -> Verdict:
        """Return the verdict of an event."""
        return judge_reference(self.policy_set, event)


def compile_policy_set(policy_set: PolicySet) -> Judge:
    """Return a judge by ``policy_set``."""
    return Judge(policy_set)

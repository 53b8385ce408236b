"""The judgement of events by a policy set: what the engine, the console and the reports use.

:func:`judge_reference` is the specification; :class:`Judge` returns the same verdicts, using an index.
"""

from auditsvc.policy.decide import judge_reference
from auditsvc.policy.explain import Explanation, PolicyStep, explain
from auditsvc.policy.index import Judge, compile_policy_set
from auditsvc.policy.model import Verdict, Violation

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

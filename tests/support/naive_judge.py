"""Judging written a second time, from docs/policy-language.md alone: slow, plain, and with no line of the judge in it.

Only the truth of a condition is asked of the package, which has its own references. Reasons are left out.
"""

from dataclasses import dataclass
from typing import Any

from auditsvc.condition.ast import Node
from auditsvc.condition.evaluate import Context, evaluate
from auditsvc.event.model import Event
from auditsvc.policy.model import Policy, PolicySet, Verdict

Line = tuple[str, int, str, str, str | None]
"""Policy, version, severity, status, and the exceptions that excuse it."""


@dataclass(frozen=True, slots=True)
class NaiveVerdict:
    """A verdict without reasons."""

    verdict: str
    violations: list[Line]
    excepted: list[Line]
    indeterminate: list[Line]
    untargetable: int


def strip_reasons(verdict: Verdict) -> NaiveVerdict:
    """Return what the package says, without reasons."""

    def strip(found: Any) -> list[Line]:
        return [(one.policy_id, one.version, one.severity, one.status, one.exception_id) for one in found]

    return NaiveVerdict(
        verdict.verdict,
        strip(verdict.violations),
        strip(verdict.excepted),
        strip(verdict.indeterminate),
        verdict.untargetable,
    )


def judge_naively(policy_set: PolicySet, event: Event) -> NaiveVerdict:
    """Return the verdict the page gives."""
    targets = [(policy, ask(policy.target, event, policy_set.context)) for policy in list_judging(policy_set, event)]
    said: dict[str, list[tuple[str, Line]]] = {"active": [], "shadow": []}
    for status, lines in said.items():
        targeted = [policy for policy, truth in targets if truth == "true" and policy.status.value == status]
        alone = [(policy.kind.value, *judge_alone(policy, event, policy_set.context)) for policy in targeted]
        lines += [(result, line) for kind, result, line in alone if kind != "permit" and result != "satisfied"]
        lines += count_permits([(result, line) for kind, result, line in alone if kind == "permit"])
    is_covered = any(truth == "true" and policy.status.value == "active" for policy, truth in targets)
    results = {result for result, _ in said["active"]}
    ranking = [name for name in ("violated", "indeterminate", "excepted") if name in results]
    both = [*said["active"], *said["shadow"]]
    return NaiveVerdict(
        ranking[0] if ranking else "permitted" if is_covered else "not_covered",
        sorted(line for result, line in both if result == "violated"),
        sorted(line for result, line in both if result == "excepted"),
        sorted(line for result, line in both if result == "indeterminate"),
        sum(truth == "unknown" for _, truth in targets),
    )


def count_permits(permits: list[tuple[str, Line]]) -> list[tuple[str, Line]]:
    """Return what targeted permits have against the event: one that holds is enough, an undecided one leaves it open."""
    results = [result for result, _ in permits]
    if "satisfied" in results:
        return []
    if "indeterminate" in results:
        return [(result, line) for result, line in permits if result == "indeterminate"]
    return permits


def list_judging(policy_set: PolicySet, event: Event) -> list[Policy]:
    """Return the highest version of each policy valid at the event's time, drafts passed over, if it judges."""
    time = event.get("time")
    if type(time) is not int:
        return []
    judging = []
    for name in sorted({policy.id for policy in policy_set.policies}):
        valid = []
        for policy in policy_set.policies:
            last = policy.valid_until_ns
            is_valid = policy.valid_from_ns <= time and (last is None or time < last)
            if policy.id == name and policy.status.value != "draft" and is_valid:
                valid.append(policy)
        if valid:
            highest = max(valid, key=lambda policy: policy.version)
            if highest.status.value in ("active", "shadow"):
                judging.append(highest)
    return judging


def judge_alone(policy: Policy, event: Event, context: Context) -> tuple[str, Line]:
    """Return what one targeted policy says, a permit as if it were the only one."""
    body, kind = ask(policy.body, event, context), policy.kind.value
    if body == "unknown":
        result = {"violate": "violated", "pass": "satisfied", "indeterminate": "indeterminate"}[policy.on_missing.value]
    elif kind == "forbid":
        result = "violated" if body == "true" else "satisfied"
    else:
        result = "satisfied" if body == "true" else "violated"
    excuses = []
    time = event.get("time")
    for exception in policy.exceptions:
        is_valid = isinstance(time, int) and exception.from_ns <= time < exception.until_ns
        if is_valid and ask(exception.match, event, context) == "true":
            excuses.append(exception.id)
    names = None
    if result == "violated" and excuses:
        result, names = "excepted", ",".join(excuses)
    return result, (policy.id, policy.version, policy.severity.value, policy.status.value, names)


def ask(node: Node, event: Event, context: Context) -> str:
    """Return the truth of a condition."""
    return evaluate(node, event, context).value

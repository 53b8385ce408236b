"""Checks for policies that are valid but probably mistaken; each finding has a remedy."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from auditsvc.condition.ast import (
    ORDER_OPERATORS,
    AnyOf,
    Compare,
    Node,
    Not,
    Operator,
    Quantifier,
    iter_leaves,
)
from auditsvc.condition.describe import format_node
from auditsvc.ground.errors import Problem
from auditsvc.policy.model import JUDGING, Effect, InlineTest, Policy, PolicySet, Severity
from auditsvc.policy.rows import split_conjunction

MIN_APPROVERS = 2
_PLAIN = re.compile(r"[^\\.^$*+?()\[\]{}]*\Z")
_GROUP = re.compile(r"\(\?:(.*)\)\Z|\((.*)\)\Z")


def lint(policy_set: PolicySet) -> list[Problem]:
    """Return the findings of every policy that is not retired, in order of policies."""
    problems: list[Problem] = []
    for policy in policy_set.policies:
        problems += [Problem(policy.file, line, 1, code, f"{policy.id}: {text}") for line, code, text in _check(policy)]
    judging = [policy for policy in policy_set.policies if policy.status in JUDGING]
    for policy in judging:
        forbid = _find_shadowing(policy, judging)
        if forbid is not None:
            text = f"{policy.id}: no event can satisfy this permit, `{forbid.id}` forbids all of them"
            problems.append(Problem(policy.file, policy.line, 1, "lint_unreachable", text))
    return problems


Finding = tuple[int, str, str]


def _check(policy: Policy) -> Iterator[Finding]:
    conditions = [policy.target, policy.body, *(exception.match for exception in policy.exceptions)]
    for condition in conditions:
        yield from _check_condition(policy, condition)
    yield from _check_tests(policy)
    if policy.severity is Severity.CRITICAL and len(set(policy.approved_by)) < MIN_APPROVERS:
        yield policy.line, "lint_approval", "a critical policy needs two different names in `approved_by`"
    target = set(split_conjunction(policy.target))
    if policy.kind is not Effect.PERMIT and set(split_conjunction(policy.body)) <= target:
        text = "the body repeats the target, so it always holds for the events it is about"
        yield policy.line, "lint_constant", text
    for exception in policy.exceptions:
        if set(split_conjunction(exception.match)) <= target:
            text = f"exception `{exception.id}` excuses every event the policy is about; narrow it or retire the policy"
            yield policy.line, "lint_exception", text


def _check_tests(policy: Policy) -> Iterator[Finding]:
    """Yield findings on missing inline tests."""
    if policy.status not in JUDGING:
        return
    if not any(_expects_violation(test) for test in policy.tests):
        yield policy.line, "lint_tests", "no inline test expects a violation; write one that must match"
    if not any(not _expects_violation(test) for test in policy.tests):
        yield policy.line, "lint_tests", "no inline test expects none; write one that must not match"


def _expects_violation(test: InlineTest) -> bool:
    """Return whether a test expects a violation."""
    return test.expect.violations > 0


def _check_condition(policy: Policy, condition: Node) -> Iterator[Finding]:
    """Yield findings on one condition."""
    for conjunction in _iter_conjunctions(condition):
        for text in find_contradictions(conjunction):
            yield policy.line, "lint_contradiction", text
    for leaf in iter_leaves(condition):
        if isinstance(leaf, Compare) and leaf.operator is Operator.RE:
            for value in leaf.values:
                if _is_list(str(value)):
                    text = f"`{format_node(leaf)}` is a list in disguise; write the values as a list"
                    yield leaf.place.line or policy.line, "lint_regex", text


def _is_list(pattern: str) -> bool:
    """Return whether a pattern is only alternatives of plain text."""
    match = _GROUP.match(pattern)
    inner = (match.group(1) or match.group(2) or "") if match else pattern
    return _PLAIN.match(inner.replace("|", "")) is not None


def _iter_conjunctions(node: Node) -> Iterator[Sequence[Node]]:
    """Yield the parts of every conjunction within a condition."""
    parts = split_conjunction(node)
    yield parts
    for part in parts:
        match part:
            case AnyOf(nodes):
                for inner in nodes:
                    yield from _iter_conjunctions(inner)
            case Not(inner) if inner is not node:
                yield from _iter_conjunctions(inner)


def find_contradictions(parts: Sequence[Node]) -> Iterator[str]:
    """Yield a message for each pair of parts that cannot both be true for one event."""
    known = set(parts)
    for part in parts:
        if isinstance(part, Not) and part.node in known:
            yield f"`{format_node(part.node)}` and its negation cannot both be true"
    compares = [
        part
        for part in parts
        if isinstance(part, Compare) and not part.field.multi and part.quantifier is Quantifier.ANY
    ]
    for number, first in enumerate(compares):
        for second in compares[number + 1 :]:
            if first.field == second.field and _excludes(first, second):
                yield f"`{format_node(first)}` and `{format_node(second)}` cannot both be true"


class _RangeBound(NamedTuple):
    """A bound and whether it is exclusive: 1 for values greater than it, -1 for smaller ones, 0 if it is inclusive.

    Bounds compare as tuples.
    """

    value: float
    beyond: int


def _excludes(first: Compare, second: Compare) -> bool:
    """Return whether two comparisons of one field have no common value."""
    if first.nocase or second.nocase:
        return False
    if first.operator is Operator.EQ and second.operator is Operator.EQ:
        return not set(first.values) & set(second.values)
    low, high = _bounds(first), _bounds(second)
    if low is None or high is None:
        return False
    floor, ceiling = max(low[0], high[0]), min(low[1], high[1])
    return floor.value > ceiling.value or (floor.value == ceiling.value and (floor.beyond == 1 or ceiling.beyond == -1))


def _bounds(node: Compare) -> tuple[_RangeBound, _RangeBound] | None:
    """Return the least and greatest value a numeric comparison allows, None for other comparisons."""
    if node.operator not in {Operator.EQ, *ORDER_OPERATORS} or any(isinstance(value, str) for value in node.values):
        return None
    values = [value for value in node.values if not isinstance(value, str)]
    least, most = min(values), max(values)
    infinity = float("inf")
    match node.operator:
        case Operator.LT:
            return _RangeBound(-infinity, 0), _RangeBound(most, -1)
        case Operator.LTE:
            return _RangeBound(-infinity, 0), _RangeBound(most, 0)
        case Operator.GT:
            return _RangeBound(least, 1), _RangeBound(infinity, 0)
        case Operator.GTE:
            return _RangeBound(least, 0), _RangeBound(infinity, 0)
        case _:
            return _RangeBound(least, 0), _RangeBound(most, 0)


def _find_shadowing(policy: Policy, judging: Sequence[Policy]) -> Policy | None:
    """Return an active forbid that is true wherever a permit is, None when there is none or the policy is not a permit."""
    if policy.kind is not Effect.PERMIT:
        return None
    satisfied = {*split_conjunction(policy.target), *split_conjunction(policy.body)}
    for other in judging:
        if other.kind is Effect.FORBID:
            needed = {*split_conjunction(other.target), *split_conjunction(other.body)}
            if needed <= satisfied and not other.exceptions:
                return other
    return None

"""Policies as rows of single-purpose tests: the input of the bit-vector index.

A *row* is a conjunction of *probes*; a probe is a condition that reads one field, or, where a condition relates
several fields, that condition as a whole. A policy has one row for its target and rows for ``target and against``, where
``against`` is the body of a ``forbid`` or the negated body of a ``require``, in disjunctive form; a permit policy has
rows for ``target and body``. Kleene's logic is a distributive lattice with De Morgan's laws, so the disjunction of a
policy's rows has exactly the truth value of the condition, including unknown.
"""

from dataclasses import dataclass
from itertools import product

from auditsvc.condition.ast import All, AnyOf, Node, Not, collect_fields
from auditsvc.policy.model import Effect, Policy

MAX_ROWS = 16
"""Maximum rows of one condition; a larger disjunctive form stays one probe, decided as a whole."""

Conjunction = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class PolicyRows:
    """The rows of one policy: target, and either what violates it or, for a permit, what satisfies it."""

    policy: Policy
    target: Conjunction
    against: tuple[Conjunction, ...]
    satisfied: tuple[Conjunction, ...]


def build_rows(policy: Policy) -> PolicyRows:
    """Return the rows of a policy."""
    target = split_conjunction(policy.target)
    if policy.kind is Effect.PERMIT:
        return PolicyRows(policy, target, (), _under(target, policy.body))
    against = policy.body if policy.kind is Effect.FORBID else Not(policy.body)
    return PolicyRows(policy, target, _under(target, against), ())


def _under(target: Conjunction, node: Node) -> tuple[Conjunction, ...]:
    """Return the rows of ``target and node``."""
    return tuple((*target, *row) for row in split_disjunction(node))


def split_conjunction(node: Node) -> Conjunction:
    """Return the parts of a conjunction, negations moved inwards; anything else is one part."""
    match node:
        case All(nodes):
            return tuple(part for inner in nodes for part in split_conjunction(inner))
        case Not(AnyOf(nodes)):
            return tuple(part for inner in nodes for part in split_conjunction(Not(inner)))
        case Not(Not(inner)):
            return split_conjunction(inner)
        case _:
            return (node,)


def split_disjunction(node: Node) -> tuple[Conjunction, ...]:
    """Return the disjunctive form of a condition, at most :data:`MAX_ROWS` rows, otherwise the condition as one row."""
    if len(collect_fields(node)) == 1:
        return ((node,),)
    match node:
        case AnyOf(nodes):
            rows = tuple(row for inner in nodes for row in split_disjunction(inner))
        case Not(All(nodes)):
            rows = tuple(row for inner in nodes for row in split_disjunction(Not(inner)))
        case All(nodes):
            rows = _distribute(nodes)
        case Not(AnyOf(nodes)):
            rows = _distribute(tuple(Not(inner) for inner in nodes))
        case Not(Not(inner)):
            return split_disjunction(inner)
        case _:
            return ((node,),)
    return rows if len(rows) <= MAX_ROWS else ((node,),)


def _distribute(nodes: tuple[Node, ...]) -> tuple[Conjunction, ...]:
    """Return the disjunctive form of a conjunction, or its parts as one row when that would be too long."""
    forms = [split_disjunction(inner) for inner in nodes]
    size = 1
    for form in forms:
        size *= len(form)
    if size > MAX_ROWS:
        return (nodes,)
    return tuple(tuple(part for row in combination for part in row) for combination in product(*forms))

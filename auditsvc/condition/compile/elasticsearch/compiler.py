"""Conditions as Elasticsearch queries that are true at least where the reference is true, and what is left to decide.

Every node compiles to two queries, one for where :func:`auditsvc.condition.evaluate.evaluate` is true and one for where
it is false (:class:`~auditsvc.condition.compile.elasticsearch.query.Truths`); where neither holds the node is unknown. A query
that cannot be exact is a superset and says so; then the Python reference decides the rest on what the index returns.

The queries use ``term``, ``terms``, ``range``, ``exists``, ``prefix``, ``wildcard``, ``regexp`` and ``bool`` in filters:
no scripts, no ``query_string``, nothing analysed. They stay within the bounds of a server with default settings.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import assert_never

from auditsvc.condition.ast import (
    TEXT_KINDS,
    All,
    AnyOf,
    Compare,
    Exists,
    InCalendar,
    InList,
    IsNull,
    Length,
    Node,
    Not,
    Operator,
    Reference,
)
from auditsvc.condition.compile.elasticsearch.order import (
    compile_in_calendar,
    compile_length,
    compile_networks,
    compile_number,
)
from auditsvc.condition.compile.elasticsearch.path import NULLS_PATH
from auditsvc.condition.compile.elasticsearch.path import index_path as index_path
from auditsvc.condition.compile.elasticsearch.query import (
    NOTHING,
    Body,
    Bound,
    Query,
    Truths,
    both,
    measure,
    render,
    terms,
    without,
)
from auditsvc.condition.compile.elasticsearch.scope import Scope
from auditsvc.condition.compile.elasticsearch.text import compile_in_list, compile_text
from auditsvc.condition.evaluate import Context
from auditsvc.event.fields import Kind

MAX_CLAUSES = 1_000
"""Most clauses of one query: a server computes its own bound from its memory, never below 1,024."""
MAX_NESTING = 20
"""Deepest nesting of ``bool``, of the 30 a server allows; the store wraps the query in a few of its own."""


@dataclass(frozen=True, slots=True)
class ElasticQuery:
    """A condition for Elasticsearch.

    Attributes:
        query: JSON of a query that holds on at least the events on which the condition is true.
        residual: what the Python reference has to say true of an event that comes back; None when ``query`` is exact.
    """

    query: Body
    residual: Node | None


def split_for_elastic(
    node: Node,
    context: Context,
    *,
    overlong: Collection[str] | None = None,
    interval: tuple[int, int] | None = None,
) -> ElasticQuery:
    """Return the query of a condition, and what is left to decide on the events it finds.

    Args:
        node: the condition.
        context: lists and calendars it may name.
        overlong: names of the fields that some document has in ``govshare.long``. None stands for "any"; then no
            pattern over text is exact, so a store keeps account of them.
        interval: event time ``[first, last)`` outside of which the caller asks for nothing; calendars are cut to it.
    """
    scope = Scope(context, overlong, interval)
    pushed: list[Query] = []
    rest: list[Node] = []
    clauses = 0
    for part in _list_parts(node):
        bound = _compile(part, scope).true
        size, depth = measure(render(bound.query))
        if bound.query == NOTHING:
            return ElasticQuery(render(NOTHING), None)
        if clauses + size > MAX_CLAUSES or depth > MAX_NESTING:
            rest.append(part)
            continue
        clauses += size
        pushed.append(bound.query)
        if not bound.exact:
            rest.append(part)
    residual = None if not rest else rest[0] if len(rest) == 1 else All(tuple(rest))
    return ElasticQuery(render(both(pushed)), residual)


def _list_parts(node: Node) -> Iterator[Node]:
    """Give the conditions all of which must be true."""
    if isinstance(node, All):
        for inner in node.nodes:
            yield from _list_parts(inner)
    else:
        yield node


def _compile(node: Node, scope: Scope) -> Truths:
    """Return where a node is true and where it is false."""
    match node:
        case All(nodes):
            parts = [_compile(inner, scope) for inner in nodes]
            return Truths(Bound.both([part.true for part in parts]), Bound.either([part.false for part in parts]))
        case AnyOf(nodes):
            parts = [_compile(inner, scope) for inner in nodes]
            return Truths(Bound.either([part.true for part in parts]), Bound.both([part.false for part in parts]))
        case Not(inner):
            return _compile(inner, scope).negate()
        case Exists(known):
            present = scope.find_present(known)
            return Truths(Bound(present), Bound(without(present)))
        case IsNull(known):
            null = terms(NULLS_PATH, [known.name])
            return Truths(Bound(null), Bound(without(null)))
        case Compare():
            return _compile_compare(node, scope)
        case Length():
            return compile_length(node)
        case Reference():
            return _compile_reference(node, scope)
        case InList():
            return compile_in_list(node, scope)
        case InCalendar():
            return compile_in_calendar(node, scope)
        case _:
            assert_never(node)


def _compile_compare(node: Compare, scope: Scope) -> Truths:
    """Return the truths of a comparison with constants."""
    if node.operator is Operator.CIDR:
        return compile_networks(node)
    if node.field.kind in TEXT_KINDS or node.field.kind is Kind.IP:
        return compile_text(node, scope)
    return compile_number(node)


def _compile_reference(node: Reference, scope: Scope) -> Truths:
    """Return the truths of a comparison of two fields: the index cannot compare them, only say where both are."""
    known = both([scope.find_present(node.field), scope.find_present(node.other)])
    return Truths(Bound(known, exact=False), Bound(known, exact=False))

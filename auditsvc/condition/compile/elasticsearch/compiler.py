"""Conditions as Elasticsearch queries that are true at least where the reference is true, and the residual condition.

Every node compiles to two queries, one for where :func:`auditsvc.condition.evaluate.evaluate` is true and one for where
it is false (:class:`~auditsvc.condition.compile.elasticsearch.truth.TruthQueries`); where neither matches, the node is unknown.
A query that cannot be exact is a superset and marked as such; then the Python reference evaluates the rest on the
events returned.

The queries use ``term``, ``terms``, ``range``, ``exists``, ``prefix``, ``wildcard``, ``regexp`` and ``bool`` in filters:
no scripts, no ``query_string``, no analysed text. They stay within the limits of a server with default settings.
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
from auditsvc.condition.compile.elasticsearch.address import compile_networks
from auditsvc.condition.compile.elasticsearch.calendar import compile_in_calendar
from auditsvc.condition.compile.elasticsearch.number import compile_boolean, compile_number
from auditsvc.condition.compile.elasticsearch.path import NULLS_PATH
from auditsvc.condition.compile.elasticsearch.query import (
    EVERYTHING,
    NOTHING,
    Body,
    Both,
    Either,
    OneOf,
    Query,
    Superset,
    measure,
    render,
    simplify,
)
from auditsvc.condition.compile.elasticsearch.scope import ElasticScope
from auditsvc.condition.compile.elasticsearch.text import compile_in_list, compile_text
from auditsvc.condition.compile.elasticsearch.truth import TruthQueries, decide
from auditsvc.condition.compile.residual import build_residual
from auditsvc.condition.evaluate import Context
from auditsvc.event.fields import Kind

MAX_CLAUSES = 1_000
"""Maximum clauses of one query: a server computes its own limit from its memory, never below 1,024."""
MAX_NESTING = 20
"""Deepest nesting of ``bool``, of the 30 a server allows; the store wraps the query in a few of its own."""


@dataclass(frozen=True, slots=True)
class ElasticQuery:
    """A condition for Elasticsearch.

    Attributes:
        query: JSON of a query that matches at least the events for which the condition is true.
        residual: condition that the Python reference must check on each event returned; None when ``query`` is exact.
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
    """Return the query of a condition, and the residual condition to check on the events it finds.

    Args:
        node: the condition.
        context: lists and calendars it may refer to.
        overlong: names of the fields that some document has in ``govshare.long``. None means "any"; then no
            pattern over text is exact, so a store keeps track of them.
        interval: event time ``[first, last)`` to which the caller restricts its search; calendars are clipped to it.
    """
    scope = ElasticScope(context, overlong, interval)
    pushed: list[Query] = []
    rest: list[Node] = []
    clauses = 0
    for part in _list_parts(node):
        bound = simplify(_compile_node(part, scope).true)
        if bound.query == NOTHING:
            return ElasticQuery(render(NOTHING), None)
        size, depth = measure(render(bound.query))
        fits = clauses + size <= MAX_CLAUSES and depth <= MAX_NESTING
        if fits:
            clauses += size
            pushed.append(bound.query)
        if not (fits and bound.exact):
            rest.append(part)
    return ElasticQuery(render(simplify(Both(pushed)).query), build_residual(rest))


def _list_parts(node: Node) -> Iterator[Node]:
    """Yield the conditions all of which must be true."""
    if isinstance(node, All):
        for inner in node.nodes:
            yield from _list_parts(inner)
    else:
        yield node


def _compile_node(node: Node, scope: ElasticScope) -> TruthQueries:
    match node:
        case All(nodes):
            parts = [_compile_node(inner, scope) for inner in nodes]
            return TruthQueries(Both([part.true for part in parts]), Either([part.false for part in parts]))
        case AnyOf(nodes):
            parts = [_compile_node(inner, scope) for inner in nodes]
            return TruthQueries(Either([part.true for part in parts]), Both([part.false for part in parts]))
        case Not(inner):
            negated = _compile_node(inner, scope)
            return TruthQueries(negated.false, negated.true)
        case Exists(known):
            return decide(EVERYTHING, scope.locate(known).present)
        case IsNull(known):
            return decide(EVERYTHING, OneOf(NULLS_PATH, [known.name]))
        case Compare() if node.operator is Operator.CIDR:
            return compile_networks(node)
        case Compare() if node.field.kind in TEXT_KINDS or node.field.kind is Kind.IP:
            return compile_text(node, scope)
        case Compare() if node.field.kind is Kind.BOOLEAN:
            return compile_boolean(node)
        case Compare() | Length():
            return compile_number(node)
        case Reference():
            # the index cannot compare two fields, only match where both have a value
            comparable = Both([scope.locate(node.field).present, scope.locate(node.other).present])
            return decide(comparable, Superset(comparable))
        case InList():
            return compile_in_list(node, scope)
        case InCalendar():
            return compile_in_calendar(node, scope)
        case _:
            assert_never(node)

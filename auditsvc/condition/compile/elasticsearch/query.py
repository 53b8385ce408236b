"""Elasticsearch queries as a small algebra, simplified as they are built, and what is known of their truth.

A :class:`Bound` holds on at least the events it stands for; an exact one holds on no others. A condition compiles to two
of them, one for where it is true and one for where it is false; it is unknown everywhere else. So negation swaps the two
and never has to negate what is only a superset.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

Body: TypeAlias = dict[str, Any]
"""JSON of one query."""

MAX_TERMS = 65_536
"""``index.max_terms_count`` of a server that was not told otherwise."""


@dataclass(frozen=True, slots=True)
class Clause:
    """One query of Elasticsearch that is no combination."""

    body: Body


@dataclass(frozen=True, slots=True)
class Both:
    """Every query holds; with none, on every event."""

    queries: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one query holds; with none, on no event."""

    queries: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Without:
    """The query does not hold."""

    query: "Query"


Query: TypeAlias = Clause | Both | Either | Without
EVERYTHING = Both(())
NOTHING = Either(())


def both(queries: Iterable[Query]) -> Query:
    """Return the conjunction."""
    kept: list[Query] = []
    for query in queries:
        if query == NOTHING:
            return NOTHING
        kept += query.queries if isinstance(query, Both) else [query]
    return kept[0] if len(kept) == 1 else Both(tuple(kept))


def either(queries: Iterable[Query]) -> Query:
    """Return the disjunction."""
    kept: list[Query] = []
    for query in queries:
        if query == EVERYTHING:
            return EVERYTHING
        kept += query.queries if isinstance(query, Either) else [query]
    return kept[0] if len(kept) == 1 else Either(tuple(kept))


def without(query: Query) -> Query:
    """Return the negation: two-valued, so for exact queries only."""
    if query == EVERYTHING:
        return NOTHING
    if query == NOTHING:
        return EVERYTHING
    return query.query if isinstance(query, Without) else Without(query)


def exists(path: str) -> Query:
    """Return where a path has at least one value."""
    return Clause({"exists": {"field": path}})


def terms(path: str, values: Sequence[object]) -> Query:
    """Return where a path has at least one of the values, in as many queries as the server's bound asks for."""
    chunks = [list(values[start : start + MAX_TERMS]) for start in range(0, len(values), MAX_TERMS)]
    return either(
        Clause({"term": {path: chunk[0]}} if len(chunk) == 1 else {"terms": {path: chunk}}) for chunk in chunks
    )


def prefix(path: str, text: str, *, nocase: bool = False) -> Query:
    """Return where a path has a value that starts with a text; A to Z are a to z with ``nocase``."""
    return Clause({"prefix": {path: {"value": text, **_fold(nocase)}}})


def within(path: str, **bounds: object) -> Query:
    """Return where a path has a value inside ``gt``, ``gte``, ``lt`` and ``lte``."""
    return Clause({"range": {path: bounds}})


def same_text(path: str, text: str) -> Query:
    """Return where a path has a value that is a text, A to Z being a to z."""
    return Clause({"term": {path: {"value": text, **_fold(True)}}})


def wildcard(path: str, pattern: str, *, nocase: bool = False) -> Query:
    """Return where a path has a value that matches a pattern of Lucene's wildcards."""
    return Clause({"wildcard": {path: {"value": pattern, **_fold(nocase)}}})


def regexp(path: str, pattern: str) -> Query:
    """Return where a path has a value that matches a regular expression of Lucene's, ``~`` its only option."""
    return Clause({"regexp": {path: {"value": pattern, "flags": "COMPLEMENT"}}})


def _fold(nocase: bool) -> Body:
    """Return the setting for ASCII letters; the server folds no others, as :func:`auditsvc.condition.match.fold_case`."""
    return {"case_insensitive": True} if nocase else {}


def render(query: Query) -> Body:
    """Return the JSON of a query, for a filter: scores mean nothing."""
    if query == EVERYTHING:
        return {"match_all": {}}
    if query == NOTHING:
        return {"match_none": {}}
    match query:
        case Clause(body):
            return body
        case Either(queries):
            return {"bool": {"should": [render(inner) for inner in queries], "minimum_should_match": 1}}
        case Without(inner):
            return {"bool": {"must_not": _render_excluded(inner)}}
        case Both(queries):
            required = [render(inner) for inner in queries if not isinstance(inner, Without)]
            excluded = [
                body for inner in queries if isinstance(inner, Without) for body in _render_excluded(inner.query)
            ]
            parts = {"filter": required, "must_not": excluded}
            return {"bool": {name: bodies for name, bodies in parts.items() if bodies}}
        case _:
            assert_never(query)


def _render_excluded(query: Query) -> list[Body]:
    """Return the queries none of which may hold."""
    return [render(inner) for inner in query.queries] if isinstance(query, Either) else [render(query)]


def measure(body: Body) -> tuple[int, int]:
    """Return how many clauses a query has and how deep they are nested, as the server counts them."""
    inner = body.get("bool")
    if inner is None:
        return 1, 1
    sizes = [measure(query) for queries in inner.values() if isinstance(queries, list) for query in queries]
    return sum(size for size, _ in sizes), 1 + max(depth for _, depth in sizes)


@dataclass(frozen=True, slots=True)
class Bound:
    """A query that holds on at least the events meant, and when it is ``exact`` on no others."""

    query: Query
    exact: bool = True

    @classmethod
    def both(cls, bounds: Sequence["Bound"]) -> "Bound":
        """Return the conjunction."""
        query = both(bound.query for bound in bounds)
        return cls(query, query == NOTHING or all(bound.exact for bound in bounds))

    @classmethod
    def either(cls, bounds: Sequence["Bound"]) -> "Bound":
        """Return the disjunction."""
        return cls(either(bound.query for bound in bounds), all(bound.exact for bound in bounds))


@dataclass(frozen=True, slots=True)
class Truths:
    """Where a condition is true and where it is false."""

    true: Bound
    false: Bound

    def negate(self) -> "Truths":
        """Return the truths of the negation."""
        return Truths(self.false, self.true)


UNKNOWN = Truths(Bound(NOTHING), Bound(NOTHING))
"""A condition that is unknown on every event."""


def decide(known: Query, true: Bound) -> Truths:
    """Return the truths of a test that is decided on the events ``known``, of which it is true on some."""
    if true.exact:
        return Truths(true, Bound(both([known, without(true.query)])))
    return Truths(true, Bound(known, exact=False))

"""Queries as trees: built by the modules above, simplified once, and rendered as JSON.

A tree is built by calling the constructors; nothing is evaluated before :func:`simplify`. A query matches exactly the
events intended, unless part of it is a :class:`Superset`: then it may match others too, and the whole is no longer
exact.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, assert_never

Body: TypeAlias = dict[str, Any]
"""JSON of one query."""

MAX_TERMS = 65_536
"""Default ``index.max_terms_count`` of a server."""


@dataclass(frozen=True, slots=True)
class HasValue:
    """A path has at least one value."""

    path: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """A path has at least one of some values; without values, matches nothing."""

    path: str
    values: Sequence[object]


@dataclass(frozen=True, slots=True)
class Within:
    """A path has a value inside all bounds that are given."""

    path: str
    gt: object = None
    gte: object = None
    lt: object = None
    lte: object = None


@dataclass(frozen=True, slots=True)
class FoldedTerm:
    """A path has a value that is a text, A to Z being a to z."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """A path has a value that starts with a text; with ``nocase`` A to Z are a to z."""

    path: str
    text: str
    nocase: bool = False


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A path has a value that matches a pattern of Lucene's wildcards; with ``nocase`` A to Z are a to z."""

    path: str
    pattern: str
    nocase: bool = False


@dataclass(frozen=True, slots=True)
class Regexp:
    """A path has a value that matches a regular expression of Lucene's, ``~`` its only option."""

    path: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Both:
    """All queries match; with none, every event does."""

    queries: Sequence["Query"]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one query matches; with none, no event does."""

    queries: Sequence["Query"]


@dataclass(frozen=True, slots=True)
class Without:
    """The query, which must be exact, does not match: two-valued."""

    query: "Query"


@dataclass(frozen=True, slots=True)
class Superset:
    """The query matches the events intended, and perhaps others."""

    query: "Query"


@dataclass(frozen=True, slots=True)
class Remainder:
    """``known`` matches and ``removed`` does not; since a superset cannot be excluded, ``fallback`` replaces it then."""

    known: "Query"
    removed: "Query"
    fallback: "Query"


Query: TypeAlias = (
    HasValue | OneOf | Within | FoldedTerm | Prefix | Wildcard | Regexp | Both | Either | Without | Superset | Remainder
)
EVERYTHING = Both(())
NOTHING = Either(())
_FOLDING: dict[bool, Body] = {False: {}, True: {"case_insensitive": True}}
"""Case-insensitivity option: the server folds ASCII letters and no others, like :func:`auditsvc.condition.match.fold_case`."""


@dataclass(frozen=True, slots=True)
class SimpleQuery:
    """A query without :class:`Superset` and :class:`Remainder`, combinations flattened as far as possible.

    Attributes:
        query: matches at least the events intended.
        exact: it matches no others.
    """

    query: Query
    exact: bool = True


def simplify(query: Query) -> SimpleQuery:
    """Return a query in its simplest form, and whether it is exact."""
    match query:
        case OneOf(path, values):
            # split to stay below the server's limit on terms
            chunks = [values[start : start + MAX_TERMS] for start in range(0, len(values), MAX_TERMS)]
            return SimpleQuery(_unite(OneOf(path, chunk) for chunk in chunks))
        case Both(queries):
            parts = [simplify(inner) for inner in queries]
            common = _intersect(part.query for part in parts)
            return SimpleQuery(common, common == NOTHING or all(part.exact for part in parts))
        case Either(queries):
            parts = [simplify(inner) for inner in queries]
            return SimpleQuery(_unite(part.query for part in parts), all(part.exact for part in parts))
        case Without(inner):
            return SimpleQuery(_negate(simplify(inner).query))
        case Superset(inner):
            return SimpleQuery(simplify(inner).query, exact=False)
        case Remainder(known, removed, fallback):
            part = simplify(removed)
            if not part.exact:
                return simplify(fallback)
            return SimpleQuery(_intersect([simplify(known).query, _negate(part.query)]))
        case _:
            return SimpleQuery(query)


def _intersect(queries: Iterable[Query]) -> Query:
    kept: list[Query] = []
    for query in queries:
        if query == NOTHING:
            return NOTHING
        kept += query.queries if isinstance(query, Both) else [query]
    return kept[0] if len(kept) == 1 else Both(tuple(kept))


def _unite(queries: Iterable[Query]) -> Query:
    kept: list[Query] = []
    for query in queries:
        if query == EVERYTHING:
            return EVERYTHING
        kept += query.queries if isinstance(query, Either) else [query]
    return kept[0] if len(kept) == 1 else Either(tuple(kept))


def _negate(query: Query) -> Query:
    if query == EVERYTHING:
        return NOTHING
    if query == NOTHING:
        return EVERYTHING
    return query.query if isinstance(query, Without) else Without(query)


def render(query: Query) -> Body:
    """Return the JSON of a simple query, for a filter: scores are irrelevant."""
    match query:
        case HasValue(path):
            return {"exists": {"field": path}}
        case OneOf(path, values):
            return {"term": {path: values[0]}} if len(values) == 1 else {"terms": {path: list(values)}}
        case Within(path, gt, gte, lt, lte):
            bounds = {"gt": gt, "gte": gte, "lt": lt, "lte": lte}
            return {"range": {path: {name: bound for name, bound in bounds.items() if bound is not None}}}
        case FoldedTerm(path, text):
            return {"term": {path: {"value": text, **_FOLDING[True]}}}
        case Prefix(path, text, nocase):
            return {"prefix": {path: {"value": text, **_FOLDING[nocase]}}}
        case Wildcard(path, pattern, nocase):
            return {"wildcard": {path: {"value": pattern, **_FOLDING[nocase]}}}
        case Regexp(path, pattern):
            return {"regexp": {path: {"value": pattern, "flags": "COMPLEMENT"}}}
        case Both() | Either() | Without():
            return _render_combination(query)
        case Superset() | Remainder():
            raise ValueError("expected a simple query; `simplify` it first")
        case _:
            assert_never(query)


def _render_combination(query: Both | Either | Without) -> Body:
    if query == EVERYTHING:
        return {"match_all": {}}
    if query == NOTHING:
        return {"match_none": {}}
    match query:
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
    """Return the queries none of which may match."""
    return [render(inner) for inner in query.queries] if isinstance(query, Either) else [render(query)]


def measure(body: Body) -> tuple[int, int]:
    """Return how many clauses a query has and how deep they are nested, as the server counts them."""
    inner = body.get("bool")
    if inner is None:
        return 1, 1
    sizes = [measure(query) for queries in inner.values() if isinstance(queries, list) for query in queries]
    return sum(size for size, _ in sizes), 1 + max(depth for _, depth in sizes)

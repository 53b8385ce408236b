"""Searches over a list of indices, page by page or complete, that fail rather than return partial results."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from auditsvc.ground.errors import StorageError
from auditsvc.store.elasticsearch.failure import CODE, storage_errors

PAGE = 3_000
"""Documents of one page of a scan."""
LARGEST_PAGE = 10_000
"""Maximum documents of one response in a server's default settings."""
KEEP_ALIVE = "2m"
"""How long the server keeps a scan's point in time after each page."""
_NAMED = 9
"""Maximum number of indices, in addition to the first, named in a message."""
NOTHING: dict[str, Any] = {"match_none": {}}

Hit = Mapping[str, Any]
Sort = Sequence[Mapping[str, Any]]


def both(*queries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the query of documents that match all of these."""
    return {"bool": {"filter": list(queries)}}


def within(path: str, first: int, last: int) -> dict[str, Any]:
    """Return the query of values in ``[first, last)``, clamped to 64 bits."""
    return {"range": {path: {"gte": max(first, -(2**63)), "lt": min(last, 2**63 - 1)}}}


def search(
    client: Elasticsearch, indices: Sequence[str], query: Mapping[str, Any], **options: Any
) -> Mapping[str, Any]:
    """Return the response to one search.

    Raises:
        StorageError: ``storage_unavailable``, also when only some of the shards responded, and when an index is closed or
            missing: it would look as if it were empty.
    """
    with storage_errors(), _gone_told():
        answer: Mapping[str, Any] = client.search(
            index=list(indices),
            query=query,
            ignore_unavailable=False,
            allow_partial_search_results=False,
            **{"track_total_hits": False, **options},
        ).body
    return answer


@contextmanager
def _gone_told() -> Iterator[None]:
    """Report which index no longer exists."""
    try:
        yield
    except NotFoundError as err:
        name = err.body.get("error", {}).get("index") if isinstance(err.body, dict) else None
        if name is None:
            raise
        raise StorageError(CODE, describe_gone(name), status=err.status_code) from err


def describe_gone(index: str, *others: str) -> str:
    """Return what to do about indices that were deleted."""
    more = "".join(f", so is `{other}`" for other in others[:_NAMED])
    if len(others) > _NAMED:
        more += f" and {len(others) - _NAMED} more"
    return f"event store: index `{index}` held rows and is gone{more}; run `auditsvc reindex`"


@contextmanager
def refuse_foreign() -> Iterator[None]:
    """Translate exceptions from reading a document that is not one of ours."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as err:
        message = f"event store: it holds a document that is none of its rows ({type(err).__name__}: {err})"
        raise StorageError(CODE, f"{message}; somebody else wrote it; run `auditsvc reindex`") from err


def read_hits(answer: Mapping[str, Any]) -> Sequence[Hit]:
    """Return the hits of a response, parts of which may have been filtered out."""
    hits: Sequence[Hit] = answer.get("hits", {}).get("hits", ())
    return hits


def count(client: Elasticsearch, indices: Sequence[str], query: Mapping[str, Any]) -> int:
    """Return the exact number of documents."""
    if not indices:
        return 0
    answer = search(client, indices, query, size=0, track_total_hits=True, filter_path="hits.total.value")
    number: int = answer["hits"]["total"]["value"]
    return number


def iter_sorted(
    client: Elasticsearch,
    indices: Sequence[str],
    query: Mapping[str, Any],
    sort: Sort,
    *,
    page: int = PAGE,
    after: Sequence[Any] | None = None,
    **options: Any,
) -> Iterator[Hit]:
    """Yield all documents (after ``after``), page by page; the sort order must be total.

    Rows never change and are never removed singly, and the query selects only those before a position, so pages are
    consistent without a point in time.
    """
    while indices:
        more = {} if after is None else {"search_after": after}
        hits = read_hits(search(client, indices, query, sort=sort, size=page, **more, **options))
        yield from hits
        if len(hits) < page:
            return
        after = hits[-1]["sort"]


def iter_all(
    client: Elasticsearch, indices: Sequence[str], query: Mapping[str, Any], paths: Sequence[str] | None = None
) -> Iterator[Mapping[str, Any]]:
    """Yield the contents of all documents (at ``paths`` only) in no order, from one point in time, closed at the end."""
    return iter_point(client, indices, query, ["_shard_doc"], paths)


def iter_point(
    client: Elasticsearch,
    indices: Sequence[str],
    query: Mapping[str, Any],
    sort: Sequence[str | Mapping[str, Any]],
    paths: Sequence[str] | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Yield the contents of all documents from one point in time; the sort order must be total.

    The point in time is opened for the first document, and closed after the last one or when the iterator is closed.
    """
    if not indices:
        return
    with storage_errors(), _gone_told():
        pit = client.open_point_in_time(index=list(indices), keep_alive=KEEP_ALIVE, ignore_unavailable=False).body["id"]
        try:
            after: Sequence[Any] | None = None
            while True:
                answer = client.search(
                    pit={"id": pit, "keep_alive": KEEP_ALIVE},
                    query=query,
                    size=PAGE,
                    sort=sort,
                    search_after=None if after is None else list(after),
                    source=True if paths is None else {"includes": list(paths)},
                    track_total_hits=False,
                    allow_partial_search_results=False,
                    filter_path="pit_id,hits.hits._source,hits.hits.sort",
                ).body
                pit = answer["pit_id"]
                hits = read_hits(answer)
                for hit in hits:
                    yield hit["_source"]
                if len(hits) < PAGE:
                    return
                after = hits[-1]["sort"]
        finally:
            client.close_point_in_time(id=pit)

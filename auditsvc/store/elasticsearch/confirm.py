"""Making sure of a chunk in which something was there already or was sent twice, before the position moves past it.

A document the server stores is acknowledged when all its copies in sync have it. One that "is there already" (409) need
not be acknowledged yet: the write that made it may still be on its way, and is lost if the first copy goes now. Nobody
would send it again. So, in this order:

1. every write that reached a first copy has reached its other copies (the global checkpoint stands at the last number);
2. every document of the chunk is found by a search; one that is then lost was lost before 1, and is missed here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from elasticsearch import Elasticsearch
from tenacity import RetryError, retry_if_result

from auditsvc.ground.errors import StorageError
from auditsvc.store.elasticsearch import scan
from auditsvc.store.elasticsearch.failure import CODE, storage_errors
from auditsvc.store.elasticsearch.retry import Sleep, build_retrying

LOOKS = 5
"""How often copies are looked at; a write on its way takes milliseconds."""
_FIGURES = "indices.*.shards.*.routing.primary,indices.*.shards.*.seq_no"

DocumentKey = tuple[str, str]
"""Index and id of a document."""


def confirm_stored(client: Elasticsearch, keys: Collection[DocumentKey], sleep: Sleep) -> None:
    """Check that documents are on all copies of their indices in sync, and searchable; they were refreshed before.

    Args:
        keys: index and id of each document.
        sleep: waits some seconds before each further look at the copies.

    Raises:
        StorageError: ``storage_unavailable`` when one is not, or the server does not say; the chunk is written again.
    """
    ids: dict[str, set[str]] = defaultdict(set)
    for index, name in keys:
        ids[index].add(name)
    _confirm_copied(client, sorted(ids), sleep)
    for index, wanted in sorted(ids.items()):
        missing = len(wanted) - sum(_count(client, index, some) for some in _cut(sorted(wanted)))
        if missing:
            message = f"event store: index `{index}` does not hold {missing} of {len(wanted)} documents it took"
            raise StorageError(CODE, f"{message}; they are sent again")


def _confirm_copied(client: Elasticsearch, indices: list[str], sleep: Sleep) -> None:
    """Check that nothing is still on its way from a first copy to the others."""

    def look() -> str | None:
        """Return an index that is behind."""
        with storage_errors():
            stats = client.indices.stats(index=indices, level="shards", metric="docs", filter_path=_FIGURES).body
        return find_uncopied(stats.get("indices", {}), indices)

    try:
        build_retrying(sleep, retry_if_result(bool), attempts=LOOKS)(look)
    except RetryError as err:
        message = f"event store: index `{err.last_attempt.result()}` has writes that have not reached all its copies"
        raise StorageError(CODE, f"{message}; the chunk is sent again") from None


def find_uncopied(stats: Mapping[str, Any], indices: Collection[str]) -> str | None:
    """Return an index with a write that is not known to be on all copies in sync, None when there is none.

    Args:
        stats: by index, figures of each copy of its shards, as index statistics give them.
        indices: must all be there, and have a first copy.
    """
    for index in indices:
        copies = [copy for shard in stats.get(index, {}).get("shards", {}).values() for copy in shard]
        first = [copy["seq_no"] for copy in copies if copy["routing"]["primary"]]
        if not first or any(one["global_checkpoint"] < one["max_seq_no"] for one in first):
            return index
    return None


def _count(client: Elasticsearch, index: str, ids: list[str]) -> int:
    """Return how many of some documents a search finds."""
    return scan.count(client, [index], {"ids": {"values": ids}})


def _cut(ids: list[str]) -> Iterator[list[str]]:
    """Give ids in as many as one search takes."""
    for first in range(0, len(ids), scan.LARGEST_PAGE):
        yield ids[first : first + scan.LARGEST_PAGE]

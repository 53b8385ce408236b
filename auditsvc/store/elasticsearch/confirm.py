"""Confirming a chunk of which documents existed already or were sent twice, before the position advances past it.

A document is acknowledged when all in-sync copies have it. One that already exists (409) need not be acknowledged yet:
the write that created it may still be in flight, and is lost if the primary shard fails now; nothing would retry it.
So, in this order:

1. every write that reached a primary shard has reached its replicas (the global checkpoint equals the maximum sequence
   number);
2. every document of the chunk is found by a search; this detects any that was lost before step 1.
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
"""How often copies are checked; a write in flight takes milliseconds."""
_FIGURES = "indices.*.shards.*.routing.primary,indices.*.shards.*.seq_no"

DocumentKey = tuple[str, str]
"""Index and id of a document."""


def confirm_stored(client: Elasticsearch, keys: Collection[DocumentKey], sleep: Sleep) -> None:
    """Check that documents are on all in-sync copies of their indices, and searchable; call after a refresh.

    Args:
        keys: index and id of each document.
        sleep: called with the seconds to wait before each further check.

    Raises:
        StorageError: ``storage_unavailable`` when one is not, or the server does not report it; the chunk must be rewritten.
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
    """Check that no write is still in flight from a primary shard to its replicas."""

    def look() -> str | None:
        with storage_errors():
            stats = client.indices.stats(index=indices, level="shards", metric="docs", filter_path=_FIGURES).body
        return find_uncopied(stats.get("indices", {}), indices)

    try:
        build_retrying(sleep, retry_if_result(bool), attempts=LOOKS)(look)
    except RetryError as err:
        message = f"event store: index `{err.last_attempt.result()}` has writes that have not reached all its copies"
        raise StorageError(CODE, f"{message}; the chunk is sent again") from None


def find_uncopied(stats: Mapping[str, Any], indices: Collection[str]) -> str | None:
    """Return an index with a write not known to be on all in-sync copies, None when there is none.

    Args:
        stats: statistics of each shard copy by index, as returned by the index stats API.
        indices: must all exist, and have an active primary shard.
    """
    for index in indices:
        copies = [copy for shard in stats.get(index, {}).get("shards", {}).values() for copy in shard]
        first = [copy["seq_no"] for copy in copies if copy["routing"]["primary"]]
        if not first or any(one["global_checkpoint"] < one["max_seq_no"] for one in first):
            return index
    return None


def _count(client: Elasticsearch, index: str, ids: list[str]) -> int:
    """Return how many of the documents a search finds."""
    return scan.count(client, [index], {"ids": {"values": ids}})


def _cut(ids: list[str]) -> Iterator[list[str]]:
    """Yield ids in slices of what one search takes."""
    for first in range(0, len(ids), scan.LARGEST_PAGE):
        yield ids[first : first + scan.LARGEST_PAGE]

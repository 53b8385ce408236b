"""A server with more to write than it takes: it answers 429, the writer waits, and nothing is lost or doubled."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from elasticsearch import ApiError, Elasticsearch

from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.rows import LedgerPlace
from tests.integration.store.test_elastic_faults import (
    build_settings,
    build_world,
    check_same,
    deliver,
    follow,
    hurry,
    start_own,
)
from tests.support.elastic import own_prefix
from tools.elasticsearch import Cluster

pytestmark = pytest.mark.slow

RIVALS = 6
"""Others that write at the same time."""
RIVAL_DOCUMENTS = 500


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture(scope="module")
def node() -> Iterator[Cluster]:
    """Give a node that writes one bulk at a time, has room for one that waits, and little memory for either."""
    cluster = start_own(
        thread_pool__write__size="1", thread_pool__write__queue_size="1", indexing_pressure__memory__limit="400kb"
    )
    yield cluster
    cluster.stop()


@contextmanager
def storm(node: Cluster) -> Iterator[None]:
    """Let others write as fast as they can until the end of the block."""
    ended = threading.Event()
    lines: list[dict[str, object]] = []
    for number in range(RIVAL_DOCUMENTS):
        lines += [{"index": {"_index": "rival"}}, {"text": f"{number} " * 30}]

    def write() -> None:
        with closing(Elasticsearch(node.urls, request_timeout=60)) as client:
            while not ended.is_set():
                with suppress(ApiError):
                    client.bulk(operations=lines)

    threads = [threading.Thread(target=write) for _ in range(RIVALS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def count_refused(admin: Elasticsearch) -> int:
    """Return how many bulks, and parts of bulks, the node refused."""
    (stats,) = admin.nodes.stats(metric=["thread_pool", "indexing_pressure"])["nodes"].values()
    pressure = stats["indexing_pressure"]["memory"]["total"]
    return int(stats["thread_pool"]["write"]["rejected"]) + int(pressure["coordinating_rejections"])


def test_a_server_that_is_written_to_faster_than_it_can_is_told_and_made_up_for(node: Cluster, tmp_path: Path) -> None:
    with closing(Elasticsearch(node.urls, request_timeout=60)) as admin, own_prefix(admin) as prefix:
        settings = replace(build_settings(node, tmp_path), elasticsearch_prefix=prefix)
        install_templates(admin, settings)
        with build_world(tmp_path, settings) as world, follow(world) as following:
            deliver(world, "a")
            following.wait_level()
            before = count_refused(admin)
            with storm(node):
                deliver(world, "b")
                failure = following.wait_failure("429")
                assert "rejected" in failure
                deliver(world, "c")
            assert count_refused(admin) > before
            following.wait_level()
            assert following.store.position().next > LedgerPlace(4)
            assert following.store.count_dead_letters() == 0
            check_same(world, following.store)

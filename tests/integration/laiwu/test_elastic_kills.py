"""A server is killed in mid-bulk while a ledger grows: every acknowledged record is there once, and judged alike."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random

import pytest

from auditsvc.ground.errors import StorageError
from auditsvc.ledger.proof import get_head
from auditsvc.runtime import workers as worker_module
from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.rows import Position
from auditsvc.store.summary import count_rows
from tests.integration.store.test_elastic_faults import (
    Following,
    build_settings,
    build_world,
    check_same,
    deliver,
    follow,
    name_events,
    start_own,
    wait_for,
)
from tests.support.elastic import admin_client
from tests.support.engine import EVERY_ROW, World
from tools.elasticsearch import Cluster

pytestmark = pytest.mark.slow

KILLS = 10
"""Each costs a restart, about 15 s on a machine of two cores with other work: three minutes in all, seven with three nodes."""
DELIVERED = 100
"""Records of one delivery beside the one that comes twice; a chunk holds fifty, so that bulks are always on their way."""
FAR_BEHIND = 20
"""Leaves, all but a few of them deliveries."""
LEVEL_S = 900  # it takes a minute, but on a machine that does other things much longer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin again soon after a failure."""
    monkeypatch.setattr(worker_module, "RETRY_S", 0.5)
    monkeypatch.setattr(worker_module, "SETTLED_S", 1.0)


@contextmanager
def growing(following: Following) -> Iterator[list[int]]:
    """Let the ledger grow until the end of the block; the list holds the numbers of acknowledged records.

    It also grows while the store is away. A store that answers and is far behind is waited for, since it works all the time
    as it is, and what is left at the end only takes time.
    """
    ended = threading.Event()
    acknowledged: list[int] = []

    def grow() -> None:
        while not ended.is_set():
            position = find_position(following)
            if position is None or get_size(following.world) - position.next.seq < FAR_BEHIND:
                deliver(following.world, f"g{len(acknowledged)}", DELIVERED)
                acknowledged.append(DELIVERED + 1)
            ended.wait(1.0)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield acknowledged
    finally:
        ended.set()
        thread.join()


def wait_moved(following: Following) -> None:
    """Wait until another chunk is stored: the writer is at work."""
    before = find_position(following)
    wait_for(lambda: find_position(following) not in (None, before), LEVEL_S)


def get_size(world: World) -> int:
    """Return how many leaves the ledger has."""
    with world.engine_db.connect() as connection:
        return get_head(connection).size


def find_position(following: Following) -> Position | None:
    """Return how far the store is; None while it does not answer."""
    try:
        return following.store.position()
    except StorageError:
        return None


def wait_written(following: Following) -> None:
    """Wait until all that the ledger has now is stored, although a node is away."""
    size = get_size(following.world)

    def is_past() -> bool:
        position = find_position(following)
        return position is not None and position.next.seq >= size

    wait_for(is_past, LEVEL_S)


def kill_while_growing(cluster: Cluster, folder: Path) -> None:
    """Kill and restart the node that holds this month's first copy, again and again, and compare in the end."""
    with build_world(folder, build_settings(cluster, folder)) as world:
        with closing(admin_client(cluster)) as admin:
            install_templates(admin, world.settings)
        chance = Random(20261122)
        with follow(world) as following:
            following.wait_level()
            with growing(following) as acknowledged:
                for number in range(KILLS):
                    wait_moved(following)
                    time.sleep(chance.random() / 2)
                    index = find_primary(cluster, name_events(world))
                    cluster.kill(index)
                    if len(cluster.nodes) > 1 and number == 0:
                        wait_written(following)
                    cluster.restart(index)
                    if len(cluster.nodes) > 1:
                        cluster.wait("green")
            following.wait_level(LEVEL_S)
            assert count_rows(following.store, EVERY_ROW) == sum(acknowledged)
            assert len(acknowledged) > KILLS
            check_same(world, following.store)


def find_primary(cluster: Cluster, index: str) -> int:
    """Return the number of the node that holds the first copy of an index."""
    shards = cluster.get(f"/_cat/shards/{index}?format=json")
    (name,) = (shard["node"] for shard in shards if shard["prirep"] == "p")
    return [node.name for node in cluster.nodes].index(name.split()[0])  # others follow while it moves to another node


def test_kills_of_the_only_node_lose_and_double_nothing(tmp_path: Path) -> None:
    cluster = start_own()
    try:
        kill_while_growing(cluster, tmp_path)
    finally:
        cluster.stop()


def test_kills_of_one_of_three_nodes_lose_and_double_nothing_and_do_not_stop_the_writer(tmp_path: Path) -> None:
    cluster = start_own("three")
    try:
        kill_while_growing(cluster, tmp_path)
    finally:
        cluster.stop()

"""Each illness of a real server: by which words it is told, that nothing is lost or doubled, and how it heals."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest
from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from auditsvc.api.health import Readiness
from auditsvc.app import close_services, open_services
from auditsvc.ground.errors import StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.pipeline.loop import Engine
from auditsvc.pipeline.rebuild import reindex
from auditsvc.runtime import workers as worker_module
from auditsvc.runtime.services import Services
from auditsvc.runtime.workers import EngineWorker
from auditsvc.store.elasticsearch import retry
from auditsvc.store.elasticsearch.client import open_client
from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.elasticsearch.store import ElasticStore
from auditsvc.store.port import EventStore
from auditsvc.store.query import FindingQuery, Order
from auditsvc.store.rows import StoredEvent
from auditsvc.store.summary import count_rows
from tests.support.elastic import own_prefix, service_settings
from tests.support.engine import EVERY_ROW, EVERYTHING, World, build_policy, build_record
from tools.elasticsearch import Cluster, start

pytestmark = pytest.mark.slow

T = TypeVar("T")
HEALED_S = 300  # it takes seconds, but on a machine that does other things much longer
CHUNK = 50
MONTH = "2026.11"


def start_own(kind: str = "open", *, heap: str = "512m", **extra: str) -> Cluster:
    """Start servers for this test alone, in a folder by which another session finds what a killed one left."""
    folder = Path(tempfile.mkdtemp(prefix=f"auditsvc-elastic-test-{os.getpid()}-"))
    lines = {name.replace("__", "."): value for name, value in extra.items()}
    return start(kind, folder, heap=heap, extra=lines)  # type: ignore[arg-type]


@contextmanager
def build_world(folder: Path, settings: Settings) -> Iterator[World]:
    """Give a ledger whose settings name a store in Elasticsearch; catalogue and policy are in force."""
    world = World(folder, chunk_events=CHUNK)
    world.settings = replace(settings, data_dir=folder, duckdb_memory_limit="512MB", argon2_memory_kib=64)
    with closing(world):
        world.activate_small(build_policy("P-ROWS"))
        yield world


def deliver(world: World, name: str, number: int = 120) -> None:
    """Put records in the ledger, half of which violate the policy, one of which is no record and one of which comes twice."""
    records = [build_record(f"{name}-{n}", rows=n % 2 * 1000) for n in range(number)]
    world.deliver("gateway", *records, records[0], b"broken\n")


def read_all(store: EventStore) -> list[StoredEvent]:
    """Return every event, in one order."""
    found: list[StoredEvent] = []
    page = store.search(EVERY_ROW, limit=1000, order=Order.OLDEST)
    while True:
        found += page.events
        if page.after is None:
            return found
        page = store.search(EVERY_ROW, limit=1000, order=Order.OLDEST, after=page.after)


def check_same(world: World, store: EventStore) -> None:
    """Check that a store holds what an embedded one, built in other chunks, holds: no row less, none twice."""
    with world.open_store() as duck:
        build_engine(world, duck, raises_alerts=False, chunk_events=20 * CHUNK).catch_up()
        assert store.position() == duck.position()
        every = FindingQuery(*EVERYTHING)
        assert store.list_findings(every, limit=10**6) == duck.list_findings(every, limit=10**6)
        assert [one.event for one in read_all(store)] == [one.event for one in read_all(duck)]
        for ask in (EventStore.batch_stats, EventStore.count_quarantine, EventStore.count_indeterminate):
            mine, theirs = (getattr(one, ask.__name__)(*EVERYTHING) for one in (store, duck))
            assert mine == theirs


def build_engine(world: World, store: EventStore, *, raises_alerts: bool = True, chunk_events: int = CHUNK) -> Engine:
    return Engine(
        world.ledger,
        world.versions,
        store,
        world.settings,
        chunk_events=chunk_events,
        raises_alerts=raises_alerts,
    )


def wait_for(look: Callable[[], T | None], limit_s: float = HEALED_S) -> T:
    end = time.monotonic() + limit_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {limit_s} s"
        time.sleep(0.1)


@dataclass
class Following:
    """A service's store and the thread that follows the ledger."""

    world: World
    store: EventStore
    engine: Engine
    worker: EngineWorker

    def is_level(self) -> bool:
        """Return whether everything in the ledger is stored and nothing is reported."""
        try:
            behind = self.engine.status().leaves_behind
        except StorageError:
            return False
        return behind == 0 and self.worker.find_failure() is None

    def wait_level(self, limit_s: float = HEALED_S) -> None:
        wait_for(self.is_level, limit_s)

    def wait_failure(self, words: str) -> str:
        """Return the failure that is reported, once it has these words."""

        def look() -> str | None:
            failure = self.worker.find_failure()
            return failure if failure and words in failure else None

        try:
            return wait_for(look)
        except AssertionError:
            raise AssertionError(f"expected `{words}`, got {self.worker.find_failure()}") from None


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up and begin again soon."""
    monkeypatch.setattr(worker_module, "RETRY_S", 0.3)
    monkeypatch.setattr(worker_module, "SETTLED_S", 1.0)
    monkeypatch.setattr(worker_module, "LONGEST_TURNS", 60)
    monkeypatch.setattr(retry, "GIVE_UP_S", 2.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture(scope="module")
def node() -> Iterator[Cluster]:
    cluster = start_own()
    yield cluster
    cluster.stop()


@pytest.fixture
def admin(node: Cluster) -> Iterator[Elasticsearch]:
    if node.nodes[0].pid is None:
        node.restart(0)
    with closing(Elasticsearch(node.urls, request_timeout=60)) as client:
        yield client


@pytest.fixture
def world(node: Cluster, admin: Elasticsearch, tmp_path: Path) -> Iterator[World]:
    with own_prefix(admin) as prefix:
        settings = replace(build_settings(node, tmp_path), elasticsearch_prefix=prefix)
        install_templates(admin, settings)
        with build_world(tmp_path, settings) as made:
            yield made


def build_settings(cluster: Cluster, folder: Path) -> Settings:
    return replace(service_settings(cluster, folder), elasticsearch_timeout_s=5)


@contextmanager
def follow(world: World) -> Iterator[Following]:
    """Give a store that an engine's thread fills, as the service does."""
    with closing(ElasticStore(open_client(world.settings), world.settings, clock=world.clock)) as store:
        engine = build_engine(world, store)
        following = Following(world, store, engine, EngineWorker(engine))
        following.worker.start()
        try:
            yield following
        finally:
            following.worker.stop()


@pytest.fixture
def following(world: World) -> Iterator[Following]:
    """Give an engine that has caught up with a first delivery."""
    deliver(world, "a")
    with follow(world) as made:
        made.wait_level()
        yield made


def name_events(world: World, month: str = MONTH) -> str:
    return f"{world.settings.elasticsearch_prefix}-events-1-{month}"


def address_of(node: Cluster) -> str:
    return node.urls[0].removeprefix("http://")


def test_a_service_starts_and_takes_records_while_the_server_is_away(node: Cluster, world: World) -> None:
    node.kill(0)
    services = open_services(world.settings, world.clock)
    with closing(ElasticStore(open_client(world.settings), world.settings)) as store:
        try:
            run_service_without_server(node, world, services, store)
        finally:
            close_services(services)


def run_service_without_server(node: Cluster, world: World, services: Services, store: EventStore) -> None:
    assert services.worker is not None
    services.worker.start()
    deliver(world, "a")
    assert services.event_engine is not None
    following = Following(world, store, services.event_engine, services.worker)
    failure = following.wait_failure("no connection to elasticsearch")
    assert (
        f"no connection to elasticsearch at `{address_of(node)}`: connection refused; see elasticsearch_urls" in failure
    )
    found = {check.name: check.reason for check in Readiness(services).check() if check.reason}
    assert found.keys() == {"store", "engine"}
    assert address_of(node) in str(found["store"])
    deliver(world, "b")
    node.restart(0)
    following.wait_level()
    assert {check.name for check in Readiness(services).check() if check.reason} == set()
    check_same(world, services.store)


def test_a_server_that_goes_away_in_mid_run_is_told_and_made_up_for(node: Cluster, following: Following) -> None:
    node.kill(0)
    deliver(following.world, "b")
    assert address_of(node) in following.wait_failure("no connection to elasticsearch")
    deliver(following.world, "c")
    node.restart(0)
    following.wait_level()
    check_same(following.world, following.store)


def test_a_slow_server_is_told_and_made_up_for(node: Cluster, following: Following) -> None:
    pid = node.nodes[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        deliver(following.world, "b")
        failure = following.wait_failure("no answer from elasticsearch")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert f"at `{address_of(node)}` in time; see elasticsearch_timeout_s" in failure
    following.wait_level()
    check_same(following.world, following.store)


def test_a_disk_past_its_flood_stage_stops_the_engine_until_there_is_room(
    admin: Elasticsearch, following: Following
) -> None:
    every = f"{following.world.settings.elasticsearch_prefix}-*"
    admin.indices.put_settings(index=every, settings={"index.blocks.read_only_allow_delete": True})
    deliver(following.world, "b")
    following.wait_failure("disk usage exceeded flood-stage watermark")
    assert count_rows(following.store, EVERY_ROW) == 121
    admin.indices.put_settings(index=every, settings={"index.blocks.read_only_allow_delete": None})
    following.wait_level()
    check_same(following.world, following.store)


def test_an_index_closed_to_writing_stops_the_engine(admin: Elasticsearch, following: Following) -> None:
    admin.indices.put_settings(index=name_events(following.world), settings={"index.blocks.write": True})
    deliver(following.world, "b")
    assert "403: cluster_block_exception" in following.wait_failure("index write (api)")
    admin.indices.put_settings(index=name_events(following.world), settings={"index.blocks.write": None})
    following.wait_level()
    check_same(following.world, following.store)


def test_an_index_without_enough_copies_waits_and_one_that_is_yellow_works(
    admin: Elasticsearch, following: Following
) -> None:
    index = name_events(following.world)
    admin.indices.put_settings(index=index, settings={"number_of_replicas": 1})
    assert admin.cluster.health(index=index)["status"] == "yellow"
    deliver(following.world, "b")
    following.wait_level()
    admin.indices.put_settings(index=index, settings={"index.write.wait_for_active_shards": "2"})
    deliver(following.world, "c")
    following.wait_failure("Not enough active copies to meet shard count of [2] (have 1, needed 2)")
    admin.indices.put_settings(index=index, settings={"index.write.wait_for_active_shards": "1"})
    following.wait_level()
    check_same(following.world, following.store)


@pytest.mark.parametrize(
    ("what", "words"), [("events-1-2026.11", "missing shards"), ("batches-1", "primary shard is not active")]
)
def test_an_index_that_is_red_stops_the_engine_until_its_first_copy_is_back(
    node: Cluster, admin: Elasticsearch, following: Following, what: str, words: str
) -> None:
    index = f"{following.world.settings.elasticsearch_prefix}-{what}"
    uuid = admin.indices.get_settings(index=index)[index]["settings"]["index"]["uuid"]
    copy = node.nodes[0].folder / "data" / "indices" / uuid
    node.kill(0)
    copy.rename(node.folder / uuid)
    node.run(node.nodes)
    wait_for(lambda: ask_health(admin, index) == "red")
    deliver(following.world, "b")
    failure = following.wait_failure(words)
    assert "503" in failure
    assert index in failure
    with pytest.raises(StorageError) as caught:
        ask_of(following.store, what)
    assert caught.value.code == "storage_unavailable"
    deliver(following.world, "c")
    node.kill(0)
    (node.folder / uuid).rename(copy)
    node.restart(0)
    following.wait_level()
    check_same(following.world, following.store)


def ask_health(admin: Elasticsearch, index: str) -> str | None:
    """Return an index's health; None while the server does not know it yet."""
    try:
        return str(admin.cluster.health(index=index, timeout="1s", wait_for_status="red")["status"])
    except (ApiError, TransportError):
        return None


def ask_of(store: EventStore, what: str) -> object:
    """Return an answer that needs one index."""
    return store.batch_stats(*EVERYTHING) if what == "batches-1" else count_rows(store, EVERY_ROW)


@pytest.mark.parametrize("what", ["events-1-2026.11", "findings-1", "quarantine-1"])
def test_an_index_that_is_deleted_under_us_is_told_and_never_comes_back_empty(
    admin: Elasticsearch, following: Following, what: str
) -> None:
    world = following.world
    index = f"{world.settings.elasticsearch_prefix}-{what}"
    admin.indices.delete(index=index)
    deliver(world, "b")
    following.wait_failure(f"index `{index}` held rows and is gone; run `auditsvc reindex`")
    assert not admin.indices.exists(index=index)
    reindex(world.ledger, world.settings)
    following.wait_level()
    check_same(world, following.store)


def test_a_position_that_is_deleted_under_us_is_found_again_from_the_ledger(
    admin: Elasticsearch, following: Following
) -> None:
    admin.indices.delete(index=f"{following.world.settings.elasticsearch_prefix}-state")
    deliver(following.world, "b")
    following.wait_level()
    check_same(following.world, following.store)


def test_an_index_somebody_made_with_another_mapping_is_refused_by_name(admin: Elasticsearch, world: World) -> None:
    index = name_events(world)
    admin.indices.create(index=index, mappings={"properties": {"govshare": {"properties": {"rows": {"type": "ip"}}}}})
    deliver(world, "a")
    with follow(world) as following:
        following.wait_failure(f"index `{index}` has field `govshare.rows` as `ip`, not `long`")
        admin.indices.delete(index=index)
        following.wait_level()
        assert following.store.list_dead_letters() == []
        check_same(world, following.store)


def test_a_field_somebody_adds_in_mid_run_changes_nothing(admin: Elasticsearch, following: Following) -> None:
    admin.indices.put_mapping(index=name_events(following.world), properties={"somebody": {"type": "ip"}})
    deliver(following.world, "b")
    following.wait_level()
    assert following.store.count_dead_letters() == 0
    check_same(following.world, following.store)


def test_documents_a_month_replaced_in_mid_run_refuses_are_listed_and_a_rebuild_heals_them(
    admin: Elasticsearch, following: Following
) -> None:
    world, store = following.world, following.store
    index = name_events(world, "2026.12")  # made ahead, empty
    admin.indices.delete(index=index)
    admin.indices.create(index=index, mappings={"properties": {"govshare": {"properties": {"rows": {"type": "ip"}}}}})
    early = [build_record(f"early-{n}", time="2026-12-01T10:00:00+08:00", rows=1000 + n) for n in range(20)]
    world.deliver("gateway", *early)
    deliver(world, "b")
    following.wait_level()
    letters = store.list_dead_letters(limit=100)
    assert len(letters) == store.count_dead_letters() == 20
    assert {letter.record for letter in letters} == set(range(20))
    for letter in letters:
        assert letter.table == "events"
        assert letter.reason.startswith("400: document_parsing_exception: ")
        assert "[govshare.rows] of type [ip]" in letter.reason
        assert "early-" in letter.document
    assert count_rows(store, EVERY_ROW) == 2 * 121
    assert len(store.list_findings(FindingQuery(*EVERYTHING), limit=1000)) == 2 * 60 + 20
    world.deliver("gateway", early[0])  # one that is known, though it is not stored
    following.wait_level()
    assert store.batch_stats(*EVERYTHING)[0].duplicates == 3
    assert reindex(world.ledger, world.settings).is_identical is False
    following.wait_level()
    assert store.count_dead_letters() == 0
    check_same(world, store)

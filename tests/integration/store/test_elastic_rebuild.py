"""A store in Elasticsearch is built again beside the one in use, while the service goes on, and comes out identical."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from auditsvc.ground.errors import StorageError
from auditsvc.pipeline.loop import Engine
from auditsvc.pipeline.rebuild import reindex
from auditsvc.store.elasticsearch import store as elastic_store
from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.elasticsearch.view import View
from auditsvc.store.open import open_store
from auditsvc.store.port import EventStore
from auditsvc.store.rows import StoreDigest
from auditsvc.store.summary import count_rows
from tests.support.elastic import open_cluster, open_prefix
from tests.support.engine import EVERY_ROW, World, build_policy, build_record


@pytest.fixture
def admin() -> Iterator[tuple[Elasticsearch, str]]:
    with open_prefix() as opened:
        yield opened


@pytest.fixture
def world(tmp_path: Path, admin: tuple[Elasticsearch, str]) -> Iterator[World]:
    client, prefix = admin
    world = World(tmp_path, chunk_events=7)
    world.settings = replace(
        world.settings,
        event_store="elasticsearch",
        elasticsearch_urls=open_cluster(),
        elasticsearch_prefix=prefix,
        elasticsearch_replicas=0,
    )
    install_templates(client, world.settings)
    world.activate_small(build_policy("P-A"))
    world.deliver("gateway", *(build_record(f"a{n}", rows=n * 10) for n in range(20)), b"broken\n")
    yield world
    world.close()


@pytest.fixture
def store(world: World) -> Iterator[EventStore]:
    with closing(open_store(world.settings, world.clock)) as opened:
        yield opened


def build_engine(world: World, store: EventStore) -> Engine:
    return Engine(world.ledger, world.versions, store, world.settings, chunk_events=7)


def catch_up(engine: Engine) -> None:
    """Turn as the service does: a failure is tried again."""
    try:
        engine.catch_up()
    except StorageError:
        engine.catch_up()


def test_the_service_moves_to_the_rebuilt_store_and_goes_on(world: World, store: EventStore) -> None:
    engine = build_engine(world, store)
    engine.catch_up()
    before = store.digest()
    done = reindex(world.ledger, world.settings)
    assert done.is_identical is True
    assert (done.digest, store.digest()) == (before, before)
    world.deliver("gateway", *(build_record(f"b{n}", rows=n * 10) for n in range(20)))
    catch_up(engine)
    assert count_rows(store, EVERY_ROW) == 40
    assert reindex(world.ledger, world.settings).is_identical is True


def test_an_answer_a_rebuild_takes_the_store_away_from_is_given_by_the_new_one(
    world: World, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_engine(world, store).catch_up()
    before, asked = store.digest(), []
    digest_store = elastic_store.digest_store

    def swap_and_answer(view: View) -> StoreDigest:
        asked.append(view.names.generation)
        if len(asked) == 1:
            monkeypatch.setattr(elastic_store, "digest_store", digest_store)
            reindex(world.ledger, world.settings)
            monkeypatch.setattr(elastic_store, "digest_store", swap_and_answer)
        return digest_store(view)

    monkeypatch.setattr(elastic_store, "digest_store", swap_and_answer)
    assert (store.digest(), asked) == (before, ["1", "2"])


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("position-2", {"nulls": None}),
        ("position-2", {"months": [1]}),
        ("active", {"generation": None}),
        ("active", {"generation": "x y"}),
        ("active", {"generation": "1"}),  # an earlier one, removed when the second was built
    ],
)
def test_a_damaged_document_of_the_stores_state_is_told_and_a_rebuild_replaces_it(
    world: World, store: EventStore, admin: tuple[Elasticsearch, str], name: str, changed: dict[str, object]
) -> None:
    build_engine(world, store).catch_up()
    before = store.digest()
    assert reindex(world.ledger, world.settings).is_identical is True
    client, prefix = admin
    index = f"{prefix}-state"
    document = client.get(index=index, id=name)["_source"] | changed
    client.index(index=index, id=name, document={key: value for key, value in document.items() if value is not None})
    with (
        closing(open_store(world.settings, world.clock)) as opened,
        pytest.raises(StorageError, match="auditsvc reindex"),
    ):
        opened.position()
    reindex(world.ledger, world.settings)
    with closing(open_store(world.settings, world.clock)) as opened:
        assert opened.digest() == before
    world.deliver("gateway", build_record("later"))
    catch_up(build_engine(world, store))
    assert count_rows(store, EVERY_ROW) == before.events + 1
    names = {one.removeprefix(f"{prefix}-") for one in client.indices.get(index=f"{prefix}-*")}
    assert len({one.split("-")[1] for one in names if one != "state"}) == 1


def test_a_position_set_back_is_noticed_and_made_up_for(
    world: World, store: EventStore, admin: tuple[Elasticsearch, str]
) -> None:
    engine = build_engine(world, store)
    engine.catch_up()
    before = store.digest()
    client, prefix = admin
    document = client.get(index=f"{prefix}-state", id="position-1")["_source"]
    client.index(index=f"{prefix}-state", id="position-1", document=document | {"seq": 2, "record": 5, "leaf": None})
    assert store.digest() != before
    with pytest.raises(StorageError, match="somebody changed its position"):
        engine.catch_up()
    engine.catch_up()
    assert store.digest() == before


def test_the_store_of_another_ledger_is_not_replaced(world: World, store: EventStore, tmp_path: Path) -> None:
    build_engine(world, store).catch_up()
    before = store.digest()
    other = World(tmp_path / "other")
    other.settings = replace(world.settings, data_dir=other.folder)
    with closing(other):
        other.activate_small(build_policy("P-B"))
        with pytest.raises(StorageError, match="elasticsearch_prefix"):
            reindex(other.ledger, other.settings)
    assert store.digest() == before
    build_engine(world, store).catch_up()


def test_what_is_delivered_during_a_rebuild_is_in_the_new_store(world: World, store: EventStore) -> None:
    engine = build_engine(world, store)
    engine.catch_up()

    sent = []

    def deliver_more(done: int, total: int) -> None:
        if len(sent) < 3:
            sent.append(world.deliver("gateway", build_record(f"during-{len(sent)}")))
            engine.catch_up()

    reindex(world.ledger, world.settings, deliver_more)
    catch_up(engine)
    assert len(sent) > 0
    assert count_rows(store, EVERY_ROW) == 20 + len(sent)
    assert reindex(world.ledger, world.settings).is_identical is True


def test_only_the_new_indices_and_one_alias_are_left(
    world: World, store: EventStore, admin: tuple[Elasticsearch, str]
) -> None:
    build_engine(world, store).catch_up()
    reindex(world.ledger, world.settings)
    client, prefix = admin
    names = {name.removeprefix(f"{prefix}-") for name in client.indices.get(index=f"{prefix}-*")}
    assert {name.split("-")[1] for name in names if name != "state"} == {"2"}
    assert {name.removeprefix(f"{prefix}-") for name in client.indices.get_alias(name=f"{prefix}-events")} == {
        name for name in names if name.startswith("events-")
    }


def test_a_store_that_was_deleted_is_built_again_whole(
    world: World, store: EventStore, admin: tuple[Elasticsearch, str]
) -> None:
    build_engine(world, store).catch_up()
    before = store.digest()
    client, prefix = admin
    for name in client.indices.get(index=f"{prefix}-*"):
        client.indices.delete(index=name)
    done = reindex(world.ledger, world.settings)
    assert (done.is_identical, done.digest, store.digest()) == (None, before, before)


def test_a_month_that_was_removed_stays_removed_and_the_service_goes_on(world: World, store: EventStore) -> None:
    old = build_record("old", time="2026-10-05T10:00:00+08:00")
    world.deliver("gateway", old)
    engine = build_engine(world, store)
    engine.catch_up()
    with closing(open_store(world.settings, world.clock)) as administrator:
        assert administrator.delete_month("2026.10", world.clock.now_ns()) == 1
    world.deliver("gateway", old, build_record("new"))
    catch_up(engine)
    assert count_rows(store, EVERY_ROW) == 21
    done = reindex(world.ledger, world.settings)
    assert (done.is_identical, done.removed, done.digest.events) == (True, ("2026.10",), 21)
    world.deliver("gateway", build_record("late", time="2026-10-06T10:00:00+08:00"), build_record("newer"))
    catch_up(engine)
    assert count_rows(store, EVERY_ROW) == 22
    assert store.inventory().removed == ("2026.10",)


def test_a_month_that_was_deleted_is_told_and_not_made_again_empty(
    world: World, store: EventStore, admin: tuple[Elasticsearch, str]
) -> None:
    build_engine(world, store).catch_up()
    client, prefix = admin
    client.indices.delete(index=f"{prefix}-events-1-2026.11")
    with pytest.raises(StorageError, match="is gone; run `auditsvc reindex`"):
        build_engine(world, store).catch_up()
    assert reindex(world.ledger, world.settings).digest.events == 20

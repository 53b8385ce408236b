"""With its own least rights the service stores and reads, and can neither overwrite nor remove an event."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from elasticsearch import AuthorizationException, Elasticsearch

from auditsvc.event.time import to_datetime
from auditsvc.ground.clock import FixedClock
from auditsvc.ground.errors import StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch.client import open_client
from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.elasticsearch.store import ElasticStore
from auditsvc.store.rows import Chunk, LedgerPlace, Position
from auditsvc.store.summary import count_rows
from tests.support.elastic import admin_client, own_prefix, secured_cluster, service_settings
from tests.support.store_contract import EVERY_ROW, NOVEMBER, START, build_finding, build_row


@pytest.fixture(scope="module")
def admin() -> Iterator[Elasticsearch]:
    with closing(admin_client(secured_cluster())) as client:
        yield client


@pytest.fixture
def settings(admin: Elasticsearch, tmp_path: Path) -> Iterator[Settings]:
    with own_prefix(admin) as prefix:
        made = service_settings(secured_cluster(), tmp_path)
        yield replace(made, elasticsearch_prefix=prefix, elasticsearch_replicas=0)


@pytest.fixture
def store(admin: Elasticsearch, settings: Settings) -> Iterator[ElasticStore]:
    install_templates(admin, settings)
    with closing(ElasticStore(open_client(settings), settings, clock=FixedClock(to_datetime(START)))) as opened:
        opened.prepare()
        yield opened


def build_chunk() -> Chunk:
    rows = [build_row(number) for number in range(5)]
    return Chunk(LedgerPlace(0), Position(LedgerPlace(1)), rows, findings=[build_finding(1)])


def test_the_service_stores_and_reads_with_its_own_rights(store: ElasticStore) -> None:
    store.write(build_chunk())
    assert count_rows(store, EVERY_ROW) == 5
    assert store.statistics().generation == "1"
    assert store.list_dead_letters() == []


def test_the_service_can_neither_overwrite_nor_remove_an_event(store: ElasticStore, settings: Settings) -> None:
    store.write(build_chunk())
    index = f"{settings.elasticsearch_prefix}-events-1-2026.10"
    with closing(open_client(settings)) as client:
        found = client.search(index=index, size=1).body["hits"]["hits"][0]
        for act in (
            lambda: client.index(index=index, id=found["_id"], document=found["_source"]),
            lambda: client.update(index=index, id=found["_id"], doc={"govshare.rows": 7}),
            lambda: client.delete(index=index, id=found["_id"]),
            lambda: client.indices.delete(index=index),
            lambda: client.indices.close(index=index),
        ):
            with pytest.raises(AuthorizationException):
                act()
    assert count_rows(store, EVERY_ROW) == 5


def test_the_service_cannot_remove_a_month_and_an_administrator_can(
    store: ElasticStore, settings: Settings, admin: Elasticsearch
) -> None:
    store.write(build_chunk())
    index = f"{settings.elasticsearch_prefix}-events-1-2026.10"
    with pytest.raises(StorageError, match=f"may not remove index `{index}`: it lacks the right `delete_index`"):
        store.delete_month("2026.10", NOVEMBER)
    assert (count_rows(store, EVERY_ROW), store.inventory().removed) == (5, ())
    with closing(ElasticStore(admin_client(secured_cluster()), settings)) as administrator:
        assert administrator.delete_month("2026.10", NOVEMBER) == 5
    assert not admin.indices.exists(index=index)
    assert (count_rows(store, EVERY_ROW), store.inventory().removed) == (0, ("2026.10",))
    store.prepare()
    late, new = build_row(1, seq=1), build_row(2, seq=1, time=NOVEMBER)
    store.write(Chunk(LedgerPlace(1), Position(LedgerPlace(2)), [late, new]))
    assert [found.uid for found in store.iter_events(EVERY_ROW)] == [new.uid]


def test_without_templates_the_service_says_what_is_missing(admin: Elasticsearch, settings: Settings) -> None:
    with closing(ElasticStore(open_client(settings), settings)) as store:
        with pytest.raises(StorageError, match=r"expected index template .* an administrator installs"):
            store.prepare()
        with pytest.raises(StorageError, match=r"action \[.*template"):
            install_templates(store._client, settings)

"""A store whose months have several shards answers as exactly as one whose months have one."""

from collections.abc import Iterator

import pytest

from auditsvc.event.time import NS
from auditsvc.store.elasticsearch.mapping import Names
from auditsvc.store.port import EventStore
from auditsvc.store.query import EventQuery, Order, RowSet
from tests.support.elastic_store import given_store
from tests.support.store_contract import (
    EVERY_ROW,
    GROUPINGS,
    MEASURES,
    START,
    StoreContract,
    build_finding,
    build_mixture,
    build_row,
    write,
)

SHARDS = 3


class TestElasticStoreOfSeveralShards(StoreContract):
    """The shared suite on months of three shards."""

    @pytest.fixture
    def store(self) -> Iterator[EventStore]:
        with given_store(SHARDS) as (_, store):
            yield store


def test_months_have_the_shards_of_the_setting_and_tables_have_one() -> None:
    with given_store(SHARDS) as (given, store):
        write(store, build_mixture(20, 1))
        prefix = given.settings.elasticsearch_prefix
        found = given.admin.indices.get_settings(index=f"{prefix}-*", flat_settings=True).body
    numbers = {name: int(one["settings"]["index.number_of_shards"]) for name, one in found.items()}
    months = {name for name in numbers if name.startswith(Names(prefix).events(""))}
    assert {numbers[name] for name in months} == {SHARDS}
    assert {numbers[name] for name in numbers.keys() - months} == {1}


def test_pages_figures_and_digest_are_those_of_a_single_shard() -> None:
    rows = build_mixture(700, 4)
    rows += [build_row(number, time=rows[0].event["time"], seq=1) for number in range(700, 800)]  # ties over all shards
    with given_store() as (_, one), given_store(SHARDS) as (_, several):
        for store in (one, several):
            write(store, rows, findings=[build_finding(number) for number in range(50)])
        assert several.digest() == one.digest()
        for order in Order:
            assert read_all(several, order) == read_all(one, order)
        for by in GROUPINGS:
            query = EventQuery(None, START, START + 60 * 86_400 * NS, rows=RowSet.ALL)
            assert several.aggregate(query, by, MEASURES) == one.aggregate(query, by, MEASURES)


def read_all(store: EventStore, order: Order) -> list[bytes]:
    """Return the uids of all events, read in small pages."""
    uids: list[bytes] = []
    after = None
    while True:
        page = store.search(EVERY_ROW, limit=37, after=after, order=order)
        uids += [row.uid for row in page.events]
        after = page.after
        if after is None:
            return uids

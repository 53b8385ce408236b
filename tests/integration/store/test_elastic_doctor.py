"""What the doctor says of real servers: an open one, and a secured one with the service's own rights."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from auditsvc.event.time import to_datetime
from auditsvc.ground.clock import FixedClock
from auditsvc.ground.settings.model import Settings
from auditsvc.runtime.doctor.check import Check, CheckOutcome, find_exit_code
from auditsvc.runtime.doctor.elasticsearch import check_elasticsearch
from auditsvc.store.elasticsearch.client import open_client
from auditsvc.store.elasticsearch.mapping import TABLES
from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.elasticsearch.store import ElasticStore
from auditsvc.store.rows import Chunk, LedgerPlace, Position
from tests.support.elastic import admin_client, open_cluster, own_prefix, secured_cluster, service_settings
from tests.support.elastic_store import Given, given_store
from tests.support.engine import World, build_policy
from tests.support.store_contract import START, build_row, write
from tools.elasticsearch.security import ADMIN


@pytest.fixture
def prepared() -> Iterator[tuple[Given, ElasticStore]]:
    with given_store() as both:
        yield both


def examine(settings: Settings) -> dict[str, Check]:
    return {check.name: check for check in check_elasticsearch(settings)}


def outcomes(found: dict[str, Check], *names: str) -> dict[str, CheckOutcome]:
    return {name: found[name].outcome for name in names}


def test_an_open_server_passes_but_for_its_open_door(prepared: tuple[Given, ElasticStore]) -> None:
    given, store = prepared
    write(store, [build_row(0)])
    found = examine(given.settings)
    sound = ("event store", "templates", "index durability", "replicas", "expensive queries", "allocation", "features")
    assert set(outcomes(found, *sound, "dead letters").values()) == {CheckOutcome.PASS}
    assert found["cluster health"].outcome in (CheckOutcome.PASS, CheckOutcome.WARN)
    assert "cluster disk" in found
    assert found["rights"].outcome is CheckOutcome.WARN
    assert "security is off" in found["rights"].text
    assert find_exit_code(found.values()) == (1 if found["cluster disk"].outcome is CheckOutcome.FAIL else 0)


def test_looking_makes_no_index(prepared: tuple[Given, ElasticStore]) -> None:
    given, _ = prepared
    fresh = replace(given.settings, elasticsearch_prefix=f"{given.settings.elasticsearch_prefix}x")
    found = examine(fresh)
    assert outcomes(found, "templates", "indices", "dead letters") == {
        "templates": CheckOutcome.FAIL,
        "indices": CheckOutcome.WARN,
        "dead letters": CheckOutcome.SKIP,
    }
    assert "auditsvc store init" in found["templates"].advice
    assert not given.admin.indices.get(index=f"{fresh.elasticsearch_prefix}-*", expand_wildcards="all").body
    assert find_exit_code(found.values()) == 1


def test_what_is_wrong_with_an_index_is_named(prepared: tuple[Given, ElasticStore]) -> None:
    given, store = prepared
    write(store, [build_row(0), build_row(1, rows=2**63)])
    names = sorted(given.admin.indices.get(index=f"{given.settings.elasticsearch_prefix}-events-*"))
    settings = {"translog.durability": "async", "blocks.read_only_allow_delete": True, "number_of_replicas": 1}
    given.admin.indices.put_settings(index=names[0], settings={"index": settings})
    found = examine(given.settings)
    given.admin.indices.put_settings(index=names[0], settings={"index": {"blocks.read_only_allow_delete": None}})
    assert names[0] in found["index durability"].text
    assert names[0] in found["index blocks"].text
    assert (found["replicas"].outcome, names[0] in found["replicas"].text) == (CheckOutcome.WARN, True)
    assert outcomes(found, "index durability", "index blocks", "dead letters") == {
        "index durability": CheckOutcome.FAIL,
        "index blocks": CheckOutcome.FAIL,
        "dead letters": CheckOutcome.WARN,
    }


def test_an_index_closed_to_reading_is_named_as_such(prepared: tuple[Given, ElasticStore]) -> None:
    given, store = prepared
    write(store, [build_row(0)])
    index = f"{given.settings.elasticsearch_prefix}-dead-1"
    given.admin.indices.put_settings(index=index, settings={"index.blocks.read": True})
    found = examine(given.settings)
    assert (found["index blocks"].outcome, found["index blocks"].text) == (
        CheckOutcome.FAIL,
        f"cannot be read: {index}",
    )
    assert (
        found["dead letters"].outcome is CheckOutcome.FAIL
    )  # what a block forbids is no lack of rights, to be passed over
    assert "cluster_block_exception" in found["dead letters"].text


def with_ledger(settings: Settings, world: World) -> Settings:
    """Return settings whose ledger is that of ``world``."""
    return replace(settings, data_dir=world.settings.data_dir)


def test_a_store_is_held_to_the_ledger_that_is_here(prepared: tuple[Given, ElasticStore], tmp_path: Path) -> None:
    given, store = prepared
    assert "nothing yet" in examine(given.settings)["store position"].text
    write(store, [build_row(0)])
    without = examine(replace(given.settings, data_dir=tmp_path / "none"))
    assert (without["store position"].outcome, without["dead letters"].outcome) == (
        CheckOutcome.SKIP,
        CheckOutcome.PASS,
    )
    with closing(World(tmp_path / "ledger")) as world:
        settings = with_ledger(given.settings, world)
        short = examine(settings)
        assert "up to leaf 0, which this log does not have" in short["store position"].text
        world.activate_small(build_policy("P-ROWS"))
        assert examine(settings)["store position"].outcome is CheckOutcome.PASS
        at = store.position()
        store.write(Chunk(at.next, Position(LedgerPlace(at.next.seq + 1), leaf="00" * 32)))
        other = examine(settings)
    assert "it has followed another log" in other["store position"].text
    assert "elasticsearch_prefix" in other["store position"].text
    assert outcomes(other, "store position", "store indices", "dead letters") == {
        "store position": CheckOutcome.FAIL,
        "store indices": CheckOutcome.SKIP,
        "dead letters": CheckOutcome.SKIP,
    }
    assert find_exit_code(other.values()) == 3


def test_indices_that_are_gone_are_named_with_what_to_do(prepared: tuple[Given, ElasticStore]) -> None:
    given, store = prepared
    write(store, [build_row(0)])
    assert examine(given.settings)["store indices"].outcome is CheckOutcome.PASS
    prefix = given.settings.elasticsearch_prefix
    for table in TABLES:
        given.admin.indices.delete(index=f"{prefix}-{table}-1")
    found = examine(given.settings)
    assert (found["store indices"].outcome, found["dead letters"].outcome) == (CheckOutcome.FAIL, CheckOutcome.SKIP)
    assert found["store indices"].text == (
        f"event store: index `{prefix}-findings-1` held rows and is gone, so is `{prefix}-quarantine-1`, so is "
        f"`{prefix}-batches-1`, so is `{prefix}-undecided-1`, so is `{prefix}-dead-1`; run `auditsvc reindex`"
    )
    assert find_exit_code(found.values()) == 3


def test_a_position_that_is_gone_is_told_as_one_and_nothing_behind_it(prepared: tuple[Given, ElasticStore]) -> None:
    given, store = prepared
    write(store, [build_row(0)])
    given.admin.delete(index=f"{given.settings.elasticsearch_prefix}-state", id="position-1", refresh=True)
    found = examine(given.settings)
    assert (found["store position"].outcome, found["store position"].is_down) == (CheckOutcome.FAIL, True)
    assert "it was never prepared" in found["store position"].text
    for name in ("store indices", "dead letters"):
        assert (found[name].outcome, found[name].text) == (
            CheckOutcome.SKIP,
            "could not be looked at: see store position",
        )


def test_a_month_without_the_alias_is_a_warning(prepared: tuple[Given, ElasticStore]) -> None:
    given, store = prepared
    write(store, [build_row(0)])
    assert examine(given.settings)["alias"].outcome is CheckOutcome.PASS
    prefix = given.settings.elasticsearch_prefix
    index = sorted(given.admin.indices.get(index=f"{prefix}-events-*"))[0]
    given.admin.indices.delete_alias(index=index, name=f"{prefix}-events")
    check = examine(given.settings)["alias"]
    assert (check.outcome, check.text) == (CheckOutcome.WARN, f"`{prefix}-events` lacks {index}")
    assert "auditsvc store migrate" in check.advice


def test_more_copies_than_nodes_have_no_place(prepared: tuple[Given, ElasticStore]) -> None:
    given, _ = prepared
    check = examine(replace(given.settings, elasticsearch_replicas=3))["replicas"]
    assert (check.outcome, "not every copy has a place" in check.text) == (CheckOutcome.WARN, True)


def test_expensive_queries_and_allocation_are_looked_at(prepared: tuple[Given, ElasticStore]) -> None:
    given, _ = prepared
    changed = {"search.allow_expensive_queries": False, "cluster.routing.allocation.enable": "primaries"}
    given.admin.cluster.put_settings(persistent=changed)
    try:
        found = examine(given.settings)
    finally:
        given.admin.cluster.put_settings(persistent=dict.fromkeys(changed))
    assert outcomes(found, "expensive queries", "allocation") == {
        "expensive queries": CheckOutcome.FAIL,
        "allocation": CheckOutcome.WARN,
    }


def test_a_server_that_is_away_is_one_line_and_exit_3() -> None:
    (check,) = check_elasticsearch(Settings(elasticsearch_urls="http://127.0.0.1:1", event_store="elasticsearch"))
    assert (check.outcome, check.is_down) == (CheckOutcome.FAIL, True)
    assert find_exit_code([check]) == 3
    assert open_cluster() not in check.text


def test_with_its_own_role_every_check_is_allowed_and_an_administrator_is_too_much(tmp_path: Path) -> None:
    cluster = secured_cluster()
    with closing(admin_client(cluster)) as admin, own_prefix(admin) as prefix:
        settings = replace(service_settings(cluster, tmp_path), elasticsearch_prefix=prefix, elasticsearch_replicas=0)
        install_templates(admin, settings)
        with closing(ElasticStore(open_client(settings), settings, clock=FixedClock(to_datetime(START)))) as store:
            store.prepare()
        found = examine(settings)
        assert not [check for check in found.values() if check.outcome is CheckOutcome.SKIP]
        sound = ("templates", "index durability", "rights", "least rights", "dead letters")
        assert set(outcomes(found, *sound).values()) == {CheckOutcome.PASS}

        assert settings.elasticsearch_password_file is not None
        settings.elasticsearch_password_file.write_text(cluster.users[ADMIN])
        found = examine(replace(settings, elasticsearch_user=ADMIN))
        assert outcomes(found, "rights", "least rights") == {
            "rights": CheckOutcome.PASS,
            "least rights": CheckOutcome.WARN,
        }
        assert "`delete_index`" in found["least rights"].text or "more" in found["least rights"].text


def test_a_user_without_our_role_is_told_what_it_lacks(tmp_path: Path) -> None:
    settings = replace(service_settings(secured_cluster(), tmp_path), elasticsearch_prefix="foreign")
    found = examine(settings)
    assert found["rights"].outcome is CheckOutcome.FAIL
    assert "auditsvc store role" in found["rights"].advice
    assert "our user sees none" in found["indices"].text
    assert found["cluster health"].outcome is CheckOutcome.SKIP  # what cannot be seen is not healthy

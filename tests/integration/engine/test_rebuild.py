"""The store rebuilt from the archive is identical, and alerts stay as people left them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from auditsvc.alerts.model import Alert
from auditsvc.alerts.service import acknowledge, list_alerts
from auditsvc.ground.database import read_session, write_session
from auditsvc.ground.errors import StorageError
from auditsvc.pipeline.rebuild import reindex
from auditsvc.store.query import FindingQuery, Order
from auditsvc.store.rows import StoreDigest
from auditsvc.store.summary import count_rows
from tests.support.engine import EVERY_ROW, EVERYTHING, World, build_policy, build_record


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, chunk_events=7)
    world.activate_small(build_policy("P-A"))
    world.deliver("gateway", *(build_record(f"a{n}", rows=n * 10) for n in range(20)), b"broken\n")
    world.activate_small(build_policy("P-B", body="forbid: {rows|gt: 150}"))
    world.deliver("gateway", *(build_record(f"b{n}", rows=n * 10, purpose=None) for n in range(20)))
    yield world
    world.close()


def list_all(world: World) -> tuple[Alert, ...]:
    with read_session(world.engine_db) as session:
        return list_alerts(session).alerts


def test_a_rebuilt_store_is_identical_and_alerts_stay(world: World) -> None:
    with world.judged() as store:
        before: StoreDigest = store.digest()
        keys = {finding.key for finding in store.list_findings(FindingQuery(*EVERYTHING))}
    journal = world.ledger
    with write_session(world.engine_db) as session:
        acknowledge(session, journal, list_all(world)[0].id, actor="officer")
    with world.judged():
        pass
    alerts = list_all(world)
    world.chunk_events = 10_000
    done = reindex(world.ledger, world.settings)
    assert done.is_identical is True
    assert done.digest == before
    assert list_all(world) == alerts
    with world.judged() as store:
        assert store.digest() == before
        assert {finding.key for finding in store.list_findings(FindingQuery(*EVERYTHING))} == keys
    assert list_all(world) == alerts


def test_a_removed_month_stays_removed_and_nothing_else_changes(world: World) -> None:
    old = build_record("old", time="2026-10-31T10:00:00+08:00", rows=9999)
    world.deliver("gateway", old)
    world.deliver("gateway", old, build_record("again"))
    with world.judged() as store:
        uid = store.search(EVERY_ROW, order=Order.OLDEST).events[0].uid
        (finding,) = [
            one for one in store.list_findings(FindingQuery(*EVERYTHING, {"policy_id": ["P-B"]})) if one.uid == uid
        ]
        assert store.delete_month("2026.10", world.clock.now_ns()) == 2  # with its duplicate
        before = store.digest()
    alerts = list_all(world)
    world.deliver("gateway", old, build_record("more", time="2026-10-31T11:00:00+08:00"), build_record("new"))
    with world.judged() as store:
        assert count_rows(store, EVERY_ROW) == before.events + 1
        assert store.get_findings([finding.key]) == [finding]
    assert list_all(world) == alerts
    done = reindex(world.ledger, world.settings)
    assert (done.is_identical, done.removed) == (True, ("2026.10",))
    with world.judged() as store:
        assert count_rows(store, EVERY_ROW) == before.events + 1
        assert store.inventory().removed == ("2026.10",)


def test_months_that_were_removed_come_back_when_the_store_before_is_lost_and_that_is_told(world: World) -> None:
    world.deliver("gateway", build_record("old", time="2026-10-31T10:00:00+08:00"))
    with world.judged() as store:
        before = store.digest()
        store.delete_month("2026.10", world.clock.now_ns())
    world.settings.duckdb_path.unlink()
    done = reindex(world.ledger, world.settings)
    assert (done.removed, done.digest) == (None, before)


def test_a_changed_row_is_found_and_put_right(world: World) -> None:
    with world.judged() as store:
        before = store.digest()
        store._connection.execute("UPDATE event SET rows = 1 WHERE id = 'a19'")
        assert store.digest() != before
    done = reindex(world.ledger, world.settings)
    assert done.is_identical is False
    assert done.digest == before


def test_a_store_that_cannot_be_read_is_replaced(world: World) -> None:
    world.settings.duckdb_path.write_bytes(b"not a database" * 1000)
    done = reindex(world.ledger, world.settings)
    assert done.is_identical is None
    with world.judged() as store:
        assert store.digest() == done.digest


def test_a_running_service_is_asked_to_stop_first(world: World) -> None:
    with world.judged(), pytest.raises(StorageError, match="stop the service"):
        reindex(world.ledger, world.settings)

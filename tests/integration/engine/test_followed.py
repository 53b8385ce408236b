"""A store of another log is refused: nothing is judged into it, and nothing of it becomes an alert or an answer on lag."""

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from auditsvc.alerts.tables import AlertRow
from auditsvc.ground.errors import StorageError
from auditsvc.pipeline.log_identity import Followed
from auditsvc.pipeline.loop import Engine
from auditsvc.pipeline.rebuild import reindex
from auditsvc.store.port import EventStore
from auditsvc.store.rows import Chunk, LedgerPlace
from tests.support.engine import World, build_policy, build_record


def build_world(folder: Path, *, delivered: int) -> World:
    world = World(folder)
    world.activate_small(build_policy("P-ROWS"))
    for number in range(delivered):
        world.deliver("gateway", build_record(f"{folder.name}-{number}", rows=1000))
    return world


def build_engine(world: World, store: EventStore) -> Engine:
    return Engine(world.ledger, world.versions, store, world.settings)


def count_alerts(world: World) -> int:
    with world.engine_db.connect() as connection:
        return connection.execute(select(func.count()).select_from(AlertRow)).scalar_one()


@pytest.mark.parametrize(("delivered", "told"), [(1, "which this log does not have"), (9, "has followed another log")])
def test_a_store_another_ledger_fills_is_refused(tmp_path: Path, delivered: int, told: str) -> None:
    first, second = build_world(tmp_path / "a", delivered=5), build_world(tmp_path / "b", delivered=delivered)
    with closing(first), closing(second), first.open_store() as store:
        build_engine(first, store).catch_up()
        before = store.digest()
        engine = build_engine(second, store)
        for act in (engine.catch_up, engine.status, Followed(second.ledger, store).use):
            with pytest.raises(
                StorageError, match=rf"{told}.*another one in the settings.*auditsvc reindex --replace-other"
            ):
                act()
        assert store.digest() == before
        assert (count_alerts(first) > 0, count_alerts(second)) == (True, 0)


def test_a_store_that_another_ledger_takes_over_gives_no_alerts(tmp_path: Path) -> None:
    first, second = build_world(tmp_path / "a", delivered=1), build_world(tmp_path / "b", delivered=5)
    with closing(first), closing(second), first.open_store() as store:
        engine = build_engine(first, store)
        engine.catch_up()
        alerts = count_alerts(first)
        position = store.position()
        ahead = replace(position, next=LedgerPlace(position.next.seq + 3), leaf="00" * 32)
        store.write(Chunk(position.next, ahead))
        with pytest.raises(StorageError, match="which this log does not have"):
            engine.step()
        assert count_alerts(first) == alerts


def test_a_store_that_outlived_its_log_is_replaced_only_when_told_so(tmp_path: Path) -> None:
    first, second = build_world(tmp_path / "a", delivered=5), build_world(tmp_path / "b", delivered=9)
    with closing(first), closing(second):
        with first.judged() as store:
            theirs = store.digest()
        with second.judged() as store:
            ours = store.digest()
        shutil.copyfile(first.settings.duckdb_path, second.settings.duckdb_path)
        with pytest.raises(StorageError, match="has followed another log"):
            reindex(second.ledger, second.settings)
        with second.open_store() as store:
            assert store.digest() == theirs
        done = reindex(second.ledger, second.settings, replaces_other=True)
        assert (done.is_identical, done.digest) == (None, ours)
        with second.judged() as store:
            assert store.digest() == ours


def test_a_store_from_before_its_leaf_was_kept_goes_on(tmp_path: Path) -> None:
    world = build_world(tmp_path / "a", delivered=1)
    with closing(world), world.open_store() as store:
        engine = build_engine(world, store)
        engine.catch_up()
        position = store.position()
        world.deliver("gateway", build_record("late"))
        store.write(Chunk(position.next, replace(position, next=LedgerPlace(position.next.seq), leaf=None)))
        build_engine(world, store).catch_up()
        assert store.position().leaf is not None

"""Transactions that write begin as such, and naive times never reach the database."""

import threading
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from auditsvc.database import UtcDateTime, begin_write, migrate, open_engine


def test_a_new_database_is_durable_and_migrates_twice_without_change(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x' / 'a.db'}")
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("select count(*) from alembic_version")).scalar() == 1
    engine.dispose()


def test_two_writers_wait_for_each_other_and_lose_nothing(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with begin_write(engine) as connection:
        connection.execute(text("create table n (v integer)"))
        connection.execute(text("insert into n values (0)"))

    def add() -> None:
        for _ in range(25):
            with begin_write(engine) as connection:
                value = connection.execute(text("select v from n")).scalar_one()
                connection.execute(text("update n set v = :v"), {"v": value + 1})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect() as connection:
        assert connection.execute(text("select v from n")).scalar() == 100
    engine.dispose()


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with begin_write(engine) as connection:
        connection.execute(text("create table n (v integer)"))

    def write_and_fail(connection: Connection) -> None:
        connection.execute(text("insert into n values (1)"))
        connection.execute(text("insert into no_such_table values (1)"))

    with pytest.raises(OperationalError), begin_write(engine) as connection:
        write_and_fail(connection)
    with engine.connect() as connection:
        assert connection.execute(text("select count(*) from n")).scalar() == 0
    engine.dispose()


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), None)  # type: ignore[arg-type]  # noqa: DTZ001

"""Transactions that write begin as such, and naive times never reach the database."""

import threading
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from auditsvc.ground.database import UtcDateTime, begin_write, has_tables, migrate, open_engine
from auditsvc.ground.errors import AuditError, StorageError


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


def test_asking_whether_there_is_a_database_makes_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x' / 'a.db'}"
    assert not has_tables(url)
    assert list(tmp_path.iterdir()) == []
    engine = open_engine(url)
    with engine.connect() as connection:
        connection.execute(text("select 1"))
    assert not has_tables(url)
    migrate(engine)
    engine.dispose()
    assert has_tables(url)


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"not a database at all" * 100)
    for use in (has_tables, lambda url: migrate(open_engine(url))):
        with pytest.raises(StorageError, match=r"a\.db`: cannot .*: file is not a database") as caught:
            use(f"sqlite:///{path}")
        assert caught.value.code == "storage_unavailable"


def test_a_database_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine)
    with begin_write(engine) as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(StorageError, match="another version of the program"):
        migrate(engine)
    engine.dispose()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    assert not has_tables(f"sqlite:///{tmp_path / 'var' / 'a.db'}")
    with pytest.raises(StorageError, match=r"folder `.*var` of the database cannot be made: Not a directory"):
        open_engine(f"sqlite:///{tmp_path / 'var' / 'a.db'}")


@pytest.mark.parametrize(
    "url", ["nonsense", "postgresql+nodriver://u:secret@h/a", "postgresql+psycopg://u:secret@h:x/a"]
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(AuditError, match="AUDITSVC_DATABASE_URL: ") as caught:
        open_engine(url)
    assert caught.value.code == "settings_invalid"
    assert "secret" not in caught.value.message


def test_a_file_that_may_not_be_opened_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "a.db").mkdir()
    with pytest.raises(StorageError, match="unable to open database file; this user has to be able to write the file"):
        migrate(open_engine(f"sqlite:///{tmp_path / 'a.db'}"))

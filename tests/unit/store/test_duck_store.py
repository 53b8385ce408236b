"""The embedded store keeps the contract, and what only it must do."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditsvc.condition.compile.duckdb import split_for_duckdb
from auditsvc.condition.parse import parse_query
from auditsvc.event.fields import FIELDS
from auditsvc.ground.errors import StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.store.duckdb import clause
from auditsvc.store.duckdb.columns import EVENT_COLUMNS
from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.port import EventStore
from auditsvc.store.query import EventQuery
from auditsvc.store.summary import count_rows
from tests.support.store_contract import ALL, EVERY_ROW, StoreContract, build_mixture, build_row, write

SETTINGS = Settings(duckdb_memory_limit="1GB")


@pytest.fixture
def duck(tmp_path: Path) -> Iterator[DuckStore]:
    store = DuckStore(tmp_path / "events.duckdb", SETTINGS)
    yield store
    store.close()


class TestDuckStore(StoreContract):
    """The shared suite on DuckDB."""

    @pytest.fixture
    def store(self, duck: DuckStore) -> EventStore:
        return duck


def test_every_field_of_the_catalogue_has_a_column() -> None:
    assert {field.name for field in FIELDS} <= {column.name for column in EVENT_COLUMNS}


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "events.duckdb", SETTINGS)
    write(store, build_mixture(100, 3))
    before, position = store.digest(), store.position()
    store.close()
    again = DuckStore(tmp_path / "events.duckdb", SETTINGS)
    assert (again.digest(), again.position()) == (before, position)
    again.close()


def test_a_store_of_another_version_asks_for_a_rebuild(tmp_path: Path) -> None:
    store = DuckStore(tmp_path / "events.duckdb", SETTINGS)
    store._connection.execute("UPDATE position SET version = 99")
    store.close()
    with pytest.raises(StorageError, match="expected version 1, got 99; run `auditsvc reindex`"):
        DuckStore(tmp_path / "events.duckdb", SETTINGS)


def test_a_part_without_sql_is_decided_by_the_reference(duck: DuckStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = build_mixture(150, 4)
    write(duck, rows)
    node = parse_query("consumer.org:A rows>=1")
    query = EventQuery(node, *ALL)
    pushed = {row.uid for row in duck.search(query, limit=500).events}
    grouped = duck.aggregate(query, ("user.roles",))
    everything = parse_query("seq>=0")

    def push_nothing(_node: object, context: object) -> object:
        return split_for_duckdb(everything, context)[0], node  # type: ignore[arg-type]

    monkeypatch.setattr(clause, "split_for_duckdb", push_nothing)
    assert {row.uid for row in duck.search(query, limit=500).events} == pushed
    assert count_rows(duck, query) == len(pushed)
    assert duck.aggregate(query, ("user.roles",)) == grouped
    assert len(grouped) > 1


def test_readers_see_whole_chunks_while_one_is_written(duck: DuckStore) -> None:
    stop, seen, failures = threading.Event(), set[int](), list[BaseException]()

    def read() -> None:
        try:
            while not stop.is_set():
                seen.add(count_rows(duck, EVERY_ROW))
        except BaseException as err:
            failures.append(err)

    reader = threading.Thread(target=read)
    reader.start()
    for chunk in range(5):
        write(duck, [build_row(chunk * 200 + number) for number in range(200)])
    stop.set()
    reader.join()
    assert not failures
    assert seen <= {200 * chunk for chunk in range(6)}


def test_files_outside_the_store_cannot_be_read_through_it(duck: DuckStore, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(Exception, match="disabled"):
        duck._connection.execute("SELECT * FROM read_csv(?)", [str(tmp_path / "secret.csv")])

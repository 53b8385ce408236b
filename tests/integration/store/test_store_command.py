"""``auditsvc store`` against a real server: set up once, look at it, say what is wrong."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch

from auditsvc.cli.reindex import command as reindex_command
from auditsvc.cli.store import command
from auditsvc.ground.errors import InputError, StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.elasticsearch.client import open_client
from auditsvc.store.elasticsearch.mapping import TABLES, VERSION
from auditsvc.store.elasticsearch.store import ElasticStore
from auditsvc.store.port import EventStore
from tests.support.elastic import open_cluster, open_prefix
from tests.support.engine import World
from tests.support.store_contract import NOVEMBER, OCTOBER, build_row, write


@pytest.fixture
def server() -> Iterator[tuple[Elasticsearch, str]]:
    with open_prefix() as opened:
        yield opened


def run(prefix: str, *words: str, **more: str) -> Result:
    environment = {
        "AUDITSVC_EVENT_STORE": "elasticsearch",
        "AUDITSVC_ELASTICSEARCH_URLS": open_cluster(),
        "AUDITSVC_ELASTICSEARCH_PREFIX": prefix,
        "AUDITSVC_ELASTICSEARCH_REPLICAS": "0",
        **more,
    }
    return CliRunner().invoke(command, list(words), env=environment)


def test_init_installs_what_the_service_needs_and_may_be_run_again(server: tuple[Elasticsearch, str]) -> None:
    client, prefix = server
    for _ in range(2):
        done = run(prefix, "init", "--json")
        assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["server"]["version"].startswith("8.")
    assert f"{prefix}-events" in told["templates"]
    assert client.indices.exists_index_template(name=f"{prefix}-events")


def test_init_leaves_what_is_there_as_it_is_and_names_the_next_command(server: tuple[Elasticsearch, str]) -> None:
    client, prefix = server
    index = make_narrow(client, prefix)
    before = client.indices.get_mapping(index=index).body
    done = run(prefix, "init", "--json")
    assert done.exit_code == 0, done.exception
    assert json.loads(done.stdout)["indices"] == [index]
    assert "1 indices are there already; `auditsvc store migrate`" in done.stderr
    assert client.indices.get_mapping(index=index).body == before


def make_narrow(client: Elasticsearch, prefix: str, **properties: Any) -> str:
    """Make an index of events that has one of our fields, and others as given; return its name."""
    index = f"{prefix}-events-1-2026.10"
    known = {"event": {"properties": {"id": {"type": "keyword"}}}, **properties}
    client.indices.create(index=index, mappings={"dynamic": "strict", "properties": known})
    return index


def migrate(prefix: str) -> tuple[int, dict[str, Any]]:
    """Return exit code and answer of the command."""
    done = run(prefix, "migrate", "--json")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout)


def outcomes(told: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["outcome"] for one in told["indices"]}


def test_migrate_adds_new_fields_once_and_old_rows_stay_without_them(server: tuple[Elasticsearch, str]) -> None:
    client, prefix = server
    index = make_narrow(client, prefix)
    client.index(index=index, id="1", document={"event.id": "old"}, refresh=True)
    code, told = migrate(prefix)
    (one,) = told["indices"]
    assert (code, one["name"], one["outcome"], told["rebuild"]) == (0, index, "widened", None)
    assert "govshare.time" in one["detail"].split(", ")
    assert "event.id" not in one["detail"].split(", ")
    assert client.get(index=index, id="1")["_source"] == {"event.id": "old"}
    code, told = migrate(prefix)
    assert (code, outcomes(told)) == (0, {index: "current"})


def test_migrate_says_that_a_prepared_store_is_current(server: tuple[Elasticsearch, str]) -> None:
    _, prefix = server
    assert migrate(prefix)[1]["indices"] == []
    settings = Settings(elasticsearch_urls=open_cluster(), elasticsearch_prefix=prefix, elasticsearch_replicas=0)
    with closing(ElasticStore(open_client(settings), settings)) as store:
        store.prepare()
    code, told = migrate(prefix)
    assert (code, set(outcomes(told).values())) == (0, {"current"})
    assert {f"{prefix}-state", f"{prefix}-findings-1", f"{prefix}-dead-1"} < outcomes(told).keys()


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("@timestamp", {"type": "keyword"}, "`@timestamp` is `keyword`, not `date_nanos`"),
        ("@timestamp", {"type": "date_nanos", "index": False}, "index"),
    ],
)
def test_migrate_names_what_needs_a_rebuild_and_brings_the_others_along(
    server: tuple[Elasticsearch, str], name: str, body: dict[str, Any], said: str
) -> None:
    client, prefix = server
    index = make_narrow(client, prefix, **{name: body})
    before = client.indices.get_mapping(index=index).body
    client.indices.create(index=f"{prefix}-batches-1", mappings={"properties": {"seq": {"type": "long"}}})
    code, told = migrate(prefix)
    assert code == 1
    assert outcomes(told) == {index: "rebuild", f"{prefix}-batches-1": "widened"}
    assert said in next(one["detail"] for one in told["indices"] if one["name"] == index)
    assert told["rebuild"] == "auditsvc store reindex"
    assert client.indices.get_mapping(index=index).body == before


def test_migrate_leaves_an_index_of_another_version_for_a_rebuild(server: tuple[Elasticsearch, str]) -> None:
    client, prefix = server
    client.indices.create(index=f"{prefix}-batches-1", mappings={"_meta": {"auditsvc": VERSION + 1}})
    done = run(prefix, "migrate")
    assert done.exit_code == 1
    assert f"rebuild   {prefix}-batches-1: it is of version {VERSION + 1}, expected {VERSION}" in done.stdout
    assert "1 of 1 indices cannot be brought along; build the store again: auditsvc store reindex" in done.stdout


def test_reindex_is_one_command_under_both_names() -> None:
    assert command.commands["reindex"] is reindex_command


def test_status_names_server_and_position_or_what_is_missing(server: tuple[Elasticsearch, str]) -> None:
    _, prefix = server
    failure = run(prefix, "status").exception
    assert isinstance(failure, StorageError)
    assert "never prepared" in failure.message


def fill(store: EventStore) -> None:
    """Store two months, and remove the first."""
    write(store, [build_row(0, time=OCTOBER), build_row(1, time=NOVEMBER), build_row(2, time=NOVEMBER + 1)])
    store.delete_month("2026.10", NOVEMBER)


def test_status_shows_the_months_of_a_store_in_elasticsearch(server: tuple[Elasticsearch, str]) -> None:
    _, prefix = server
    with filled(prefix):
        pass
    told = json.loads(run(prefix, "status", "--json").stdout)
    assert [(one["month"], one["events"]) for one in told["months"]] == [("2026.11", 2)]
    assert (told["removed"], told["next"], told["dead_letters"]) == (["2026.10"], {"seq": 1, "record": 0}, 0)
    said = run(prefix, "status").stdout
    assert f"{prefix}-events-1-2026.11" in said
    assert "removed months: 2026.10\n" in said


@contextmanager
def filled(prefix: str) -> Iterator[ElasticStore]:
    """Give a store in Elasticsearch that holds two months, the first of them removed."""
    assert run(prefix, "init").exit_code == 0
    settings = Settings(elasticsearch_urls=open_cluster(), elasticsearch_prefix=prefix, elasticsearch_replicas=0)
    with closing(ElasticStore(open_client(settings), settings)) as store:
        store.prepare()
        fill(store)
        yield store


def test_status_shows_nothing_of_a_store_that_follows_another_log(
    server: tuple[Elasticsearch, str], tmp_path: Path
) -> None:
    _, prefix = server
    with closing(World(tmp_path)), filled(prefix):
        done = run(prefix, "status", "--json", AUDITSVC_DATA_DIR=str(tmp_path))
    assert isinstance(done.exception, StorageError)
    assert done.exception.exit_code == 3
    assert "followed a log up to leaf 0, which this log does not have" in done.exception.message
    assert done.stdout == ""


def test_status_says_where_no_ledger_is_that_the_log_was_not_looked_at(
    server: tuple[Elasticsearch, str], tmp_path: Path
) -> None:
    _, prefix = server
    with filled(prefix):
        done = run(prefix, "status", AUDITSVC_DATA_DIR=str(tmp_path))
    assert (done.exit_code, "there is no ledger here" in done.stderr) == (0, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("table", TABLES)
def test_status_names_an_index_that_is_gone_and_what_to_do(server: tuple[Elasticsearch, str], table: str) -> None:
    client, prefix = server
    index = f"{prefix}-{table}-1"
    with filled(prefix):
        client.indices.delete(index=index)
        failure = run(prefix, "status").exception
    assert isinstance(failure, StorageError)
    assert failure.message == f"event store: index `{index}` held rows and is gone; run `auditsvc reindex`"
    assert failure.exit_code == 3


def test_migrate_gives_months_the_alias_back(server: tuple[Elasticsearch, str]) -> None:
    client, prefix = server
    index = f"{prefix}-events-1-2026.11"
    with filled(prefix):
        client.indices.delete_alias(index=index, name=f"{prefix}-events")
        told = migrate(prefix)[1]
        assert told["aliased"] == [index]
        assert client.indices.exists_alias(index=index, name=f"{prefix}-events")
        assert migrate(prefix)[1]["aliased"] == []


def test_the_embedded_store_of_another_log_is_not_shown(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with closing(World(tmp_path)):
        with closing(DuckStore(settings.duckdb_path, settings)) as store:
            fill(store)
        failure = run("gs", "status", AUDITSVC_EVENT_STORE="duckdb", AUDITSVC_DATA_DIR=str(tmp_path)).exception
    assert isinstance(failure, StorageError)
    assert "which this log does not have" in failure.message


def test_status_shows_the_months_of_the_embedded_store(tmp_path: Path) -> None:
    environment = {"AUDITSVC_EVENT_STORE": "duckdb", "AUDITSVC_DATA_DIR": str(tmp_path)}
    missing = run("gs", "status", **environment).exception
    assert isinstance(missing, StorageError)
    assert "there is no" in missing.message
    assert list(tmp_path.iterdir()) == []
    settings = Settings(data_dir=tmp_path)
    with closing(DuckStore(settings.duckdb_path, settings)) as store:
        fill(store)
        owned = run("gs", "status", **environment).exception
        assert isinstance(owned, StorageError)
        assert "another process owns it" in owned.message
    told = json.loads(run("gs", "status", "--json", **environment).stdout)
    assert told["months"] == [{"month": "2026.11", "events": 2, "size_bytes": None}]
    assert told["removed"] == ["2026.10"]
    assert "2026.11            2 events\nfindings: 0, quarantined: 0\n" in run("gs", "status", **environment).stdout


def test_the_role_is_printed_for_the_prefix(tmp_path: Path) -> None:
    role = json.loads(run("city", "role", AUDITSVC_DATA_DIR=str(tmp_path)).output)
    assert role["indices"][0]["names"] == ["city-*"]
    assert "delete" not in role["indices"][0]["privileges"]


def test_the_embedded_store_needs_none_of_this() -> None:
    failure = run("gs", "dead", AUDITSVC_EVENT_STORE="duckdb").exception
    assert isinstance(failure, InputError)
    assert "AUDITSVC_EVENT_STORE" in failure.message

"""``auditsvc store`` against a real server: set up once, look at it, say what is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from elasticsearch import Elasticsearch

from auditsvc.cli.store import command
from auditsvc.errors import InputError, StorageError
from tests.support.elastic import open_cluster, open_prefix


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


def test_init_adds_new_fields_to_indices_that_are_there(server: tuple[Elasticsearch, str]) -> None:
    client, prefix = server
    client.indices.create(
        index=f"{prefix}-events-1-2026.10",
        mappings={"properties": {"event": {"properties": {"id": {"type": "keyword"}}}}},
    )
    done = run(prefix, "init", "--json")
    assert done.exit_code == 0, done.exception
    told = json.loads(done.output)
    assert told["widened"] == [f"{prefix}-events-1-2026.10"]
    assert json.loads(run(prefix, "init", "--json").output)["widened"] == []


def test_init_says_when_a_type_has_changed(server: tuple[Elasticsearch, str]) -> None:
    client, prefix = server
    client.indices.create(
        index=f"{prefix}-events-1-2026.10", mappings={"properties": {"@timestamp": {"type": "keyword"}}}
    )
    assert isinstance(run(prefix, "init").exception, StorageError)


def test_status_names_server_and_position_or_what_is_missing(server: tuple[Elasticsearch, str]) -> None:
    _, prefix = server
    failure = run(prefix, "status").exception
    assert isinstance(failure, StorageError)
    assert "never prepared" in failure.message


def test_the_role_is_printed_for_the_prefix(tmp_path: Path) -> None:
    role = json.loads(run("city", "role", AUDITSVC_DATA_DIR=str(tmp_path)).output)
    assert role["indices"][0]["names"] == ["city-*"]
    assert "delete" not in role["indices"][0]["privileges"]


def test_the_embedded_store_needs_none_of_this() -> None:
    failure = run("gs", "status", AUDITSVC_EVENT_STORE="duckdb").exception
    assert isinstance(failure, InputError)
    assert "AUDITSVC_EVENT_STORE" in failure.message

"""The page a person sees first names the event store, and says so when it does not answer."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from auditsvc.auth.roles import Role
from auditsvc.ground.errors import StorageError
from tests.support.service import PASSWORD, Service, open_service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with open_service(tmp_path) as opened:
        yield opened


@pytest.fixture
def client(service: Service) -> FlaskClient:
    client = service.app.test_client()
    name = service.make_account(Role.AUDITOR)
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found
    client.post("/sign-in", data={"csrf_token": found[1], "name": name, "password": PASSWORD, "next": "/"})
    return client


def read(client: FlaskClient, part: str, language: str = "en") -> str:
    with client.session_transaction() as session:
        session["language"] = language
    found = re.search(rf'id="{part}">(.*?)</dd>', client.get("/").text, re.DOTALL)
    assert found, part
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


def test_the_store_is_named_with_its_lag_and_dead_letters(client: FlaskClient) -> None:
    shown = {part: read(client, part) for part in ("store-kind", "store-state", "store-lag", "dead-letters")}
    assert shown == {"store-kind": "DuckDB", "store-state": "answers", "store-lag": "0", "dead-letters": "0"}
    assert read(client, "store-state", "zh") == "正常"


def test_a_dead_letter_is_told_with_what_it_means(
    service: Service, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(service.services.store), "count_dead_letters", lambda _store: 3)
    assert read(client, "dead-letters").startswith("3 The store refused these rows")
    assert "auditsvc store dead" in read(client, "dead-letters")
    assert read(client, "dead-letters", "zh").startswith("3 事件库拒收了这些行")


def test_a_store_that_is_away_is_the_page_and_not_an_error(
    service: Service, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_store: object) -> int:
        raise StorageError("storage_unavailable", "no connection to elasticsearch at `es:9200`")

    monkeypatch.setattr(type(service.services.store), "count_dead_letters", refuse)
    assert read(client, "store-state") == "does not answer no connection to elasticsearch at `es:9200`"
    answer = client.get("/")
    assert answer.status_code == 200
    assert 'id="events-total"' not in answer.text
    assert 'role="alert"' in answer.text

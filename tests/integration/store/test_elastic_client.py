"""The client against a real secured server: TLS, credentials, versions and what goes wrong, in words."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from elasticsearch import Elasticsearch

from auditsvc.ground.errors import StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch import client as client_module
from auditsvc.store.elasticsearch.client import ServerFacts, check_server, open_client
from auditsvc.store.elasticsearch.failure import storage_errors
from tests.support.elastic import admin_client, own_prefix, secured_cluster, service_settings
from tools.elasticsearch import VERSION
from tools.elasticsearch.security import build_authority

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return service_settings(secured_cluster(), tmp_path)


@pytest.fixture
def service(settings: Settings) -> Iterator[Elasticsearch]:
    with open_client(settings) as opened:
        yield opened


@pytest.fixture
def prefix() -> Iterator[str]:
    with admin_client(secured_cluster()) as admin, own_prefix(admin) as made:
        yield made


def check(settings: Settings) -> ServerFacts:
    with open_client(settings) as opened:
        return check_server(opened)


def test_the_services_user_learns_what_the_server_is(service: Elasticsearch) -> None:
    assert check_server(service) == ServerFacts(VERSION, "basic", ("n1",))


def test_a_wrong_password_is_said_so_and_not_shown(settings: Settings) -> None:
    path = settings.elasticsearch_password_file
    assert path is not None
    path.write_text("not the password")
    with pytest.raises(StorageError, match="does not accept the user and password") as caught:
        check(settings)
    assert caught.value.context == {"status": 401}
    assert "not the password" not in caught.value.message


def test_no_credential_at_all_is_not_let_in(settings: Settings) -> None:
    with pytest.raises(StorageError, match="see elasticsearch_user"):
        check(replace(settings, elasticsearch_user="", elasticsearch_password_file=None))


def test_another_authoritys_certificate_is_not_trusted(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(build_authority("another")[1].public_bytes(Encoding.PEM))
    for path in (other, None):
        with pytest.raises(StorageError, match=r"its certificate is not trusted, .*; see .* elasticsearch_ca_file"):
            check(replace(settings, elasticsearch_ca_file=path))


def test_a_name_the_certificate_is_not_for_is_not_trusted(settings: Settings) -> None:
    other_name = settings.elasticsearch_urls.replace("127.0.0.1", "127.1")  # the same machine, not in the certificate
    with pytest.raises(StorageError, match=r"its certificate is not trusted, .*127\.1"):
        check(replace(settings, elasticsearch_urls=other_name))


def test_plain_http_to_a_server_with_tls_is_said_so(settings: Settings) -> None:
    with pytest.raises(
        StorageError, match=r"no connection to elasticsearch at `127\.0\.0\.1:.*`: it was closed without an answer; see"
    ):
        check(replace(settings, elasticsearch_urls=settings.elasticsearch_urls.replace("https", "http")))


def test_a_dead_host_beside_the_live_one_changes_nothing(settings: Settings) -> None:
    for urls in (
        f"https://127.0.0.1:1,{settings.elasticsearch_urls}",
        f"{settings.elasticsearch_urls},https://127.0.0.1:1",
    ):
        assert check(replace(settings, elasticsearch_urls=urls)).version == VERSION


def test_a_client_of_another_major_version_refuses_the_server(
    service: Elasticsearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "CLIENT_MAJOR", 9)
    with pytest.raises(StorageError, match=f"node `n1` is of version {VERSION}, but this program's client is of 9.x"):
        check_server(service)


def test_the_services_role_adds_and_reads_and_can_neither_overwrite_nor_delete(
    service: Elasticsearch, prefix: str
) -> None:
    index = f"{prefix}-events-2026.11"
    with storage_errors():
        service.indices.create(index=index)
        service.create(index=index, id="1", document={"a": 1})
        service.indices.refresh(index=index)
        assert service.count(index=f"{prefix}-events-*")["count"] == 1
    refused = (
        lambda: service.index(index=index, id="1", document={"a": 2}),
        lambda: service.update(index=index, id="1", doc={"a": 2}),
        lambda: service.delete(index=index, id="1"),
        lambda: service.indices.delete(index=index),
        lambda: service.indices.put_settings(index=index, settings={"index.translog.durability": "async"}),
        lambda: service.create(index="others", id="1", document={}),
        lambda: service.indices.put_index_template(name="others", index_patterns=["others"]),
    )
    for act in refused:
        with (
            pytest.raises(StorageError, match="does not allow this to our user or key: security_exception"),
            storage_errors(),
        ):
            act()


def test_the_services_role_writes_over_its_own_state(service: Elasticsearch, prefix: str) -> None:
    with storage_errors():
        for number in range(2):
            service.index(index=f"{prefix}-state", id="position", document={"next": number}, refresh=True)
        assert service.get(index=f"{prefix}-state", id="position")["_source"] == {"next": 1}

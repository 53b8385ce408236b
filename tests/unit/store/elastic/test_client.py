"""The connection to Elasticsearch, against a server made up in this process; the real one is in the integration tests."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from auditsvc.ground.errors import AuditError, StorageError
from auditsvc.ground.logs import configure_logs
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch.client import ServerFacts, check_server, open_client
from auditsvc.store.elasticsearch.failure import storage_errors

NODES = {"a": {"name": "n2", "version": "8.19.16"}, "b": {"name": "n1", "version": "8.9.0"}}
LICENCE = {"license": {"type": "basic"}}
PRODUCT = {"X-Elastic-Product": "Elasticsearch", "Content-Type": "application/json"}


@dataclass(slots=True)
class Fake:
    """A server that gives prepared answers by path, and remembers what it was asked.

    Attributes:
        answers: status and body by path without its query; ``None`` drops the connection.
    """

    answers: dict[str, tuple[int, Any] | None] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: dict(PRODUCT))
    asked: list[tuple[str, str]] = field(default_factory=list)
    credentials: set[str | None] = field(default_factory=set)
    url: str = ""


@contextmanager
def serve(fake: Fake) -> Iterator[Fake]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            path = self.path.partition("?")[0]
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fake.asked.append((self.command, path))
            fake.credentials.add(self.headers.get("Authorization"))
            answer = fake.answers.get(path, (404, {"error": {"type": "missing", "reason": "no such thing"}}))
            if answer is None:
                self.close_connection = True
                return
            data = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            for name, value in fake.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815  (the library's names)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serve(Fake({"/_nodes": (200, {"nodes": NODES}), "/_license": (200, LICENCE)})) as running:
        yield running


@pytest.fixture
def dead() -> Iterator[str]:
    """Give an address where nobody listens, as long as the test runs."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def check(url: str, **more: Any) -> ServerFacts:
    with open_client(Settings(elasticsearch_urls=url, **more)) as client:
        return check_server(client)


def test_the_facts_are_the_lowest_version_the_licence_and_the_nodes_names(fake: Fake) -> None:
    assert check(fake.url) == ServerFacts("8.9.0", "basic", ("n1", "n2"))
    assert fake.credentials == {None}


def test_a_server_that_does_not_tell_its_licence_is_fine(fake: Fake) -> None:
    del fake.answers["/_license"]
    assert check(fake.url).licence == "unknown"


def test_an_answer_the_fast_reader_does_not_take_is_read_by_the_clients_own(fake: Fake) -> None:
    fake.answers["/_license"] = (200, {"license": {"type": "basic", "max_nodes": float("nan"), "uid": "\ud800"}})
    assert check(fake.url).licence == "basic"


def test_the_api_key_comes_from_its_file(fake: Fake, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("bWFkZTp1cA==\n")
    check(fake.url, elasticsearch_api_key_file=path)
    assert fake.credentials == {"ApiKey bWFkZTp1cA=="}


def test_user_and_password_are_sent_as_basic_credentials(fake: Fake, tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("made up\r\n")
    check(fake.url, elasticsearch_user="auditsvc", elasticsearch_password_file=path)
    assert fake.credentials == {"Basic YXVkaXRzdmM6bWFkZSB1cA=="}


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"x" * 9000])
def test_a_file_without_one_line_of_secret_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(AuditError, match="elasticsearch_api_key_file: expected one line with the secret") as caught:
        open_client(Settings(elasticsearch_urls="https://es1:9200", elasticsearch_api_key_file=path))
    assert caught.value.code == "settings_invalid"


def test_a_secret_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(AuditError, match=r"elasticsearch_api_key_file: cannot read `.*key`: No such file"):
        open_client(Settings(elasticsearch_urls="https://es1:9200", elasticsearch_api_key_file=path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(AuditError, match="is not text in UTF-8"):
        open_client(Settings(elasticsearch_urls="https://es1:9200", elasticsearch_api_key_file=path))


def test_a_certificate_that_is_missing_or_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    settings = Settings(elasticsearch_urls="https://es1:9200", elasticsearch_ca_file=path)
    with pytest.raises(AuditError, match=r"elasticsearch_ca_file: `.*ca.pem` cannot be used: No such file"):
        open_client(settings)
    path.write_text("no certificate")
    with pytest.raises(AuditError, match="cannot be used: it holds no certificate in PEM"):
        open_client(settings)


def test_without_an_address_there_is_no_client() -> None:
    with pytest.raises(AuditError, match="elasticsearch_urls: expected an address"):
        open_client(Settings())


@pytest.mark.parametrize("version", ["7.17.28", "9.0.0-SNAPSHOT"])
def test_a_server_of_another_major_version_is_refused(fake: Fake, version: str) -> None:
    fake.answers["/_nodes"] = (200, {"nodes": {**NODES, "c": {"name": "n3", "version": version}}})
    with pytest.raises(StorageError) as caught:
        check(fake.url)
    assert caught.value.message.startswith(
        f"elasticsearch node `n3` is of version {version}, but this program's client is of 8.x; run a server of version 8"
    )


def test_a_server_that_does_not_know_our_media_type_is_of_another_major_version(fake: Fake) -> None:
    fake.answers["/_nodes"] = (400, {"error": {"type": "media_type_header_exception", "reason": "Invalid"}})
    with pytest.raises(StorageError, match="elasticsearch is of another major version, but"):
        check(fake.url)


def test_something_that_is_not_elasticsearch_is_refused(fake: Fake) -> None:
    del fake.headers["X-Elastic-Product"]
    with pytest.raises(StorageError, match=f"`{fake.url}` answers, but is not elasticsearch; see elasticsearch_urls"):
        check(fake.url)


def test_a_server_that_names_no_node_is_refused(fake: Fake) -> None:
    fake.answers["/_nodes"] = (200, {})
    with pytest.raises(StorageError, match="named none of its nodes"):
        check(fake.url)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "does not accept the user and password, or the API key; see elasticsearch_user"),
        (403, "does not allow this to our user or key: security_exception: no `monitor`"),
        (500, "answered 500: security_exception: no `monitor`"),
    ],
)
def test_an_answer_that_is_an_error_says_what_and_where(fake: Fake, status: int, said: str) -> None:
    fake.answers["/_nodes"] = (status, {"error": {"type": "security_exception", "reason": "no `monitor`"}})
    with pytest.raises(StorageError) as caught:
        check(fake.url)
    assert (caught.value.code, caught.value.context) == ("storage_unavailable", {"status": status})
    assert said in caught.value.message
    assert fake.url in caught.value.message


def test_a_block_is_told_as_one_and_not_as_a_lack_of_rights(fake: Fake) -> None:
    reason = "index [gs-events-1-2026.10] blocked by: [FORBIDDEN/7/index read (api)];"
    fake.answers["/_nodes"] = (403, {"error": {"type": "cluster_block_exception", "reason": reason}})
    with pytest.raises(StorageError) as caught:
        check(fake.url)
    assert caught.value.message == (
        f"elasticsearch at `{fake.url}` answered 403: cluster_block_exception: index [gs-events-1-2026.10] blocked by: "
        "[FORBIDDEN/7/index read (api)]; a block forbids this to everybody; an administrator takes it away: "
        "`index.blocks.*` set to null"
    )


@pytest.mark.parametrize(
    ("kind", "said"), [("application/xml", "Unknown mimetype, .*xml"), ("application/x-ndjson; a=b", "Unable to .*")]
)
def test_an_answer_that_cannot_be_read_names_the_host_it_came_from(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, kind: str, said: str
) -> None:
    monkeypatch.setattr(json, "dumps", lambda _: "<html>")
    fake.headers["Content-Type"] = kind
    host = fake.url.removeprefix("http://")
    said = f"elasticsearch at `{host}` gave an answer that cannot be read: {said}; see elasticsearch_urls"
    with pytest.raises(StorageError, match=said):
        check(fake.url)


def test_the_reason_of_the_cause_is_told_too(fake: Fake) -> None:
    cause = {"type": "search_phase_execution_exception", "reason": "Search rejected due to missing shards [[gs-i][0]]"}
    error = {"type": "search_phase_execution_exception", "reason": "start", "caused_by": cause}
    fake.answers["/_nodes"] = (503, {"error": error})
    with pytest.raises(
        StorageError, match=r"503: search_phase_execution_exception: start: .* shards \[\[gs-i\]\[0\]\]"
    ):
        check(fake.url)


def test_a_server_that_is_away_is_named_with_the_reason(dead: str) -> None:
    host = dead.removeprefix("http://")
    with pytest.raises(StorageError, match=f"no connection to elasticsearch at `{host}`: connection refused"):
        check(dead)


def test_a_server_that_breaks_off_is_named_with_the_reason(fake: Fake) -> None:
    fake.answers["/_nodes"] = None
    host = fake.url.removeprefix("http://")
    with pytest.raises(
        StorageError, match=f"no connection to elasticsearch at `{host}`: it was closed without an answer"
    ):
        check(fake.url)


def test_a_host_that_does_not_exist_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(StorageError, match="no connection to elasticsearch at `es:9200`: there is no such host"):
        check("http://es:9200")


def test_a_server_that_keeps_silent_is_given_up_after_the_time_set() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(
            StorageError, match=r"no answer from elasticsearch at `.*` in time; see elasticsearch_timeout_s"
        ):
            check(url, elasticsearch_timeout_s=1)


def test_a_server_that_speaks_no_tls_is_named(fake: Fake) -> None:
    with pytest.raises(StorageError, match=r"no TLS with elasticsearch.*: .*; see elasticsearch_urls"):
        check(fake.url.replace("http:", "https:"))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_live_host_among_dead_ones_is_found_for_reads_and_writes(fake: Fake, dead: str, place: int) -> None:
    fake.answers["/i/_create/1"] = (201, {"result": "created"})
    hosts = [dead, dead.replace("127.0.0.1", "127.0.0.2")]
    hosts.insert(place, fake.url)
    with open_client(Settings(elasticsearch_urls=",".join(hosts))) as client:
        client.create(index="i", id="1", document={})
        check_server(client)
    assert fake.asked == [("PUT", "/i/_create/1"), ("GET", "/_nodes"), ("GET", "/_license")]


def test_a_write_whose_answer_was_lost_is_not_sent_again(fake: Fake) -> None:
    fake.answers["/_bulk"] = None
    with open_client(Settings(elasticsearch_urls=fake.url)) as client, pytest.raises(StorageError), storage_errors():
        client.bulk(operations=[{"create": {"_index": "i", "_id": "1"}}, {"a": 1}])
    assert len(fake.asked) == 1


def test_a_write_the_server_has_no_room_for_is_not_sent_again(fake: Fake) -> None:
    fake.answers["/_bulk"] = (429, {"error": {"type": "es_rejected_execution_exception", "reason": "full"}})
    with (
        open_client(Settings(elasticsearch_urls=fake.url)) as client,
        pytest.raises(StorageError, match="answered 429: es_rejected_execution_exception: full"),
        storage_errors(),
    ):
        client.bulk(operations=[{"create": {"_index": "i", "_id": "1"}}, {"a": 1}])
    assert len(fake.asked) == 1


def test_a_read_whose_connection_was_lost_is_sent_again_once(fake: Fake) -> None:
    fake.answers["/i/_search"] = None
    with open_client(Settings(elasticsearch_urls=fake.url)) as client, pytest.raises(StorageError), storage_errors():
        client.search(index="i")
    assert fake.asked == [("POST", "/i/_search")] * 2


def test_a_read_that_one_host_cannot_answer_goes_to_the_other(fake: Fake) -> None:
    fake.answers["/i/_count"] = (200, {"count": 7})
    with serve(Fake({"/i/_count": (503, {"error": "no master"})})) as other:
        with open_client(Settings(elasticsearch_urls=f"{other.url},{fake.url}")) as client:
            assert [client.count(index="i")["count"] for _ in range(4)] == [7] * 4
        assert other.asked


def test_requests_are_not_logged_whatever_the_level(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure_logs("debug")
        check(fake.url)
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    assert '"logger": "elastic' not in capsys.readouterr().err

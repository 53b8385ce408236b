"""Commands that ask the running service: what they send, what they print, how they fail."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from auditsvc.cli import alert, event
from auditsvc.ground.errors import AuditError, AuthError, StorageError

EVENT = {"uid": "ab" * 16, "event": {"time": "2026-11-22T02:00:00Z", "action": "query", "quality": ["late", "paired"]}}
ALERT = {
    "id": "a-1", "state": "new", "severity": "high", "policy_id": "P", "count": 3, "first": "f", "last": "l",
    "title_en": "title", "title_zh": "标题", "group": {"user.id": "u"}, "transitions": [],
}  # fmt: skip


class Service:
    """A service that remembers requests and gives prepared answers."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str, bytes]] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                service.requests.append((self.command, self.path, self.headers["Authorization"], body))
                status, value = service.answers.get(self.path.partition("?")[0], (404, {}))
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    thread = threading.Thread(target=service.server.serve_forever)
    thread.start()
    yield service
    service.server.shutdown()
    thread.join()
    service.server.server_close()


@pytest.fixture
def options(service: Service, tmp_path: Path) -> list[str]:
    token = tmp_path / "token"
    token.write_text("secret\n")
    return ["--url", service.url, "--token-file", str(token)]


def test_search_sends_query_and_interval_and_prints_one_line_an_event(service: Service, options: list[str]) -> None:
    service.answers["/api/v1/events"] = (200, {"items": [EVENT], "next": "more"})
    done = CliRunner().invoke(
        event.command,
        ["search", "user.id:u1", "--from", "2026-11-01", "--limit", "5", *options],
        catch_exceptions=False,
    )
    assert done.exit_code == 0
    assert done.stdout.startswith("ab" * 16 + "\t2026-11-22T02:00:00Z\t-\t-")
    assert "--cursor more" in done.stderr
    method, path, token, _ = service.requests[0]
    assert (method, token) == ("GET", "Bearer secret")
    assert path == "/api/v1/events?query=user.id%3Au1&from=2026-10-31T16%3A00%3A00Z&limit=5"


@pytest.mark.parametrize("verb", ["search", "export"])
def test_repeats_are_asked_for_when_they_are_wanted(service: Service, options: list[str], verb: str) -> None:
    service.answers["/api/v1/events"] = (200, {"items": [], "next": None})
    service.answers["/api/v1/events/export"] = (200, b'{"end": true, "events": 0}\n')
    for more in ([], ["--repeats"]):
        assert CliRunner().invoke(event.command, [verb, *more, *options], catch_exceptions=False).exit_code == 0
    assert ["repeats=true" in path for _, path, _, _ in service.requests] == [False, True]


def export(service: Service, options: list[str], *lines: object) -> Result:
    """Export from a service that answers these lines."""
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    service.answers["/api/v1/events/export"] = (200, body)
    return CliRunner().invoke(event.command, ["export", "user.id:u1", "--from", "2026-11-01", *options])


def test_an_export_prints_the_events_and_tells_their_number_apart(service: Service, options: list[str]) -> None:
    done = export(service, options, EVENT, EVENT, {"end": True, "events": 2})
    assert done.exit_code == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] == [EVENT, EVENT]
    assert done.stderr == "2 events, all there are\n"
    assert service.requests[0][1] == "/api/v1/events/export?query=user.id%3Au1&from=2026-10-31T16%3A00%3A00Z"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((EVENT, EVENT), "1 events came: the answer broke off"),
        ((), "0 events came: the answer broke off"),
        ((EVENT, {"end": True, "events": 2}), "1 events came"),
        ((EVENT, {"end": False, "events": 1, "code": "storage_unavailable", "detail": "node away"}), "node away"),
    ],
)
def test_an_export_that_is_not_whole_is_told(
    service: Service, options: list[str], lines: tuple[object, ...], said: str
) -> None:
    done = export(service, options, *lines)
    assert isinstance(done.exception, StorageError)
    assert said in done.exception.message
    assert done.exception.exit_code == 3


def test_an_export_that_is_refused_keeps_its_code(service: Service, options: list[str]) -> None:
    service.answers["/api/v1/events/export"] = (403, {"code": "forbidden", "detail": "needs the role auditor"})
    assert isinstance(CliRunner().invoke(event.command, ["export", *options]).exception, AuthError)


def test_an_event_is_shown_with_its_proof(service: Service, options: list[str]) -> None:
    uid = "ab" * 16
    service.answers[f"/api/v1/events/{uid}"] = (200, {**EVENT, "rows": [EVENT], "partners": []})
    proof = {"leaf": 7, "record": 0, "item": 0, "leaf_sha256": "cd" * 32, "proof": {"checkpoint": {"size": 9}}}
    service.answers[f"/api/v1/events/{uid}/proof"] = (200, proof)
    done = CliRunner().invoke(event.command, ["show", uid, *options], catch_exceptions=False)
    assert "quality\tlate, paired" in done.stdout
    assert "leaf\t7" in done.stdout
    as_json = CliRunner().invoke(event.command, ["show", uid, "--json", *options], catch_exceptions=False)
    assert json.loads(as_json.stdout)["proof"] == proof


def test_an_alert_is_listed_acknowledged_and_closed(service: Service, options: list[str]) -> None:
    service.answers["/api/v1/alerts"] = (200, {"items": [ALERT], "next": None})
    service.answers["/api/v1/alerts/a-1/acknowledgement"] = (200, {**ALERT, "state": "acknowledged"})
    service.answers["/api/v1/alerts/a-1/closure"] = (200, {**ALERT, "state": "closed"})
    listed = CliRunner().invoke(alert.command, ["list", "--state", "new", *options], catch_exceptions=False)
    assert listed.stdout == "a-1\tnew\thigh\tP\t3\tf\tl\ttitle\n"
    CliRunner().invoke(alert.command, ["acknowledge", "a-1", *options], catch_exceptions=False)
    closed = CliRunner().invoke(
        alert.command, ["close", "a-1", "--reason", "test", "--note", "n", *options], catch_exceptions=False
    )
    assert closed.stdout.startswith("a-1\tclosed")
    assert json.loads(service.requests[-1][3]) == {"reason": "test", "note": "n"}


def test_a_refusal_keeps_its_code(service: Service, options: list[str]) -> None:
    service.answers["/api/v1/alerts"] = (403, {"code": "forbidden", "detail": "needs the role security_officer"})
    done = CliRunner().invoke(alert.command, ["list", *options])
    assert isinstance(done.exception, AuthError)
    service.answers["/api/v1/alerts"] = (409, {"code": "conflict", "detail": "closed already"})
    done = CliRunner().invoke(alert.command, ["list", *options])
    assert isinstance(done.exception, AuditError)
    assert (done.exception.code, done.exception.message) == ("conflict", "closed already")


def test_where_no_service_answers_the_text_says_what_to_do(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    done = CliRunner().invoke(event.command, ["search", "--url", "http://127.0.0.1:9", "--token-file", str(token)])
    assert isinstance(done.exception, StorageError)
    assert "start it with `auditsvc serve`" in done.exception.message
    assert done.exception.exit_code == 3

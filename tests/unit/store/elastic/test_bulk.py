"""Every document's answer is looked at: stored, there before, sent again, refused, or the writer stops."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from elastic_transport import ApiResponseMeta, ConnectionTimeout, HttpHeaders, NodeConfig
from elasticsearch import ApiError

from auditsvc.ground.errors import StorageError
from auditsvc.store.elasticsearch import retry
from auditsvc.store.elasticsearch.bulk import MADE_READY, MAX_ITEMS, Action, Sender
from auditsvc.store.elasticsearch.retry import ATTEMPTS, FIRST_PAUSE_S, LONGEST_PAUSE_S
from auditsvc.store.rows import LedgerPlace

STORED = {"status": 201}


def build_error(status: int, kind: str = "", reason: str = "") -> dict[str, Any]:
    """Return a document's answer."""
    return {"status": status, "error": {"type": kind, "reason": reason}}


def build_failure(status: int) -> ApiError:
    """Return a whole request's failure."""
    node = NodeConfig("http", "localhost", 9200)
    meta = ApiResponseMeta(status, "1.1", HttpHeaders({}), 0.1, node)
    return ApiError("failed", meta, {"error": {"type": "kind", "reason": "reason"}})


class Server:
    """Answers bulks by a script for each id, the last answer again and again; ``bulks`` are the ids it was sent."""

    def __init__(self, *failures: Exception | None, **script: list[dict[str, Any]]) -> None:
        self.failures = list(failures)
        self.script = {name: list(answers) for name, answers in script.items()}
        self.bulks: list[list[str]] = []

    def bulk(self, *, operations: bytes, **_: Any) -> Any:
        """Answer a bulk."""
        heads = [msgspec.json.decode(line) for line in operations.split(b"\n")[:-1:2]]
        ids = [next(iter(head.values()))["_id"] for head in heads]
        self.bulks.append(ids)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        items = [{next(iter(head)): self._answer(name)} for head, name in zip(heads, ids, strict=True)]
        errors = any("error" in next(iter(item.values())) for item in items)
        return type("Answer", (), {"body": {"errors": errors, "items": items}})()

    def _answer(self, name: str) -> dict[str, Any]:
        """Return the next answer to a document."""
        answers = self.script.get(name, [STORED])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def build_actions(*names: str, size: int = 10, overwrites: bool = False) -> list[Action]:
    """Return documents with these ids."""
    return [Action("i", name, b"x" * size, LedgerPlace(0, n), overwrites=overwrites) for n, name in enumerate(names)]


def build_sender(server: Server, pauses: list[float] | None = None, most_bytes: int = 1000) -> Sender:
    """Return a sender that writes down its pauses."""
    sleep = (pauses if pauses is not None else []).append
    return Sender(server, most_bytes, 30, sleep)  # type: ignore[arg-type]


def test_bulks_are_bounded_by_bytes_and_number() -> None:
    server = Server()
    build_sender(server, most_bytes=25).send(build_actions("a", "b", "c", "d", "e"))
    assert sorted(server.bulks) == [["a", "b"], ["c", "d"], ["e"]]
    server = Server()
    build_sender(server, most_bytes=5).send(build_actions("a", "b"))
    assert sorted(server.bulks) == [["a"], ["b"]]
    server = Server()
    build_sender(server, most_bytes=10**6).send(build_actions(*map(str, range(MAX_ITEMS + 1))))
    assert sorted(map(len, server.bulks)) == [1, MAX_ITEMS]


def test_documents_are_made_only_a_little_ahead_of_what_is_sent() -> None:
    server, made = Server(), list[str]()
    ahead: list[int] = []
    bulk = server.bulk

    def look(**options: Any) -> Any:
        ahead.append(len(made) - len(server.bulks))
        return bulk(**options)

    server.bulk = look  # type: ignore[method-assign]

    def make() -> Iterator[Action]:
        for action in build_actions(*map(str, range(50))):
            made.append(action.id)
            yield action

    build_sender(server, most_bytes=5).send(make())
    assert len(server.bulks) == 50
    assert max(ahead) <= MADE_READY + 2


def test_nothing_is_sent_for_nothing() -> None:
    server = Server()
    outcome = build_sender(server).send([])
    assert (server.bulks, outcome.existing, outcome.refused) == ([], [], [])


def test_what_is_there_already_is_stored_and_told() -> None:
    actions = build_actions("a", "b")
    outcome = build_sender(Server(b=[build_error(409, "version_conflict_engine_exception")])).send(actions)
    assert (outcome.existing, outcome.refused) == ([actions[1]], [])


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_only_what_was_not_taken_is_sent_again(status: int) -> None:
    server, pauses = Server(b=[build_error(status), build_error(status), STORED]), list[float]()
    build_sender(server, pauses).send(build_actions("a", "b", "c"))
    assert server.bulks == [["a", "b", "c"], ["b"], ["b"]]
    assert 0 < pauses[0] < pauses[1] <= LONGEST_PAUSE_S


@pytest.mark.parametrize("failure", [build_failure(503), build_failure(429), ConnectionTimeout("no answer")])
def test_a_bulk_whose_outcome_is_unknown_is_sent_again_whole(failure: Exception) -> None:
    server = Server(failure, a=[build_error(409)])
    outcome = build_sender(server).send(build_actions("a", "b"))
    assert server.bulks == [["a", "b"]] * 2
    assert len(outcome.existing) == 1


def test_the_writer_gives_up_after_a_bounded_number_of_attempts() -> None:
    server, pauses = Server(b=[build_error(429, "es_rejected_execution_exception", "queue full")]), list[float]()
    with pytest.raises(StorageError, match=f"1 of 2 documents in {ATTEMPTS} attempts: 429: es_rejected") as caught:
        build_sender(server, pauses).send(build_actions("a", "b"))
    assert caught.value.code == "storage_unavailable"
    assert (len(server.bulks), len(pauses)) == (ATTEMPTS, ATTEMPTS - 1)
    for number, pause in enumerate(pauses):
        least = min(FIRST_PAUSE_S * 2**number, LONGEST_PAUSE_S / 2)
        assert least <= pause <= 2 * least
    assert len({round(pause / FIRST_PAUSE_S, 9) % 1 for pause in pauses}) > 1


def test_the_writer_gives_up_after_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "GIVE_UP_S", 0.0)
    server, pauses = Server(b=[build_error(429)]), list[float]()
    with pytest.raises(StorageError, match="1 of 2 documents in one attempt: 429"):
        build_sender(server, pauses).send(build_actions("a", "b"))
    assert (len(server.bulks), pauses) == (1, [])


def test_it_is_told_whether_anything_was_sent_twice() -> None:
    assert not build_sender(Server()).send(build_actions("a")).was_repeated
    assert build_sender(Server(a=[build_error(429), STORED])).send(build_actions("a")).was_repeated


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("document_parsing_exception", "[1:2] failed to parse field [rows]"),
        ("strict_dynamic_mapping_exception", "[1:2] mapping set to strict"),
        ("illegal_argument_exception", "Document contains at least one immense term in field"),
    ],
)
def test_a_document_that_can_never_be_stored_is_refused_and_told(kind: str, reason: str) -> None:
    actions = build_actions("a", "b")
    outcome = build_sender(Server(a=[build_error(400, kind, reason)])).send(actions)
    (refusal,) = outcome.refused
    assert refusal.action == actions[0]
    assert refusal.reason == f"400: {kind}: {reason}"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "index_closed_exception"),
        (400, "illegal_argument_exception"),
        (403, "cluster_block_exception"),
        (403, "security_exception"),
        (404, "index_not_found_exception"),
        (500, "null_pointer_exception"),
    ],
)
def test_what_is_not_the_documents_fault_stops_the_writer(status: int, kind: str) -> None:
    server = Server(a=[build_error(status, kind, "why")])
    with pytest.raises(StorageError, match=f"refused a document for `i`: {status}: {kind}: why"):
        build_sender(server).send(build_actions("a", "b"))
    assert len(server.bulks) == 1


def test_a_request_that_is_not_allowed_stops_the_writer_at_once() -> None:
    server = Server(build_failure(403))
    with pytest.raises(StorageError, match="403: kind: reason"):
        build_sender(server).send(build_actions("a"))
    assert len(server.bulks) == 1


def test_a_bulk_too_large_for_the_server_is_halved_and_a_document_too_large_refused() -> None:
    server = Server(build_failure(413), build_failure(413))
    outcome = build_sender(server).send(build_actions("a", "b", "c"))
    assert server.bulks == [["a", "b", "c"], ["a"], ["b", "c"]]
    assert [refusal.action.id for refusal in outcome.refused] == ["a"]


def test_a_conflict_while_overwriting_is_sent_again() -> None:
    server = Server(a=[build_error(409), STORED])
    outcome = build_sender(server).send(build_actions("a", overwrites=True))
    assert (server.bulks, outcome.existing) == ([["a"], ["a"]], [])

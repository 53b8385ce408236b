"""``auditsvc push``: nothing lost, nothing twice, whatever happens on the way."""

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from auditsvc.ground.errors import InputError, StorageError
from auditsvc.push.client import PushPlan, PushProgress, is_array, push_file, read_batches

LINES = b"".join(b"line %d %s\n" % (number, b"x" * (number % 37)) for number in range(500))


class Service:
    """Keeps what it is sent, once per idempotency key; ``faults`` are answered first."""

    def __init__(self, *faults: Callable[[], httpx.Response]) -> None:
        self.faults = list(faults)
        self.bodies: dict[str, bytes] = {}
        self.requests = 0
        self.limit = 1 << 60

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        body = zstandard.ZstdDecompressor().decompress(request.content, max_output_size=1 << 20)
        if len(body) > self.limit:
            return httpx.Response(413, json={"code": "body_too_large", "detail": "too large"})
        key = request.headers["Idempotency-Key"]
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            return fault()
        replayed = key in self.bodies
        self.bodies[key] = body
        count = body.count(b"\n") or 1
        return httpx.Response(
            200 if replayed else 201,
            json={"records": count, "accepted": count - 1, "quarantined": 1, "duplicates": count if replayed else 0},
        )

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self), base_url="http://service")

    @property
    def received(self) -> bytes:
        return b"".join(self.bodies.values())


def run(service: Service, file: Path, **changes: Any) -> PushProgress:
    values: dict[str, Any] = {
        "file": file, "source": "s", "key": "k", "state_path": file.with_suffix(".state"), "batch_bytes": 1000, **changes,
    }  # fmt: skip
    with service.client() as client:
        return push_file(PushPlan(**values), client, report=lambda progress: None, sleep=lambda seconds: None)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_bytes(LINES)
    return path


def test_every_line_arrives_once_and_whole(log: Path) -> None:
    service = Service()
    done = run(service, log)
    assert service.received == LINES
    assert all(body.endswith(b"\n") and len(body) <= 1000 for body in service.bodies.values())
    assert (done.records, done.quarantined, done.offset) == (500, len(service.bodies), len(LINES))


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_packed_files_are_sent_unpacked_under_the_same_keys(log: Path, tmp_path: Path, pack: Any) -> None:
    packed = tmp_path / "packed"
    packed.write_bytes(pack(LINES))
    plain_service, packed_service = Service(), Service()
    run(plain_service, log)
    run(packed_service, packed)
    assert packed_service.bodies == plain_service.bodies


def test_a_truncated_packed_file_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    for pack in (gzip.compress, zstandard.ZstdCompressor().compress):
        path = tmp_path / "cut"
        path.write_bytes(pack(LINES)[:-3])
        service = Service()
        with pytest.raises(InputError, match="end before"):
            run(service, path)
        assert service.requests == 0


def test_it_goes_on_where_it_stopped(log: Path) -> None:
    service = Service()
    service.faults = [*[None] * 5, *[lambda: httpx.Response(503)] * 99]  # type: ignore[list-item]
    with pytest.raises(StorageError, match="start `push` again"):
        run(service, log, patience_s=10)
    sent = service.requests
    service.faults = []
    done = run(service, log)
    assert service.received == LINES
    assert done.records == 500
    assert service.requests - sent == len(service.bodies) - 5


def test_a_finished_file_is_not_sent_again(log: Path) -> None:
    service = Service()
    first = run(service, log)
    sent = service.requests
    assert run(service, log) == first
    assert service.requests == sent


def test_a_lost_answer_and_a_lost_state_store_nothing_twice(log: Path) -> None:
    service = Service()
    run(service, log)
    log.with_suffix(".state").unlink()
    done = run(service, log)
    assert done.duplicates == 500
    assert service.received == LINES


@pytest.mark.parametrize(
    "state",
    [
        "", "{", "[]", "5", '{"sent_sha256":"x"}', '{"colour":1}',
        '{"service":"http://service","source":"s","size":1,"offset":-5}',
    ],
)  # fmt: skip
def test_a_broken_state_file_means_from_the_beginning(log: Path, state: str) -> None:
    log.with_suffix(".state").write_text(state)
    service = Service()
    run(service, log)
    assert service.received == LINES


def test_of_a_file_that_grew_only_the_rest_is_sent(log: Path) -> None:
    service = Service()
    run(service, log)
    sent = len(service.bodies)
    log.write_bytes(LINES + b"one more\n")
    done = run(service, log)
    assert service.received == LINES + b"one more\n"
    assert (done.records, done.duplicates, len(service.bodies) - sent) == (501, 0, 1)


def test_without_its_state_a_file_that_grew_stores_whole_batches_once(log: Path) -> None:
    service = Service()
    run(service, log)
    sent = len(service.bodies)
    log.write_bytes(LINES + LINES)
    log.with_suffix(".state").unlink()
    done = run(service, log)
    assert done.records == 1000
    assert done.duplicates > 450  # all but the last batch, which was not full
    assert len(service.bodies) - sent <= sent + 2


def test_a_place_that_cannot_be_kept_is_told_before_anything_is_sent(log: Path, tmp_path: Path) -> None:
    service = Service()
    with pytest.raises(StorageError, match="--state"):
        run(service, log, state_path=tmp_path / "nowhere" / "state")
    assert service.requests == 0


def test_a_state_of_another_file_is_not_used(log: Path) -> None:
    run(Service(), log)
    log.write_bytes(LINES.upper())
    service = Service()
    run(service, log)
    assert service.received == LINES.upper()


def test_busy_answers_and_broken_connections_are_tried_again(log: Path) -> None:
    def broken() -> httpx.Response:
        raise httpx.ConnectError("refused")

    service = Service(
        lambda: httpx.Response(429, headers={"Retry-After": "3"}), broken, lambda: httpx.Response(503), broken
    )
    waits: list[float] = []
    plan = PushPlan(log, "s", "k", log.with_suffix(".state"), batch_bytes=1000)
    with service.client() as client:
        push_file(plan, client, report=lambda progress: None, sleep=waits.append)
    assert service.received == LINES
    assert len(waits) == 4
    assert waits[0] >= 3
    assert waits[3] > waits[1]


def test_all_pauses_together_are_within_the_patience_given(log: Path) -> None:
    service, waits = Service(), list[float]()
    service.faults = [lambda: httpx.Response(503)] * 99
    plan = PushPlan(log, "s", "k", log.with_suffix(".state"), patience_s=40.0)
    with service.client() as client, pytest.raises(StorageError, match="at byte 0: status 503; start `push` again"):
        push_file(plan, client, report=lambda progress: None, sleep=waits.append)
    for number, wait in enumerate(waits):
        least = min(0.25 * 2**number, 15.0)
        assert least <= wait <= least * 1.25
    assert sum(waits) <= 40.0
    assert sum(waits) + 15.0 * 1.25 > 40.0


@pytest.mark.parametrize(("status", "code"), [(401, "unauthenticated"), (403, "key_revoked"), (404, "source_unknown")])
def test_a_refusal_stops_at_once_with_the_services_code(log: Path, status: int, code: str) -> None:
    service = Service(lambda: httpx.Response(status, json={"code": code, "detail": "because"}))
    with pytest.raises(InputError, match="because") as caught:
        run(service, log)
    assert caught.value.code == code
    assert service.requests == 1


def test_an_answer_that_is_not_ours_is_a_refusal(log: Path) -> None:
    with pytest.raises(InputError, match="is this the address") as caught:
        run(Service(lambda: httpx.Response(400, html="<html>")), log)
    assert caught.value.code == "delivery_refused"


def test_too_large_batches_are_halved_until_they_fit(log: Path) -> None:
    service = Service()
    service.limit = 150
    done = run(service, log)
    assert service.received == LINES
    assert done.records == 500


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    with pytest.raises(InputError, match="is empty"):
        run(Service(), path)


def test_a_last_line_without_end_and_lines_longer_than_a_batch_are_sent(tmp_path: Path) -> None:
    path = tmp_path / "long"
    content = b"a\n" + b"b" * 5000 + b"\nc\n" + b"d" * 3000
    path.write_bytes(content)
    assert b"".join(body for _, body in read_batches(path, 0, 1000, whole=False)) == content
    assert [offset for offset, _ in read_batches(path, 0, 1000, whole=False)] == [0, 2, 5003, 5005]
    assert [body for _, body in read_batches(path, 5003, 1000, whole=False)] == [b"c\n", b"d" * 3000]


def test_an_array_goes_as_one_body(tmp_path: Path) -> None:
    path = tmp_path / "array.json"
    path.write_text(json.dumps([1] * 500, indent=1))
    assert is_array(path)
    service = Service()
    run(service, path, whole=True)
    assert list(service.bodies.values()) == [path.read_bytes()]


def test_keys_name_the_bytes_they_stand_for(log: Path) -> None:
    service = Service()
    run(service, log)
    for key, body in service.bodies.items():
        assert key.startswith(f"push-{hashlib.sha256(body).hexdigest()[:40]}-")
        assert len(key) <= 200

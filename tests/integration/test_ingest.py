"""Deliveries through the whole ingest worker: archive, database and ledger are real."""

import gzip
import hashlib
import io
import json
import resource
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from auditsvc.ground.clock import FixedClock
from auditsvc.ground.database import begin_write
from auditsvc.ground.document import build_bundle
from auditsvc.ground.errors import StorageError
from auditsvc.ingest import intake
from auditsvc.ingest.credentials import KeyRing, create_key, revoke_key
from auditsvc.ingest.wsgi import build_ingest_app
from auditsvc.ledger.leaf import iter_leaves
from auditsvc.ledger.ledger import Ledger
from tests.support.ingest import CATALOG, NOW, Worker, build_event, run_worker

EVENTS = "/ingest/v1/events"
QUARANTINE = f"{EVENTS}?on_error=quarantine"
WEB_LINE = b'10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /files/a HTTP/1.1" 200 5 "-" "x"\n'


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with run_worker(tmp_path_factory.mktemp("ingest"), max_body_bytes=4 * 1024 * 1024) as running:
        yield running


def ndjson(*events: Any) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def stored(worker: Worker, document: dict[str, Any]) -> bytes:
    with worker.app.engine.connect() as connection:
        leaf = next(iter(iter_leaves(connection, document["seq"], document["seq"] + 1)))
    assert leaf.segment is not None
    assert leaf.offset is not None
    assert leaf.length is not None
    return worker.app.archive.read_payload(leaf.segment, leaf.offset, leaf.length)


def count_leaves(worker: Worker) -> int:
    with worker.app.engine.connect() as connection:
        return sum(1 for _ in iter_leaves(connection, 0))


def test_one_object_is_stored_as_it_came_with_a_line_end(worker: Worker) -> None:
    body = b'{"time" : "2026-11-22T19:31:54Z","action":"query","outcome":"success","consumer":{"org":"x"},"interface":{"id":"if-native"}}'
    reply = worker.post(body)
    assert reply.status == 201
    document = reply.document
    assert (document["records"], document["accepted"], document["quarantined"], document["duplicates"]) == (1, 1, 0, 0)
    assert stored(worker, document) == body + b"\n"
    assert document["leaf_hash"] == hashlib.sha256(b"\0" + document["header"].encode()).hexdigest()
    assert f"seq {document['seq']}\n" in document["header"]
    assert "source native-1\n" in document["header"]


def test_arrays_and_ndjson_are_counted_alike(worker: Worker) -> None:
    events = [build_event(id=f"count-{number}") for number in range(3)]
    array = worker.post(events).document
    lines = worker.post(ndjson(*events), CONTENT_TYPE="application/x-ndjson").document
    assert (array["accepted"], lines["accepted"]) == (3, 3)
    assert "kind blob\nrecords 1\n" in array["header"]
    assert "kind lines\nrecords 3\n" in lines["header"]


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "identity"])
def test_compressed_bodies_are_stored_unpacked(worker: Worker, encoding: str) -> None:
    body = ndjson(*[build_event(id=f"{encoding}-{number}") for number in range(50)])
    packers = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress, "identity": bytes}
    reply = worker.post(packers[encoding](body), HTTP_CONTENT_ENCODING=encoding)
    assert reply.status == 201
    assert stored(worker, reply.document) == body


def test_several_gzip_members_and_zstd_frames_are_one_body(worker: Worker) -> None:
    first, second = ndjson(build_event(id="member-1")), ndjson(build_event(id="member-2"))
    pack = zstandard.ZstdCompressor().compress
    for name, body in (
        ("gzip", gzip.compress(first) + gzip.compress(second)),
        ("zstd", pack(second) + pack(first)),
    ):
        reply = worker.post(body, HTTP_CONTENT_ENCODING=name)
        assert (reply.status, reply.document["accepted"]) == (201, 2)


def test_reject_mode_stores_nothing_and_lists_every_bad_line(worker: Worker) -> None:
    before = count_leaves(worker)
    body = ndjson(build_event(id="a"), {"colour": 1}, build_event(rows="x"), build_event(time="now")) + b"{\n\n"
    reply = worker.post(body, CONTENT_TYPE="application/x-ndjson")
    assert reply.status == 422
    assert reply.headers["Content-Type"] == "application/problem+json"
    document = reply.document
    assert document["code"] == "records_invalid"
    assert document["error_count"] == 5
    assert [(error["line"], error["code"], error["field"]) for error in document["errors"]] == [
        (2, "field_invalid", "colour"),
        (3, "field_invalid", "rows"),
        (4, "time_invalid", "time"),
        (5, "json_invalid", ""),
        (6, "record_empty", ""),
    ]
    assert "expected `int | null`, got `str`" in document["errors"][1]["detail"]
    assert count_leaves(worker) == before


def test_quarantine_mode_stores_good_and_bad_and_counts_both(worker: Worker) -> None:
    body = ndjson(build_event(id="good-1"), {"colour": 1}, build_event(id="good-2"))
    reply = worker.post(body, path=QUARANTINE, CONTENT_TYPE="application/x-ndjson")
    assert reply.status == 201
    assert (reply.document["records"], reply.document["accepted"], reply.document["quarantined"]) == (3, 2, 1)
    assert [(item["line"], item["code"]) for item in reply.document["rejects"]] == [(2, "field_invalid")]
    assert stored(worker, reply.document) == body


def test_a_foreign_interface_is_refused_or_quarantined_by_name(worker: Worker) -> None:
    foreign = build_event(id="foreign", interface={"id": "if-other"})
    refused = worker.post(foreign)
    assert (refused.status, refused.document["errors"][0]["code"]) == (422, "foreign_interface")
    kept = worker.post(foreign, path=QUARANTINE)
    assert (kept.status, kept.document["quarantined"]) == (201, 1)


def test_an_event_of_2099_is_accepted(worker: Worker) -> None:
    assert worker.post(build_event(id="future", time="2099-12-31T00:00:00Z")).status == 201


def test_the_same_delivery_gets_the_first_receipt(worker: Worker) -> None:
    first = worker.post(build_event(id="twice"), HTTP_IDEMPOTENCY_KEY="key-1")
    again = worker.post(build_event(id="twice"), HTTP_IDEMPOTENCY_KEY="key-1")
    assert (first.status, again.status) == (201, 200)
    assert again.document["seq"] == first.document["seq"]
    assert again.document["duplicates"] == 1
    other = worker.post(build_event(id="other"), HTTP_IDEMPOTENCY_KEY="key-1")
    assert (other.status, other.document["code"]) == (409, "idempotency_conflict")


def test_raw_records_are_never_refused_for_what_they_say(worker: Worker) -> None:
    path = "/ingest/v1/sources/web-1/records"
    reply = worker.post(WEB_LINE + b"garbage \xff\xfe\x00\n", path=path, source="web-1", CONTENT_TYPE="text/plain")
    assert reply.status == 201
    assert (reply.document["accepted"], reply.document["quarantined"]) == (1, 1)
    reply = worker.post(
        b'[{"started_at":1,"request":{"method":"GET"},"response":{"status":200}},5]',
        path="/ingest/v1/sources/kong-1/records",
        source="kong-1",
    )
    assert (reply.status, reply.document["accepted"], reply.document["quarantined"]) == (201, 1, 1)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "body_empty"),
        (b"\n", 422, "records_invalid"),
        (b" ", 422, "records_invalid"),
        (b"{", 422, "records_invalid"),
        (b"[]", 422, "records_invalid"),
        (b"null", 422, "records_invalid"),
        (b"[" * 1_000_000, 422, "records_invalid"),
        (b'{"a":' * 200_000, 422, "records_invalid"),
        (b'[{"a":' * 200_000, 422, "records_invalid"),
        (b"\x00" * 100_000, 422, "records_invalid"),
        (b"\xef\xbb\xbf{}", 422, "records_invalid"),
        (b"\xff" * 100, 422, "records_invalid"),
        (b"\n" * 1_000_001, 413, "too_many_records"),
        (b'{"rows":' + b"9" * 100_000 + b"}", 422, "records_invalid"),
        (b"x" * (1024 * 1024 + 1), 413, "record_too_large"),
        (b"x" * (4 * 1024 * 1024 + 1), 413, "body_too_large"),
        (json.dumps(build_event(id="\ud800")).encode(), 422, "records_invalid"),
        (json.dumps(build_event(purpose="\0")).encode(), 422, "records_invalid"),
        (json.dumps(build_event(rows=2**60)).encode(), 422, "records_invalid"),
        (json.dumps([build_event(), [build_event()]]).encode(), 422, "records_invalid"),
    ],
)
def test_hostile_bodies_get_their_documented_answer(worker: Worker, body: bytes, status: int, code: str) -> None:
    reply = worker.post(body)
    assert (reply.status, reply.document["code"]) == (status, code)


def test_a_hundred_megabytes_of_garbage_are_refused_in_bounded_memory(worker: Worker) -> None:
    class Garbage:
        left = 100 * 1024 * 1024

        def read(self, size: int) -> bytes:
            size = min(size, self.left)
            self.left -= size
            return b"\x9c" * size

    for declared, answer in ((None, (411, "length_required")), (str(100 * 1024 * 1024), (413, "body_too_large"))):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        garbage = Garbage()
        reply = worker.post(garbage, CONTENT_LENGTH=declared)
        assert (reply.status, reply.document["code"]) == answer
        assert garbage.left == 0
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


@pytest.mark.parametrize("mode", ["reject", "quarantine"])
@pytest.mark.parametrize(("item", "source"), [(b"{}", "native-1"), (b"1", "native-1"), (b"{}", "kong-1")])
def test_a_document_of_many_small_items_is_refused_in_bounded_memory(
    worker: Worker, item: bytes, source: str, mode: str
) -> None:
    body = b"[" + (item + b",") * 1_200_000 + item + b"]"
    path = f"{EVENTS}?on_error={mode}" if source == "native-1" else f"/ingest/v1/sources/{source}/records"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reply = worker.post(body, path=path, source=source)
    assert (reply.status, reply.document["code"]) == (413, "too_many_records")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 * 1024


def test_one_large_document_is_refused_where_as_many_lines_are_not(tmp_path: Path) -> None:
    with run_worker(tmp_path, max_document_bytes=10_000) as worker:
        events = [build_event(id=f"large-{number}") for number in range(100)]
        reply = worker.post(events)
        assert (reply.status, reply.document["code"]) == (413, "record_too_large")
        assert "NDJSON" in reply.document["detail"]
        assert worker.post(ndjson(*events)).document["accepted"] == 100


def test_what_is_exactly_as_large_as_its_limit_is_taken_and_a_byte_more_is_not(tmp_path: Path) -> None:
    body = json.dumps(build_event()).encode() + b"\n"
    for setting, size in (("record", len(body) - 1), ("document", len(body)), ("body", len(body))):
        for less, status in ((0, 201), (1, 413)):
            folder = tmp_path / f"{setting}-{less}"
            with run_worker(folder, **{f"max_{setting}_bytes": size - less}) as worker:
                kind = "application/json" if setting == "document" else "application/x-ndjson"
                form = body.replace(b", ", b",\n ", 1).removesuffix(b"\n") if setting == "document" else body
                assert worker.post(form, CONTENT_TYPE=kind).status == status, (setting, less)


def test_as_many_items_as_one_record_may_have_are_taken_and_one_more_is_not(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_ITEMS", 3)
    events = [build_event(id=f"most-{number}") for number in range(4)]
    assert worker.post(events[:3]).document["accepted"] == 3
    reply = worker.post(events)
    assert (reply.status, reply.document["code"]) == (413, "too_many_records")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_decompression_bomb_is_refused_in_bounded_memory(worker: Worker, encoding: str) -> None:
    packer: Any = zlib.compressobj(9, wbits=31) if encoding == "gzip" else zstandard.ZstdCompressor(19).compressobj()
    bomb = b"".join(packer.compress(b"\0" * 1024 * 1024) for _ in range(512)) + packer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reply = worker.post(bomb, HTTP_CONTENT_ENCODING=encoding)
    assert (reply.status, reply.document["code"]) == (413, "body_too_large")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 96 * 1024


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("damage", ["truncated", "garbage", "trailing", "flipped", "one byte"])
def test_damaged_compression_is_refused(worker: Worker, encoding: str, damage: str) -> None:
    plain = ndjson(*[build_event(id=f"damage-{number}") for number in range(200)])
    packed = (
        gzip.compress(plain)
        if encoding == "gzip"
        else zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress(plain)
    )
    middle = len(packed) // 2
    body = {
        "truncated": packed[:-5],
        "garbage": plain,
        "trailing": packed + b"tail tail",
        "flipped": packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1 :],
        "one byte": packed[:1],
    }[damage]
    before = count_leaves(worker)
    reply = worker.post(body, HTTP_CONTENT_ENCODING=encoding)
    assert (reply.status, reply.document["code"]) == (422, "body_undecodable")
    assert count_leaves(worker) == before


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"CONTENT_TYPE": "text/html"}, 415, "media_type_unsupported"),
        ({"CONTENT_TYPE": "application/json; charset=utf-16"}, 415, "media_type_unsupported"),
        ({"CONTENT_TYPE": 'text/plain; Charset="ISO-8859-1"'}, 415, "media_type_unsupported"),
        ({"CONTENT_TYPE": None}, 415, "media_type_unsupported"),
        ({"HTTP_CONTENT_ENCODING": "br"}, 415, "media_type_unsupported"),
        ({"HTTP_CONTENT_ENCODING": "gzip, gzip"}, 415, "media_type_unsupported"),
        ({"CONTENT_LENGTH": "many"}, 400, "request_invalid"),
        ({"CONTENT_LENGTH": "-1"}, 400, "request_invalid"),
        ({"CONTENT_LENGTH": "9" * 40}, 400, "request_invalid"),
        ({"CONTENT_LENGTH": "9999"}, 400, "body_incomplete"),
        ({"CONTENT_LENGTH": "5"}, 422, "records_invalid"),
        ({"HTTP_IDEMPOTENCY_KEY": ""}, 400, "request_invalid"),
        ({"HTTP_IDEMPOTENCY_KEY": "x" * 201}, 400, "request_invalid"),
        ({"HTTP_IDEMPOTENCY_KEY": "a b"}, 400, "request_invalid"),
        ({"QUERY_STRING": "on_error=ignore"}, 400, "request_invalid"),
        ({"QUERY_STRING": "colour=red"}, 400, "request_invalid"),
        ({"QUERY_STRING": "&".join(["a=1"] * 99)}, 400, "request_invalid"),
        ({"HTTP_AUTHORIZATION": None}, 401, "unauthenticated"),
        ({"HTTP_AUTHORIZATION": ""}, 401, "unauthenticated"),
        ({"HTTP_AUTHORIZATION": "Bearer"}, 401, "unauthenticated"),
        ({"HTTP_AUTHORIZATION": "Basic eDp5"}, 401, "unauthenticated"),
        ({"HTTP_AUTHORIZATION": "Bearer auditsvc_0000000000000000_x"}, 401, "unauthenticated"),
        ({"HTTP_AUTHORIZATION": "Bearer \xff\x00"}, 401, "unauthenticated"),
        ({"REQUEST_METHOD": "PUT"}, 405, "method_not_allowed"),
        ({"PATH_INFO": "/ingest/v1/events/"}, 404, "not_found"),
        ({"PATH_INFO": "/ingest/v1/sources//records"}, 404, "not_found"),
        ({"PATH_INFO": "/ingest/v1/sources/gone-2/records"}, 404, "source_unknown"),
        ({"PATH_INFO": "/ingest/v1/sources/\xff/records"}, 404, "source_unknown"),
        ({"PATH_INFO": "/ingest/v1/sources/native-2/records"}, 403, "forbidden"),
        (
            {"PATH_INFO": "/ingest/v1/sources/native-1/records", "CONTENT_TYPE": "multipart/form-data"},
            415,
            "media_type_unsupported",
        ),
    ],
)
def test_wrong_requests_get_their_documented_answer(
    worker: Worker, changes: dict[str, Any], status: int, code: str
) -> None:
    reply = worker.post(build_event(id="never"), **changes)
    assert (reply.status, reply.document["code"]) == (status, code)
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.document["status"] == status
    if status == 401:
        assert reply.headers["WWW-Authenticate"] == "Bearer"
    if status == 405:
        assert "POST" in reply.headers["Allow"]


def test_sources_that_cannot_deliver_are_told_why(worker: Worker) -> None:
    gone = worker.post(build_event(), source="gone-1")
    assert (gone.status, gone.document["code"]) == (404, "source_unknown")
    broken = worker.post(
        WEB_LINE, path="/ingest/v1/sources/broken-1/records", source="broken-1", CONTENT_TYPE="text/plain"
    )
    assert broken.status == 404
    assert "options: unknown key `colour`" in broken.document["detail"]
    mapped = worker.post(build_event(), source="kong-1")
    assert (mapped.status, mapped.document["code"]) == (400, "request_invalid")
    assert "/ingest/v1/sources/kong-1/records" in mapped.document["detail"]


def test_a_wrong_secret_for_a_known_key_is_unknown(worker: Worker) -> None:
    key = worker.keys["native-1"]
    for wrong in (key[:-1] + ("A" if key[-1] != "A" else "B"), key + "A", key[:-1], key.upper()):
        assert worker.post(build_event(), HTTP_AUTHORIZATION=f"Bearer {wrong}").status == 401


def test_a_revoked_key_is_forbidden_within_two_seconds(tmp_path: Path) -> None:
    clock = FixedClock(NOW)
    with run_worker(tmp_path, clock) as worker:
        assert worker.post(build_event()).status == 201
        with begin_write(worker.app.engine) as connection:
            revoke_key(connection, clock, worker.key_ids["native-1"])
        clock.instant += timedelta(seconds=2)
        reply = worker.post(build_event(id="late"))
        assert (reply.status, reply.document["code"]) == (403, "key_revoked")
        wrong = worker.post(build_event(), HTTP_AUTHORIZATION=f"Bearer {worker.keys['native-1']}x")
        assert wrong.status == 401


def test_keys_are_read_again_when_the_clock_was_set_back(tmp_path: Path) -> None:
    clock = FixedClock(NOW)
    with run_worker(tmp_path, clock) as worker:
        assert worker.post(build_event()).status == 201
        with begin_write(worker.app.engine) as connection:
            revoke_key(connection, clock, worker.key_ids["native-1"])
        clock.instant -= timedelta(hours=1)
        reply = worker.post(build_event(id="earlier"))
        assert (reply.status, reply.document["code"]) == (403, "key_revoked")


def test_an_unknown_key_is_looked_for_again_after_a_quarter_of_a_second_and_not_before(tmp_path: Path) -> None:
    clock = FixedClock(NOW)
    with run_worker(tmp_path, clock) as worker:
        ring = KeyRing(worker.app.engine, clock)
        assert ring.find("none") is None
        with begin_write(worker.app.engine) as connection:
            key_id, _ = create_key(connection, clock, "native-1")
        clock.instant += timedelta(microseconds=249_999)
        assert ring.find(key_id) is None
        clock.instant += timedelta(microseconds=1)
        assert ring.find(key_id) is not None


def test_an_expired_key_is_forbidden_at_the_instant_it_expires(tmp_path: Path) -> None:
    clock = FixedClock(NOW)
    with run_worker(tmp_path, clock) as worker:
        with begin_write(worker.app.engine) as connection:
            _, key = create_key(connection, clock, "native-1", lifetime=timedelta(hours=1))
        header = f"Bearer {key}"
        clock.instant += timedelta(hours=1) - timedelta(microseconds=1)
        assert worker.post(build_event(), HTTP_AUTHORIZATION=header).status == 201
        clock.instant += timedelta(microseconds=1)
        reply = worker.post(build_event(id="x"), HTTP_AUTHORIZATION=header)
        assert (reply.status, reply.document["code"]) == (403, "key_expired")


def test_a_new_key_works_at_once(tmp_path: Path) -> None:
    clock = FixedClock(NOW)
    with run_worker(tmp_path, clock) as worker:
        assert worker.post(build_event()).status == 201
        with begin_write(worker.app.engine) as connection:
            _, key = create_key(connection, clock, "native-2")
        clock.instant += timedelta(milliseconds=300)
        event = build_event(interface={"id": "if-other"})
        assert worker.post(event, HTTP_AUTHORIZATION=f"Bearer {key}").status == 201


def test_a_new_catalogue_is_used_within_two_seconds(tmp_path: Path) -> None:
    clock = FixedClock(NOW)
    with run_worker(tmp_path, clock) as worker:
        foreign = build_event(interface={"id": "if-other"})
        assert worker.post(foreign).status == 422
        files = {**CATALOG, "interfaces.yaml": CATALOG["interfaces.yaml"].replace("native-2", "native-1")}
        with begin_write(worker.app.engine) as connection:
            ledger = Ledger.open(worker.app.engine, worker.settings, clock)
            ledger.activate(connection, kind="catalog", bundle=build_bundle(files), actor="test")
        clock.instant += timedelta(seconds=2)
        assert worker.post(foreign).status == 201


def test_a_worker_starts_on_a_damaged_catalogue_and_says_so(tmp_path: Path) -> None:
    with run_worker(tmp_path) as worker:
        for path in worker.app.archive.objects.glob("*/*.zst"):
            path.write_bytes(b"no frame")
        app = build_ingest_app(worker.settings, FixedClock(NOW))
        try:
            reply = replace(worker, app=app).post(build_event())
            assert (reply.status, reply.document["code"]) == (503, "storage_unavailable")
            assert "catalogue" in reply.document["detail"]
        finally:
            app.close()


def test_secrets_are_kept_only_as_digests(worker: Worker) -> None:
    secret = worker.keys["native-1"].split("_", 2)[2].encode()
    for path in worker.settings.data_dir.rglob("*"):
        if path.is_file():
            assert secret not in path.read_bytes(), path


def test_room_for_bodies_is_bounded(tmp_path: Path) -> None:
    with run_worker(tmp_path, max_pending_bytes=300_000) as worker:
        inner: list[int] = []

        class Slow(io.BytesIO):
            """Sends a second request while the first is half read."""

            def read(self, size: int | None = -1, /) -> bytes:
                if self.tell() > 250_000 and not inner:
                    reply = worker.post(b"x" * 200_000)
                    inner.append(reply.status)
                    assert reply.headers["Retry-After"]
                return super().read(size)

        body = ndjson(*[build_event(id=f"room-{number}") for number in range(1500)])
        assert len(body) > 260_000
        assert worker.post(Slow(body), CONTENT_LENGTH=str(len(body))).status == 201
        assert inner == [429]
        assert worker.post(body + body, HTTP_IDEMPOTENCY_KEY="again").status == 201


def test_readiness_tells_when_the_archive_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_worker(tmp_path) as worker:
        assert worker.call("GET", "/health/live", source=None).status == 200
        assert worker.call("GET", "/health/ready", source=None).status == 200

        def refuse() -> None:
            raise StorageError("storage_unavailable", "archive cannot be written: no space left on device")

        monkeypatch.setattr(worker.app.archive, "check_writable", refuse)
        reply = worker.call("GET", "/health/ready", source=None)
        assert reply.status == 503
        assert "no space left" in reply.document["detail"]
        assert reply.headers["Retry-After"]


def test_a_stopped_committer_answers_503_and_says_to_send_again(tmp_path: Path) -> None:
    with run_worker(tmp_path) as worker:
        assert worker.post(build_event()).status == 201
        worker.app.committer.close()
        reply = worker.post(build_event(id="x"))
        assert (reply.status, reply.document["code"]) == (503, "storage_unavailable")
        assert reply.headers["Retry-After"]
        assert worker.call("GET", "/health/ready", source=None).status == 503

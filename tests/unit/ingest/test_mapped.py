"""JSON of any shape, read by a declared mapping."""

import json
from typing import Any

import pytest

from auditsvc.ground.errors import InputError
from auditsvc.ingest.readers.registry import read_batch
from tests.support.ingest import build_source, hash_plainly

BASE = {"time": {"path": "t", "format": "epoch_ms"}}


def read(record: Any, fields: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    source = build_source(
        "mapped", options={"fields": {**BASE, **(fields or {})}, "default_interface": "if-1", **options}
    )
    payload = record if isinstance(record, bytes) else json.dumps(record).encode()
    result = read_batch(payload, "blob", source, hash_plainly)
    assert not result.rejects, result.rejects[0].message
    return dict(result.events[0][2])


def reject(record: Any, fields: dict[str, Any] | None = None) -> str:
    source = build_source("mapped", options={"fields": {**BASE, **(fields or {})}, "default_interface": "if-1"})
    payload = record if isinstance(record, bytes) else json.dumps(record).encode()
    result = read_batch(payload, "blob", source, hash_plainly)
    assert not result.events
    return f"{result.rejects[0].code}: {result.rejects[0].message}"


def test_a_kong_record_becomes_an_event() -> None:
    record = {
        "latencies": {"request": 8}, "service": {"name": "grpc"}, "client_ip": "127.0.0.1", "started_at": 1564527732516,
        "request": {"querystring": {}, "size": "46", "uri": "/hello/SayHello?key=secret", "method": "POST",
                    "headers": {"apikey": "secret", "x.id": "r-1"}},
        "response": {"status": 403, "size": "298"}, "consumer": {"username": "desk"},
    }  # fmt: skip
    event = read(
        record,
        {
            "time": {"path": "started_at", "format": "epoch_ms"}, "duration_ms": "latencies.request",
            "source.ip": "client_ip", "bytes": "response.size", "http.status": "response.status",
            "http.method": "request.method", "url.path": "request.uri", "user.id": "consumer.username",
            "id": ["request", "headers", "x.id"],
        },
        interfaces=[{"path": "/hello/*", "id": "if-2"}],
    )  # fmt: skip
    assert event == {
        "time": 1564527732_516_000_000, "duration_ms": 8.0, "source.ip": "127.0.0.1", "bytes": 298, "http.status": 403,
        "http.method": "POST", "url.path": "/hello/SayHello", "user.id": "desk", "id": "r-1", "interface.id": "if-2",
        "action": "create", "outcome": "denied", "side": "gateway",
    }  # fmt: skip
    assert "secret" not in json.dumps(event)


@pytest.mark.parametrize(
    ("style", "value", "expected", "assumed"),
    [
        ("epoch_s", 1431857103, 1431857103_000_000_000, False),
        ("epoch_s", "1431857103.25", 1431857103_250_000_000, False),
        ("epoch_ms", 1431857103123, 1431857103_123_000_000, False),
        ("epoch_us", 1431857103123456, 1431857103_123_456_000, False),
        ("epoch_ns", "1431857103123456789", 1431857103_123_456_789, False),
        ("rfc3339", "2015-05-17T10:05:03Z", 1431857103_000_000_000, False),
        ("rfc3339", "2015-05-17T18:05:03+0800", 1431857103_000_000_000, False),
        ("rfc3339", "2015-05-17 18:05:03.5", 1431857103_500_000_000, True),
        ("clf", "17/May/2015:10:05:03 +0000", 1431857103_000_000_000, False),
        ("%Y%m%d %H:%M:%S", "20150517 18:05:03", 1431857103_000_000_000, True),
        ("%d.%m.%Y %H:%M:%S %z", "17.05.2015 12:05:03 +0200", 1431857103_000_000_000, False),
    ],
)
def test_times_in_every_form_are_exact(style: str, value: Any, expected: int, assumed: bool) -> None:
    event = read({"t": value}, {"time": {"path": "t", "format": style}})
    assert event["time"] == expected
    assert ("assumed_zone" in event["quality"]) is assumed


@pytest.mark.parametrize("value", [None, "", "-", "soon", [], {}, True, -1, 10**30, "NaN", "Infinity", "1e9999999"])
def test_a_record_without_a_usable_time_is_rejected(value: Any) -> None:
    assert "time" in reject({"t": value})


@pytest.mark.parametrize("value", ["x", "1.5", [1], {"a": 1}, 2**60, "1e999", "∞"])
def test_an_optional_value_that_cannot_be_read_is_left_out_and_flagged(value: Any) -> None:
    event = read({"t": 0, "n": value}, {"rows": "n"})
    assert "rows" not in event
    assert "repaired" in event["quality"]


@pytest.mark.parametrize("value", [None, "", "-"])
def test_what_stands_for_nothing_is_missing(value: Any) -> None:
    event = read({"t": 0, "n": value}, {"rows": "n", "user.id": "n", "source.ip": "n", "fields": "n"})
    assert not {"rows", "user.id", "source.ip", "fields"} & set(event)
    assert "repaired" not in event["quality"]


def test_values_are_translated_and_defaults_fill_in() -> None:
    fields = {"outcome": {"path": "r", "map": {0: "success", "true": "denied"}, "default": "unknown"}}
    assert read({"t": 0, "r": 0}, fields)["outcome"] == "success"
    assert read({"t": 0, "r": True}, fields)["outcome"] == "denied"
    assert read({"t": 0, "r": 9}, fields)["outcome"] == "unknown"
    assert read({"t": 0}, fields)["outcome"] == "unknown"


def test_lists_come_from_arrays_or_split_text() -> None:
    fields = {"fields": {"path": "f", "split": ","}}
    assert read({"t": 0, "f": "a, b,,c"}, fields)["fields"] == ["a", "b", "c"]
    assert read({"t": 0, "f": ["a", 5]}, fields)["fields"] == ["a", "5"]


def test_the_first_path_that_has_a_value_wins() -> None:
    fields = {"user.id": {"paths": ["a.b", "c.0"]}}
    assert read({"t": 0, "a": {"b": None}, "c": ["x"]}, fields)["user.id"] == "x"
    assert "user.id" not in read({"t": 0, "a": 5, "c": []}, fields)


def test_a_scale_turns_seconds_into_milliseconds() -> None:
    assert read({"t": 0, "s": "0.25"}, {"duration_ms": {"path": "s", "scale": 1000}})["duration_ms"] == 250.0


@pytest.mark.parametrize("seconds", ["1e20", -1e20, 9007199254741])
def test_a_number_no_store_can_sum_is_left_out(seconds: object) -> None:
    event = read({"t": 0, "s": seconds}, {"duration_ms": {"path": "s", "scale": 1000}})
    assert "duration_ms" not in event
    assert "repaired" in event["quality"]


@pytest.mark.parametrize(
    ("raw", "number"), [("9007199254740992", "9007199254740992.0"), ("-0.0", "0.0"), (-0.0, "0.0")]
)
def test_the_largest_number_is_kept_and_zero_is_one_value(raw: object, number: str) -> None:
    assert repr(read({"t": 0, "s": raw}, {"duration_ms": "s"})["duration_ms"]) == number


def test_subject_numbers_are_hashed_at_once() -> None:
    event = read({"t": 0, "s": ["1", 2]}, {"subject.id": "s"})
    assert event["subject.hash"] == ["k1:<1>", "k1:<2>"]
    assert "subject.id" not in event


def test_nginx_escapes_that_are_not_json_are_repaired() -> None:
    raw = rb'{"t": 5, "u": "/\xE4\xBA\xBA\x22\x5C \x00 \xFF"}'
    event = read(raw, {"url.path": "u"})
    assert event["url.path"].startswith('/人"\\ ')
    assert "\0" not in event["url.path"]
    assert "repaired" in event["quality"]


def test_array_members_and_records_under_a_path_become_items() -> None:
    source = build_source("mapped", options={"fields": BASE, "default_interface": "if-1", "items": "data.records"})
    for body in ([{"t": 1}, "x", {"t": 2}], {"data": {"records": [{"t": 1}, "x", {"t": 2}]}}):
        result = read_batch(json.dumps(body).encode(), "blob", source, hash_plainly)
        assert [(record, item) for record, item, _ in result.events] == [(0, 0), (0, 2)]
        assert [(reject.record, reject.item) for reject in result.rejects] == [(0, 1)]


def test_an_item_has_the_same_derived_id_in_every_batch() -> None:
    source = build_source("mapped", options={"fields": BASE, "default_interface": "if-1"})
    one = read_batch(b'[{"t":1,"a":2}]', "blob", source, hash_plainly).events[0][2]["id"]
    two = read_batch(b'[{"t":7},{"a":2,"t":1}]', "blob", source, hash_plainly).events[1][2]["id"]
    assert one == two


@pytest.mark.parametrize(
    "body",
    [
        b'{"t": 1, "t": 2}',
        b'{"t" : 1, "x": {"y": 1, "y" : 2}}',
        b'[{"t": 1}, {"t": 2, "x": [{"y": 1, "y": 1}]}]',
        b'{"t": 1, "x": "\\x41", "x": "\\x42"}',
    ],
)
def test_a_key_that_stands_twice_is_rejected(body: bytes) -> None:
    answer = reject(body)
    assert answer.startswith("json_invalid: ")
    assert "duplicate key" in answer


def test_text_that_looks_like_keys_is_no_duplicate() -> None:
    assert read(b'{"t": 1, "x": "\\"t\\":", "y": {"t": 2}}')["time"] == 1_000_000


@pytest.mark.parametrize("body", [b"[]", b"{", b"5", b"null", b"[" * 5000, b'{"t":1}{"t":2}', b"\xff"])
def test_what_is_no_record_is_rejected(body: bytes) -> None:
    assert reject(body)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "options: `fields` is missing"),
        ({"fields": {"action": "a"}}, "options.fields: `time` is missing"),
        ({"fields": {"time": "t", "colour": "c"}}, "options.fields.colour: is not a field"),
        ({"fields": {"time": "t", "verdict": "c"}}, "options.fields.verdict: is not a field"),
        (
            {"fields": {"time": {"path": "t", "zone": "x"}}},
            "options.fields.time: unknown key `zone`; known are default, format, map, path",
        ),
        ({"fields": {"time": {}}}, "options.fields.time: `path` is missing"),
        ({"fields": {"time": ""}}, "options.fields.time: expected a path"),
        ({"fields": {"time": {"paths": []}}}, "expected a list of paths"),
        ({"fields": {"time": "t", "action": {"path": "a", "default": "steal"}}}, "`steal` is not one of"),
        ({"fields": {"time": "t", "rows": {"path": "a", "scale": "x"}}}, "expected a number"),
        ({"fields": {"time": "t"}, "items": [5]}, "options.items: expected a text, got a list"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_batch(b"", "lines", build_source("mapped", options=options), hash_plainly)
    assert words in caught.value.message

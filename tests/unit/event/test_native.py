"""Native JSON: what is taken, what is refused, and what the flat event then holds."""

import json

import pytest

from auditsvc.event.fields import FIELDS, Kind
from auditsvc.event.native import MAX_INTEGER, read_native
from auditsvc.ground.errors import InputError

BASE = '{"time":"2026-01-01T00:00:00Z","action":"query","outcome":"success","consumer":{"org":"x"},"interface":{"id":"i"}%s}'


def read(extra: str = "") -> dict[str, object]:
    return dict(read_native((BASE % extra).encode("utf-8", "surrogatepass"), lambda number: f"k1:{number}"))


def refusal(extra: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(extra)
    return caught.value


def test_missing_null_and_empty_stay_three_states() -> None:
    assert "purpose" not in read()
    assert read(',"purpose":null')["purpose"] is None
    assert read(',"purpose":""')["purpose"] == ""
    assert "fields" not in read()
    assert read(',"fields":null')["fields"] is None
    assert read(',"fields":[]')["fields"] == []


def test_a_null_group_is_as_if_it_were_missing() -> None:
    event = read(',"user":null,"labels":null')
    assert not [name for name in event if name.startswith(("user", "labels"))]


def test_every_input_field_comes_out_under_its_short_name() -> None:
    samples = {
        Kind.KEYWORD: "word", Kind.TEXT: "text", Kind.INTEGER: 7, Kind.NUMBER: 1.5, Kind.BOOLEAN: True,
        Kind.TIME: "2026-01-01T00:00:00Z", Kind.IP: "10.0.0.1",
    }  # fmt: skip
    record: dict[str, object] = {}
    expected = set()
    for field in FIELDS:
        if not field.is_input:
            continue
        value = field.values[0] if field.values else samples[field.kind]
        group, _, key = field.name.rpartition(".")
        inner = record.setdefault(group, {}) if group else record
        assert isinstance(inner, dict)
        inner[key] = [value] if field.multi else value
        expected.add(field.name)
    event = read_native(json.dumps(record).encode(), str)
    assert set(event) == expected


@pytest.mark.parametrize(
    "extra",
    [
        ',"purpose":"a","purpose":"b"',
        ',"purpose":"a","purpose":"a"',
        ',"purpose" : "a","purpose":"b"',
        ',"purpose"\t:"a","purpose"\n:"b"',
        ',"labels":{"a":"1","a":"2"}',
        ',"user":{"id":"1"},"user":{"id":"1"}',
        ',"user":null,"user":null',
        ',"user":{"id":"1","id":"1"}',
        ',"rows":1,"ro\\u0077s":1',
        ',"purpose":"a","purpose" :"x\\":y"',
    ],
)
def test_a_key_that_stands_twice_is_refused_however_it_is_written(extra: str) -> None:
    error = refusal(extra)
    assert error.code == "json_invalid"
    assert "duplicate key" in error.message


@pytest.mark.parametrize("text", ['":', '\\":', "a: b", '{\\"purpose\\":1,\\"purpose\\":2}', 'tail\\"'])
def test_text_that_looks_like_keys_is_no_duplicate(text: str) -> None:
    assert read(f',"purpose":"{text}"' if text != '":' else ',"purpose" :"x"')["purpose"]


@pytest.mark.parametrize("number", [MAX_INTEGER + 1, -(MAX_INTEGER + 1), 2**63, 2**64, 10**30])
def test_numbers_other_readers_would_round_are_refused(number: int) -> None:
    error = refusal(f',"rows":{number}')
    assert (error.code, error.context["field"]) == ("field_invalid", "rows")


def test_the_largest_exact_number_is_kept() -> None:
    assert read(f',"rows":{MAX_INTEGER}')["rows"] == MAX_INTEGER


@pytest.mark.parametrize(("value", "bound"), [("1e300", "<="), ("-1e300", ">="), ("9007199254740994", "<=")])
def test_numbers_no_store_can_sum_are_refused(value: str, bound: str) -> None:
    error = refusal(f',"duration_ms":{value}')
    assert (error.code, error.context["field"]) == ("field_invalid", "duration_ms")
    assert error.message.startswith(f"duration_ms: expected `float` {bound} ")


@pytest.mark.parametrize(("text", "number"), [("-9007199254740992", -(2.0**53)), ("9007199254740992", 2.0**53)])
def test_the_largest_number_is_kept(text: str, number: float) -> None:
    assert read(f',"duration_ms":{text}')["duration_ms"] == number


@pytest.mark.parametrize("text", ["-0.0", "-0", "0", "-1e-400"])
def test_zero_is_one_value(text: str) -> None:
    assert repr(read(f',"duration_ms":{text}')["duration_ms"]) == "0.0"


@pytest.mark.parametrize("value", ["1.0", "1e3", "true", '"1"', "[1]", "1e400", "NaN", "Infinity"])
def test_what_is_not_a_whole_number_is_not_taken_for_one(value: str) -> None:
    assert refusal(f',"rows":{value}').code in ("field_invalid", "json_invalid")


@pytest.mark.parametrize("value", ["NaN", "-NaN", "nan", "Infinity", "-Infinity", "1e400", "-1e400"])
@pytest.mark.parametrize("name", ["duration_ms", "rows"])
def test_what_is_no_number_is_not_taken_for_one(name: str, value: str) -> None:
    assert refusal(f',"{name}":{value}').code in ("field_invalid", "json_invalid")


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udc00"', '"a\\ud800b"', '"\udc80"'])
def test_lone_surrogates_are_refused(text: str) -> None:
    assert refusal(f',"purpose":{text}').code == "json_invalid"


def test_a_surrogate_pair_is_one_character() -> None:
    assert read(',"purpose":"\\ud842\\udfb7"')["purpose"] == "𠮷"


@pytest.mark.parametrize(
    "extra", [',"purpose":"a\\u0000b"', ',"labels":{"a\\u0000":"x"}', ',"fields":["a","\\u0000"]', ',"id":"\\u0000"']
)
def test_nul_characters_are_refused(extra: str) -> None:
    error = refusal(extra)
    assert error.code == "field_invalid"
    assert "NUL" in error.message
    assert "\0" not in error.message


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert read(',"purpose":"\\\\u0000"')["purpose"] == "\\u0000"


def test_a_raw_nul_byte_is_not_json() -> None:
    assert refusal(',"purpose":"a\0b"').code == "json_invalid"


@pytest.mark.parametrize(
    ("extra", "field", "text"),
    [
        (',"colour":"red"', "colour", "no such field"),
        (',"user":{"colour":"red"}', "user.colour", "no such field"),
        (',"user":{"id":5}', "user.id", "expected `str | null`, got `int`"),
        (',"fields":["a",5]', "fields[1]", "expected `str`, got `int`"),
        (',"side":"middle"', "side", "invalid enum value"),
        (',"end":"2026-01-01T00:00:00"', "end", "expected RFC 3339"),
        (',"end":"2026-02-30T00:00:00Z"', "end", "no such time"),
        (',"end":"2026-01-01T00:00:60Z"', "end", "no such time"),
        (',"source":{"ip":"10.0.0.256"}', "source.ip", "expected an IPv4 or IPv6 address"),
        (',"labels":{"":"x"}', "labels", "needs a name"),
        (',"verdict":"permitted"', "verdict", "no such field"),
        (',"resource":{"sensitivity":1}', "resource.sensitivity", "no such field"),
    ],
)
def test_a_refusal_names_the_field_and_what_was_expected(extra: str, field: str, text: str) -> None:
    error = refusal(extra)
    assert error.context["field"] == field
    assert error.message.startswith(f"{field}: ")
    assert text in error.message


def test_a_missing_must_field_is_named() -> None:
    with pytest.raises(InputError, match=r"interface\.id: missing"):
        read_native(
            b'{"time":"2026-01-01T00:00:00Z","action":"query","outcome":"success","consumer":{"org":"x"},"interface":{}}',
            str,
        )


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b"5", b"null", b'"text"', b"\xff\xfe", b"{}x", b"[" * 100_000])
def test_what_is_no_object_is_refused(record: bytes) -> None:
    with pytest.raises(InputError):
        read_native(record, str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T19:31:54+08:00", 1795347114_000_000_000),
        ("2026-11-22t11:31:54z", 1795347114_000_000_000),
        ("2026-11-22 11:31:54.123456789Z", 1795347114_123_456_789),
        ("2026-11-22T11:31:54.1234567899999Z", 1795347114_123_456_789),
        ("2026-11-22T03:31:54.5-08:00", 1795347114_500_000_000),
        ("1970-01-01T00:00:00Z", 0),
        ("2099-12-31T23:59:59.999Z", 4102444799_999_000_000),
    ],
)
def test_times_are_exact_nanoseconds(text: str, expected: int) -> None:
    assert read_native((BASE % "").replace("2026-01-01T00:00:00Z", text).encode(), str)["time"] == expected


@pytest.mark.parametrize(
    "text", ["1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00+25:00"]
)
def test_times_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="time: "):
        read_native((BASE % "").replace("2026-01-01T00:00:00Z", text).encode(), str)


def test_plain_subject_numbers_are_replaced_by_their_hashes() -> None:
    event = read(',"subject":{"type":"person","id":["1","2"],"hash":["k0:z"]}')
    assert event["subject.hash"] == ["k0:z", "k1:1", "k1:2"]
    assert "subject.id" not in event


@pytest.mark.parametrize("extra", ["", ',"id":null', ',"id":""'])
def test_a_missing_id_is_derived_from_the_bytes(extra: str) -> None:
    first, second = read(extra), read(extra)
    assert first["id"] == second["id"]
    assert first["quality"] == ["derived_id"]
    assert read(f'{extra},"rows":1')["id"] != first["id"]


def test_addresses_are_canonical() -> None:
    assert read(',"source":{"ip":"2001:DB8:0::1"}')["source.ip"] == "2001:db8::1"
    assert read(',"source":{"ip":"::ffff:10.0.0.1"}')["source.ip"] == "10.0.0.1"

"""Access logs in text form, with everything servers and attackers write into them."""

import pytest

from auditsvc.event.model import Event
from auditsvc.ground.errors import InputError
from auditsvc.ingest.readers.registry import read_batch
from tests.support.ingest import build_source, hash_plainly

OPTIONS = {
    "interfaces": [
        {"path": "/files/*", "methods": ["GET"], "id": "if-1", "action": "download"},
        {"path": "/人口/*", "id": "if-2"},
    ],
    "default_interface": "if-3",
}
TAIL = '"-" "curl/8"'


def read(line: str | bytes, **changes: object) -> Event:
    payload = (line.encode() if isinstance(line, str) else line) + b"\n"
    result = read_batch(payload, "lines", build_source("combined", options=OPTIONS, **changes), hash_plainly)
    assert not result.rejects, result.rejects[0].message
    assert len(result.events) == 1
    return result.events[0][2]


def reject(line: str | bytes) -> tuple[str, str]:
    payload = (line.encode() if isinstance(line, str) else line) + b"\n"
    result = read_batch(payload, "lines", build_source("combined", options=OPTIONS), hash_plainly)
    assert not result.events
    return result.rejects[0].code, result.rejects[0].message


def line(request: str = "GET / HTTP/1.1", status: str = "200", host: str = "10.1.2.3", user: str = "-") -> str:
    return f'{host} - {user} [17/May/2015:10:05:03 +0800] "{request}" {status} 12 {TAIL}'


def test_a_plain_line_becomes_an_event() -> None:
    event = read(
        '83.149.9.216 - clerk [17/May/2015:10:05:03 +0000] "GET /files/a.png?token=secret HTTP/1.1" 200 203023 '
        '"http://example.org/" "Mozilla/5.0"'
    )
    digest = event.pop("id")
    assert isinstance(digest, str)
    assert event == {
        "time": 1431857103_000_000_000, "source.ip": "83.149.9.216", "user.id": "clerk", "http.method": "GET",
        "url.path": "/files/a.png", "http.status": 200, "outcome": "success", "bytes": 203023,
        "user_agent": "Mozilla/5.0", "interface.id": "if-1", "action": "download", "side": "gateway",
        "quality": ["derived_id"],
    }  # fmt: skip


def test_the_common_format_and_further_columns_are_read() -> None:
    assert read('10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.0" 200 -')["bytes"] == 0
    assert read(line() + ' "1.2.3.4" 0.003')["user_agent"] == "curl/8"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("2001:DB8::1", "2001:db8::1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("fe80::1%eth0", "fe80::1%eth0")],
)
def test_addresses_of_both_families_are_read(host: str, expected: str) -> None:
    assert read(line(host=host))["source.ip"] == expected


def test_a_host_name_is_kept_as_a_label() -> None:
    event = read(line(host="client.example.org"))
    assert "source.ip" not in event
    assert event["labels.client"] == "client.example.org"


def test_a_dash_is_missing_not_text() -> None:
    event = read('- - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" - - "-" "-"')
    assert not {"source.ip", "user.id", "user_agent", "http.status", "labels.client"} & set(event)
    assert (event["outcome"], event["bytes"]) == ("unknown", 0)


@pytest.mark.parametrize("request_line", ["-", "", r"\x16\x03\x01\x02\x00\x01", r"\x00\x00", "quit", "12 34 56"])
def test_a_request_that_is_not_http_is_an_event_of_the_default_interface(request_line: str) -> None:
    event = read(line(request=request_line, status="400"))
    assert (event["interface.id"], event["outcome"]) == ("if-3", "failure")
    assert event["reason"]
    assert "url.path" not in event


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (r"GET /\xe4\xba\xba\xe5\x8f\xa3/x HTTP/1.1", "/人口/x"),
        (r"GET /a\"b HTTP/1.1", '/a"b'),
        (r"GET /a\x22b HTTP/1.1", '/a"b'),
        (r"GET /a\\b HTTP/1.1", r"/a\b"),
        (r"GET /a\x00b HTTP/1.1", r"/a\x00b"),
        (r"GET /\xff\xfe HTTP/1.1", r"/\xff\xfe"),
        ("GET http://host/p?q HTTP/1.1", "/p"),
        ("GET http://host HTTP/1.1", "/"),
        ("OPTIONS * HTTP/1.0", "*"),
        ("GET /a b c HTTP/1.1", "/a b c"),
        ("GET /old", "/old"),
    ],
)
def test_paths_are_unescaped_once_and_stay_printable(written: str, expected: str) -> None:
    path = read(line(request=written))["url.path"]
    assert path == expected
    assert "\0" not in str(path)


def test_rules_see_percent_encoded_paths_decoded() -> None:
    assert read(line(request="GET /%66iles/a HTTP/1.1"))["interface.id"] == "if-1"
    assert read(line(request="GET /%E4%BA%BA%E5%8F%A3/a HTTP/1.1"))["interface.id"] == "if-2"


def test_a_rule_for_one_method_leaves_the_others_to_the_next() -> None:
    event = read(line(request="POST /files/a HTTP/1.1"))
    assert (event["interface.id"], event["action"]) == ("if-3", "create")


def test_gb18030_logs_are_decoded_as_declared() -> None:
    raw = line(request="GET /PATH HTTP/1.1", user="张三").replace("PATH", "人口/查询").encode("gb18030")
    event = read(raw, encoding="gb18030")
    assert (event["user.id"], event["url.path"]) == ("张三", "/人口/查询")
    assert event["interface.id"] == "if-2"


def test_bytes_that_are_not_of_the_encoding_are_kept_visibly_and_flagged() -> None:
    event = read(line(user="USER").encode().replace(b"USER", b"\xd5\xc5"))
    assert event["user.id"] == r"\xd5\xc5"
    assert "repaired" in event["quality"]  # type: ignore[operator]


def test_users_may_hold_spaces_and_brackets() -> None:
    assert read(line(user="Li Wei [clerk]"))["user.id"] == "Li Wei [clerk]"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("200", "success"),
        ("304", "success"),
        ("401", "denied"),
        ("403", "denied"),
        ("404", "failure"),
        ("499", "failure"),
        ("500", "failure"),
    ],
)
def test_the_outcome_follows_the_status(status: str, outcome: str) -> None:
    assert read(line(status=status))["outcome"] == outcome


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "record_empty", "empty"),
        ("   ", "record_empty", "empty"),
        (line()[:-1], "line_invalid", "cut short"),
        ("garbage", "line_invalid", "no time in brackets"),
        (line().replace("17/May", "31/Feb"), "time_invalid", "no such time"),
        (line().replace("May", "Mai"), "time_invalid", "no such time"),
        (line().replace("2015", "1015"), "time_invalid", "outside"),
        (line().replace('" 200 ', '" OK '), "line_invalid", "expected"),
        (b"\x00" * 50, "line_invalid", "expected"),
        (b"\xff\xfe\x00", "line_invalid", "expected"),
    ],
)
def test_what_is_no_access_line_is_rejected_with_its_reason(text: str | bytes, code: str, words: str) -> None:
    found, message = reject(text)
    assert found == code
    assert words in message


@pytest.mark.parametrize("text", ['"' * 50_000, "\\" * 50_000, "[" * 50_000, " [17/May/2015" * 5_000, 'a "\\' * 10_000])
def test_hostile_lines_cost_no_more_than_long_ones(text: str) -> None:
    assert reject(text)[0] == "line_invalid"


def test_a_line_ending_with_cr_lf_is_the_same_event() -> None:
    plain, windows = read(line()), read(line() + "\r")
    assert {**plain, "id": 0} == {**windows, "id": 0}


def test_without_default_interface_what_matches_nothing_is_rejected() -> None:
    source = build_source("combined", options={"interfaces": [{"path": "/a", "id": "if-1"}]})
    result = read_batch((line() + "\n").encode(), "lines", source, hash_plainly)
    assert [item.code for item in result.rejects] == ["interface_unmatched"]


def test_one_bad_line_does_not_touch_its_neighbours() -> None:
    payload = f"{line()}\nbroken\n{line(status='404')}\n".encode()
    result = read_batch(payload, "lines", build_source("combined", options=OPTIONS), hash_plainly)
    assert [record for record, _, _ in result.events] == [0, 2]
    assert [(item.record, item.raw_excerpt) for item in result.rejects] == [(1, "broken")]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colour": 1}, "options: unknown key `colour`; known are default_action, default_interface, interfaces"),
        ({"interfaces": "x"}, "options.interfaces: expected a list"),
        ({"interfaces": [{"path": "/a"}]}, "options.interfaces[0]: `id` is missing"),
        (
            {"interfaces": [{"path": "/a", "id": "x", "action": "steal"}]},
            "options.interfaces[0].action: expected one of query",
        ),
        ({"default_action": "steal"}, "options.default_action: expected one of query"),
        ({"default_interface": [5]}, "options.default_interface: expected a text, got a list"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match="options") as caught:
        read_batch(b"", "lines", build_source("combined", options=options), hash_plainly)
    assert words in caught.value.message

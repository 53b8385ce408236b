"""What comes from outside in an address is taken for nothing but what it may be."""

import pytest

from auditsvc.condition.ast import Compare, Operator
from auditsvc.condition.parse import parse_query
from auditsvc.console.event import parse_uid
from auditsvc.console.event_search import quote_term
from auditsvc.console.language import local_target
from auditsvc.figures.search import format_cursor, parse_cursor
from auditsvc.ground.errors import InputError
from auditsvc.store.query import Cursor


@pytest.mark.parametrize("target", ["/", "/events?q=a%20b", "/alerts/1#policy"])
def test_a_path_of_this_site_is_followed(target: str) -> None:
    assert local_target(target) == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "events",
        "//evil.example",
        "///evil.example",
        "////evil.example/a",
        "https://evil.example/",
        "/\\evil.example",
        "/events\x00",
        "/events\x7f",
        "/\u202eevents",
        "/\n/evil",
        "javascript:1",
    ],
)
def test_a_link_that_leads_away_is_not_followed(target: str | None) -> None:
    assert local_target(target) == "/"


def test_a_cursor_survives_its_way_through_the_address() -> None:
    cursor = Cursor(1_760_000_000_000_000_000, 7, 3, 0)
    assert parse_cursor(format_cursor(cursor)) == cursor
    assert parse_cursor(format_cursor(None)) is None


@pytest.mark.parametrize("text", ["1.2.3", "1.2.3.x", "1.2.3.-4", "9" * 40 + ".1.1.1"])
def test_a_place_that_was_not_given_out_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a place"):
        parse_cursor(text)


@pytest.mark.parametrize("uid", ["", "0" * 31, "G" * 32, "../../../etc/passwd", "A" * 32])
def test_an_event_id_is_32_hex_digits(uid: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_uid(uid)
    assert caught.value.code == "not_found"


@pytest.mark.parametrize(
    "value", ["u17", "101001/000001", "a b", 'say "yes"', "back\\slash", "-x", "a*", "(x)", "莱芜市"]
)
def test_a_term_made_from_a_value_finds_exactly_that_value(value: str) -> None:
    node = parse_query(quote_term("user.id", value))
    assert isinstance(node, Compare)
    assert node.operator is Operator.EQ
    assert node.values == (value,)

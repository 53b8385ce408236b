"""The reference at its boundaries; the expected truth is written by hand, not computed."""

from datetime import date

import pytest

from auditsvc.condition.ast import Compare, InCalendar, Node, Not, Operator
from auditsvc.condition.calendar import Calendar
from auditsvc.condition.evaluate import EMPTY_CONTEXT, Context, Truth, evaluate
from auditsvc.event.fields import get_field
from auditsvc.event.model import Event
from auditsvc.event.time import parse_time_ns

NAN, INFINITY = float("nan"), float("inf")
ORDERS = (Operator.EQ, Operator.LT, Operator.LTE, Operator.GT, Operator.GTE)


def compare(name: str, operator: Operator, *values: object, nocase: bool = False) -> Node:
    return Compare(get_field(name), operator, values, nocase=nocase)  # type: ignore[arg-type]


def judge(node: Node, event: Event, context: Context = EMPTY_CONTEXT) -> str:
    """Return the truth value's name, having checked that the negation has the opposite one."""
    truth, negated = evaluate(node, event, context), evaluate(Not(node), event, context)
    assert {truth, negated} in ({Truth.TRUE, Truth.FALSE}, {Truth.UNKNOWN})
    return truth.value


@pytest.mark.parametrize("operator", ORDERS)
def test_an_event_whose_number_is_nan_is_unknown(operator: Operator) -> None:
    for value in (1.0, NAN, INFINITY):
        assert judge(compare("duration_ms", operator, value), {"duration_ms": NAN}) == "unknown"


@pytest.mark.parametrize("operator", ORDERS)
def test_no_number_compares_with_nan(operator: Operator) -> None:
    for number in (-INFINITY, 0.0, 1.0, INFINITY):
        assert judge(compare("duration_ms", operator, NAN), {"duration_ms": number}) == "false"


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (Operator.EQ, "false true false"),
        (Operator.LT, "true false false"),
        (Operator.LTE, "true true false"),
        (Operator.GT, "false false true"),
        (Operator.GTE, "false true true"),
    ],
)
def test_numbers_and_times_compare_below_at_and_above_a_bound(operator: Operator, expected: str) -> None:
    for name in ("rows", "time"):
        node = compare(name, operator, 10)
        assert " ".join(judge(node, {name: value}) for value in (9, 10, 11)) == expected
    node = compare("duration_ms", operator, 0.0)
    assert " ".join(judge(node, {"duration_ms": value}) for value in (-5e-324, -0.0, 5e-324)) == expected


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0", "::a00:0"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::fffe:ffff:ffff", "::1:0:0:0"]),  # noqa: S104
        ("::/0", ["::", "::fffe:ffff:ffff", "::1:0:0:0"], ["0.0.0.0", "255.255.255.255"]),  # noqa: S104
        ("::ffff:0:0/96", ["0.0.0.0", "255.255.255.255"], ["::fffe:ffff:ffff", "::1:0:0:0"]),  # noqa: S104
        ("::ffff:128.0.0.0/97", ["128.0.0.0", "255.255.255.255"], ["127.255.255.255"]),
        ("::ffff:0.0.0.0/97", ["0.0.0.0", "127.255.255.255"], ["128.0.0.0"]),  # noqa: S104
    ],
)
def test_the_ends_of_a_network_are_inside(network: str, inside: list[str], outside: list[str]) -> None:
    node = compare("source.ip", Operator.CIDR, network)
    assert {address: judge(node, {"source.ip": address}) for address in inside + outside} == {
        **dict.fromkeys(inside, "true"),
        **dict.fromkeys(outside, "false"),
    }


def test_text_that_is_no_address_is_in_no_network_and_beside_none() -> None:
    assert judge(compare("source.ip", Operator.CIDR, "10.0.0.0/8"), {"source.ip": "10.0.0"}) == "unknown"


def test_case_is_folded_from_a_to_z_and_not_beside() -> None:
    for upper, lower in ("Aa", "Mm", "Zz"):
        assert judge(compare("user.id", Operator.EQ, upper, nocase=True), {"user.id": lower}) == "true"
        assert judge(compare("user.id", Operator.EQ, lower, nocase=True), {"user.id": upper}) == "true"
    for one, other in ("@`", "[{", "Éé", "\u212ak"):
        assert judge(compare("user.id", Operator.EQ, one, nocase=True), {"user.id": other}) == "false"


def test_an_alternative_at_the_top_of_a_pattern_is_matched_whole() -> None:
    node = compare("user.id", Operator.RE, "a|b")
    assert [judge(node, {"user.id": text}) for text in ("a", "b", "ab", "ax", "xb")] == ["true", "true", *["false"] * 3]


def test_one_calendar_is_enough_when_another_does_not_know_the_date() -> None:
    def build(name: str, first: date, last: date) -> Calendar:
        return Calendar(name, "Asia/Shanghai", first, last, (((540, 1020),),) * 7)

    new_year, february = date(2026, 1, 1), date(2026, 2, 1)
    calendars = {"year": build("year", new_year, date(2027, 1, 1)), "january": build("january", new_year, february)}
    context = Context({}, calendars)
    for names in (("year", "january"), ("january", "year")):
        node = InCalendar(get_field("time"), names)
        noon, night = parse_time_ns("2026-02-02T12:00:00+08:00"), parse_time_ns("2026-02-02T03:00:00+08:00")
        assert [judge(node, {"time": instant}, context) for instant in (noon, night)] == ["true", "unknown"]
        assert judge(node, {"time": parse_time_ns("2026-01-02T03:00:00+08:00")}, context) == "false"

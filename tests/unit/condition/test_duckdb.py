"""The DuckDB compiler binds values, takes columns from the catalogue only, and never approximates."""

from datetime import date

import pytest

from auditsvc.condition.ast import (
    All,
    AnyOf,
    Compare,
    InCalendar,
    InList,
    Node,
    Not,
    Operator,
    build_equals,
    build_range,
)
from auditsvc.condition.calendar import Calendar
from auditsvc.condition.compile.duckdb import UnsupportedNodeError, compile_to_duckdb, split_for_duckdb
from auditsvc.condition.evaluate import Context, Truth, evaluate
from auditsvc.event.fields import get_field
from auditsvc.event.model import Event
from auditsvc.event.time import parse_time_ns
from tests.support.condition import CONTEXT, EventTable

SUMMER = Calendar("summer", "Europe/Berlin", date(2026, 1, 1), date(2027, 1, 1), (((540, 1020),),) * 7)
SHIFTING = Context({}, {"summer": SUMMER})
IN_SUMMER = InCalendar(get_field("time"), ("summer",))


def test_values_are_bound_and_never_in_the_text() -> None:
    hostile = "x' OR 1=1 --"
    sql = compile_to_duckdb(All((build_equals("user.id", hostile), build_equals("labels.a' --", hostile))), CONTEXT)
    assert hostile not in sql.text
    assert "a' --" not in sql.text
    assert sql.params == [hostile, "a' --", hostile]
    assert sql.text == 'coalesce((("user.id" IN (?)) AND ("labels"[?] IN (?))), FALSE)'


def test_a_calendar_whose_zone_shifts_is_not_approximated() -> None:
    with pytest.raises(UnsupportedNodeError, match="changes its offset"):
        compile_to_duckdb(IN_SUMMER, SHIFTING)


def test_text_that_is_no_utf8_is_left_over() -> None:
    user, odd = build_equals("user.id", "u1"), build_equals("reason", "a\ud800")
    listed = InList(get_field("reason"), ("odd",))
    context = Context({"odd": frozenset({"a", "\udfff"})})
    for node in (odd, build_equals("labels.\ud800", "a"), listed):
        with pytest.raises(UnsupportedNodeError, match="lone surrogate"):
            compile_to_duckdb(node, context)
        sql, rest = split_for_duckdb(All((user, node)), context)
        assert (sql.params, rest) == (["u1"], node)
    assert split_for_duckdb(build_equals("reason", "😀"), context)[1] is None


def test_what_cannot_be_pushed_down_is_left_over_and_the_rest_is_a_superset() -> None:
    user = build_equals("user.id", "u1")
    sql, rest = split_for_duckdb(All((user, IN_SUMMER)), SHIFTING)
    assert rest == IN_SUMMER
    assert sql.params == ["u1"]
    assert split_for_duckdb(user, CONTEXT)[1] is None
    either = AnyOf((user, IN_SUMMER))
    sql, rest = split_for_duckdb(either, SHIFTING)
    assert rest == either
    assert sql.text == "coalesce(TRUE, FALSE)"


def test_the_reference_follows_a_zone_that_shifts() -> None:
    winter, summer = parse_time_ns("2026-01-15T08:30:00Z"), parse_time_ns("2026-07-15T07:30:00Z")
    assert evaluate(IN_SUMMER, {"time": winter}, SHIFTING) is Truth.TRUE
    assert evaluate(IN_SUMMER, {"time": summer}, SHIFTING) is Truth.TRUE
    assert evaluate(IN_SUMMER, {"time": winter - 3_600_000_000_000}, SHIFTING) is Truth.FALSE


@pytest.mark.parametrize(
    ("node", "truth"),
    [
        (All(()), Truth.TRUE), (AnyOf(()), Truth.FALSE), (build_equals("user.id"), Truth.FALSE),
        (Not(build_equals("user.id")), Truth.TRUE), (All((AnyOf(()), build_equals("user.id", "u1"))), Truth.FALSE),
    ],
)  # fmt: skip
def test_what_has_no_parts_means_the_same_here_as_in_the_reference(node: Node, truth: Truth) -> None:
    table = EventTable()
    found: list[Event] = [{}, {"user.id": None}, {"user.id": "u1"}]
    table.fill(found)
    assert [evaluate(node, event, CONTEXT) for event in found] == [truth] * 3
    assert table.select(node, CONTEXT) == ({0, 1, 2} if truth is Truth.TRUE else set())


@pytest.mark.parametrize("operator", [Operator.EQ, Operator.LT, Operator.LTE, Operator.GT, Operator.GTE])
def test_no_number_compares_with_nan(operator: Operator) -> None:
    table = EventTable()
    table.fill([{"duration_ms": 1.0}, {"duration_ms": float("inf")}, {"duration_ms": None}, {}])
    node = Compare(get_field("duration_ms"), operator, (float("nan"),))
    assert table.select(node, CONTEXT) == set()
    assert table.select(Not(node), CONTEXT) == {0, 1}
    other = Compare(get_field("duration_ms"), operator, (float("nan"), 1.0))
    alone = Compare(get_field("duration_ms"), operator, (1.0,))
    assert table.select(other, CONTEXT) == table.select(alone, CONTEXT)


def test_midnight_of_a_day_with_fewer_hours_than_others_is_outside() -> None:
    table, midnight = EventTable(), "2026-01-0{}T00:00:00+08:00"
    table.fill([{"time": parse_time_ns(midnight.format(day)) + extra} for day in (1, 2, 3) for extra in (0, 1)])
    node = InCalendar(get_field("time"), ("work",))
    assert table.select(node, CONTEXT) == set()
    assert table.select(Not(node), CONTEXT) == set(range(6))


def test_a_range_is_closed_below_and_open_above() -> None:
    table = EventTable()
    table.fill([{"time": 9}, {"time": 10}, {"time": 19}, {"time": 20}])
    assert table.select(build_range("time", 10, 20), CONTEXT) == {1, 2}

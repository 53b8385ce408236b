"""When a calendar's local days are of one length, and where its loaded dates begin and end."""

from datetime import date

import pytest

from auditsvc.condition.calendar import Calendar
from auditsvc.event.time import NS, parse_time_ns

ALL_DAY = (((0, 1440),),) * 7


def build(zone: str, first: date, last: date) -> Calendar:
    return Calendar("days", zone, first, last, ALL_DAY)


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [
        (date(2026, 3, 28), date(2026, 3, 29), 1),
        (date(2026, 3, 29), date(2026, 3, 30), None),
        (date(2026, 3, 28), date(2026, 3, 31), None),
        (date(2026, 3, 30), date(2026, 3, 31), 2),
    ],
)
def test_the_offset_is_one_unless_the_clock_changes_on_a_loaded_date(
    first: date, last: date, hours: int | None
) -> None:
    offset = build("Europe/Berlin", first, last).find_offset_ns()
    assert offset == (None if hours is None else hours * 3600 * NS)


def test_an_offset_west_of_greenwich_is_negative() -> None:
    assert build("America/Bogota", date(2026, 1, 1), date(2026, 1, 2)).find_offset_ns() == -5 * 3600 * NS


def test_the_first_date_is_loaded_and_the_last_is_not() -> None:
    calendar = build("Asia/Shanghai", date(2026, 1, 1), date(2026, 1, 3))
    begins, ends = parse_time_ns("2026-01-01T00:00:00+08:00"), parse_time_ns("2026-01-03T00:00:00+08:00")
    assert [calendar.contains(instant) for instant in (begins - 1, begins, ends - 1, ends)] == [None, True, True, None]
    assert [day.day for day in calendar.days()] == [1, 2]

"""The invented people and the calendar of the worked city."""

from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest

from examples.laiwu.people import build_identity_number, find_check_character
from examples.laiwu.rhythm import (
    DAYS,
    END_NS,
    HOUR_MS,
    START_NS,
    Rhythm,
    format_combined,
    format_local,
    is_workday,
    list_days,
    to_epoch_ms,
    to_ms,
)


def test_no_identity_number_has_the_right_check_character() -> None:
    chance = Random(1)
    for _ in range(2_000):
        number = build_identity_number(chance)
        assert len(number) == 18
        assert number[17] != find_check_character(number[:17])


def test_the_period_is_thirty_local_days() -> None:
    assert DAYS == 30
    assert datetime.fromtimestamp(START_NS / 1e9, UTC).isoformat() == "2026-09-30T16:00:00+00:00"
    assert (END_NS - START_NS) == 30 * 86_400 * 10**9


def test_instants_are_written_the_same_in_every_form() -> None:
    ms = to_ms(9, 14, 5) + 7_008
    assert format_local(ms) == "2026-10-09T14:05:07.008+08:00"
    assert format_combined(ms) == "09/Oct/2026:14:05:07 +0800"
    assert datetime.fromisoformat(format_local(ms)).timestamp() * 1000 == to_epoch_ms(ms)


def test_the_holiday_is_off_and_its_saturday_is_worked() -> None:
    days = {day.day: is_workday(day) for day in list_days()}
    assert not any(days[number] for number in range(1, 8))
    assert days[8]
    assert days[10]
    assert not days[11]


@pytest.mark.parametrize("profile", ["office", "public", "round", "night", "strict"])
def test_every_profile_stays_in_the_period(profile: str) -> None:
    drawn = Rhythm(profile).draw(Random(1), 5_000)
    assert min(drawn) >= 0
    assert max(drawn) < DAYS * 24 * HOUR_MS


def test_strict_downloads_fall_in_working_hours_of_ordinary_weekdays() -> None:
    for ms in Rhythm("strict").draw(Random(1), 5_000):
        day, hour = divmod(ms // HOUR_MS, 24)
        assert hour in (9, 10, 14, 15)
        assert list_days()[day].weekday() < 5
        assert is_workday(list_days()[day])


def test_offices_are_busy_by_day_and_quiet_on_holidays() -> None:
    drawn = Rhythm("office").draw(Random(1), 20_000)
    days = Counter(ms // (24 * HOUR_MS) + 1 for ms in drawn)
    assert max(days[number] for number in range(1, 8)) < min(days[number] for number in (8, 9, 12, 13)) / 4
    hours = Counter(ms // HOUR_MS % 24 for ms in drawn)
    assert hours[9] > 50 * hours[3]

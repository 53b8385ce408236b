"""The period of a page follows from its address alone, and its buckets are those of the configured zone."""

import itertools
from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from auditsvc.console.period import ShownPeriod, read_period
from auditsvc.event.time import NS, count_ns
from auditsvc.figures.search import EventIndex
from auditsvc.figures.time_axis import DAY_NS
from auditsvc.ground.errors import InputError
from auditsvc.store.port import EventStore
from auditsvc.store.query import EventQuery, Page, TimeUnit
from auditsvc.store.rows import StoredEvent

SHANGHAI = ZoneInfo("Asia/Shanghai")
MINUTE_NS = 60 * NS
NOW = count_ns(datetime(2026, 11, 23, 4, 0, tzinfo=UTC))


class FakeStore:
    """A store with one event at ``time``, or none."""

    def __init__(self, time: int | None) -> None:
        self.time = time

    def search(self, query: EventQuery, **_options: Any) -> Page:
        if self.time is None or not query.first_ns <= self.time < query.last_ns:
            return Page((), None)
        return Page((StoredEvent({"time": self.time}, cast("Any", b"0" * 16), None, None),), None)


def read(time: int | None, **arguments: str) -> ShownPeriod:
    return read_period(arguments, EventIndex(cast("EventStore", FakeStore(time))), NOW, SHANGHAI)


def test_a_range_ends_now_while_events_are_coming_in() -> None:
    period = read(NOW - 3600 * NS, range="7d")
    assert (period.first_ns, period.last_ns) == (NOW - 7 * DAY_NS, NOW)
    assert not period.ends_in_past


def test_a_range_ends_at_the_newest_event_when_that_is_older_than_a_day() -> None:
    period = read(NOW - 40 * DAY_NS, range="7d")
    assert period.last_ns == NOW - 40 * DAY_NS + MINUTE_NS
    assert period.ends_in_past


@pytest.mark.parametrize("name", ["1d", "90d", "all"])
@pytest.mark.parametrize("age_ns", [1, 59 * NS, MINUTE_NS, 40 * DAY_NS + 1, 40 * DAY_NS + 30 * NS])
def test_a_range_is_the_one_its_two_times_name(name: str, age_ns: int) -> None:
    period = read(NOW - age_ns, range=name)
    again = read(None, **{"from": period.first_text, "to": period.last_text})
    assert (again.first_ns, again.last_ns) == (period.first_ns, period.last_ns)
    assert NOW - age_ns < period.last_ns <= max(NOW, NOW - age_ns + MINUTE_NS)


@pytest.mark.parametrize("time", ["2026-10-01T00:00:30", "2026-10-01T00:00:00.000250", "2026-10-01T00:00"])
def test_times_given_to_the_second_are_kept(time: str) -> None:
    assert read(None, **{"from": time}).query()["from"] == time


def test_an_event_of_the_future_does_not_move_a_range() -> None:
    assert read(NOW + 400 * DAY_NS).last_ns == NOW


def test_two_local_times_are_read_in_the_configured_zone() -> None:
    period = read(None, **{"from": "2026-10-01T00:00", "to": "2026-10-02"})
    assert period.first_ns == count_ns(datetime(2026, 9, 30, 16, tzinfo=UTC))
    assert period.last_ns - period.first_ns == DAY_NS
    assert period.query() == {"from": "2026-10-01T00:00", "to": "2026-10-02T00:00"}


@pytest.mark.parametrize(
    "arguments", [{"range": "9d"}, {"from": "yesterday"}, {"from": "2026-10-02", "to": "2026-10-02"}]
)
def test_what_is_no_period_is_refused(arguments: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        read(None, **arguments)
    assert caught.value.code == "time_invalid"


@pytest.mark.parametrize(
    ("length", "unit"),
    [
        (3 * 3600 * NS, TimeUnit.MINUTE),
        (3 * 3600 * NS + 1, TimeUnit.HOUR),
        (4 * DAY_NS, TimeUnit.HOUR),
        (5 * DAY_NS, TimeUnit.DAY),
        (124 * DAY_NS, TimeUnit.DAY),
        (125 * DAY_NS, TimeUnit.MONTH),
    ],
)
def test_the_longer_the_period_the_coarser_its_buckets(length: int, unit: TimeUnit) -> None:
    assert ShownPeriod("custom", NOW, NOW + length, SHANGHAI).axis.bucket.unit is unit


@pytest.mark.parametrize("zone", [SHANGHAI, ZoneInfo("Europe/Berlin")])
@pytest.mark.parametrize("days", [1, 10, 200])
def test_buckets_follow_each_other_without_gap_and_cover_the_period(zone: ZoneInfo, days: int) -> None:
    first = count_ns(datetime(2026, 10, 20, 5, 30, tzinfo=UTC))  # Berlin's clocks go back on the 25th
    period = ShownPeriod("custom", first, first + days * DAY_NS, zone)
    buckets = period.axis.list_buckets()
    assert buckets[0][0] <= period.first_ns
    assert buckets[-1][1] >= period.last_ns
    assert all(left[1] == right[0] for left, right in itertools.pairwise(buckets))
    assert all(begin < end for begin, end in buckets)

"""Exact figures: quantiles by rank, sums as decimals, and requests cut where a zone changes its offset."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from auditsvc.event.fields import get_field
from auditsvc.event.time import NS, parse_time_ns
from auditsvc.store.elasticsearch.accumulator import Accumulator, find_quantile
from auditsvc.store.elasticsearch.aggregate import GroupField, RowSource, build_requests, plain_key
from auditsvc.store.query import Measure, MeasureKind, NoValue, TimeBucket, TimeUnit

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("quantile", "value"), [(0.0, 1), (0.1, 1), (0.1000001, 2), (0.3, 2), (0.5, 3), (0.95, 9), (1.0, 9)]
)
def test_a_quantile_is_the_value_at_its_rank(quantile: float, value: int) -> None:
    assert find_quantile({9: 1, 1: 1, 2: 2, 3: 6}, quantile) == value


def test_a_quantile_of_nothing_is_none() -> None:
    assert find_quantile({}, 0.5) is None


@pytest.mark.parametrize(
    ("total", "text"), [(1, "0.000001"), (-1, "-0.000001"), (-2_500_000, "-2.500000"), (10**40 + 1, f"{10**34}.000001")]
)
def test_a_sum_of_numbers_is_a_decimal_of_six_digits(total: int, text: str) -> None:
    cell = Accumulator(number=1, total=total)
    found = cell.finish(Measure(MeasureKind.SUM, "duration_ms"), get_field("duration_ms"))
    assert isinstance(found, Decimal)
    assert str(found) == text


def build_source(first: str, last: str) -> RowSource:
    """Return rows of an interval; nothing is asked of a server."""
    return RowSource(None, ["i"], {"match_all": {}}, "t", (parse_time_ns(first), parse_time_ns(last)))  # type: ignore[arg-type]


def test_an_interval_is_cut_where_the_offset_changes_and_asked_with_fixed_ones() -> None:
    source = build_source("2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z")
    requests = list(build_requests(source, [TimeBucket(TimeUnit.DAY, BERLIN)]))
    zones = [request.sources[0]["k0"]["date_histogram"]["time_zone"] for request in requests]  # type: ignore[index]
    assert zones == ["+02:00", "+01:00"]
    change = parse_time_ns("2026-10-25T01:00:00Z")
    ranges = [request.query["bool"]["filter"][1]["range"]["t"] for request in requests]
    assert ranges == [{"gte": source.interval[0], "lt": change}, {"gte": change, "lt": source.interval[1]}]
    midnight = parse_time_ns("2026-10-25T00:00:00+02:00")
    keys = {
        request.build_key({"k0": start // 10**6})
        for request, start in zip(requests, (midnight, midnight + 3600 * NS), strict=True)
    }
    assert keys == {(midnight,)}


def test_an_interval_without_change_is_one_request() -> None:
    source = build_source("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    by = [TimeBucket(TimeUnit.HOUR, BERLIN), TimeBucket(TimeUnit.HOUR, ZoneInfo("Asia/Shanghai"))]
    (request,) = build_requests(source, by)
    zones = [part[f"k{n}"]["date_histogram"]["time_zone"] for n, part in enumerate(request.sources)]  # type: ignore[index]
    assert zones == ["+01:00", "+08:00"]


def test_a_field_some_event_has_as_null_is_asked_for_twice() -> None:
    source = build_source("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    known, null = build_requests(source, [GroupField("a", plain_key, "a")])
    assert known.build_key({"k0": None}) == (NoValue.MISSING,)
    assert (null.sources, null.build_key({})) == ([], (NoValue.NULL,))

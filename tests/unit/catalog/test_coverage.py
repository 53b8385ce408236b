"""Which hours a log must cover."""

from collections import Counter

from auditsvc.catalog.coverage import HOUR_NS, Cell, expect_cells, list_hours
from auditsvc.event.time import parse_time_ns
from tests.support.catalog import SMALL, load_small, load_texts

MONDAY = parse_time_ns("2026-10-12T00:00:00+08:00")
DAY = 24 * HOUR_NS


def test_only_whole_hours_inside_the_interval_count() -> None:
    assert list(list_hours(MONDAY + 1, MONDAY + 3 * HOUR_NS)) == [MONDAY + HOUR_NS, MONDAY + 2 * HOUR_NS]
    assert list(list_hours(MONDAY, MONDAY + 2 * HOUR_NS - 1)) == [MONDAY]


def test_expected_hours_and_weekdays_are_local() -> None:
    hours = [cell.hour_ns for cell in expect_cells(load_small(), MONDAY, MONDAY + DAY, ["pop-query"])]
    assert hours == [MONDAY + hour * HOUR_NS for hour in range(8, 18)]
    assert not list(expect_cells(load_small(), MONDAY - DAY, MONDAY, ["pop-query"]))


def test_an_interface_from_which_no_log_is_due_has_no_cells() -> None:
    cells = Counter(cell.interface for cell in expect_cells(load_small(), MONDAY, MONDAY + 7 * DAY))
    assert cells == {"both": 168, "pop-query": 50}


def test_cells_end_with_the_interfaces_validity() -> None:
    text = SMALL.replace(
        "network: intranet\n  sources: [gateway]\n",
        "network: intranet\n  sources: [gateway]\n  until: 2026-10-12T01:00:00Z\n",
    )
    cells = list(expect_cells(load_texts({"c.yaml": text}), MONDAY, MONDAY + DAY, ["both"]))
    assert len(cells) == 9
    assert cells[-1] == Cell("both", MONDAY + 8 * HOUR_NS)

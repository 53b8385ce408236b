"""Charts say in text what they draw, and nothing in them is code."""

import re
from xml.etree import ElementTree

import pytest

from auditsvc.console.chart import (
    ChartColumn,
    Series,
    build_column_chart,
    count_scale_top,
    list_scale_values,
)

SERIES = [Series("in violation", "series-2"), Series("other", "series-1")]


@pytest.mark.parametrize(
    ("largest", "top"), [(0, 4), (4, 4), (5, 8), (8, 8), (9, 20), (20, 20), (21, 40), (41, 80), (399, 400), (401, 800)]
)
def test_the_scale_ends_at_four_round_steps_not_below_the_largest(largest: int, top: int) -> None:
    assert count_scale_top(largest) == top
    assert all(value * 4 % top == 0 for value in list_scale_values(top))


def test_the_height_of_a_column_is_its_share_of_the_scale() -> None:
    text = build_column_chart(
        [ChartColumn("a", "a", (10, 30)), ChartColumn("b", "b", (0, 0))], SERIES, summary="s", height=240
    )
    heights = [float(rect.get("height", "0")) for rect in _find(text, "rect") if str(rect.get("class", "")) in _CSS]
    assert heights == [50.0, 150.0]


def test_a_chart_is_well_formed_and_escapes_what_it_is_given() -> None:
    hostile = '"><script>alert(1)</script>'
    text = build_column_chart([ChartColumn(hostile, hostile, (1, 2), hostile)], SERIES, summary=hostile)
    assert "<script" not in text
    assert _find(text, "a")[0].get("href") == hostile


def test_a_chart_has_no_inline_style_and_no_handler() -> None:
    text = build_column_chart([ChartColumn("a", "a", (1, 1), "/events")], SERIES, summary="s")
    assert not re.search(r"\bstyle=|\bon[a-z]+=", text)


def test_links_of_a_chart_are_left_out_of_the_tab_order_as_the_table_offers_them() -> None:
    text = build_column_chart([ChartColumn("a", "a", (1, 1), "/events")], SERIES, summary="s")
    assert [link.get("tabindex") for link in _find(text, "a")] == ["-1"]


def test_a_column_that_leads_somewhere_says_how_many_rows_are_there() -> None:
    text = build_column_chart(
        [ChartColumn("a", "a", (3, 4), "/events"), ChartColumn("b", "b", (5, 6))], SERIES, summary="s"
    )
    assert [link.get("data-counts") for link in _find(text, "a")] == ["7"]


def test_a_chart_without_columns_still_has_its_summary() -> None:
    assert 'aria-label="nothing"' in build_column_chart([], SERIES, summary="nothing")


_CSS = {"series-1", "series-2"}


def _find(text: str, name: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(text)  # noqa: S314  (what was just built)
    return list(root.iter(name))

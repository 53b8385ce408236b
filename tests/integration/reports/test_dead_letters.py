"""A row Elasticsearch refuses stands in the report that lacks it: in its JSON, on its pages, and in its verdict."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from auditsvc.event.time import parse_time_ns
from auditsvc.reports.render import LANGUAGES, dump_report, render_pdf
from tests.support.elastic_store import given_store
from tests.support.reports import fill_store, load_city_catalog, load_policies, promise_little, report_on
from tests.support.store_contract import build_row, write

LINES = {
    "en": "Rows the event store has rejected since the log began: {}.",
    "zh": "自日志建立以来事件库拒收的行数（死信）： {}。",
}


@pytest.fixture(scope="module")
def reports() -> dict[int, dict[str, dict[str, Any]]]:
    """Reports on a lawful month before and after a row that Elasticsearch refuses, by the number of such rows."""
    catalog, policies = promise_little(load_city_catalog()), load_policies()
    refused = build_row(1, time=parse_time_ns("2026-10-20T00:00:00Z"), rows=2**63, seq=3)
    with given_store() as (_, store):
        fill_store(store, catalog, policies, violated=0, undecided=0)
        whole = report_on(store, catalog, policies)
        write(store, [refused])
        return {0: whole, 1: report_on(store, catalog, policies)}


def test_the_verdict_is_qualified_by_a_refused_row(reports: dict[int, dict[str, dict[str, Any]]]) -> None:
    verdicts = {number: [report["summary"]["verdict"] for report in pair.values()] for number, pair in reports.items()}
    assert verdicts == {0: ["clean", "met"], 1: ["qualified", "qualified"]}


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("kind", ["compliance", "project"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_number_of_refused_rows_stands_on_the_pages(
    number: int, kind: str, language: str, reports: dict[int, dict[str, dict[str, Any]]], tmp_path: Path
) -> None:
    report = reports[number][kind]
    assert report["dead_letters"] == number
    path = tmp_path / "report.pdf"
    path.write_bytes(render_pdf(dump_report(report), language))
    done = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True)
    assert "".join(LINES[language].format(number).split()) in "".join(done.stdout.split())

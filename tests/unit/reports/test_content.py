"""Content adds up, names its range, and says what it leaves out."""

import json
import subprocess
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from auditsvc.figures.alerts import AlertTimes, measure_handling
from auditsvc.figures.period import bounds_ns, build_period
from auditsvc.ground.errors import AuditError, InputError, LogError, StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.reports import render
from auditsvc.reports.evidence import count_log, describe_log
from auditsvc.reports.printed_tables import describe_alerts, rank
from auditsvc.reports.render import TEMPLATES, dump_report, parse_report, render_pdf
from auditsvc.store.duckdb.store import DuckStore
from tests.support.reports import (
    NOON,
    ZONE,
    build_headers,
    build_samples,
    fill_store,
    load_city_catalog,
    load_policies,
    promise_little,
    report_on,
)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return build_samples(tmp_path_factory.mktemp("samples"))


def test_every_breakdown_of_violations_has_the_same_total(samples: dict[str, dict[str, Any]]) -> None:
    report = samples["compliance"]
    total = report["summary"]["violations"]
    assert total > 0
    assert sum(row["violations"] for row in report["policies"]) == total
    assert report["consumers"]["total"] == total
    assert report["interfaces"]["total"] == total
    assert sum(row["violations"] for row in report["days"]) == total
    assert report["findings"]["total"] == total


def test_every_breakdown_of_accesses_has_the_same_total(samples: dict[str, dict[str, Any]]) -> None:
    summary = samples["compliance"]["summary"]
    assert sum(summary["verdicts"].values()) == sum(summary["traffic"].values()) == summary["events"]
    assert sum(row["events"] for row in samples["compliance"]["days"]) == summary["events"]


def test_days_are_local_and_complete(samples: dict[str, dict[str, Any]]) -> None:
    days = [row["day"] for row in samples["compliance"]["days"]]
    assert days == [(date(2026, 10, 1) + timedelta(days=offset)).isoformat() for offset in range(31)]
    assert samples["compliance"]["period"]["start"] == "2026-09-30T16:00:00.000Z"
    assert samples["compliance"]["period"]["end"] == "2026-10-31T16:00:00.000Z"


def test_a_silence_is_a_gap_with_its_length(samples: dict[str, dict[str, Any]]) -> None:
    coverage = samples["compliance"]["coverage"]
    missing = coverage["expected"] - coverage["covered"]
    assert missing > 0
    assert sum(gap["hours"] for gap in coverage["gaps"]) == missing == coverage["incomplete"]["total"]


def test_a_project_report_has_the_nine_indicators_with_their_quotients(samples: dict[str, dict[str, Any]]) -> None:
    rows = samples["project"]["indicators"]
    assert [row["id"] for row in rows] == ["I-01", "I-02", "I-05", "I-07", "I-11", "I-13", "I-16", "I-20", "I-21"]
    for row in rows:
        assert (row["value"] is None) == (row["state"] == "not_computable")
        assert (row["numerator"] is None) == (row["value"] is None)
        assert row["formula_version"] == 1


def test_every_text_of_a_report_stands_in_both_languages(samples: dict[str, dict[str, Any]]) -> None:
    def check(value: Any) -> None:
        if isinstance(value, dict):
            assert ("zh" in value) == ("en" in value)
            for inner in value.values():
                check(inner)
        elif isinstance(value, list):
            for inner in value:
                check(inner)

    for report in samples.values():
        check(report)


def test_labels_have_the_same_keys_in_both_languages_and_none_is_empty() -> None:
    labels = json.loads((TEMPLATES / "labels.json").read_text(encoding="utf-8"))
    assert set(labels["zh"]) == set(labels["en"])
    assert [key for key, text in labels["zh"].items() if not text] == []
    assert [key for key, text in labels["en"].items() if not text] == ["page_after", "u_n"]


EMPTY = "P-POLICY"
"""A project without interfaces and targets."""


class ShortStore(DuckStore):
    """A store that could not take two rows."""

    def count_dead_letters(self) -> int:
        return 2


@pytest.mark.parametrize(
    ("opener", "number", "verdicts"), [(DuckStore, 0, ("clean", "met")), (ShortStore, 2, ("qualified",) * 2)]
)
def test_a_verdict_is_without_reserve_only_when_the_store_took_every_row(
    opener: type[DuckStore], number: int, verdicts: tuple[str, str], tmp_path: Path
) -> None:
    catalog, policies = promise_little(load_city_catalog()), load_policies()
    with closing(opener(tmp_path / "events.duckdb", Settings(data_dir=tmp_path))) as store:
        fill_store(store, catalog, policies, violated=0, undecided=0)
        reports = report_on(store, catalog, policies)
    assert tuple(report["summary"]["verdict"] for report in reports.values()) == verdicts
    assert [report["dead_letters"] for report in reports.values()] == [number, number]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report on a project without interfaces and targets, in a city full of accesses and violations."""
    return build_samples(tmp_path_factory.mktemp("empty"), EMPTY)["project"]


def test_a_project_without_targets_is_not_assessed(empty: dict[str, Any]) -> None:
    assert empty["summary"]["verdict"] == "not_assessed"
    assert empty["summary"]["targets"] == {"no_target": 9}


def test_rows_that_are_missing_assess_nothing_either(tmp_path: Path) -> None:
    catalog, policies = load_city_catalog(), load_policies()
    with closing(ShortStore(tmp_path / "events.duckdb", Settings(data_dir=tmp_path))) as store:
        fill_store(store, catalog, policies)
        report = report_on(store, catalog, policies, EMPTY)["project"]
    assert report["summary"]["verdict"] == "not_assessed"


def test_a_project_without_interfaces_has_empty_tables_and_not_the_citys(empty: dict[str, Any]) -> None:
    summary = empty["summary"]
    assert (summary["events"], summary["successes"], summary["violations"]) == (0, 0, 0)
    assert summary["coverage"] is None
    assert {row["events"] + row["violations"] for row in empty["days"]} == {0}
    assert (empty["policies"], empty["articles"], empty["use"]) == ([], [], [])
    assert empty["findings"] == {"total": 0, "rows": []}
    assert (empty["coverage"]["interfaces"], empty["coverage"]["expected"], empty["coverage"]["percent"]) == (
        0,
        0,
        None,
    )
    assert {row["state"] for row in empty["indicators"]} == {"not_computable"}
    assert [row["raised"] for row in empty["signals"] if row["raised"]] == []
    assert [row["successes"] for row in empty["reach"]["promised"] if row["successes"]] == []
    assert empty["reach"]["extra"]["rows"] == []


def test_a_finding_filed_under_a_project_does_not_make_up_for_its_interfaces(tmp_path: Path) -> None:
    catalog, policies = load_city_catalog(), load_policies()
    with closing(DuckStore(tmp_path / "events.duckdb", Settings(data_dir=tmp_path))) as store:
        fill_store(store, catalog, policies)
        bare = replace(
            catalog,
            interface_history={
                key: tuple(replace(version, project=None) for version in versions)
                for key, versions in catalog.interface_history.items()
            },
            projects={**catalog.projects, "P-LIB-POP": replace(catalog.projects["P-LIB-POP"], interfaces=())},
        )
        report = report_on(store, bare, policies)["project"]
    assert (report["findings"]["total"], report["policies"], report["summary"]["violations"]) == (0, [], 0)


@pytest.mark.parametrize("undecided", [0, 1])
def test_where_no_access_was_judged_nothing_is_called_clean(undecided: int, tmp_path: Path) -> None:
    catalog, policies = load_city_catalog(), load_policies()
    with closing(DuckStore(tmp_path / "events.duckdb", Settings(data_dir=tmp_path))) as store:
        fill_store(store, catalog, policies, violated=0, undecided=undecided, is_covered=bool(undecided))
        report = report_on(store, catalog, policies)["compliance"]
    assert report["summary"]["rate"]["judged"] == 0
    assert report["summary"]["verdict"] == ("qualified" if undecided else "not_assessed")


def test_an_empty_period_is_not_assessed(tmp_path: Path) -> None:
    catalog, policies = load_city_catalog(), load_policies()
    with closing(DuckStore(tmp_path / "events.duckdb", Settings(data_dir=tmp_path))) as store:
        reports = report_on(store, catalog, policies, EMPTY)
    assert {kind: report["summary"]["verdict"] for kind, report in reports.items()} == {
        "compliance": "not_assessed",
        "project": "not_assessed",
    }


@pytest.mark.parametrize(("language", "words"), [("en", "Not assessed: no targets"), ("zh", "未评估：未设目标")])
def test_a_verdict_of_nothing_stands_on_the_pages(
    empty: dict[str, Any], language: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(render_pdf(dump_report(empty), language))
    done = subprocess.run(["pdftotext", "-layout", str(path), "-"], capture_output=True, text=True, check=True)
    assert "".join(words.split()) in "".join(done.stdout.split())


def test_violations_and_missed_targets_stand_whatever_the_store_could_not_take(tmp_path: Path) -> None:
    catalog, policies = load_city_catalog(), load_policies()
    with closing(ShortStore(tmp_path / "events.duckdb", Settings(data_dir=tmp_path))) as store:
        fill_store(store, catalog, policies)
        reports = report_on(store, catalog, policies)
    assert reports["compliance"]["summary"]["verdict"] == "violations"
    assert reports["project"]["summary"]["verdict"] == "missed"


def test_the_same_json_gives_the_same_pages(samples: dict[str, dict[str, Any]]) -> None:
    data = dump_report(samples["project"])
    assert render_pdf(data, "en") == render_pdf(data, "en")


def test_markup_in_a_name_is_printed_and_never_run(samples: dict[str, dict[str, Any]]) -> None:
    hostile = {**samples["project"], "city": {"zh": '#panic("x") $a$ *b* [c] @e', "en": '#image("/etc/passwd")'}}
    assert render_pdf(dump_report(hostile), "zh").startswith(b"%PDF")


def test_a_report_nested_too_deeply_is_an_error_of_ours(samples: dict[str, dict[str, Any]]) -> None:
    for depth in (200, 400, 600, 800, 900, 1000, 5000):
        data = b'{"created":"2026-11-01T04:00:00.000Z","x":' + b"[" * depth + b"]" * depth + b"}"
        with pytest.raises(AuditError):
            render_pdf(data, "en")


def test_a_font_that_is_not_in_place_is_named(
    samples: dict[str, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "FONTS", tmp_path)
    render.describe_tools.cache_clear()
    with pytest.raises(StorageError, match=r"font `NotoSansHans-Regular\.otf` is not in place; run `make check`"):
        render.describe_tools()


def test_a_language_that_is_not_packaged_is_refused(samples: dict[str, dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="`fr` is not one of zh, en"):
        render_pdf(dump_report(samples["project"]), "fr")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"a":1,"a":1}', b'{"b":1,"a":1}', b'{"a": 1}', b'{"a":1.0}', b"\xff"]
)
def test_json_that_is_not_canonical_is_no_report(data: bytes) -> None:
    with pytest.raises(InputError, match=r"report\.json"):
        parse_report(data)


def test_an_integer_no_reader_keeps_exact_is_refused() -> None:
    with pytest.raises(InputError, match="canonical"):
        dump_report({"n": 2**53 + 1})


def test_a_period_is_whole_local_days() -> None:
    first, last = bounds_ns(build_period(date(2026, 10, 1), date(2026, 10, 1)), ZONE)
    assert last - first == 86_400 * 10**9
    assert first % (86_400 * 10**9) == 16 * 3600 * 10**9


@pytest.mark.parametrize(
    ("last", "text"), [(date(2026, 9, 30), "before the first"), (date(2027, 10, 2), "at most 366")]
)
def test_a_period_that_cannot_be_is_refused(last: date, text: str) -> None:
    with pytest.raises(InputError, match=text):
        build_period(date(2026, 10, 1), last)


def test_a_log_is_counted_from_its_headers_up_to_the_reports_size() -> None:
    headers = build_headers(load_city_catalog(), load_policies())
    described = describe_log(count_log(headers, 3))
    assert described["records"] == 4003
    assert described["leaves"] == {"batch": 1, "catalog": 1, "policy": 1}
    assert described["catalog"]["seq"] == 0
    assert describe_log(count_log(headers, 2))["records"] == 0
    with pytest.raises(LogError, match="expected 4 headers, got 3"):
        count_log(headers, 4)


def test_a_ranking_keeps_its_total_when_rows_are_left_out() -> None:
    rows = [{"id": f"{number:02d}", "n": number} for number in range(20)]
    ranked = rank(rows, "n")
    assert [row["n"] for row in ranked["rows"]] == list(range(19, 4, -1))
    assert ranked["rest"] == {"count": 4, "n": 10}
    assert ranked["total"] == sum(row["n"] for row in ranked["rows"]) + ranked["rest"]["n"]


def test_handling_times_are_nearest_ranks_in_hours() -> None:
    alerts = [
        AlertTimes("high", "closed", 1, NOON, NOON + timedelta(hours=hours), NOON + timedelta(hours=2 * hours), "test")
        for hours in range(1, 11)
    ]
    described = describe_alerts(measure_handling([*alerts, AlertTimes("low", "new", 5, NOON, None, None)]))
    assert described["hours_to_acknowledge"] == {"count": 10, "median": "5.00", "p90": "9.00"}
    assert described["hours_to_close"] == {"count": 10, "median": "10.00", "p90": "18.00"}
    assert described["findings"] == 15
    assert described["by_severity"][0] == {"severity": "high", "new": 0, "acknowledged": 0, "closed": 10}
    assert describe_alerts(measure_handling([]))["hours_to_close"] == {"count": 0, "median": None, "p90": None}

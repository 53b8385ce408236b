"""Every face tells the same number of the same thing: pages, interface, metrics, commands and signed reports.

What is expected stands in one table, counted by hand from the records of tests/support/faces.py.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from auditsvc.api import metrics
from auditsvc.auth.roles import Role
from auditsvc.cli.event import command
from auditsvc.runtime import readiness
from tests.support.faces import LATE, LATE_S, catch_up, deliver_late, open_faces
from tests.support.pages import Browser, find_id, has_class, read_number, text_of
from tests.support.server import serve
from tests.support.service import Service

SPAN = "from=2026-10-01T00:00:00%2B08:00&to=2026-12-01T00:00:00%2B08:00"
DAYS = {"first": "2026-10-01", "last": "2026-11-23"}
FRIDAY = "from=2026-11-20T00:00&to=2026-11-21T00:00"


# --- what the records come to

ACCESSES = 98
"""Three of October, nine of Thursday, 30 queries and 55 downloads, and the first half of Friday's call."""
FRIDAY_ACCESSES = 86
VIOLATIONS = {"P-LOAD": 55, "P-ROWS": 33}
"""55 downloads; October's, Thursday's two and 30 queries."""
IN_VIOLATION = 87
"""Accesses: one less, as the first half of Thursday's call, by which the call is counted, violates nothing."""
BY_SEVERITY = {"critical": 0, "high": 33, "medium": 0, "low": 55}
IN_30_DAYS = {"P-LOAD": 55, "P-ROWS": 32}
"""Without October's."""
EXCEPTED = {"P-LOAD": 0, "P-ROWS": 1}
OPEN_ALERTS = {"critical": 0, "high": 2, "medium": 0, "low": 53}
"""Two of three of P-ROWS, 53 of 55 of P-LOAD."""
UNACKNOWLEDGED = 54
"""The town's alert was taken on."""
DELIVERIES = {"records": 120, "events": 118, "duplicates": 1, "quarantined": 2}
PROBES = 17
"""16 heartbeats and a probe."""
FRIDAY_DUE, FRIDAY_COVERED, FRIDAY_PERCENT = 34, 18, "52.94"
"""10 hours of one interface without 13 and 17; the first ten of the 24 of the other."""
LATE_RECORDS = len(LATE)


@dataclass
class Faces:
    """The service, a person's browser, and reports that were made before the late records came in."""

    service: Service
    browser: Browser
    reports: Mapping[str, Any]
    judged_size: int

    def get(self, path: str) -> Any:
        """Return what the interface answers an auditor."""
        answer = self.service.call(Role.AUDITOR, "GET", f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def list_all(self, path: str, limit: int) -> list[Any]:
        """Return the items of a list on all its pages."""
        items: list[Any] = []
        page = self.get(f"{path}limit={limit}")
        while True:
            items += page["items"]
            if page["next"] is None:
                return items
            page = self.get(f"{path}limit={limit}&cursor={page['next']}")

    def scrape(self, name: str) -> dict[str, float]:
        """Return the samples of a metric by label value, in order."""
        found = self.service.client.get("/metrics").text
        return {
            ",".join(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(found)
            for sample in family.samples
            if sample.name == f"auditsvc_{name}"
        }

    def read_metric(self, name: str) -> float:
        """Return a metric without labels."""
        return self.scrape(name)[""]

    def count_leaves(self) -> int:
        """Return the number of leaves in the database."""
        with self.service.services.ledger.database.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM leaf")).scalar_one())


@pytest.fixture(scope="module", params=["duckdb", pytest.param("elasticsearch", marks=pytest.mark.slow)])
def faces(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faces]:
    with pytest.MonkeyPatch.context() as patch, open_faces(tmp_path_factory.mktemp("faces"), request.param) as service:
        patch.setattr(metrics, "KEEP_S", 0.0)
        patch.setattr(readiness, "KEEP_S", 0.0)
        browser = Browser(service, Role.AUDITOR, "reviewer")
        reports = {name: make_report(service, **days) for name, days in (
            ("all", DAYS), ("friday", {"first": "2026-11-20", "last": "2026-11-20"}),
        )}  # fmt: skip
        catch_up(service)
        judged = service.services.store.position().next.seq
        deliver_late(service)
        yield Faces(service, browser, reports, judged)


def make_report(service: Service, **days: str) -> Any:
    body = {"kind": "compliance", "languages": ["en"], **days}
    made = service.call(Role.AUDITOR, "POST", "/api/v1/reports", json=body)
    assert made.status_code == 201, made.text
    found = service.call(Role.AUDITOR, "GET", f"/api/v1/reports/{made.get_json()['id']}/files/report.json")
    with found:
        return json.loads(found.data)


# --- accesses


def count_on_pages(faces: Faces) -> int:
    return len(faces.browser.list_all_rows("/events?range=all"))


def count_by_commands(faces: Faces, tmp_path: Path) -> tuple[int, int]:
    token = tmp_path / "token"
    token.write_text(faces.service.sign_in("reviewer"))
    span = ["--from", "2026-10-01T00:00:00+08:00", "--to", "2026-12-01T00:00:00+08:00"]
    with serve(faces.service.app) as address:
        given = [*span, "--url", address, "--token-file", str(token)]
        found = CliRunner().invoke(command, ["search", "--limit", "500", "--json", *given])
        exported = CliRunner().invoke(command, ["export", *given])
    assert (found.exit_code, exported.exit_code) == (0, 0), (found.output, exported.output)
    return len(json.loads(found.stdout)["items"]), len(exported.stdout.splitlines())


def test_accesses(faces: Faces, tmp_path: Path) -> None:
    browser, histogram = faces.browser, faces.get(f"/events/histogram?{SPAN}")
    page = browser.open("/events?range=all")
    assert {
        "first page": read_number(find_id(browser.open("/"), "events-total")),
        "search's total": read_number(find_id(page, "total")),
        "search's rows": count_on_pages(faces),
        "interface": len(faces.list_all(f"/events?{SPAN}&", 20)),
        "histogram": histogram["total"],
        "bars": sum(bar["count"] for bar in histogram["items"]),
        "report": faces.reports["all"]["summary"]["events"],
        "report's classes": sum(faces.reports["all"]["summary"]["traffic"].values()),
        "report's days": sum(day["events"] for day in faces.reports["all"]["days"]),
        "course": sum(read_number(cells[1]) for cells in list_course(browser.open("/?range=90d"))),
    } == dict.fromkeys(
        ("first page", "search's total", "search's rows", "interface", "histogram", "bars", "report",
         "report's classes", "report's days", "course"),
        ACCESSES,
    )  # fmt: skip
    assert count_by_commands(faces, tmp_path) == (ACCESSES, ACCESSES)


def test_accesses_of_one_day(faces: Faces) -> None:
    assert [
        read_number(find_id(faces.browser.open(f"/events?{FRIDAY}"), "total")),
        sum(read_number(cells[1]) for cells in list_course(faces.browser.open(f"/?{FRIDAY}"))),
        faces.get("/events/histogram?from=2026-11-20T00:00:00%2B08:00&to=2026-11-21T00:00:00%2B08:00")["total"],
        faces.reports["friday"]["summary"]["events"],
    ] == [FRIDAY_ACCESSES] * 4


def test_probes_are_beside_the_accesses(faces: Faces) -> None:
    assert faces.reports["all"]["summary"]["probes"] == PROBES
    everything = len(faces.list_all(f"/events?{SPAN}&repeats=true&", 100))
    assert everything == DELIVERIES["events"]


def list_course(page: Element) -> list[list[Element]]:
    """Return the rows of the first page's course."""
    (table,) = (one for one in page.iter("details") if has_class(one, "more"))
    return [list(row.iter("td")) for row in table.iter("tr") if row.find("td") is not None]


# --- violations


def list_policies(page: Element) -> dict[str, int]:
    """Return the policies of the first page with their violations."""
    rows = [row for row in page.iter("tr") if any("/violations?" in link.get("href", "") for link in row.iter("a"))]
    return {text_of(next(row.iter("a"))): read_number(list(row.iter("td"))[-1]) for row in rows}


def test_violations_by_policy(faces: Faces) -> None:
    browser = faces.browser
    listed = browser.list_all_rows("/violations?range=all")
    policies = {row["id"]: row for row in faces.reports["all"]["policies"] if row["status"] == "active"}
    assert list_policies(browser.open("/?range=90d")) == VIOLATIONS
    assert Counter(text_of(list(row.iter("td"))[1]) for row in listed) == VIOLATIONS
    assert {name: row["violations"] for name, row in policies.items()} == VIOLATIONS
    assert {name: row["excepted"] for name, row in policies.items()} == EXCEPTED
    for policy, count in VIOLATIONS.items():
        address = f"/violations?policy={policy}&range=all"
        assert read_number(find_id(browser.open(address), "total")) == count
        assert len(browser.list_all_rows(address)) == count


def test_violations_in_all(faces: Faces) -> None:
    total = sum(VIOLATIONS.values())
    summary = faces.reports["all"]["summary"]
    assert read_number(find_id(faces.browser.open("/violations?range=all"), "total")) == total
    assert summary["violations"] == total
    assert sum(row["violations"] for row in faces.reports["all"]["interfaces"]["rows"]) == total
    assert faces.scrape("findings_total") == BY_SEVERITY


def test_accesses_in_violation(faces: Faces) -> None:
    course = list_course(faces.browser.open("/?range=90d"))
    assert [
        sum(read_number(cells[2]) for cells in course),
        read_number(find_id(faces.browser.open("/events?range=all&q=verdict:violated"), "total")),
        len(faces.browser.list_all_rows("/events?range=all&q=verdict:violated")),
        faces.get(f"/events/histogram?{SPAN}&query=verdict:violated")["total"],
        faces.reports["all"]["summary"]["verdicts"]["violated"],
    ] == [IN_VIOLATION] * 5


def test_violations_of_the_last_30_days_leave_october_out(faces: Faces) -> None:
    assert list_policies(faces.browser.open("/")) == IN_30_DAYS
    assert read_number(find_id(faces.browser.open("/violations"), "total")) == sum(IN_30_DAYS.values())


# --- alerts


def test_open_alerts_by_severity(faces: Faces) -> None:
    page = faces.browser.open("/")
    shown = {one.get("data-severity"): read_number(one) for one in page.iter("span") if one.get("data-severity")}
    open_ones = [one for one in faces.list_all("/alerts?", 20) if one["state"] != "closed"]
    listed = {name: len(faces.browser.list_all_rows(f"/alerts?severity={name}")) for name in OPEN_ALERTS}
    assert shown == listed == faces.scrape("alerts_open") == OPEN_ALERTS
    assert {**dict.fromkeys(OPEN_ALERTS, 0), **Counter(one["severity"] for one in open_ones)} == shown
    assert read_number(find_id(page, "open-alerts")) == sum(OPEN_ALERTS.values())
    assert f"{UNACKNOWLEDGED} not acknowledged yet" in text_of(page)
    assert sum(one["state"] == "new" for one in open_ones) == UNACKNOWLEDGED


# --- deliveries, coverage, lag


def test_what_became_of_the_records(faces: Faces) -> None:
    status = faces.get("/status")
    rows = faces.reports["all"]["deliveries"]
    assert {name: status[name] for name in DELIVERIES} == DELIVERIES
    assert {name: sum(source[name] for source in status["sources"]) for name in DELIVERIES} == DELIVERIES
    assert {name: sum(row[name] for row in rows) for name in DELIVERIES} == DELIVERIES
    assert faces.read_metric("events_judged_total") == DELIVERIES["events"]
    assert faces.read_metric("records_quarantined_total") == DELIVERIES["quarantined"]
    assert faces.read_metric("records_accepted_total") == DELIVERIES["records"] + LATE_RECORDS
    assert read_number(find_id(faces.browser.open("/"), "quarantined")) == DELIVERIES["quarantined"]
    assert faces.reports["all"]["quarantine"]["records"] == DELIVERIES["quarantined"]
    assert len(faces.list_all("/quarantine?", 1)) == DELIVERIES["quarantined"]


def test_coverage_of_one_day(faces: Faces) -> None:
    page, coverage = faces.browser.open(f"/?{FRIDAY}"), faces.reports["friday"]["coverage"]
    assert text_of(find_id(page, "coverage")).removesuffix(" %") == FRIDAY_PERCENT
    assert f"{FRIDAY_COVERED} of {FRIDAY_DUE} interface-hours" in text_of(page)
    assert (coverage["covered"], coverage["expected"], coverage["percent"]) == (
        FRIDAY_COVERED,
        FRIDAY_DUE,
        FRIDAY_PERCENT,
    )
    assert faces.reports["friday"]["summary"]["coverage"] == FRIDAY_PERCENT


def test_lag_and_leaves(faces: Faces) -> None:
    faces.get("/status")  # the first call makes the account, and that is an act
    leaves = faces.count_leaves()
    status, page = faces.get("/status"), faces.browser.open("/")
    behind = leaves - faces.judged_size
    assert (status["log_size"], status["judged_size"], status["lag"]) == (leaves, faces.judged_size, behind)
    assert faces.read_metric("log_leaves") == leaves
    assert read_number(find_id(page, "waiting")) == behind > 0
    assert status["lag_records"] == status["store"]["lag"] == faces.read_metric("lag_records") == LATE_RECORDS
    assert read_number(find_id(page, "store-lag")) == LATE_RECORDS
    assert faces.read_metric("lag_seconds") == LATE_S
    assert status["signed_size"] == faces.read_metric("checkpoint_leaves") == faces.judged_size
    assert read_number(find_id(page, "checkpoint-size")) == faces.judged_size

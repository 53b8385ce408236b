"""What people do in the console, from sign-in to a verified report."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from auditsvc.alerts.model import AlertState, CloseReason
from auditsvc.alerts.service import count_alerts, get_alert, list_transitions
from auditsvc.condition.parse import parse_query
from auditsvc.event.time import MAX_TIME_NS, MIN_TIME_NS
from auditsvc.ground.database import read_session
from auditsvc.ledger.leaf import get_leaf
from auditsvc.ledger.proof import get_head
from auditsvc.store.query import EventQuery, RowSet
from auditsvc.store.summary import count_rows
from tests.e2e.conftest import SignIn
from tests.support.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def read_number(page: Page, selector: str) -> int:
    return int(page.inner_text(selector).replace(",", ""))


def make_report(page: Page, server: Server) -> None:
    page.goto(f"{server.address}/reports/new")
    page.click("#create")
    page.wait_for_url(re.compile(r"/reports/[0-9a-f-]{36}$"), timeout=60_000)


def download_all(page: Page, folder: Path) -> list[Path]:
    paths = []
    for link in page.locator("#files a").all():
        with page.expect_download() as download:
            link.click()
        path = folder / str(link.text_content())
        download.value.save_as(path)
        paths.append(path)
    return paths


def test_a_one_time_password_must_be_replaced_before_anything_else(page: Page, server: Server, sign_in: SignIn) -> None:
    one_time = server.fresh["newcomer"]
    sign_in("newcomer", one_time)
    expect(page).to_have_url(re.compile("/password"))
    page.goto(f"{server.address}/events")
    expect(page).to_have_url(re.compile("/password"))
    page.fill("#old", one_time)
    page.fill("#new", "twelve small boats at dawn")
    page.fill("#again", "twelve small boats at noon")
    page.click("main button")
    expect(page.locator("#failure")).to_contain_text("two new passwords differ")
    page.fill("#old", one_time)
    page.fill("#new", "twelve small boats at dawn")
    page.fill("#again", "twelve small boats at dawn")
    page.click("main button")
    expect(page.locator("h1")).to_have_text("Events")
    page.click("details.menu summary")
    page.click("#sign-out")
    expect(page.locator("[role=status]")).to_contain_text("signed out")
    sign_in("newcomer", one_time)
    expect(page.locator("#failure")).to_contain_text("Name or password is wrong")


def test_today_shows_the_figures_of_store_and_ledger(page: Page, server: Server, sign_in: SignIn) -> None:
    sign_in("auditor")
    services = server.services
    with read_session(services.ledger.database) as session:
        counts = count_alerts(session)
    open_alerts = sum(count for (_, state), count in counts.items() if state is not AlertState.CLOSED)
    assert open_alerts > 0
    assert read_number(page, "#open-alerts") == open_alerts
    rows = services.store.iter_events(EventQuery(None, MIN_TIME_NS, MAX_TIME_NS, rows=RowSet.ALL))
    accesses = sum(
        row.partner is None
        and row.event["traffic"] not in {"probe", "heartbeat"}
        and "duplicate" not in (row.event.get("quality") or [])
        for row in rows
    )
    assert 0 < read_number(page, "#events-total") == accesses
    assert read_number(page, "#quarantined") == sum(services.store.count_quarantine(0, MAX_TIME_NS).values())
    critical = sum(
        count
        for (severity, state), count in counts.items()
        if severity == "critical" and state is not AlertState.CLOSED
    )
    assert read_number(page, "[data-severity=critical]") == critical
    with services.ledger.database.connect() as connection:
        assert read_number(page, "#checkpoint-size") <= get_head(connection).size


def test_an_alert_is_found_acknowledged_and_closed_and_the_ledger_says_so(
    page: Page, server: Server, sign_in: SignIn
) -> None:
    sign_in("officer")
    page.goto(f"{server.address}/alerts?severity=critical&state=new")
    page.click("#alert-table a[data-row-link]")
    alert_id = page.url.rpartition("/")[2]
    expect(page.locator("#causes tbody tr").first).to_be_visible()
    expect(page.locator("#policy")).to_contain_text("GDS-")
    page.click("#acknowledge")
    expect(page.locator("[role=status]")).to_contain_text("in the ledger")
    page.select_option("#reason", "authorised")
    page.fill("#note", "letter 2026-118 was found")
    page.click("#close")
    expect(page.locator("#timeline")).to_contain_text("letter 2026-118 was found")
    expect(page.locator("#acknowledge")).to_have_count(0)
    services = server.services
    with read_session(services.ledger.database) as session:
        alert = get_alert(session, alert_id)
        steps = list_transitions(session, alert_id)
    assert alert.state is AlertState.CLOSED
    assert alert.close_reason is CloseReason.AUTHORISED
    assert [step.actor for step in steps] == ["engine", "officer", "officer"]
    with services.ledger.database.connect() as connection:
        header = get_leaf(connection, steps[-1].leaf_seq).header
    assert "act alert.close\n" in header
    assert "actor officer\n" in header
    assert f"subject {alert_id}\n" in header


def test_a_search_finds_what_the_store_finds_and_stands_in_the_address(
    page: Page, server: Server, sign_in: SignIn
) -> None:
    sign_in("auditor")
    page.goto(f"{server.address}/events?range=all")
    page.fill("#q", "verdict:violated action:download")
    page.press("#q", "Enter")
    expect(page).to_have_url(re.compile("q=verdict"))
    expect(page.locator("#hits tbody tr").first).to_be_visible()
    found = page.inner_text("#total")
    everything = page.locator("#hits tbody tr").count()
    assert found == f"{everything} accesses", "the first page holds all of them"
    services = server.services
    node = parse_query("verdict:violated action:download")
    assert everything == count_rows(services.store, EventQuery(node, MIN_TIME_NS, MAX_TIME_NS))
    address = page.url
    page.reload()
    assert page.inner_text("#total") == found
    page.click("#hits a[data-row-link]")
    expect(page.locator("#proof")).to_contain_text("Passed")
    page.go_back()
    expect(page).to_have_url(address)
    expect(page.locator("#hits tbody tr").first).to_be_visible()


def test_a_query_that_cannot_be_read_is_explained_at_its_place(page: Page, server: Server, sign_in: SignIn) -> None:
    sign_in("auditor")
    page.goto(f"{server.address}/events")
    page.fill("#q", "action:download rows>many")
    page.press("#q", "Enter")
    expect(page.locator("#failure")).to_contain_text("rows")
    expect(page.locator("#failure pre")).to_contain_text("^")
    expect(page.locator("#q")).to_have_value("action:download rows>many")
    expect(page.locator("#hits")).to_have_count(0)


def test_an_event_shows_its_raw_record_and_a_proof_that_downloads(page: Page, server: Server, sign_in: SignIn) -> None:
    sign_in("auditor")
    page.goto(f"{server.address}/events?range=all&q=violations:GDS-003")
    page.click("#hits a[data-row-link]")
    assert page.locator("#proof .step-pass").count() == 4
    expect(page.locator("#raw")).not_to_be_empty()
    with page.expect_download() as download:
        page.click("#download-proof")
    proof = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert proof["leaf"]["header"].startswith(server.services.settings.origin + "/batch/v1\n")
    assert proof["checkpoint"].startswith(server.services.settings.origin + "\n")


def test_a_report_is_made_downloaded_and_verified_and_a_changed_one_is_not(
    page: Page, server: Server, sign_in: SignIn, tmp_path: Path
) -> None:
    sign_in("auditor")
    make_report(page, server)
    expect(page.locator("#report-sha256")).to_have_text(re.compile("^[0-9a-f]{64}$"))
    paths = download_all(page, tmp_path)
    assert {"report.json", "report.jws", "report.bundle.tar"} <= {path.name for path in paths}
    dropped = [path for path in paths if path.name != "trust.json"]
    page.goto(f"{server.address}/verify")
    page.set_input_files("#files", dropped)
    page.click("#verify")
    expect(page.locator("#verdict")).to_have_attribute("data-exit-code", "0", timeout=60_000)
    report = tmp_path / "report.json"
    text = report.read_text(encoding="utf-8")
    changed = re.sub(r'"events":(\d)', lambda found: f'"events":{(int(found[1]) + 1) % 10}', text, count=1)
    assert changed != text
    report.write_text(changed, encoding="utf-8")
    page.set_input_files("#files", dropped)
    page.click("#verify")
    expect(page.locator("#verdict")).to_have_attribute("data-exit-code", "1", timeout=60_000)
    expect(page.locator("#steps .step-fail").first).to_be_visible()


def test_the_language_changes_and_the_page_stays(page: Page, server: Server, sign_in: SignIn) -> None:
    sign_in("auditor")
    page.goto(f"{server.address}/events?q=action%3Adownload&range=7d")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.click("button[name=language]")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("h1")).to_have_text("事件")
    expect(page.locator("#q")).to_have_value("action:download")
    assert page.url.endswith("/events?q=action%3Adownload&range=7d")
    page.click("button[name=language]")
    expect(page.locator("h1")).to_have_text("Events")


def test_a_page_that_is_not_for_ones_role_names_the_roles_that_may(page: Page, server: Server, sign_in: SignIn) -> None:
    sign_in("officer")
    page.goto(f"{server.address}/reports/new")
    expect(page.locator("h1")).to_have_text("You may not open this page")
    expect(page.locator(".role-list")).to_have_text("auditor")
    expect(page.locator("main")).to_contain_text("security officer")


def test_the_keyboard_alone_reaches_search_and_list(page: Page, server: Server, sign_in: SignIn) -> None:
    sign_in("auditor")
    expect(page.locator("h1")).to_have_text("Today")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("g")
    page.keyboard.press("e")
    expect(page.locator("h1")).to_have_text("Events")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("action:download")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("action"))
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("[data-row-link]").first).to_be_focused()

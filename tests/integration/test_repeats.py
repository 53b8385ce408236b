"""Every face counts an access once, as the first page does, and shows repeats and second halves when asked to."""

import html
import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from auditsvc.auth.roles import Role
from tests.support.engine import build_record
from tests.support.service import PASSWORD, Service, open_judged

AUDITOR, SECURITY = Role.AUDITOR, Role.SECURITY_ADMINISTRATOR
SPAN = "from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z"
CALL = {"correlation": "c-1", "rows": 101}
RECORDS = (
    build_record("a", rows=101),
    build_record("a", rows=101),
    build_record("b", side="consumer", **CALL),
    build_record("c", side="provider", **CALL),
    build_record("d", rows=1),
    build_record("e", action="heartbeat"),
)
COUNTED, EVERY = ["a", "b", "d"], ["a", "a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with open_judged(tmp_path_factory.mktemp("core"), *RECORDS) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(service: Service) -> FlaskClient:
    client = service.app.test_client()
    name = service.make_account(AUDITOR, "reviewer")
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found
    client.post("/sign-in", data={"csrf_token": found[1], "name": name, "password": PASSWORD, "next": "/"})
    with client.session_transaction() as session:
        session["language"] = "en"
    return client


@pytest.mark.parametrize(
    ("more", "expected"), [("", COUNTED), ("&repeats=false", COUNTED), ("&repeats=true", EVERY), ("&repeats=1", EVERY)]
)
def test_search_histogram_and_export_of_the_interface_agree(service: Service, more: str, expected: list[str]) -> None:
    def ask(path: str) -> str:
        answer = service.call(AUDITOR, "GET", f"/api/v1/events{path}?{SPAN}{more}")
        assert answer.status_code == 200, answer.text
        text: str = answer.text
        return text

    assert sorted(item["event"]["id"] for item in json.loads(ask(""))["items"]) == expected
    assert json.loads(ask("/histogram"))["total"] == len(expected)
    *events, end = [json.loads(line) for line in ask("/export").splitlines()]
    assert (sorted(item["event"]["id"] for item in events), end["events"]) == (expected, len(expected))


def test_a_switch_that_is_neither_on_nor_off_is_refused(service: Service) -> None:
    answer = service.call(AUDITOR, "GET", f"/api/v1/events?{SPAN}&repeats=perhaps")
    assert (answer.status_code, "repeats" in answer.text) == (422, True)


def find_ids(client: FlaskClient, query: str) -> tuple[int, str]:
    """Return the number of rows of a console search, and the page."""
    page = client.get(f"/events?{query}").text
    return len(re.findall(r"data-row-link", page)), page


@pytest.mark.parametrize(
    ("more", "total", "word", "queries"),
    [("", 3, "accesses", 3), ("&repeats=1", 6, "events", 5), ("&repeats=0", 3, "accesses", 3)],
)
def test_hits_total_chart_and_facets_of_the_console_agree(
    client: FlaskClient, more: str, total: int, word: str, queries: int
) -> None:
    hits, page = find_ids(client, f"range=all{more}")
    assert (hits, f'id="total">{total} {word}<' in page) == (total, True)
    assert f"{total} events in the period" in page
    assert re.search(rf'title="action:query"[^>]*><span[^>]*>[^<]*</span><span class="number">{queries}<', page)
    assert ('title="action:heartbeat"' in page) == (more == "&repeats=1")
    box = re.search(r'<input[^>]*id="repeats"[^>]*>', page)
    assert box
    assert ("checked" in box[0]) == (more == "&repeats=1")


def test_the_switch_stands_in_every_address_the_search_leads_to(client: FlaskClient) -> None:
    for more, kept in (("&repeats=1", ["1"]), ("", None)):
        _, page = find_ids(client, f"range=all{more}")
        links = [html.unescape(link) for link in re.findall(r'href="(/events\?[^"]+)"', page)]
        assert len(links) > 10
        assert {str(parse_qs(urlsplit(link).query).get("repeats")) for link in links} == {str(kept)}


def test_the_number_of_a_policy_is_the_one_behind_its_link(client: FlaskClient) -> None:
    page = client.get("/").text
    ((link, number),) = re.findall(r'(?s)<a href="(/violations\?[^"]+)".*?<td class="number">(\d+)</td>', page)
    assert number == "2"
    listed = client.get(html.unescape(link)).text
    assert re.findall(r'id="total" data-total="(\d+)"', listed) == ["2"]
    assert listed.count("data-row-link") == 2


def test_the_recorded_act_says_what_was_asked_for(service: Service, client: FlaskClient) -> None:
    for more in ("", "&repeats=true"):
        service.call(AUDITOR, "GET", f"/api/v1/events?{SPAN}&query=rows>7{more}")
        service.call(AUDITOR, "GET", f"/api/v1/events/export?{SPAN}&query=rows>7{more}")
    for more in ("", "&repeats=1"):
        client.get(f"/events?range=all&q=rows>8{more}")
    acts = service.call(SECURITY, "GET", "/api/v1/acts").get_json()["items"]
    found = sorted(
        (act["act"], act["detail"]["query"], act["detail"]["repeats"])
        for act in acts
        if act["detail"].get("query") in ("rows>7", "rows>8")
    )
    assert found == [
        (act, query, repeats)
        for act, query in (("event_export", "rows>7"), ("event_search", "rows>7"), ("event_search", "rows>8"))
        for repeats in (False, True)
    ]

"""Dates from outside, at and beyond the ends of what an event can have: answered or refused, never a crash."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from auditsvc.auth.roles import Role
from tests.support.engine import build_record
from tests.support.examples import one_in
from tests.support.service import PASSWORD, Service, open_judged

SPANS = (
    "/api/v1/events",
    "/api/v1/events/histogram",
    "/api/v1/events/histogram?unit=month",
    "/api/v1/events/export",
    "/api/v1/quarantine",
    "/api/v1/quarantine/counts",
    "/api/v1/alerts",
)
SEARCHES = SPANS[:4]
ENDS = ("0001-01-01T00:00:00Z", "0001-01-05T00:00:00Z", "0001-01-20T00:00:00Z", "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59.999999Z", "2200-01-01T00:00:00.000001Z", "9998-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00")  # fmt: skip
EXPECTED = "expected a time from 1970-01-01T00:00:00Z to 2200-01-01T00:00:00Z, got `"

_OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.one_of(
    st.sampled_from([date.min, date.max, date(1970, 1, 1), date(2200, 1, 1)]).flatmap(
        lambda day: _OFFSETS.map(lambda offset: datetime.combine(day, time(0), offset))
    ),
    st.datetimes(timezones=_OFFSETS),
)
DAYS = st.one_of(
    st.sampled_from([date.min, date.max, date(1970, 1, 1), date(2200, 1, 1), date(2200, 1, 2)]), st.dates()
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with open_judged(tmp_path_factory.mktemp("core"), build_record("a", rows=1), b"{not json\n") as opened:
        yield opened


@pytest.fixture(scope="module")
def console(service: Service) -> FlaskClient:
    client = service.app.test_client()
    name = service.make_account(Role.AUDITOR, "reader")
    client.post("/sign-in", data={"csrf_token": find_csrf(client, "/sign-in"), "name": name, "password": PASSWORD})
    return client


def find_csrf(client: FlaskClient, path: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found
    return found[1]


def ask(service: Service, path: str, **query: str) -> tuple[int, str]:
    """Return status and body of a GET, read to its end."""
    words = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    answer = service.call(Role.AUDITOR, "GET", f"{path}{'&' if '?' in path else '?'}{words}")
    return answer.status_code, answer.text


@pytest.mark.parametrize("path", SPANS)
@pytest.mark.parametrize("end", ["from", "to"])
def test_a_bound_no_event_can_have_is_refused_with_what_is_expected(service: Service, path: str, end: str) -> None:
    for text in ENDS:
        status, body = ask(service, path, **{end: text})
        assert (status, '"code": "time_invalid"' in body, f"`{end}`: {EXPECTED}{text[:10]}" in body) == (
            422,
            True,
            True,
        )


def test_the_outermost_bounds_are_answered(service: Service) -> None:
    for path in SEARCHES:
        for first, last in (("1970-01-01", "1980-01-01"), ("2190-01-01", "2200-01-01"), ("2020-01-01", "2030-01-01")):
            status, body = ask(service, path, **{"from": f"{first}T00:00:00Z", "to": f"{last}T00:00:00Z"})
            assert status == 200, body
    status, body = ask(service, "/api/v1/quarantine", **{"from": "1970-01-01T00:00:00Z", "to": "2200-01-01T00:00:00Z"})
    assert (status, "json_invalid" in body) == (200, True)


@pytest.mark.parametrize("path", SEARCHES)
@pytest.mark.parametrize("text", ["0001-01-01", "1969-12-31", "2200-01-02", "9999-12-31", "0001-01-01T00:00:00+14:00"])
def test_a_query_for_a_time_no_event_can_have_is_refused(service: Service, path: str, text: str) -> None:
    status, body = ask(service, path, query=f"time<{text}")
    assert (status, '"code": "query_invalid"' in body, text in body) == (422, True, True)


@pytest.mark.parametrize("days", [("0001-01-01", "0001-01-02"), ("9999-12-30", "9999-12-31"), ("1969-12-31",) * 2])
def test_a_report_on_days_without_any_event_is_refused(
    service: Service, console: FlaskClient, days: tuple[str, str]
) -> None:
    first, last = days
    answer = service.call(
        Role.AUDITOR, "POST", "/api/v1/reports", json={"kind": "compliance", "first": first, "last": last}
    )
    said = "expected a day from 1970-01-01 to 2200-01-01, got `"
    assert (answer.status_code, answer.get_json()["code"]) == (422, "time_invalid")
    assert said in answer.get_json()["detail"]
    form = {"csrf_token": find_csrf(console, "/reports/new"), "kind": "compliance", "first": first, "last": last}
    page = console.post("/reports/new", data=form)
    assert (page.status_code, said in page.text) == (422, True)


@settings(max_examples=one_in(2))  # many requests each
@given(first=INSTANTS, last=INSTANTS)
def test_no_span_of_instants_crashes_a_route(service: Service, first: datetime, last: datetime) -> None:
    for path in SPANS:
        for query in ({"from": first}, {"to": last}, {"from": first, "to": last}):
            status, body = ask(service, path, **{name: instant.isoformat() for name, instant in query.items()})
            assert status in (200, 422), body


@settings(max_examples=one_in(2))  # many requests each
@given(first=DAYS, last=DAYS, length=st.integers(0, 3))
def test_no_span_of_days_crashes_a_route_or_page(
    service: Service, console: FlaskClient, first: date, last: date, length: int
) -> None:
    for path in SEARCHES:
        assert ask(service, path, query=f"time>={first} time<{last}")[0] in (200, 422)
    for path in ("/", "/events"):
        page = console.get(path, query_string={"from": f"{first}T00:00", "to": f"{last}T23:59"})
        assert page.status_code in (200, 422), page.text
    if not 1970 <= first.year <= 2200:
        end = date.fromordinal(min(first.toordinal() + length, date.max.toordinal()))
        body = {"kind": "compliance", "first": str(first), "last": str(end)}
        assert service.call(Role.AUDITOR, "POST", "/api/v1/reports", json=body).status_code == 422


@pytest.mark.parametrize("day", ["1970-01-01", "2200-01-01"])
def test_a_report_on_the_outermost_days_is_made(service: Service, day: str) -> None:
    body = {"kind": "compliance", "first": day, "last": day, "languages": ["en"]}
    answer = service.call(Role.AUDITOR, "POST", "/api/v1/reports", json=body)
    assert answer.status_code == 201, answer.text


def test_the_search_page_takes_the_outermost_times(console: FlaskClient) -> None:
    for span in ({"from": "0001-01-01"}, {"to": "9999-12-31T23:59"}, {"from": "0001-01-01", "to": "9999-12-31"}):
        assert console.get("/events", query_string=span).status_code == 200
        assert console.get("/", query_string=span).status_code == 200

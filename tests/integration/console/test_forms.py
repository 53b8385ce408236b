"""Forms: what is wrong is said beside the field, in the page's language, and read out with it; nothing typed is lost."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from auditsvc.alerts.model import Alert, AlertState, CloseReason
from auditsvc.alerts.service import list_alerts, list_transitions
from auditsvc.auth.roles import Role
from auditsvc.ground.database import read_session
from tests.support.engine import World, build_policy, build_record
from tests.support.service import PASSWORD, Service, open_service

VOID = {"input", "meta", "link", "br", "path"}


@dataclass
class Element:
    """One start tag with the text up to its end."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""


@dataclass
class Reader(HTMLParser):
    """Every element of a page, in order."""

    found: list[Element] = field(default_factory=list)
    open_: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        self.found.append(element)
        if tag not in VOID:
            self.open_.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self.open_ and self.open_.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        for element in self.open_:
            element.text += data


def read(answer: TestResponse) -> list[Element]:
    reader = Reader()
    reader.feed(answer.text)
    return reader.found


def get(answer: TestResponse, id_: str) -> Element:
    (element,) = [one for one in read(answer) if one.attributes.get("id") == id_]
    return element


def problem_of(answer: TestResponse, id_: str) -> str:
    """Return what a page says beside a control, checked to be tied to it; empty for nothing."""
    control = get(answer, id_)
    if "aria-invalid" not in control.attributes:
        assert f'id="{id_}-error"' not in answer.text
        return ""
    assert control.attributes["aria-invalid"] == "true"
    assert f"{id_}-error" in (control.attributes["aria-describedby"] or "").split()
    text = get(answer, f"{id_}-error").text
    assert text in get(answer, "failure").text
    assert f'href="#{id_}"' in answer.text
    return text


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("core")
    world = World(folder)
    world.activate_small(build_policy("P-B", body="forbid: {rows|gt: 150}"))
    world.deliver("gateway", build_record("one", time="2026-10-05T10:00:00+08:00", rows=5000))
    world.close()
    with open_service(folder) as opened:
        assert opened.services.event_engine is not None
        opened.services.event_engine.catch_up()
        for role in (Role.SECURITY_OFFICER, Role.AUDITOR):
            opened.make_account(role)
        yield opened


@dataclass
class Browser:
    """A person's browser."""

    client: FlaskClient

    def send(self, path: str, **data: object) -> TestResponse:
        """Send a form with its token."""
        token = next(one for one in read(self.client.get("/verify")) if one.attributes.get("name") == "csrf_token")
        return self.client.post(path, data={"csrf_token": token.attributes["value"], **data})


def open_browser(service: Service, name: str = "", language: str = "en") -> Browser:
    browser = Browser(service.app.test_client())
    browser.client.get("/sign-in")
    stranger = next(
        one for one in read(browser.client.get("/sign-in")) if one.attributes.get("name") == "csrf_token"
    ).attributes["value"]
    browser.client.post("/language", data={"csrf_token": stranger, "language": language})
    if name:
        entered = {"csrf_token": stranger, "name": name, "password": PASSWORD}
        assert browser.client.post("/sign-in", data=entered).status_code == 303
    return browser


@pytest.fixture
def officer(service: Service) -> Browser:
    return open_browser(service, "security-officer")


@pytest.fixture
def auditor(service: Service) -> Browser:
    return open_browser(service, "auditor")


def send_as_stranger(browser: Browser, **data: object) -> TestResponse:
    page = browser.client.get("/sign-in")
    token = next(one for one in read(page) if one.attributes.get("name") == "csrf_token").attributes["value"]
    return browser.client.post("/sign-in", data={"csrf_token": token, **data})


@pytest.mark.parametrize(
    ("language", "name", "password"),
    [("en", "Enter your name.", "Enter your password."), ("zh", "请输入登录名。", "请输入密码。")],
)
def test_signing_in_without_name_and_password_is_refused_beside_both(
    service: Service, language: str, name: str, password: str
) -> None:
    answer = send_as_stranger(open_browser(service, language=language), name="", password="")
    assert answer.status_code == 422
    assert (problem_of(answer, "name"), problem_of(answer, "secret")) == (name, password)


def test_a_name_is_kept_a_password_is_not_and_the_way_back_is_harmless(service: Service) -> None:
    browser = open_browser(service)
    answer = send_as_stranger(browser, name='a"b', password="", next="//evil.example/")
    assert get(answer, "name").attributes["value"] == 'a"b'
    assert problem_of(answer, "name") == ""
    assert "evil.example" not in answer.text
    answer = send_as_stranger(browser, name="nobody", password="Secret-In-Vain", next="/events")
    assert answer.status_code == 401
    assert "Secret-In-Vain" not in answer.text
    assert [one.attributes["value"] for one in read(answer) if one.attributes.get("name") == "next"][-1] == "/events"


def test_two_different_new_passwords_are_refused_beside_the_second(officer: Browser) -> None:
    answer = officer.send(
        "/password", old=PASSWORD, new="twelve small boats at dawn", again="twelve small boats at noon"
    )
    assert answer.status_code == 422
    assert problem_of(answer, "again") == "The two new passwords differ; type the same one twice."
    assert problem_of(answer, "old") == problem_of(answer, "new") == ""
    assert "twelve small boats" not in answer.text
    assert PASSWORD not in answer.text
    assert (get(answer, "new").attributes["aria-describedby"] or "") == "new-hint"


def test_a_password_the_service_refuses_is_told_with_its_code(officer: Browser) -> None:
    answer = officer.send("/password", old=PASSWORD, new="short", again="short")
    assert answer.status_code == 422
    assert "password_weak" in get(answer, "failure").text


def get_alert(service: Service) -> Alert:
    with read_session(service.services.ledger.database) as session:
        (alert,) = list_alerts(session).alerts
    return alert


@pytest.mark.parametrize("reason", ["", "because", None])
def test_closing_an_alert_without_a_known_reason_is_refused_and_the_note_kept(
    service: Service, officer: Browser, reason: str | None
) -> None:
    before = get_alert(service)
    data = {"note": "letter <118>"} | ({} if reason is None else {"reason": reason})
    answer = officer.send(f"/alerts/{before.id}/close", **data)
    assert answer.status_code == 422
    assert problem_of(answer, "reason") == "Choose a reason."
    assert get(answer, "note").text.strip() == "letter <118>"
    assert get_alert(service) == before


def test_a_note_that_is_too_long_is_refused_beside_it(service: Service, officer: Browser) -> None:
    before = get_alert(service)
    answer = officer.send(f"/alerts/{before.id}/close", reason="authorised", note="x" * 4001)
    assert answer.status_code == 422
    assert problem_of(answer, "note") == "The note may have 4000 characters at most."
    assert get_alert(service) == before
    assert officer.send(f"/alerts/{before.id}/acknowledge", note="x" * 4001).status_code == 422
    assert get_alert(service) == before


def test_an_unknown_alert_is_not_found_whatever_the_form_says(officer: Browser) -> None:
    assert officer.send("/alerts/nothing/close", reason="").status_code == 404
    assert officer.send("/alerts/nothing/close", reason="authorised").status_code == 404


def test_an_alert_is_acknowledged_and_closed_with_reason_and_notes(service: Service, officer: Browser) -> None:
    alert = get_alert(service)
    assert officer.send(f"/alerts/{alert.id}/acknowledge", note=" seen ").status_code == 303
    assert officer.send(f"/alerts/{alert.id}/close", reason="authorised", note=" " + "x" * 4000).status_code == 303
    with read_session(service.services.ledger.database) as session:
        steps = list_transitions(session, alert.id)
    assert [(step.to_state, step.reason, step.note) for step in steps[1:]] == [
        (AlertState.ACKNOWLEDGED, None, "seen"),
        (AlertState.CLOSED, CloseReason.AUTHORISED.value, "x" * 4000),
    ]


def test_the_form_of_a_report_starts_with_the_month_of_the_newest_event_or_what_the_address_says(
    auditor: Browser,
) -> None:
    page = auditor.client.get("/reports/new")
    assert [get(page, name).attributes["value"] for name in ("first", "last")] == ["2026-10-01", "2026-10-31"]
    assert "checked" in get(page, "kind-0").attributes
    page = auditor.client.get("/reports/new?kind=project&last=2026-10-09&project=P-LIB-POP")
    assert [get(page, name).attributes["value"] for name in ("first", "last")] == ["2026-10-01", "2026-10-09"]
    assert "checked" in get(page, "kind-1").attributes
    assert "checked" not in get(page, "kind-0").attributes


WRONG_REPORTS = [
    ({"first": "yesterday"}, "first", "Give a day, such as 2026-10-01."),
    ({"last": "2026-02-30"}, "last", "Give a day, such as 2026-10-01."),
    ({"first": ""}, "first", "Give a day, such as 2026-10-01."),
    ({"last": "2026-09-30"}, "last", "The last day is before the first."),
    ({"kind": "project", "project": ""}, "project", "Choose the project the report is about."),
    ({"kind": "project", "project": "P-NONE"}, "project", "Choose the project the report is about."),
]


@pytest.mark.parametrize(("change", "at", "said"), WRONG_REPORTS)
def test_a_wrong_field_of_a_report_is_told_beside_it(
    auditor: Browser, change: dict[str, str], at: str, said: str
) -> None:
    data = {"kind": "compliance", "first": "2026-10-01", "last": "2026-10-31", "project": ""} | change
    answer = auditor.send("/reports/new", **data)
    assert answer.status_code == 422
    assert problem_of(answer, at) == said
    for name in {"first", "last", "project"} - {at}:
        assert problem_of(answer, name) == ""


def test_an_unknown_kind_of_report_is_told_beside_the_choice(auditor: Browser) -> None:
    answer = auditor.send("/reports/new", kind="other", first="2026-10-01", last="2026-10-01")
    assert answer.status_code == 422
    assert get(answer, "kind").attributes["aria-describedby"] == "kind-error"
    assert get(answer, "kind-error").text == "Choose a kind of report."


def test_a_day_alone_is_a_period_and_a_compliance_report_is_about_no_project(
    auditor: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}

    class Made:
        id = "r1"

    def create(*_parts: object, **request: object) -> Made:
        asked.update(request)
        return Made()

    monkeypatch.setattr("auditsvc.console.report.create_report", create)
    data = {"kind": "compliance", "first": "2026-10-05", "last": "2026-10-05", "project": "P-NONE"}
    assert auditor.send("/reports/new", **data).location == "/reports/r1"
    assert [str(day) for day in asked["period"]] == ["2026-10-05", "2026-10-05"]
    assert (asked["kind"], asked["project_id"], asked["actor"]) == ("compliance", None, "auditor")


def send_files(auditor: Browser, count: int) -> TestResponse:
    files = [(io.BytesIO(b"{}"), f"report{number}.json") for number in range(count)]
    return auditor.send("/verify", files=files or (io.BytesIO(b""), ""))


def test_verifying_takes_one_to_sixteen_files(auditor: Browser) -> None:
    none, most, more = (send_files(auditor, count) for count in (0, 16, 17))
    assert {answer.status_code for answer in (none, most, more)} == {422}
    assert problem_of(none, "files") == "Choose at least one file."
    assert problem_of(more, "files") == "Choose at most 16 files; these are 17."
    assert problem_of(most, "files") == ""
    assert "input_invalid" in get(most, "failure").text, "sixteen files reach the verifier, which knows none of these"


@pytest.mark.parametrize(("path", "name"), [("/language", "language"), ("/theme", "theme")])
def test_an_unknown_choice_of_a_switch_changes_nothing(auditor: Browser, path: str, name: str) -> None:
    answer = auditor.send(path, **{name: "blue", "next": "//evil.example/"})
    assert (answer.status_code, answer.location) == (303, "/")
    page = auditor.client.get("/verify")
    assert '<html lang="en" data-theme="system"' in page.text


def test_every_form_has_its_token_once_and_every_control_its_label(
    service: Service, officer: Browser, auditor: Browser
) -> None:
    pages = [auditor.client.get(path) for path in ("/reports/new", "/verify", "/password")]
    pages += [officer.client.get(f"/alerts/{get_alert(service).id}"), service.app.test_client().get("/sign-in")]
    for page in pages:
        elements = read(page)
        posted = sum(one.tag == "form" and one.attributes.get("method") == "post" for one in elements)
        assert posted == sum(one.attributes.get("name") == "csrf_token" for one in elements)
        ids = [one.attributes["id"] for one in elements if "id" in one.attributes]
        assert len(ids) == len(set(ids))
        labelled = {one.attributes.get("for") for one in elements if one.tag == "label"}
        for one in elements:
            if one.tag in {"input", "select", "textarea"} and one.attributes.get("type") not in {"hidden", "radio"}:
                assert one.attributes["id"] in labelled

"""Sessions: who gets in, how long they stay, and that no form works without its token."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from auditsvc.auth.roles import Role
from tests.support.service import PASSWORD, Service, open_service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with open_service(tmp_path) as opened:
        yield opened


@pytest.fixture
def client(service: Service) -> FlaskClient:
    return service.app.test_client()


def find_token(answer: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)
    assert found
    return found[1]


def sign_in(client: FlaskClient, name: str, password: str = PASSWORD, target: str = "/") -> TestResponse:
    token = find_token(client.get("/sign-in"))
    return client.post("/sign-in", data={"csrf_token": token, "name": name, "password": password, "next": target})


def test_a_stranger_is_sent_to_the_sign_in_page_and_comes_back_afterwards(
    service: Service, client: FlaskClient
) -> None:
    service.make_account(Role.AUDITOR, "auditor")
    answer = client.get("/events?q=action:download")
    assert answer.status_code == 303
    assert answer.location == "/sign-in?next=/events?q%3Daction:download"
    assert sign_in(client, "auditor", target="/events?q=action:download").location == "/events?q=action:download"


def test_a_target_on_another_site_is_not_followed(service: Service, client: FlaskClient) -> None:
    service.make_account(Role.AUDITOR, "auditor")
    assert sign_in(client, "auditor", target="//evil.example/").location == "/"


def test_a_wrong_password_says_so_without_saying_which_part(service: Service, client: FlaskClient) -> None:
    service.make_account(Role.AUDITOR, "auditor")
    wrong = sign_in(client, "auditor", "not-the-password")
    unknown = sign_in(client, "nobody", "not-the-password")
    assert wrong.status_code == unknown.status_code == 401
    assert [re.search(r'(?s)id="failure">(.*?)</form>', one.text) is not None for one in (wrong, unknown)] == [
        True,
        True,
    ]


def test_an_idle_session_ends_and_a_used_one_does_not(service: Service, client: FlaskClient) -> None:
    service.make_account(Role.AUDITOR, "auditor")
    sign_in(client, "auditor")
    minutes = service.services.settings.session_minutes
    for _ in range(3):
        service.clock.instant += timedelta(minutes=minutes - 1)
        assert client.get("/reports").status_code == 200
    service.clock.instant += timedelta(minutes=minutes, seconds=1)
    assert client.get("/reports").location == "/sign-in?next=/reports"
    assert client.get("/reports").status_code == 303


def test_a_copy_of_the_cookie_is_worth_nothing_after_signing_out(service: Service, client: FlaskClient) -> None:
    service.make_account(Role.AUDITOR, "auditor")
    sign_in(client, "auditor")
    kept = client.get_cookie("auditsvc")
    assert kept is not None
    other = service.app.test_client()
    sign_in(other, "auditor")
    assert client.post("/sign-out", data={"csrf_token": find_token(client.get("/reports"))}).status_code == 303
    client.set_cookie("auditsvc", kept.value)
    assert client.get("/reports").location == "/sign-in?next=/reports"
    assert other.get("/reports").status_code == 200


def test_a_page_that_refreshes_itself_does_not_keep_a_session_alive(service: Service, client: FlaskClient) -> None:
    service.make_account(Role.AUDITOR, "auditor")
    sign_in(client, "auditor")
    minutes = service.services.settings.session_minutes
    for _ in range(2):
        service.clock.instant += timedelta(minutes=minutes / 2)
        assert client.get("/", headers={"X-Poll": "1", "HX-Request": "true"}).status_code == 200
    service.clock.instant += timedelta(seconds=1)
    answer = client.get("/", headers={"X-Poll": "1", "HX-Request": "true"})
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"].startswith("/sign-in")


@pytest.mark.parametrize(
    "path", ["/sign-out", "/language", "/theme", "/alerts/x/acknowledge", "/alerts/x/close", "/verify"]
)
def test_no_form_works_without_its_token(service: Service, client: FlaskClient, path: str) -> None:
    service.make_account(Role.SECURITY_OFFICER, "officer")
    sign_in(client, "officer")
    answer = client.post(path, data={"language": "en"})
    assert answer.status_code == 400
    assert client.get("/reports").status_code == 200


def test_signing_in_starts_a_fresh_session_but_keeps_the_language(service: Service, client: FlaskClient) -> None:
    service.make_account(Role.AUDITOR, "auditor")
    token = find_token(client.get("/sign-in"))
    client.post("/language", data={"csrf_token": token, "language": "en", "next": "/sign-in"})
    with client.session_transaction() as session:
        session["planted"] = "yes"
    sign_in(client, "auditor")
    with client.session_transaction() as session:
        assert "planted" not in session
        assert session["language"] == "en"


def test_the_language_of_the_browser_counts_until_one_is_chosen(service: Service, client: FlaskClient) -> None:
    assert 'lang="en"' in client.get("/sign-in", headers={"Accept-Language": "en-GB,zh;q=0.5"}).text
    assert 'lang="zh-CN"' in client.get("/sign-in", headers={"Accept-Language": "zh-TW,en;q=0.5"}).text
    assert 'lang="zh-CN"' in client.get("/sign-in", headers={"Accept-Language": "fr"}).text


def test_the_chosen_colours_are_in_the_page_before_any_script_runs(client: FlaskClient) -> None:
    token = find_token(client.get("/sign-in"))
    client.post("/theme", data={"csrf_token": token, "theme": "dark", "next": "/sign-in"})
    assert 'data-bs-theme="dark"' in client.get("/sign-in").text


def test_a_page_that_does_not_exist_is_a_page_and_keeps_its_status(client: FlaskClient) -> None:
    answer = client.get("/nothing-here")
    assert answer.status_code == 404
    assert "<nav" not in answer.text
    assert "<h1" in answer.text


def test_no_page_carries_an_inline_style_or_handler(service: Service, client: FlaskClient) -> None:
    service.make_account(Role.AUDITOR, "auditor")
    sign_in(client, "auditor")
    for path in ("/", "/alerts", "/events", "/reports", "/reports/new", "/verify", "/password"):
        text = client.get(path).text
        assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", text), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), path


def test_an_empty_service_teaches_the_first_steps(service: Service, client: FlaskClient) -> None:
    service.make_account(Role.AUDITOR, "auditor")
    sign_in(client, "auditor")
    text = client.get("/").text
    assert "auditsvc catalog activate DIR" in text
    assert "auditsvc push FILE --source SOURCE" in text

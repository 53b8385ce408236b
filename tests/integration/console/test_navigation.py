"""Every page marks the entry of the navigation to which it belongs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from auditsvc.auth.roles import Role
from tests.support.service import PASSWORD, open_service

MARKED = {
    "/": "/",
    "/violations": "/",
    "/alerts": "/alerts",
    "/events": "/events",
    "/reports": "/reports",
    "/reports/new": "/reports",
    "/verify": "/verify",
    "/password": None,
}
"""Page to the target of the entry marked on it; the password belongs to none."""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    with open_service(tmp_path) as service:
        client = service.app.test_client()
        name = service.make_account(Role.AUDITOR)
        token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
        assert token
        client.post("/sign-in", data={"csrf_token": token[1], "name": name, "password": PASSWORD, "next": "/"})
        yield client


def test_every_page_marks_its_entry_of_the_navigation(client: FlaskClient) -> None:
    assert {page: find_marked(client, page) for page in MARKED} == MARKED


def find_marked(client: FlaskClient, page: str) -> str | None:
    answer = client.get(page)
    assert answer.status_code == 200, page
    found = re.findall(r'<a href="([^"]+)" data-key="\w" aria-current="page">', answer.text)
    assert len(found) <= 1
    return found[0] if found else None

"""The page of an alert outlives its events: what their findings say stays."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditsvc.alerts.service import list_alerts
from auditsvc.auth.roles import Role
from auditsvc.console.alert_detail import AlertDetail, build_detail
from auditsvc.ground.database import read_session
from tests.support.engine import World, build_policy, build_record
from tests.support.service import PASSWORD, Service, open_service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    world = World(tmp_path)
    world.activate_small(build_policy("P-B", body="forbid: {rows|gt: 150}"))
    world.deliver("gateway", build_record("old", time="2026-10-05T10:00:00+08:00", rows=5000))
    world.close()
    with open_service(tmp_path) as opened:
        assert opened.services.event_engine is not None
        opened.services.event_engine.catch_up()
        yield opened


def show(service: Service) -> AlertDetail:
    with read_session(service.services.ledger.database) as session:
        (alert,) = list_alerts(session).alerts
    with service.app.test_request_context():
        return build_detail(service.services, alert.id, 1)


def test_an_alert_whose_month_was_removed_still_shows_what_happened_when(service: Service) -> None:
    before = show(service)
    assert service.services.store.delete_month("2026.10", service.clock.now_ns()) == 1
    after = show(service)
    (had,), (has,) = before.causes, after.causes
    assert (has.reason, has.hit.uid, has.hit.consumer, has.hit.interface) == (
        had.reason, had.hit.uid, had.hit.consumer, had.hit.interface,
    )  # fmt: skip
    assert has.hit.event.items() <= had.hit.event.items()
    assert {"time", "seq", "record", "item"} <= has.hit.event.keys()
    assert after.alert == before.alert


def test_the_page_is_drawn_without_the_event(service: Service) -> None:
    service.services.store.delete_month("2026.10", service.clock.now_ns())
    client = service.app.test_client()
    name = service.make_account(Role.SECURITY_OFFICER)
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert found
    client.post("/sign-in", data={"csrf_token": found[1], "name": name, "password": PASSWORD, "next": "/"})
    page = client.get(f"/alerts/{show(service).alert.id}")
    assert page.status_code == 200
    assert "2026-10-05 10:00" in page.text

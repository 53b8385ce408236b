"""The events of an alert, page by page: each once, in order of time, and a next page only where there is one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from auditsvc.alerts.service import list_alerts
from auditsvc.auth.roles import Role
from auditsvc.console.alert_detail import EVENTS_PER_PAGE, build_detail
from auditsvc.ground.database import read_session
from tests.support.engine import build_record
from tests.support.service import Service, open_judged


@contextmanager
def open_alert(folder: Path, events: int) -> Iterator[tuple[Service, str]]:
    """Give a service with one alert of so many events, a second apart, and the alert's id."""
    names = [f"e{number}" for number in range(events)]
    records = [
        build_record(name, rows=5000, time=f"2026-11-22T10:{number // 60:02}:{number % 60:02}+08:00")
        for number, name in enumerate(names)
    ]
    with open_judged(folder, *records) as service:
        with read_session(service.services.ledger.database) as session:
            (alert,) = list_alerts(session).alerts
        yield service, alert.id


def show(service: Service, alert: str, page: int) -> tuple[list[str], bool]:
    with service.app.test_request_context():
        detail = build_detail(service.services, alert, page)
    return [str(cause.hit.event["id"]) for cause in detail.causes], detail.has_more


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_console_shows_each_event_once_and_a_next_page_where_there_is_one(tmp_path: Path, over: int) -> None:
    events = EVENTS_PER_PAGE + over
    names = [f"e{number}" for number in range(events)]
    with open_alert(tmp_path, events) as (service, alert):
        assert show(service, alert, 1) == (names[:EVENTS_PER_PAGE], over > 0)
        assert show(service, alert, 2) == (names[EVENTS_PER_PAGE:], False)


def test_the_api_gives_a_next_page_where_there_is_one(tmp_path: Path) -> None:
    with open_alert(tmp_path, 3) as (service, alert):

        def ask(limit: int, cursor: str = "") -> tuple[list[int], str | None]:
            path = f"/api/v1/alerts/{alert}/findings?limit={limit}{cursor and f'&cursor={cursor}'}"
            page = service.call(Role.AUDITOR, "GET", path).get_json()
            return [item["record"] for item in page["items"]], page["next"]

        assert ask(4) == ([0, 1, 2], None)
        assert ask(3) == ([0, 1, 2], None)
        first, cursor = ask(2)
        assert first == [0, 1]
        assert cursor is not None
        assert ask(2, cursor) == ([2], None)

"""No page or list runs a database query per row: what it shows with few rows and with many costs the same queries."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from auditsvc.auth.roles import Role
from auditsvc.auth.service import INSTALLATION
from auditsvc.ground.database import begin_write
from auditsvc.ingest.credentials import create_key
from auditsvc.runtime.services import Services
from tests.support.engine import World, build_policy, build_record
from tests.support.service import PASSWORD, Service, open_service

FEW, MANY = 3, 33
SHARED_PREFIXES = ("/health", "/static", "/api/v1/openapi", "/api/docs")
MOST_QUERIES = 20
"""More than any page needs; a list that grows past it has lost an eager load."""


def fill(service: Service, first: int, last: int) -> None:
    """Add accounts, keys and acts, one of each for every number."""
    services = service.services
    for number in range(first, last):
        name = f"reader{number}"
        services.accounts.create(name, display_name=name, actor=INSTALLATION)
        services.accounts.assign_role(name, Role.SECURITY_OFFICER, actor=INSTALLATION)
        with begin_write(services.ledger.database) as connection:
            create_key(connection, services.ledger.clock, "gateway", label=name)


def deliver(folder: Path, first: int, last: int) -> None:
    """Add violations of as many consumers' users, each an alert of its own."""
    world = World(folder)
    if first == 0:
        world.activate_small(build_policy("P-ROWS", by="user.id"))
    records = [build_record(f"e{number}", rows=1000, user__id=f"u-{number}") for number in range(first, last)]
    world.deliver("gateway", *records)
    world.close()


@contextmanager
def count_queries(services: Services) -> Iterator[list[str]]:
    """Collect the statements run on the service's database."""
    found: list[str] = []

    def collect(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith("BEGIN"):
            found.append(statement)

    event.listen(services.ledger.database, "before_cursor_execute", collect)
    try:
        yield found
    finally:
        event.remove(services.ledger.database, "before_cursor_execute", collect)


def list_paths(service: Service) -> list[str]:
    """Return every path of a GET route without parts to fill in, and those of lists below a known name."""
    fixed = [
        rule.rule
        for rule in service.app.url_map.iter_rules()
        if "GET" in (rule.methods or set()) and not rule.arguments and not rule.rule.startswith(SHARED_PREFIXES)
    ]
    return sorted({*fixed, "/api/v1/sources/gateway/keys", "/api/v1/catalog/interfaces"})


def measure(service: Service) -> dict[str, int]:
    """Return path to the number of statements of one request by somebody who may make it."""
    counts = {}
    for path in list_paths(service):
        for role in Role:
            call = _call_page if not path.startswith("/api/") else _call_api
            call(service, role, path)  # fills what is filled once
            with count_queries(service.services) as statements:
                status = call(service, role, path)
            if status == 200:
                counts[path] = len(statements)
                break
    return counts


def _call_api(service: Service, role: Role, path: str) -> int:
    return service.call(role, "GET", path, query_string={"limit": 100} if path.endswith(LISTS) else None).status_code


LISTS = ("/alerts", "/accounts", "/acts", "/reports", "/events", "/quarantine")


def _call_page(service: Service, role: Role, path: str) -> int:
    client = sign_in_to_console(service, role)
    with client.get(path) as answer:
        return answer.status_code


CLIENTS: dict[tuple[int, Role], FlaskClient] = {}


def sign_in_to_console(service: Service, role: Role) -> FlaskClient:
    """Return a browser in which a person of ``role`` is signed in, made on first use."""
    key = (id(service), role)
    if key not in CLIENTS:
        service.call(role, "GET", "/api/v1/status")  # makes the account
        service.app.config["WTF_CSRF_ENABLED"] = False
        CLIENTS[key] = service.app.test_client()
        name = str(role).replace("_", "-")
        assert CLIENTS[key].post("/sign-in", data={"name": name, "password": PASSWORD}).status_code == 303
    return CLIENTS[key]


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], dict[str, int]]:
    folder = tmp_path_factory.mktemp("core")
    deliver(folder, 0, FEW)
    with open_service(folder) as service:
        measured = []
        for first, last in ((0, FEW), (FEW, MANY)):
            if first:
                deliver(folder, first, last)
            fill(service, first, last)
            assert service.services.event_engine is not None
            service.services.event_engine.catch_up()
            measured.append(measure(service))
    return measured[0], measured[1]


def test_many_rows_cost_no_more_queries_than_few(counted: tuple[dict[str, int], dict[str, int]]) -> None:
    few, many = counted
    assert {path: count for path, count in many.items() if count > few[path]} == {}


def test_every_list_was_counted_and_is_cheap(counted: tuple[dict[str, int], dict[str, int]]) -> None:
    _, many = counted
    expected = {"/", "/alerts", "/events", "/reports"} | {f"/api/v1{name}" for name in LISTS}
    assert expected <= many.keys()
    assert {path: count for path, count in many.items() if count > MOST_QUERIES} == {}


def test_a_request_uses_the_one_engine(tmp_path: Path) -> None:
    with open_service(tmp_path) as service, service.app.app_context():
        database = service.app.extensions["sqlalchemy"]
        assert database.engine is service.services.ledger.database

"""The core process's application on a free port of this machine, with a month of the worked city's accesses in it."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flask import Flask
from werkzeug.serving import make_server

from auditsvc.app import close_services, create_app, open_services, start_services
from auditsvc.auth.roles import Role
from auditsvc.ground.clock import SystemClock
from auditsvc.ground.database import begin_write
from auditsvc.ground.document import load_bundle
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.delivery import Delivery
from auditsvc.ledger.write.committer import Committer
from auditsvc.runtime.services import Services
from examples.laiwu.traffic import CATALOG_DIR, generate

ROOT = Path(__file__).parents[2]
EVENTS = 4_000
"""Accesses of the small city; each policy is violated as often as in the large one."""
PASSWORD = "a long sentence for tests"
"""What every account's one-time password is replaced with."""
BUSINESS = {"officer": Role.SECURITY_OFFICER, "auditor": Role.AUDITOR}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        address: where it listens, without a trailing slash.
        services: its open parts, to compare pages with.
        fresh: one-time passwords of accounts nobody signed in to yet, by name.
    """

    address: str
    app: Flask
    services: Services
    fresh: dict[str, str] = field(default_factory=dict)


def build_settings(data_dir: Path) -> Settings:
    """Return settings with passwords that are quick to hash."""
    return Settings(data_dir=data_dir, argon2_memory_kib=1024, argon2_time_cost=1, argon2_parallelism=1)


def add_accounts(services: Services) -> dict[str, str]:
    """Make the three administrators, two people of business with a known password, and one who has not come yet."""
    fresh = {made.account.name: made.one_time_password for made in services.accounts.create_administrators()}
    for name, role in BUSINESS.items():
        one_time = _add_person(services, name, role)
        person = services.accounts.sign_in(name, one_time)
        services.accounts.change_password(person, old=one_time, new=PASSWORD)
    fresh["newcomer"] = _add_person(services, "newcomer", Role.AUDITOR)
    return fresh


def activate_city(services: Services) -> None:
    """Put the worked city's catalogue and the shipped policies in force."""
    for kind, folder in (("catalog", CATALOG_DIR), ("policy", ROOT / "policies")):
        bundle = load_bundle(folder)
        with begin_write(services.ledger.database) as connection:
            services.ledger.activate(connection, kind=kind, bundle=bundle, actor="secadmin")


def deliver_city(services: Services, folder: Path, events: int) -> None:
    """Make the city's logs, put them in the ledger as their sources would, and let the engine judge all of it."""
    traffic = generate(folder, events=events)
    committer = Committer(services.ledger, services.settings)
    try:
        for source, path in traffic.files.items():
            body = path.read_bytes()
            lines = body.count(b"\n")
            digest = hashlib.sha256(body).digest()
            committer.submit(Delivery(source, "lines", body, lines, None, digest, lines, 0))
    finally:
        committer.close()
    assert services.event_engine is not None
    services.event_engine.catch_up()


@contextmanager
def run_server(data_dir: Path, *, events: int = EVENTS) -> Iterator[Server]:
    """Run a server on fresh data in ``data_dir``; stop it and close everything at the end."""
    services = open_services(build_settings(data_dir), SystemClock())
    try:
        fresh = add_accounts(services)
        activate_city(services)
        deliver_city(services, data_dir / "logs", events)
        start_services(services)
        app = create_app(services.settings, services=services)
        with serve(app) as address:
            yield Server(address, app, services, fresh)
    finally:
        close_services(services)


@contextmanager
def serve(app: Flask) -> Iterator[str]:
    """Answer requests to an application in threads; give its address on a free port of this machine."""
    listener = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=listener.serve_forever, name="test-server", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}"
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


def _add_person(services: Services, name: str, role: Role) -> str:
    """Make an account with one role; return its one-time password."""
    made = services.accounts.create(name, display_name=name.capitalize(), actor="sysadmin")
    services.accounts.assign_role(name, role, actor="secadmin")
    return made.one_time_password

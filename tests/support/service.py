"""A whole core process's parts in a temporary folder, without threads, and a client that signs in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from auditsvc.app import close_services, create_app, open_services
from auditsvc.auth.roles import ROLES, Role
from auditsvc.auth.service import INSTALLATION
from auditsvc.ground.clock import FixedClock
from auditsvc.ground.settings.model import Settings
from auditsvc.runtime.services import Services
from tests.support.engine import World

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
PASSWORD = "Nine-Red-Lanterns-Hang"


def build_settings(folder: Path, **changes: Any) -> Settings:
    """Return settings for tests: everything in ``folder``, cheap password hashes."""
    values: dict[str, Any] = {
        "data_dir": folder,
        "argon2_memory_kib": 64,
        "argon2_time_cost": 1,
        "argon2_parallelism": 1,
        "duckdb_memory_limit": "512MB",
    }
    return Settings(**{**values, **changes})


@dataclass
class Service:
    """An open core process under test."""

    app: Flask
    services: Services
    clock: FixedClock
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def client(self) -> FlaskClient:
        """A client without cookies."""
        return self.app.test_client(use_cookies=False)

    def make_account(self, role: Role, name: str | None = None, department: str | None = None) -> str:
        """Make an account of ``role`` with :data:`PASSWORD`, changed once, and return its name."""
        name = name or str(role).replace("_", "-")
        accounts = self.services.accounts
        made = accounts.create(
            name, display_name=name, duty=ROLES[role].duty, department=department, actor=INSTALLATION
        )
        accounts.assign_role(name, role, actor=INSTALLATION)
        person = accounts.sign_in(name, made.one_time_password)
        accounts.change_password(person, old=made.one_time_password, new=PASSWORD)
        return name

    def sign_in(self, name: str, password: str = PASSWORD) -> str:
        """Return a bearer token."""
        answer = self.client.post("/api/v1/tokens", json={"name": name, "password": password})
        assert answer.status_code == 201, answer.text
        token: str = answer.get_json()["access_token"]
        return token

    def call(self, role: Role, method: str, path: str, **options: Any) -> TestResponse:
        """Call the API as a person of ``role``, made on first use."""
        key = str(role)
        if key not in self.tokens:
            department = "11371200MB0000001X" if role is Role.DEPARTMENT_READER else None
            self.tokens[key] = self.sign_in(self.make_account(role, department=department))
        headers = {"Authorization": f"Bearer {self.tokens[key]}", **options.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, **options)


@contextmanager
def open_service(folder: Path, **changes: Any) -> Iterator[Service]:
    """Give an open core process in ``folder``; nothing runs by itself."""
    clock = FixedClock(NOON)
    settings = build_settings(folder, **changes)
    services = open_services(settings, clock)
    try:
        yield Service(create_app(settings, services=services), services, clock)
    finally:
        close_services(services)


@contextmanager
def open_judged(folder: Path, *records: bytes) -> Iterator[Service]:
    """Give an open core process on the small catalogue that has judged one delivery and signed a checkpoint."""
    world = World(folder)
    world.activate_small()
    world.deliver("gateway", *records)
    world.close()
    with open_service(folder) as opened:
        assert opened.services.event_engine is not None
        assert opened.services.checkpointer is not None
        opened.services.event_engine.catch_up()
        opened.services.checkpointer.sign_now()
        yield opened

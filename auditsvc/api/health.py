"""Health of the core process: alive means it answers; ready means it can keep its promises now.

Ready is checked anew at every call (at most twice a second), never remembered from the start: database, archive,
disk, event store, engine, checkpoints. Each check is named with what is wrong, in words an operator can act on.
"""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Flask, Response, current_app, jsonify
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from auditsvc.auth.roles import public
from auditsvc.figures.store_status import MIN_FREE_BYTES
from auditsvc.ground.errors import AuditError
from auditsvc.runtime.services import EXTENSION, Services

_READINESS = "auditsvc-readiness"
KEEP_S = 0.5
"""How long an answer is used again, so that probes cannot wear out the disk."""

blueprint = Blueprint("health", __name__, url_prefix="/health")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: ``reason`` is None when it is as it should be."""

    name: str
    reason: str | None


class Readiness:
    """Checks whether the services can do their work."""

    def __init__(self, services: Services) -> None:
        """Check ``services``."""
        self._services = services
        self._lock = threading.Lock()
        self._checked_at = float("-inf")
        self._checks: tuple[Check, ...] = ()

    def check(self) -> tuple[Check, ...]:
        """Return every check with its reason, at most half a second old."""
        with self._lock:
            if time.monotonic() - self._checked_at >= KEEP_S:
                self._checks = tuple(Check(name, _reason_of(look, self._services)) for name, look in CHECKS.items())
                self._checked_at = time.monotonic()
            return self._checks


def _check_database(services: Services) -> None:
    """Raise when the relational database does not answer."""
    with services.ledger.database.connect() as connection:
        connection.execute(text("select 1"))


def _check_archive(services: Services) -> None:
    """Raise when the archive cannot be written."""
    services.ledger.archive.check_writable()


def _check_disk(services: Services) -> str | None:
    """Return which folder has too little space left."""
    settings = services.settings
    for folder in (settings.data_dir, settings.archive_path, settings.checkpoint_path.parent):
        free = shutil.disk_usage(folder).free
        if free < MIN_FREE_BYTES:
            return f"`{folder}` has {free} bytes left, {MIN_FREE_BYTES} are needed"
    return None


def _check_store(services: Services) -> None:
    """Raise when the event store does not answer."""
    services.store.position()


def _check_engine(services: Services) -> str | None:
    """Return why the engine does not follow the ledger."""
    return services.worker.find_failure() if services.worker else None


def _check_checkpoints(services: Services) -> str | None:
    """Return why no checkpoint is signed."""
    refusal = services.checkpointer.refusal if services.checkpointer else None
    return refusal.message if refusal else None


CHECKS: dict[str, Callable[[Services], str | None]] = {
    "database": _check_database,
    "archive": _check_archive,
    "disk": _check_disk,
    "store": _check_store,
    "engine": _check_engine,
    "checkpoints": _check_checkpoints,
}
"""Everything that must hold for "ready"."""


def _reason_of(look: Callable[[Services], str | None], services: Services) -> str | None:
    """Return what is wrong, None when nothing is."""
    try:
        return look(services)
    except AuditError as err:
        return err.message
    except (SQLAlchemyError, OSError) as err:
        return f"{type(err).__name__}: {str(err).splitlines()[0]}"


def install_health(app: Flask) -> None:
    """Serve the health endpoints of ``app``'s services."""
    app.extensions[_READINESS] = Readiness(app.extensions[EXTENSION])
    app.register_blueprint(blueprint)


def find_checks() -> tuple[Check, ...]:
    """Return every check of the application that answers the present request."""
    readiness: Readiness = current_app.extensions[_READINESS]
    return readiness.check()


@blueprint.get("/live")
@public
def show_live() -> Response:
    """Answer that the process is there."""
    return jsonify(status="live")


@blueprint.get("/ready")
@public
def show_ready() -> tuple[Response, int]:
    """Answer whether the service can keep its promises now; 503 with every reason when not."""
    checks = find_checks()
    failed = {check.name: check.reason for check in checks if check.reason is not None}
    body = jsonify(
        status="not ready" if failed else "ready",
        checks={check.name: check.reason or "ok" for check in checks},
    )
    return body, 503 if failed else 200

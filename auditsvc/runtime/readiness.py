"""Readiness of a core process: database, archive, disk, event store, engine, checkpoints.

Checked again at every call (at most twice a second). Each check names what is wrong, in words an operator can act on.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from auditsvc.ground.errors import AuditError
from auditsvc.runtime.disk import MIN_FREE_BYTES, list_growing_folders, measure_free_bytes
from auditsvc.runtime.services import Services

KEEP_S = 0.5
"""How long a result is cached, so that probes do not wear out the disk."""


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """The result of one check: ``reason`` is None when it passed."""

    name: str
    reason: str | None


class Readiness:
    """Checks whether the services are able to work."""

    def __init__(self, services: Services) -> None:
        """Check ``services``."""
        self._services = services
        self._lock = threading.Lock()
        self._checked_at = float("-inf")
        self._checks: tuple[ReadinessCheck, ...] = ()

    def check(self) -> tuple[ReadinessCheck, ...]:
        """Return every check with its reason, at most half a second old."""
        with self._lock:
            if time.monotonic() - self._checked_at >= KEEP_S:
                self._checks = tuple(
                    ReadinessCheck(name, _reason_of(look, self._services)) for name, look in CHECKS.items()
                )
                self._checked_at = time.monotonic()
            return self._checks


def _check_database(services: Services) -> None:
    """Raise when the relational database is unavailable."""
    with services.ledger.database.connect() as connection:
        connection.execute(text("select 1"))


def _check_archive(services: Services) -> None:
    """Raise when the archive cannot be written."""
    services.ledger.archive.check_writable()


def _check_disk(services: Services) -> str | None:
    """Return which folder has too little free space, None when none has."""
    for folder in list_growing_folders(services.settings):
        free = measure_free_bytes(folder)
        if free < MIN_FREE_BYTES:
            return f"`{folder}` has {free} bytes left, {MIN_FREE_BYTES} are needed"
    return None


def _check_store(services: Services) -> None:
    """Raise when the event store is unavailable."""
    services.store.position()


def _check_engine(services: Services) -> str | None:
    """Return why the engine is not processing the ledger, None when it is."""
    return services.worker.find_failure() if services.worker else None


def _check_checkpoints(services: Services) -> str | None:
    """Return why no checkpoint is being signed, None when they are."""
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

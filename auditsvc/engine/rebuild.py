"""Building the event store again from the archive, beside the old one, and putting it in the old one's place.

The service must be stopped: the store has one owner. Alerts are not touched, since people act on them; findings keep
their keys, so alerts stay connected to them.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine as DatabaseEngine

from auditsvc.clock import Clock
from auditsvc.engine.loop import Engine
from auditsvc.errors import StorageError
from auditsvc.ledger.archive import Archive
from auditsvc.settings import Settings
from auditsvc.store.duckdb import DuckStore, own_file
from auditsvc.store.model import Place, StoreDigest

NEW_SUFFIX = ".rebuild"
"""Behind the store's file name: the store that is being built."""

log = logging.getLogger(__name__)

OnProgress = Callable[[int, int], None]
"""Told leaves followed and leaves in all."""


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What came of it.

    Attributes:
        position: where the new store stands.
        digest: of the new store.
        previous: of the old store when it stood at the same place; None when it could not be compared.
    """

    position: Place
    digest: StoreDigest
    previous: StoreDigest | None

    @property
    def is_identical(self) -> bool | None:
        """Whether old and new hold the same; None when they could not be compared."""
        return None if self.previous is None else self.previous == self.digest


def reindex(
    engine_db: DatabaseEngine,
    archive: Archive,
    settings: Settings,
    clock: Clock,
    on_progress: OnProgress = lambda _done, _total: None,
) -> Rebuild:
    """Build the store again and swap it in.

    Raises:
        StorageError: ``storage_unavailable`` when the service runs, or a file cannot be written; the old store stays.
    """
    path = settings.duckdb_path
    draft = path.with_name(path.name + NEW_SUFFIX)
    with own_file(path):
        _remove(draft)
        store = DuckStore(draft, settings)
        try:
            _fill(Engine(engine_db, archive, store, settings, clock, raises_alerts=False), on_progress)
            store.checkpoint()
            place, digest = store.position().next, store.digest()
            previous = _read_previous(path, settings, place)
        finally:
            store.close()
        _swap(draft, path)
    return Rebuild(place, digest, previous)


def _fill(engine: Engine, on_progress: OnProgress) -> None:
    """Follow the log to its end."""
    while True:
        progress = engine.step()
        status = engine.status()
        on_progress(status.head_size - status.leaves_behind, status.head_size)
        if progress.is_idle:
            return


def _read_previous(path: Path, settings: Settings, place: Place) -> StoreDigest | None:
    """Return the old store's digest if there is one, it can be read and it stands at ``place``."""
    if not path.exists():
        return None
    try:
        store = DuckStore(path, settings, owns_file=False)
    except StorageError as err:
        log.warning("previous_store_unreadable", extra={"reason": err.message})
        return None
    try:
        return store.digest() if store.position().next == place else None
    finally:
        store.close()


def _swap(draft: Path, path: Path) -> None:
    """Put the new file in the old one's place; closing it has left no log of changes beside it."""
    try:
        if _wal(draft).exists():
            raise StorageError("storage_unavailable", f"event store `{draft}` was not closed in order; run it again")
        _wal(path).unlink(missing_ok=True)
        draft.replace(path)
    except OSError as err:
        raise StorageError("storage_unavailable", f"event store `{path}` cannot be replaced: {err.strerror}") from err


def _remove(path: Path) -> None:
    """Remove what an interrupted rebuild left."""
    for leftover in (path, _wal(path), path.with_name(path.name + ".lock")):
        leftover.unlink(missing_ok=True)


def _wal(path: Path) -> Path:
    """Return the file of changes DuckDB keeps beside a store."""
    return path.with_name(path.name + ".wal")

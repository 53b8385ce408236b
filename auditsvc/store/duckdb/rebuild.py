"""Building the embedded store again in a file beside the old one, and putting it in the old one's place."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from auditsvc.ground.errors import StorageError
from auditsvc.ground.files import sync_folder
from auditsvc.ground.settings.model import Settings
from auditsvc.store.duckdb.store import DuckStore, own_file
from auditsvc.store.rows import LedgerPlace, Position, StoreDigest

NEW_SUFFIX = ".rebuild"
"""Behind the store's file name: the store that is being built."""

log = logging.getLogger(__name__)


class DuckRebuild:
    """A new file while it is filled; the service must be stopped, since the old one has one owner."""

    def __init__(self, settings: Settings) -> None:
        """Own the old file and begin a new one.

        Raises:
            StorageError: ``storage_unavailable`` when the service runs, or a file cannot be written.
        """
        self._settings = settings
        self._path = settings.duckdb_path
        self._draft_path = self._path.with_name(self._path.name + NEW_SUFFIX)
        with ExitStack() as opening:
            opening.enter_context(own_file(self._path))
            _remove(self._draft_path)
            self.draft = DuckStore(self._draft_path, settings)
            opening.callback(self.draft.close)
            self._resources = opening.pop_all()

    def read_position(self) -> Position | None:
        """Return how far the old store has followed a log; None when there is none or it cannot be read."""
        with self._open_previous() as store:
            return None if store is None else store.position()

    def read_previous(self, place: LedgerPlace) -> StoreDigest | None:
        """Return the old store's digest if there is one, it can be read and it stands at ``place``."""
        with self._open_previous() as store:
            return store.digest() if store is not None and store.position().next == place else None

    def read_removed(self) -> tuple[str, ...] | None:
        """Return the months that were removed from the old store; None when there is none or it cannot be read."""
        with self._open_previous() as store:
            return None if store is None else store.inventory().removed

    @contextmanager
    def _open_previous(self) -> Iterator[DuckStore | None]:
        """Give the old store, None when there is none or it cannot be read."""
        if not self._path.exists():
            yield None
            return
        try:
            store = DuckStore(self._path, self._settings, owns_file=False)
        except StorageError as err:
            log.warning("previous_store_unreadable", extra={"reason": err.message})
            yield None
            return
        with closing(store):
            yield store

    def swap(self) -> None:
        """Put the new file in the old one's place; closing it leaves no log of changes beside it.

        Raises:
            StorageError: ``storage_unavailable``; the old store stays.
        """
        self.draft.checkpoint()
        self.draft.close()
        draft, path = self._draft_path, self._path
        try:
            if _wal(draft).exists():
                raise StorageError(
                    "storage_unavailable", f"event store `{draft}` was not closed in order; run it again"
                )
            _wal(path).unlink(missing_ok=True)
            draft.replace(path)
            sync_folder(path.parent)
        except OSError as err:
            message = f"event store `{path}` cannot be replaced: {err.strerror}"
            raise StorageError("storage_unavailable", message) from err

    def close(self) -> None:
        """Close the new file and give the old one back."""
        self._resources.close()


def _remove(path: Path) -> None:
    """Remove what an interrupted rebuild left."""
    for leftover in (path, _wal(path), path.with_name(path.name + ".lock")):
        leftover.unlink(missing_ok=True)


def _wal(path: Path) -> Path:
    """Return the file of changes DuckDB keeps beside a store."""
    return path.with_name(path.name + ".wal")

"""Rebuilding the embedded store in a new file, and replacing the old one with it."""

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
"""Suffix of the store's file name for the store that is being built."""

log = logging.getLogger(__name__)


class DuckRebuild:
    """A new store file being filled; the service must be stopped, since the old file can have only one owner."""

    def __init__(self, settings: Settings) -> None:
        """Acquire the old file and create a new one.

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
        """Return the old store's position; None when there is no old store or it cannot be read."""
        with self._open_previous() as store:
            return None if store is None else store.position()

    def read_previous(self, place: LedgerPlace) -> StoreDigest | None:
        """Return the old store's digest if it exists, can be read and is at ``place``."""
        with self._open_previous() as store:
            return store.digest() if store is not None and store.position().next == place else None

    def read_removed(self) -> tuple[str, ...] | None:
        """Return the months removed from the old store; None when there is no old store or it cannot be read."""
        with self._open_previous() as store:
            return None if store is None else store.inventory().removed

    @contextmanager
    def _open_previous(self) -> Iterator[DuckStore | None]:
        """Yield the old store, None when it is missing or cannot be read."""
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
        """Replace the old file with the new one; closing it leaves no write-ahead log behind.

        Raises:
            StorageError: ``storage_unavailable``; the old store is unchanged.
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
        """Close the new file and release the old one."""
        self._resources.close()


def _remove(path: Path) -> None:
    """Remove the files of an interrupted rebuild."""
    for leftover in (path, _wal(path), path.with_name(path.name + ".lock")):
        leftover.unlink(missing_ok=True)


def _wal(path: Path) -> Path:
    """Return the path of a store's write-ahead log."""
    return path.with_name(path.name + ".wal")

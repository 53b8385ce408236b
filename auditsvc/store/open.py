"""Opening the event store named by the settings, and rebuilding it."""

from typing import Protocol

from auditsvc.ground.clock import Clock
from auditsvc.ground.settings.model import Settings
from auditsvc.store.duckdb.rebuild import DuckRebuild
from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.elasticsearch.client import open_client
from auditsvc.store.elasticsearch.rebuild import ElasticRebuild
from auditsvc.store.elasticsearch.store import ElasticStore
from auditsvc.store.port import EventStore
from auditsvc.store.rows import LedgerPlace, Position, StoreDigest


class Rebuilding(Protocol):
    """A new store being filled alongside the one in use."""

    @property
    def draft(self) -> EventStore:
        """The new store, empty at first."""

    def read_position(self) -> Position | None:
        """Return the position of the store in use; None when there is none or it cannot be read."""

    def read_previous(self, place: LedgerPlace) -> StoreDigest | None:
        """Return the digest of the store in use if it is at ``place`` and can be read."""

    def read_removed(self) -> tuple[str, ...] | None:
        """Return the months removed from the store in use; None when it cannot be read."""

    def swap(self) -> None:
        """Replace the store in use with the new one; on an error the old one stays in use."""

    def close(self) -> None:
        """Release everything."""


def open_store(settings: Settings, clock: Clock) -> EventStore:
    """Return the event store; the caller closes it.

    Raises:
        AuditError: ``settings_invalid`` when the settings of the store are unusable.
        StorageError: ``storage_unavailable`` when the embedded store's file cannot be opened. Elasticsearch is not
            contacted yet: it may be unavailable while the service starts.
    """
    if settings.event_store == "elasticsearch":
        return ElasticStore(open_client(settings), settings, clock=clock)
    return DuckStore(settings.duckdb_path, settings)


def open_rebuild(settings: Settings, clock: Clock) -> Rebuilding:
    """Return a new store alongside the one in use; the caller closes it.

    Raises:
        AuditError: ``settings_invalid`` when the settings of Elasticsearch are unusable.
        StorageError: ``storage_unavailable`` when the embedded store has another owner, or the cluster does not answer.
    """
    if settings.event_store == "elasticsearch":
        return ElasticRebuild(lambda: open_client(settings), settings, clock)
    return DuckRebuild(settings)

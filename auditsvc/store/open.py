"""The event store the settings name."""

from auditsvc.clock import Clock
from auditsvc.settings import Settings
from auditsvc.store.duckdb import DuckStore
from auditsvc.store.elastic.client import open_client
from auditsvc.store.elastic.store import ElasticStore
from auditsvc.store.model import EventStore


def open_store(settings: Settings, clock: Clock) -> EventStore:
    """Return the event store; the caller closes it.

    Raises:
        AuditError: ``settings_invalid`` when it cannot be reached as the settings say.
        StorageError: ``storage_unavailable`` when the embedded store's file cannot be opened. Elasticsearch is not asked
            yet: it may be away while the service starts.
    """
    if settings.event_store == "elasticsearch":
        return ElasticStore(open_client(settings), settings, clock=clock)
    return DuckStore(settings.duckdb_path, settings)

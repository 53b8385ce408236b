"""How the service stands at this moment: its event store, and how far judging is behind; for the API, the console and metrics."""

from dataclasses import dataclass

from auditsvc.ground.errors import StorageError
from auditsvc.ledger.proof import get_head
from auditsvc.runtime.services import Services

MIN_FREE_BYTES = 256 * 1024 * 1024
"""Below this much free space the disk counts as full: SQLite and DuckDB need room to commit."""


@dataclass(frozen=True, slots=True)
class StoreStanding:
    """How the event store stands; figures are None when it does not answer.

    Attributes:
        kind: ``duckdb`` or ``elasticsearch``.
        reason: why it does not answer, None when it does.
        judged_size: leaves the store has followed.
        leaves_behind: leaves accepted but not judged yet.
        records_behind: records accepted but not judged yet.
        dead_letters: rows the store could not take; 0 for DuckDB.
    """

    kind: str
    reason: str | None
    judged_size: int | None = None
    leaves_behind: int | None = None
    records_behind: int | None = None
    dead_letters: int | None = None


def read_store_standing(services: Services) -> StoreStanding:
    """Return how the event store stands; one that is away is an answer, not an error."""
    kind = services.settings.event_store
    try:
        dead_letters = services.store.count_dead_letters()
        if services.event_engine is not None:
            status = services.event_engine.status()
            judged = status.position.next.seq
            return StoreStanding(kind, None, judged, status.leaves_behind, status.records_behind, dead_letters)
        judged = services.store.position().next.seq
    except StorageError as err:
        return StoreStanding(kind, err.message)
    with services.ledger.database.connect() as connection:
        behind = max(0, get_head(connection).size - judged)
    return StoreStanding(kind, None, judged, behind, None, dead_letters)

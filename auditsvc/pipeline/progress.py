"""Progress of judging: leaves and records of the log that the event store has not processed yet."""

from dataclasses import dataclass

from sqlalchemy import func, select

from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.proof import get_head
from auditsvc.ledger.tables import batch
from auditsvc.store.rows import Position


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The engine's progress: leaves and records of the log that are not judged yet, and the store's position."""

    position: Position
    head_size: int
    leaves_behind: int
    records_behind: int


def measure_progress(ledger: Ledger, position: Position) -> EngineStatus:
    """Return how far a store at ``position`` lags behind the log."""
    records = select(func.coalesce(func.sum(batch.c.records), 0)).where(batch.c.seq >= position.next.seq)
    with ledger.database.connect() as connection:
        size = get_head(connection).size
        behind = max(0, int(connection.execute(records).scalar_one()) - position.next.record)
    return EngineStatus(position, size, max(0, size - position.next.seq), behind)

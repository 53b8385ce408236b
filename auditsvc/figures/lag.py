"""The progress of each stage: the log, its last checkpoint, and the event store."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from auditsvc.ground.clock import parse_instant
from auditsvc.ground.errors import StorageError
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.proof import get_head, latest_checkpoint
from auditsvc.ledger.tables import batch, checkpoint
from auditsvc.pipeline.log_identity import Followed
from auditsvc.pipeline.progress import measure_progress


@dataclass(frozen=True, slots=True)
class LogStatus:
    """The status of the log.

    Attributes:
        size: number of leaves.
        last_accepted: when the newest leaf was accepted; None while the log is empty.
        signed_size: leaves under the last checkpoint; 0 without one.
        signed_root: its root hash, 32 bytes; None without one.
        signed_at: when it was signed.
    """

    size: int
    last_accepted: datetime | None
    signed_size: int
    signed_root: bytes | None
    signed_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """The status of the event store; figures are None when it is unavailable.

    Attributes:
        kind: ``duckdb`` or ``elasticsearch``.
        reason: why it is unavailable, None when it is available.
        judged_size: leaves the store has processed.
        leaves_behind: leaves accepted but not judged yet.
        records_behind: records accepted but not judged yet.
        dead_letters: rows the store could not store; 0 for DuckDB.
    """

    kind: str
    reason: str | None
    judged_size: int | None = None
    leaves_behind: int | None = None
    records_behind: int | None = None
    dead_letters: int | None = None


def read_log_status(ledger: Ledger) -> LogStatus:
    """Return the status of the log."""
    with ledger.database.connect() as connection:
        head = get_head(connection)
        signed = latest_checkpoint(connection)
        signed_at = connection.execute(select(func.max(checkpoint.c.signed_at))).scalar_one()
    return LogStatus(
        size=head.size,
        last_accepted=head.last_accepted,
        signed_size=signed.size if signed else 0,
        signed_root=signed.root_hash if signed else None,
        signed_at=signed_at,
    )


def read_store_status(kind: str, followed: Followed, ledger: Ledger) -> StoreStatus:
    """Return the status of the event store; an unavailable one is a status, not an error.

    Args:
        kind: ``duckdb`` or ``elasticsearch``.
        followed: the store, guarded by the log of ``ledger``.
    """
    try:
        position = followed.read_position()
        dead_letters = followed.use().count_dead_letters()
    except StorageError as err:
        return StoreStatus(kind, err.message)
    progress = measure_progress(ledger, position)
    return StoreStatus(kind, None, position.next.seq, progress.leaves_behind, progress.records_behind, dead_letters)


def count_records_accepted(ledger: Ledger, after_seq: int = -1) -> tuple[int, int]:
    """Return the last batch's leaf and the number of records of the batches after ``after_seq``.

    Batches are only ever added, so those already counted need not be read again. Without new batches the leaf is
    ``after_seq`` and the number 0.
    """
    newer = select(func.max(batch.c.seq), func.sum(batch.c.records)).where(batch.c.seq > after_seq)
    with ledger.database.connect() as connection:
        last, records = connection.execute(newer).one()
    return (after_seq, 0) if last is None else (int(last), int(records))


def measure_lag_seconds(ledger: Ledger, judged_size: int) -> float:
    """Return the seconds since the first leaf that is not judged was accepted, 0 when all are judged."""
    if judged_size >= ledger.get_head().size:
        return 0.0
    accepted = parse_header(ledger.get_leaf(judged_size).header).fields["accepted"]
    return max(0.0, (ledger.clock.now() - parse_instant(accepted)).total_seconds())

"""What commands ask of a ledger beside its log: the frames no leaf names, and a checkpoint at once."""

from dataclasses import dataclass

from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.format.note import Checkpoint
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.write.checkpoint import Checkpointer
from auditsvc.ledger.write.recovery import OrphanFrame, find_orphans


@dataclass(frozen=True, slots=True)
class Orphan:
    """What is known of a frame that no leaf names.

    Attributes:
        segment: name of its segment.
        offset, length: its bytes there.
        kind: that of its records; ``torn`` for bytes that are no whole frame, ``unattributed`` without an index line.
        source: who delivered it, None without an index line.
        deliveries: how many are in it, None without an index line.
    """

    segment: str
    offset: int
    length: int
    kind: str
    source: str | None
    deliveries: int | None


def list_orphans(ledger: Ledger) -> list[Orphan]:
    """Return the frames of the archive that no leaf names, those that are just being committed among them."""
    with ledger.database.connect() as connection:
        return [_describe_orphan(frame) for frame in find_orphans(connection, ledger.archive)]


def _describe_orphan(frame: OrphanFrame) -> Orphan:
    place, line = frame.place, frame.line
    kind = "torn" if not frame.whole else "unattributed" if line is None else line.kind
    source, deliveries = (None, None) if line is None else (line.source, len(line.deliveries))
    return Orphan(place.segment, place.offset, place.length, kind, source, deliveries)


def sign_checkpoint(ledger: Ledger, settings: Settings) -> Checkpoint | None:
    """Sign the head and return the checkpoint, None when the log has not grown; for processes without a checkpointer.

    Raises:
        SigningError: ``key_unusable`` when the log's key cannot be used, ``checkpoint_refused`` when the log does not extend
            the last checkpoint.
        StorageError: ``storage_unavailable`` when the checkpoint file or the database cannot be used.
    """
    return Checkpointer(ledger, settings).sign_now()

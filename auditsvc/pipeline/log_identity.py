"""Whether an event store follows this log: its position names the last leaf it followed by the leaf's hash.

A store that another ledger fills (one prefix, two services), or that outlived a log put back to an earlier backup, stands at
places this log has not or has otherwise. Taken for its own, it would look level while records stay unjudged, and its
findings would become alerts of this ledger, its events answers and reports. So every use of a store begins with
:meth:`Followed.use`.
"""

from auditsvc.ground.errors import LogError, StorageError
from auditsvc.ledger.ledger import Ledger
from auditsvc.store.port import EventStore
from auditsvc.store.rows import Position

CODE = "storage_unavailable"
ADVICE = (
    "if another ledger uses the same event store, name another one in the settings (`elasticsearch_prefix`); if this ledger "
    "was put back from a backup, run `auditsvc reindex --replace-other`"
)


def check_followed(ledger: Ledger, position: Position) -> None:
    """Check that a store's position is one of this log; a store from before its leaf was kept is held to the log's length.

    Raises:
        StorageError: ``storage_unavailable``, saying what to do.
    """
    place = position.next
    seq = place.seq if place.record else place.seq - 1
    if seq < 0:
        return
    try:
        found = ledger.get_leaf(seq).leaf_hash.hex()
    except LogError as err:
        message = f"event store: it has followed a log up to leaf {seq}, which this log does not have"
        raise StorageError(CODE, f"{message}; {ADVICE}") from err
    if position.leaf is not None and position.leaf != found:
        message = (
            f"event store: it has followed another log: expected leaf {seq} with hash {found}, got {position.leaf}"
        )
        raise StorageError(CODE, f"{message}; {ADVICE}")


class Followed:
    """An event store that is handed out only while it follows this log; may be used by any thread."""

    def __init__(self, ledger: Ledger, store: EventStore) -> None:
        """Hold ``store`` to the log of ``ledger``; neither is asked yet."""
        self._ledger = ledger
        self._store = store
        self._checked: Position | None = None

    def close(self) -> None:
        """Close the store, whatever it follows."""
        self._store.close()

    def use(self) -> EventStore:
        """Return the store; raise as :func:`check_followed` does."""
        self.read_position()
        return self._store

    def read_position(self) -> Position:
        """Return how far the store has followed this log; raise as :func:`check_followed` does."""
        position = self._store.position()
        if position != self._checked:
            check_followed(self._ledger, position)
            self._checked = position
        return position

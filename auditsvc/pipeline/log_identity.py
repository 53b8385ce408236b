"""Checking that an event store belongs to this log: its position records the hash of the last leaf it processed.

A store that is filled by another ledger (one prefix, two services), or that outlived a log restored from an earlier
backup, is at a place that this log lacks or where it has another leaf. If it were used, it would appear up to date while
records remain unjudged, and its findings and events would get into this ledger's alerts, query results and reports. So
every use of a store goes through :meth:`Followed.use`.
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
    """Check that a store's position is one of this log; if the position has no leaf hash, only against the log's length.

    Raises:
        StorageError: ``storage_unavailable``, with what to do.
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
    """An event store that is only accessible while it belongs to this log; thread-safe."""

    def __init__(self, ledger: Ledger, store: EventStore) -> None:
        """Guard ``store`` by the log of ``ledger``; neither is accessed yet."""
        self._ledger = ledger
        self._store = store
        self._checked: Position | None = None

    def close(self) -> None:
        """Close the store, whichever log it belongs to."""
        self._store.close()

    def use(self) -> EventStore:
        """Return the store; raise as :func:`check_followed` does."""
        self.read_position()
        return self._store

    def read_position(self) -> Position:
        """Return the store's position in this log; raise as :func:`check_followed` does."""
        position = self._store.position()
        if position != self._checked:
            check_followed(self._ledger, position)
            self._checked = position
        return position

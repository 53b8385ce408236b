"""Checking, before figures are signed, that the event store has as many events as the batches it processed.

The store is an index that an administrator of its server can change. A row that was added or removed is detected here; one
that was changed in place is detected only by ``auditsvc reindex``.
"""

from auditsvc.event.time import MAX_TIME_NS
from auditsvc.ground.errors import StorageError
from auditsvc.store.port import EventStore


def check_held(store: EventStore) -> None:
    """Check the number of events against the sums over batches; events may be added concurrently.

    Rows the store could not store and removed months may be missing.

    Raises:
        StorageError: ``storage_unavailable`` when there are more or fewer.
    """
    before = _count_followed(store)
    inventory = store.inventory()
    after = _count_followed(store)
    held = sum(figure.events for figure in inventory.months)
    least = 0 if inventory.removed else before - inventory.dead_letters
    if not least <= held <= after:
        expected = str(before) if before == after else f"{before} to {after}"
        message = f"event store: expected {expected} events, as its batches' figures say, got {held}"
        raise StorageError("storage_unavailable", f"{message}; somebody changed it; run `auditsvc reindex`")


def _count_followed(store: EventStore) -> int:
    """Return the number of events in the batches that the store has processed."""
    return sum(stat.events for stat in store.batch_stats(0, MAX_TIME_NS))

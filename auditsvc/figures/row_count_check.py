"""Whether the event store holds as many events as came of the batches it followed, before figures are signed.

The store is an index that an administrator of its server can change. A row that was added or taken away shows here; one
that was changed in place does not, and is found by ``auditsvc reindex`` only.
"""

from auditsvc.event.time import MAX_TIME_NS
from auditsvc.ground.errors import StorageError
from auditsvc.store.port import EventStore


def check_held(store: EventStore) -> None:
    """Check the number of events against the sums of what became of each batch; events may come in meanwhile.

    Rows the store could not take and months that were removed may be missing.

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
    """Return how many events the batches gave that the store followed."""
    return sum(stat.events for stat in store.batch_stats(0, MAX_TIME_NS))

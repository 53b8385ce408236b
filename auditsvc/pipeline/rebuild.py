"""Building the event store again from the archive, beside the old one, and putting it in the old one's place.

The embedded store has one owner, so its service must be stopped; with Elasticsearch the service goes on meanwhile and
moves over by itself. Alerts are not touched, since people act on them; findings keep their keys, so alerts stay connected
to them.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from auditsvc.ground.settings.model import Settings
from auditsvc.inforce.versions import Versions
from auditsvc.ledger.ledger import Ledger
from auditsvc.pipeline.log_identity import check_followed
from auditsvc.pipeline.loop import Engine
from auditsvc.store.open import open_rebuild
from auditsvc.store.rows import LedgerPlace, StoreDigest

OnProgress = Callable[[int, int], None]
"""Told leaves followed and leaves in all."""


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What came of it.

    Attributes:
        position: where the new store stands.
        digest: of the new store.
        previous: of the old store when it stood at the same place; None when it could not be compared.
        removed: months that were removed from the old store, and so from the new one; None when the old one could not be
            read, in which case months that had been removed are back.
    """

    position: LedgerPlace
    digest: StoreDigest
    previous: StoreDigest | None
    removed: tuple[str, ...] | None

    @property
    def is_identical(self) -> bool | None:
        """Whether old and new hold the same; None when they could not be compared."""
        return None if self.previous is None else self.previous == self.digest


def reindex(
    ledger: Ledger,
    settings: Settings,
    on_progress: OnProgress = lambda _done, _total: None,
    *,
    replaces_other: bool = False,
) -> Rebuild:
    """Build the store again and swap it in.

    Args:
        replaces_other: also in the place of a store that follows another log.

    Raises:
        StorageError: ``storage_unavailable`` when the embedded store's service runs, a file cannot be written, or
            Elasticsearch does not answer or does not allow it, or the old store follows another log; the old store stays.
    """
    with closing(open_rebuild(settings, ledger.clock)) as rebuild:
        present = None if replaces_other else rebuild.read_position()
        if present is not None:
            check_followed(ledger, present)
        _fill(Engine(ledger, Versions(ledger), rebuild.draft, settings, raises_alerts=False), on_progress)
        removed = rebuild.read_removed()
        for month in removed or ():  # at the end: until then their events tell what is a duplicate or a second half
            rebuild.draft.delete_month(month, ledger.clock.now_ns())
        place, digest = rebuild.draft.position().next, rebuild.draft.digest()
        previous = rebuild.read_previous(place)
        rebuild.swap()
    return Rebuild(place, digest, previous, removed)


def _fill(engine: Engine, on_progress: OnProgress) -> None:
    """Follow the log to its end."""
    while True:
        progress = engine.step()
        status = engine.status()
        on_progress(status.head_size - status.leaves_behind, status.head_size)
        if progress.is_idle:
            return

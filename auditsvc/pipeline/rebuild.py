"""Rebuilding the event store from the archive, alongside the old one, and replacing the old one with it.

The embedded store has one owner, so its service must be stopped; with Elasticsearch the service keeps running and
switches over by itself. Alerts are not touched, since people act on them; findings keep their keys, so alerts stay connected
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
"""Called with the number of leaves processed and the total."""


@dataclass(frozen=True, slots=True)
class Rebuild:
    """The result of a rebuild.

    Attributes:
        position: of the new store.
        digest: of the new store.
        previous: of the old store, if it was at the same place; None when they could not be compared.
        removed: months that were removed from the old store, and so from the new one; None when the old one could not be
            read, in which case removed months have been restored.
    """

    position: LedgerPlace
    digest: StoreDigest
    previous: StoreDigest | None
    removed: tuple[str, ...] | None

    @property
    def is_identical(self) -> bool | None:
        """Whether old and new store are equal; None when they could not be compared."""
        return None if self.previous is None else self.previous == self.digest


def reindex(
    ledger: Ledger,
    settings: Settings,
    on_progress: OnProgress = lambda _done, _total: None,
    *,
    replaces_other: bool = False,
) -> Rebuild:
    """Rebuild the store and swap it in.

    Args:
        replaces_other: also replace a store that belongs to another log.

    Raises:
        StorageError: ``storage_unavailable`` when the embedded store's service is running, a file cannot be written,
            Elasticsearch is unavailable or denies access, or the old store belongs to another log; the old store stays in
            use.
    """
    with closing(open_rebuild(settings, ledger.clock)) as rebuild:
        present = None if replaces_other else rebuild.read_position()
        if present is not None:
            check_followed(ledger, present)
        _fill(Engine(ledger, Versions(ledger), rebuild.draft, settings, raises_alerts=False), on_progress)
        removed = rebuild.read_removed()
        for month in (
            removed or ()
        ):  # at the end: until then their events are needed to recognise duplicates and second halves
            rebuild.draft.delete_month(month, ledger.clock.now_ns())
        place, digest = rebuild.draft.position().next, rebuild.draft.digest()
        previous = rebuild.read_previous(place)
        rebuild.swap()
    return Rebuild(place, digest, previous, removed)


def _fill(engine: Engine, on_progress: OnProgress) -> None:
    """Process the log to its end."""
    while True:
        progress = engine.step()
        status = engine.status()
        on_progress(status.head_size - status.leaves_behind, status.head_size)
        if progress.is_idle:
            return

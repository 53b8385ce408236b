"""The outcome of the records of the log, as far as it is judged, by source. Populations: records and events, not accesses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from auditsvc.catalog.model import Catalog
from auditsvc.event.time import MAX_TIME_NS, MIN_TIME_NS
from auditsvc.store.port import EventStore
from auditsvc.store.rows import BatchStat

SourceTotals: TypeAlias = BatchStat
"""The outcome of the records of one source."""


@dataclass(frozen=True, slots=True)
class DeliveryTotals:
    """Sums over sources; ``sources`` in order of their ids."""

    sources: tuple[SourceTotals, ...]

    @property
    def records(self) -> int:
        """Records: units as received."""
        return sum(stat.records for stat in self.sources)

    @property
    def events(self) -> int:
        """Events: records, or items of records, that a reader could read; duplicates and second halves included."""
        return sum(stat.events for stat in self.sources)

    @property
    def duplicates(self) -> int:
        """Events that duplicate an earlier one."""
        return sum(stat.duplicates for stat in self.sources)

    @property
    def quarantined(self) -> int:
        """Records that could not be read."""
        return sum(stat.quarantined for stat in self.sources)


def measure_deliveries(store: EventStore) -> DeliveryTotals:
    """Return the outcome of all records, whenever they were accepted."""
    stats = store.batch_stats(MIN_TIME_NS, MAX_TIME_NS)
    return DeliveryTotals(tuple(sorted(stats, key=lambda stat: stat.source)))


def count_quarantined(
    store: EventStore, first_ns: int = MIN_TIME_NS, last_ns: int = MAX_TIME_NS
) -> Mapping[tuple[str, str], int]:
    """Return numbers of quarantined records by (source, error code), by accepted time in ``[first_ns, last_ns)``."""
    return store.count_quarantine(first_ns, last_ns)


def list_silent_sources(store: EventStore, catalog: Catalog | None, first_ns: int, last_ns: int) -> tuple[str, ...]:
    """Return the sources of the catalogue from which nothing was accepted in ``[first_ns, last_ns)``, in order."""
    if catalog is None:
        return ()
    heard = {stat.source for stat in store.batch_stats(first_ns, last_ns)}
    return tuple(source for source in sorted(catalog.sources) if source not in heard)

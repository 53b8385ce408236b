"""The scope of one report: that of its figures, the catalogue that names things, and the period's local days."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from auditsvc.catalog.model import Catalog
from auditsvc.figures.period import Period
from auditsvc.figures.scope import Scope
from auditsvc.store.port import EventStore


@dataclass(frozen=True, slots=True)
class ReportScope:
    """The scope of a report.

    Attributes:
        figures: store, zone and instants of the period.
        catalog: the catalogue that the period's events were last judged with.
        period: local days, both ends included.
    """

    figures: Scope
    catalog: Catalog
    period: Period

    @classmethod
    def of_days(cls, store: EventStore, catalog: Catalog, period: Period, zone: ZoneInfo) -> "ReportScope":
        """Return the scope of a report on whole local days of ``zone``."""
        return cls(Scope.of_days(store, zone, period), catalog, period)

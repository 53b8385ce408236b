"""Which hours of which interfaces a log must cover, so that an idle interface can be distinguished from missing evidence."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from auditsvc.catalog.model import Catalog, Interface
from auditsvc.event.time import NS, to_datetime

HOUR_NS = 3600 * NS


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One interface and one hour, named by the hour's first instant."""

    interface: str
    hour_ns: int


def list_hours(first_ns: int, last_ns: int) -> range:
    """Return the first instants of the whole hours that lie in ``[first_ns, last_ns)``."""
    return range(-(-first_ns // HOUR_NS) * HOUR_NS, last_ns - HOUR_NS + 1, HOUR_NS)


def expect_cells(
    catalog: Catalog, first_ns: int, last_ns: int, interfaces: Collection[str] | None = None
) -> Iterator[Cell]:
    """Yield the cells of ``[first_ns, last_ns)`` in which data or a heartbeat is due.

    A cell is due when the hour's first instant lies in the interface's validity and, in the catalogue's zone, in its
    expected hours and weekdays. ``interfaces`` limits the result to these ids. Order: interface id, then hour.

    The zone's offset must be whole hours, otherwise hours of UTC do not coincide with local hours; the local hour is
    then the one that contains the first instant.
    """
    for key in sorted(catalog.interface_history):
        if interfaces is None or key in interfaces:
            for version in catalog.interface_history[key]:
                for hour_ns in _list_due_hours(catalog, version, first_ns, last_ns):
                    yield Cell(key, hour_ns)


def _list_due_hours(catalog: Catalog, version: Interface, first_ns: int, last_ns: int) -> Iterator[int]:
    """Yield the due hours of one version of an interface."""
    plan = version.expected_log
    if plan is None:
        return
    for hour_ns in list_hours(first_ns, last_ns):
        if version.validity.contains(hour_ns):
            local = to_datetime(hour_ns).astimezone(catalog.city.zone)
            if local.hour in plan.hours and local.weekday() in plan.weekdays:
                yield hour_ns

"""Data of the event search: one page of events with names, the total, counts over time, and facets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditsvc.catalog.model import Catalog
from auditsvc.condition.ast import AnyOf, Node
from auditsvc.condition.parse import parse_query
from auditsvc.console.period import ShownPeriod
from auditsvc.console.text import current_language
from auditsvc.event.model import Event
from auditsvc.figures.search import EventSearch
from auditsvc.runtime.services import Services

PAGE_SIZE = 50
FACETS = ("verdict", "violations", "action", "outcome", "consumer.org", "interface.id")
"""Fields whose most frequent values are shown beside the results."""
_FACET_VALUES = 6
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@/")


@dataclass(frozen=True, slots=True)
class Hit:
    """One row of the results."""

    uid: str
    event: Event
    consumer: str
    interface: str


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet: its label, the query term it adds, and its number of events."""

    value: str
    label: str
    term: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Results:
    """All results of a search.

    Attributes:
        total: rows on all pages.
        course: first and last instant and number of rows of every bucket of the period.
        facets: field name to its most frequent values.
        after: cursor of the next page as text, empty on the last.
    """

    hits: tuple[Hit, ...]
    total: int
    course: tuple[tuple[int, int, int], ...]
    facets: Mapping[str, tuple[FacetValue, ...]]
    after: str


def read_query(text: str, zone: str) -> Node | None:
    """Return the condition of the search box, None for an empty one.

    Raises:
        InputError: ``query_invalid`` with the column in its context.
    """
    return parse_query(text, zone=zone) if text.strip() else None


def search(
    services: Services, catalog: Catalog | None, asked: EventSearch, period: ShownPeriod, *, after: str, order: str
) -> Results:
    """Return the page of events after the cursor ``after``, with the figures of the whole search over ``period``."""
    events, axis = services.events, period.axis
    page = events.find_page(asked, limit=PAGE_SIZE, after=after, order=order)
    counts = events.count_by_unit(asked, axis.unit, axis.zone)
    return Results(
        hits=tuple(build_hit(found.uid, found.event, catalog) for found in page.events),
        total=events.count(asked),
        course=tuple((first, last, counts.get(first, 0)) for first, last in axis.list_buckets()),
        facets={name: _build_facet(name, events.rank_values(asked, name, _FACET_VALUES), catalog) for name in FACETS},
        after=page.after,
    )


def build_hit(uid: bytes, event: Event, catalog: Catalog | None) -> Hit:
    """Return the row of an event, with names from the catalogue for its codes."""
    language = current_language()
    consumer, interface = event.get("consumer.org"), event.get("interface.id")
    return Hit(
        uid.hex(),
        event,
        name_code("consumer.org", str(consumer), catalog, language) if consumer else "",
        name_code("interface.id", str(interface), catalog, language) if interface else "",
    )


def name_code(field: str, code: str, catalog: Catalog | None, language: str) -> str:
    """Return the name of an organisation's or interface's code, or the code itself if it has none."""
    if catalog is None:
        return code
    known: Any = None
    if field in {"consumer.org", "provider.org", "agreement.consumer"}:
        known = catalog.orgs.get(code)
    elif field == "interface.id":
        known = catalog.interfaces.get(code)
    elif field == "resource.code":
        known = catalog.resources.get(code)
    return str(known.name.get(language)) if known is not None else code


def quote_term(field: str, value: str) -> str:
    """Return the query term that finds exactly this value."""
    if value and set(value) <= _PLAIN:
        return f"{field}:{value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}:"{escaped}"'


def narrow_text(text: str, term: str) -> str:
    """Return the query for what ``text``, which can be read, finds and on which ``term`` is true, too."""
    if isinstance(read_query(text, "UTC"), AnyOf):
        return f"({text}) {term}"  # "or" binds less than "and"
    return f"{text} {term}".strip()


def _build_facet(field: str, ranked: list[tuple[str, int]], catalog: Catalog | None) -> tuple[FacetValue, ...]:
    """Return the values of a facet that can be searched for."""
    largest = max((count for _, count in ranked), default=1)
    return tuple(
        FacetValue(
            value,
            name_code(field, value, catalog, current_language()),
            quote_term(field, value),
            count,
            count / largest,
        )
        for value, count in ranked
    )

"""What the city has registered: organisations, resources, interfaces, agreements, projects and log sources.

All values are immutable. Times are nanoseconds since 1970-01-01T00:00:00Z; a *validity* is ``[start, end)``; money is
yuan as :class:`~decimal.Decimal`. Things that change (organisations, resources, interfaces, agreements) are kept as
versions whose validities do not overlap; a look-up takes an instant.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from auditsvc.event.model import Value
from auditsvc.ground.bilingual import Text
from auditsvc.ground.document import Value as DocumentValue

ORG_LEVELS = ("province", "city", "district", "town", "enterprise")
READER_NAMES = ("native", "combined", "mapped", "xroad")
"""Readers a source may name; the classes are in the registry of :mod:`auditsvc.ingest.readers`, a layer above."""
UPDATE_CYCLES = ("real_time", "daily", "weekly", "monthly", "quarterly", "yearly", "irregular")
TARGET_OPERATORS = ("gte", "lte", "eq")
VERSION_DIGITS = 16
"""Hex digits of a catalogue's digest recorded in events."""


@dataclass(frozen=True, slots=True)
class Validity:
    """The instants ``[start, end)``; ``None`` as end means "until further notice"."""

    start: int
    end: int | None = None

    def contains(self, time: int) -> bool:
        """Return whether ``time`` lies in the interval."""
        return self.start <= time and (self.end is None or time < self.end)

    def overlaps(self, other: "Validity") -> bool:
        """Return whether the two intervals share an instant."""
        return (other.end is None or self.start < other.end) and (self.end is None or other.start < self.end)


@dataclass(frozen=True, slots=True)
class Org:
    """One version of an organisation; ``uscc`` is its unified social credit code, ``division`` its GB/T 2260 code."""

    uscc: str
    name: Text
    level: str
    division: str
    validity: Validity


@dataclass(frozen=True, slots=True)
class Item:
    """One information item of a resource."""

    name: str
    title: Text
    data_type: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One version of a catalogue entry: the thirteen core metadata fields and what else policies and reports need.

    Core metadata in the order of the guide: ``category`` (1), ``name`` (2), ``code`` (3), ``provider`` (4 by reference
    to the organisation, 5 its code), ``summary`` (6), ``format`` (7), ``items`` (8), ``share_type``,
    ``share_condition`` and ``share_method`` (9), ``open_type`` (10), ``update_cycle`` (11), ``published`` (12),
    ``related`` (13).
    """

    category: str
    name: Text
    code: str
    provider: str
    summary: Text
    format: str
    items: tuple[Item, ...]
    share_type: str
    share_condition: Text | None
    share_method: str
    open_type: str
    update_cycle: str
    published: date
    related: tuple[str, ...]
    library: str
    sensitivity: int
    personal: bool
    project: str | None
    validity: Validity


@dataclass(frozen=True, slots=True)
class ExpectedLog:
    """When an interface's log must show data or a heartbeat: local hours of the day on weekdays (0 is Monday)."""

    hours: tuple[int, ...] = tuple(range(24))
    weekdays: tuple[int, ...] = tuple(range(7))


@dataclass(frozen=True, slots=True)
class Interface:
    """One version of a registered interface.

    Attributes:
        provider: code of the organisation that answers for it.
        provider_system: the application behind it.
        network: where it is published; the default for an access's network.
        domain: domain of the extranet, None on the intranet.
        sources: ids of the sources whose logs hold its accesses, the first being the main one.
        expected_log: None when no log is due (coverage leaves it out).
        traffic: the class of all its accesses when it is not a business interface (``metadata``, ``probe``, ``test``).
    """

    id: str
    name: Text
    protocol: str
    resources: tuple[str, ...]
    provider: str
    provider_system: str | None
    network: str
    domain: str | None
    project: str | None
    sources: tuple[str, ...]
    expected_log: ExpectedLog | None
    traffic: str | None
    validity: Validity

    @property
    def source(self) -> str | None:
        """The main source of its log."""
        return self.sources[0] if self.sources else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """One version of a sharing agreement: what one consumer may take, for what, until when.

    Empty ``purposes``, ``matters`` and ``fields`` mean "not limited by the agreement"; ``max_rows`` bounds one access.
    """

    id: str
    consumer: str
    resources: tuple[str, ...]
    share_type: str
    purposes: tuple[str, ...]
    matters: tuple[str, ...]
    fields: tuple[str, ...]
    max_rows: int | None
    legal_basis: str
    validity: Validity


@dataclass(frozen=True, slots=True)
class Target:
    """What a project promised for one indicator: ``indicator op value unit``, reached by ``by``.

    Units: ``%``, ``n``, ``calls/month`` (successful calls of the project a month), ``ms``, ``CNY`` (per call).
    """

    indicator: str
    op: str
    value: Decimal
    unit: str
    by: date


@dataclass(frozen=True, slots=True)
class Milestone:
    """A dated promise of the plan.

    Attributes:
        due: last day on which it counts as met.
        actual: the day it was reached according to the registry; None: not declared, so only logs can show it.
        interfaces: what must have been accessed successfully for logs to confirm it.
        consumers: organisations that must have been among the callers of ``interfaces`` (or of the project's).
    """

    id: str
    title: Text
    due: date
    actual: date | None
    interfaces: tuple[str, ...]
    consumers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """Promised availability in per cent and 95th percentile in milliseconds, within local hours ``[start, end)``."""

    availability: Decimal
    p95_ms: int
    start_hour: int
    end_hour: int


@dataclass(frozen=True, slots=True)
class Project:
    """An IT project as registered: what was promised, to be compared with what logs show.

    Attributes:
        system: the part of the city's plan that it implements.
        owner, builder: codes of the organisations that operate and that built it.
        budget, contract, spent: yuan; ``opex_by_year`` yuan per calendar year.
        life_years: years over which ``spent`` is written off.
        interfaces, resources, consumers, matters: what was promised, by id or code.
    """

    id: str
    name: Text
    system: Text
    owner: str
    builder: str
    approval_no: str
    budget: Decimal
    contract: Decimal
    spent: Decimal
    opex_by_year: Mapping[int, Decimal]
    life_years: int
    start: date
    go_live_plan: date
    go_live_actual: date | None
    accepted_at: date | None
    targets: tuple[Target, ...]
    interfaces: tuple[str, ...]
    resources: tuple[str, ...]
    consumers: tuple[str, ...]
    matters: tuple[str, ...]
    milestones: tuple[Milestone, ...]
    sla: ServiceLevel | None


@dataclass(frozen=True, slots=True)
class Matter:
    """A government service matter."""

    code: str
    title: Text


@dataclass(frozen=True, slots=True)
class Source:
    """One log as it is delivered: who writes it and how it is read.

    Attributes:
        reader: ``native``, ``combined``, ``mapped`` or ``xroad``.
        zone: IANA zone of times without offset.
        encoding: ``utf-8`` or ``gb18030``.
        interfaces: ids of the interfaces its records may be about, derived from the interfaces that name it.
        options: a mapping for the reader, checked by it.
        defaults: short field name to the value of events whose record has none.
    """

    id: str
    title: Text
    reader: str
    zone: str
    encoding: str
    interfaces: tuple[str, ...]
    options: DocumentValue
    defaults: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class City:
    """The catalogue's metadata: the city it belongs to, and the time zone of its dates."""

    name: Text
    zone: ZoneInfo
    inhabitants: int | None = None


class Versioned(Protocol):
    """Anything with a validity."""

    @property
    def validity(self) -> Validity:
        """When this version is in force."""


V = TypeVar("V", bound=Versioned)
History = Mapping[str, tuple[V, ...]]
"""Id to the versions under it, in order of their start; the validities of one id do not overlap."""


def find_version(history: Mapping[str, tuple[V, ...]], key: str, time: int) -> V | None:
    """Return the version of ``key`` in force at ``time``, or None."""
    for version in reversed(history.get(key, ())):
        if version.validity.contains(time):
            return version
    return None


def find_nearest_version(history: Mapping[str, tuple[V, ...]], key: str, time: int) -> V | None:
    """Return the version in force at ``time``; else the last one before it; else the first one; None for an unknown key."""
    versions = history.get(key, ())
    begun = [version for version in versions if version.validity.start <= time]
    if begun:
        return begun[-1]
    return versions[0] if versions else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything registered, with the digest of the bundle it was read from.

    The plain mappings hold the latest version of each thing; ``*_history`` hold all, and the ``find_*`` methods give
    the one in force at an instant.
    """

    digest: bytes
    city: City
    org_history: History[Org]
    resource_history: History[Resource]
    interface_history: History[Interface]
    agreement_history: History[Agreement]
    projects: Mapping[str, Project]
    matters: Mapping[str, Matter]
    sources: Mapping[str, Source]
    orgs: Mapping[str, Org] = field(init=False)
    resources: Mapping[str, Resource] = field(init=False)
    interfaces: Mapping[str, Interface] = field(init=False)
    agreements: Mapping[str, Agreement] = field(init=False)

    def __post_init__(self) -> None:
        """Derive the mappings of latest versions."""
        for name, history in (
            ("orgs", self.org_history),
            ("resources", self.resource_history),
            ("interfaces", self.interface_history),
            ("agreements", self.agreement_history),
        ):
            object.__setattr__(self, name, {key: versions[-1] for key, versions in history.items()})

    @property
    def version(self) -> str:
        """The first 16 hex digits of the digest, as events carry them."""
        return self.digest.hex()[:VERSION_DIGITS]

    def find_org(self, uscc: str, time: int) -> Org | None:
        """Return the organisation as it was at ``time``, or None."""
        return find_version(self.org_history, uscc, time)

    def find_resource(self, code: str, time: int) -> Resource | None:
        """Return the resource as it was at ``time``, or None."""
        return find_version(self.resource_history, code, time)

    def find_interface(self, interface: str, time: int) -> Interface | None:
        """Return the interface as it was at ``time``, or None."""
        return find_version(self.interface_history, interface, time)

    def find_agreement(self, agreement: str, time: int) -> Agreement | None:
        """Return the agreement as it was at ``time``; before and after its lifetime the nearest version; None if unknown."""
        return find_nearest_version(self.agreement_history, agreement, time)

    def find_project(self, project: str) -> Project | None:
        """Return the project, or None."""
        return self.projects.get(project)

    def find_source(self, source: str) -> Source | None:
        """Return the source, or None."""
        return self.sources.get(source)

    def validities(self) -> Iterable[Validity]:
        """Yield the validity of every version of every versioned item."""
        for history in (self.org_history, self.resource_history, self.interface_history, self.agreement_history):
            for versions in history.values():
                yield from (version.validity for version in versions)

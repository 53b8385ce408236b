"""What goes into an event store, what comes out, and the port every store implements.

A store is an index, never the truth: everything in it follows from the ledger and can be built again. It is written by
one engine, chunk by chunk in ledger order; a chunk's rows and the position behind it are stored together or not at all.

Times are nanoseconds since 1970-01-01T00:00:00Z, intervals are ``[first, last)``. Ids are 16 bytes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NewType, Protocol, TypeAlias
from zoneinfo import ZoneInfo

from auditsvc.condition.ast import Node
from auditsvc.condition.evaluate import Context
from auditsvc.event.model import Event
from auditsvc.ground.ids import EventUid, FindingKey


class Group(Enum):
    """Group keys that are not values, never merged with each other or with ``""``; an empty list groups as missing."""

    MISSING = "missing"
    NULL = "null"


Key: TypeAlias = str | int | float | bool | Group
"""One part of a group key; for a time bucket its first instant in nanoseconds."""

EventDigest = NewType("EventDigest", str)
"""Hex digest of an event's content as delivered; equal digests under one uid are the same event."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the ledger: the record ``record`` of the batch at leaf ``seq``, both 0-based."""

    seq: int
    record: int = 0


@dataclass(frozen=True, slots=True)
class Position:
    """How far a store has followed the ledger, and which leaves' catalogue and policy set were in force there.

    Attributes:
        next: first place not yet stored.
        catalog_seq, policy_seq: leaf of the catalogue and of the policy set; None before the first one.
        leaf: hex leaf hash of the last leaf that was followed, wholly or in part, by which the log is known again; None
            before the first one, and in a store from before it was kept.
    """

    next: Place = Place(0)
    catalog_seq: int | None = None
    policy_seq: int | None = None
    leaf: str | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event on its way into the store.

    Attributes:
        event: the flat event, enriched, judged, with its place in the ledger.
        uid: names the event; several rows may have it (``duplicate``, ``id_conflict``).
        digest: content as delivered.
        access_key: shared by both sides of one call, when it has a correlation id.
        partner: uid of the half stored before, when this one is the call's second half.
    """

    event: Event
    uid: EventUid
    digest: EventDigest
    access_key: bytes | None = None
    partner: EventUid | None = None


class FindingKind(Enum):
    """What a policy says against an access. Unknown answers are counted (:class:`IndeterminateCount`), not kept singly."""

    VIOLATION = "violation"
    EXCEPTED = "excepted"


@dataclass(frozen=True, slots=True)
class Finding:
    """One access against one policy; ``key`` is the same for every replay, see ``docs/engine.md``.

    Attributes:
        status: the policy's status (``active`` or ``shadow``); only active ones raise alerts.
        group: values of the policy's ``alert.by`` fields, by field name; a missing field is absent.
        time: the event's time.
        seq, record, item: where the event stands in the ledger.
    """

    key: FindingKey
    kind: FindingKind
    policy_id: str
    policy_version: str
    severity: str
    status: str
    reason: str
    exception_id: str | None
    uid: EventUid
    access_key: bytes | None
    time: int
    seq: int
    record: int
    item: int
    source_id: str
    consumer: str | None
    interface: str | None
    provider: str | None
    project: str | None
    outcome: str | None
    group: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class QuarantineRecord:
    """A record that gave no event, with the reason; ``raw`` is an excerpt, the whole is in the archive."""

    seq: int
    record: int
    item: int
    source: str
    code: str
    message: str
    raw: str
    accepted: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row that a store could not take and keeps aside, so that it is not lost in silence.

    Attributes:
        seq, record, item: where in the ledger it comes from.
        table: ``events``, ``findings``, ``quarantine``, ``batches`` or ``undecided``.
        reason: what the store's server said.
        document: the row as JSON text; the record itself is in the archive.
    """

    seq: int
    record: int
    item: int
    table: str
    reason: str
    document: str


@dataclass(frozen=True, slots=True)
class IndeterminateCount:
    """How many events of one part of a batch a policy could not decide, by quarter of an hour of event time."""

    seq: int
    time: int
    policy_id: str
    policy_version: str
    status: str
    source_id: str
    interface: str | None
    number: int


@dataclass(frozen=True, slots=True)
class BatchStat:
    """What became of one batch, or of the part of it that lies in one chunk."""

    seq: int
    first_record: int
    source: str
    accepted: int
    records: int
    events: int
    duplicates: int
    conflicts: int
    paired: int
    quarantined: int
    untargetable: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Everything that follows from the places ``[first, position.next)`` of the ledger."""

    first: Place
    position: Position
    events: Sequence[NewEvent] = ()
    findings: Sequence[Finding] = ()
    quarantine: Sequence[QuarantineRecord] = ()
    batches: Sequence[BatchStat] = ()
    indeterminate: Sequence[IndeterminateCount] = ()


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as the store holds it."""

    event: Event
    uid: EventUid
    access_key: bytes | None
    partner: EventUid | None


@dataclass(frozen=True, slots=True)
class Half:
    """One stored side of a call."""

    access_key: bytes
    uid: EventUid
    side: str
    time: int
    partner: EventUid | None
    seq: int
    record: int
    item: int


class Order(Enum):
    """Order of a page: by event time, ties by place in the ledger."""

    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """Where a page ended: time and place of its last row."""

    time: int
    seq: int
    record: int
    item: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some events in order, and where the next page starts; ``after`` is None on the last page."""

    events: tuple[StoredEvent, ...]
    after: Cursor | None


class TimeUnit(Enum):
    """Length of a time bucket; days and months are those of the bucket's zone."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class TimeBucket:
    """Grouping by event time."""

    unit: TimeUnit
    zone: ZoneInfo


class MeasureKind(Enum):
    """What is measured over a group; every one is exact."""

    COUNT = "count"
    SUM = "sum"
    DISTINCT = "distinct"
    MIN = "min"
    MAX = "max"
    QUANTILE = "quantile"


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a group.

    Attributes:
        field: what is summed, counted or compared; empty only for ``count``, which then counts events. ``count`` of a
            field counts the events that have it.
        quantile: ``0 <= quantile <= 1``, the value at that rank (no interpolation); for ``quantile`` only.
    """

    kind: MeasureKind
    field: str = ""
    quantile: float = 0.0


COUNT = Measure(MeasureKind.COUNT)
By: TypeAlias = str | TimeBucket


@dataclass(frozen=True, slots=True)
class AggregateQuery:
    """A question for exact figures.

    Attributes:
        where: which events, None for all.
        first_ns, last_ns: event time in ``[first_ns, last_ns)``.
        by: fields and time buckets; a list field puts an event in the group of each of its elements.
        measures: at least one.
        include_uncounted: also count duplicates and second halves of calls.
        context: lists and calendars the condition may name.
    """

    where: Node | None
    first_ns: int
    last_ns: int
    by: tuple[By, ...] = ()
    measures: tuple[Measure, ...] = (COUNT,)
    include_uncounted: bool = False
    context: Context | None = None


@dataclass(frozen=True, slots=True)
class AggregateRow:
    """One group: ``key`` has one part for each ``by``, ``values`` one for each measure.

    A value is int for counts, int or Decimal for sums, else of the field's type; None where no event has the field.
    """

    key: tuple[Key, ...]
    values: tuple[object, ...]


FINDING_FIELDS = (
    "policy_id", "severity", "status", "kind", "source_id", "consumer.org", "interface.id", "provider.org", "project.id",
    "outcome",
)  # fmt: skip
"""What findings can be grouped and filtered by."""


@dataclass(frozen=True, slots=True)
class FindingQuery:
    """Which findings: event time in ``[first_ns, last_ns)``, and every named field one of the given values."""

    first_ns: int
    last_ns: int
    equal: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoreDigest:
    """Numbers of rows and a digest over their contents that does not depend on their order."""

    events: int
    findings: int
    quarantine: int
    digest: str


@dataclass(frozen=True, slots=True)
class MonthFigure:
    """One month: its name, the rows of events it holds, and its bytes where the store keeps months apart, else None."""

    month: str
    events: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a store holds.

    Attributes:
        months: those that hold events, in order of time; see :mod:`auditsvc.store.month` for their names.
        removed: months that retention removed, in order of time.
        findings, quarantine, dead_letters: numbers of rows.
        size_bytes: of the whole store, copies not counted.
    """

    months: tuple[MonthFigure, ...]
    removed: tuple[str, ...]
    findings: int
    quarantine: int
    dead_letters: int
    size_bytes: int


class EventStore(Protocol):
    """Port of the stores. Methods that find nothing return None or empty; a store that cannot answer raises StorageError."""

    def prepare(self) -> None:
        """Make and check what writing needs; the writer calls it before it begins, and again after every failure.

        Raises:
            StorageError: ``storage_unavailable``, saying what has to be put right.
        """

    def position(self) -> Position:
        """Return how far the store has followed the ledger."""

    def write(self, chunk: Chunk) -> None:
        """Store a chunk and its position, whole or not at all; a chunk that does not start at the position is refused."""

    def find_uids(self, uids: Collection[EventUid]) -> dict[EventUid, frozenset[EventDigest]]:
        """Return, for those of ``uids`` that are stored, the digests stored under each."""

    def find_halves(self, keys: Collection[bytes], first_ns: int, last_ns: int) -> list[Half]:
        """Return the stored sides of calls with these access keys and times in ``[first_ns, last_ns)``, in ledger order."""

    def find_finding_uids(self, keys: Collection[FindingKey]) -> dict[FindingKey, EventUid]:
        """Return, for those of ``keys`` that are stored, the event each finding is on."""

    def search(
        self,
        condition: Node | None,
        first_ns: int,
        last_ns: int,
        *,
        limit: int = 50,
        after: Cursor | None = None,
        order: Order = Order.NEWEST,
        context: Context | None = None,
    ) -> Page:
        """Return a page of the events on which the condition is true."""

    def iter_events(
        self, condition: Node | None, first_ns: int, last_ns: int, *, context: Context | None = None
    ) -> Iterator[StoredEvent]:
        """Give every event on which the condition is true, oldest first, ties by place, as of the first one asked for.

        Memory does not grow with their number. What is held for it is released when the iterator ends or is closed.
        """

    def count(self, condition: Node | None, first_ns: int, last_ns: int, *, context: Context | None = None) -> int:
        """Return how many rows the search finds on all its pages together, duplicates included."""

    def facets(
        self,
        name: str,
        condition: Node | None,
        first_ns: int,
        last_ns: int,
        *,
        limit: int = 20,
        context: Context | None = None,
    ) -> list[tuple[Key, int]]:
        """Return the most frequent values of a field with their numbers, most frequent first."""

    def histogram(
        self,
        bucket: TimeBucket,
        condition: Node | None,
        first_ns: int,
        last_ns: int,
        *,
        context: Context | None = None,
    ) -> list[tuple[int, int]]:
        """Return (first instant, number) of the buckets that have events, in order of time."""

    def get_event(self, uid: EventUid) -> StoredEvent:
        """Return the first row stored under ``uid``; raise ``StorageError`` (``not_found``) when there is none."""

    def list_rows(self, uid: EventUid) -> list[StoredEvent]:
        """Return every row stored under ``uid``, in ledger order: the event, its duplicates and conflicts."""

    def list_partners(self, access_key: bytes) -> list[StoredEvent]:
        """Return every stored side of one call, in ledger order."""

    def aggregate(self, query: AggregateQuery) -> list[AggregateRow]:
        """Return exact figures, ordered by key."""

    def count_findings(self, query: FindingQuery, by: tuple[By, ...] = ()) -> list[AggregateRow]:
        """Return the number of findings in each group, ordered by key; ``by`` names :data:`FINDING_FIELDS`."""

    def list_findings(self, query: FindingQuery, *, limit: int = 100, offset: int = 0) -> list[Finding]:
        """Return findings in order of time and place."""

    def get_findings(self, keys: Sequence[FindingKey]) -> list[Finding]:
        """Return the findings with these keys that are stored, in order of time and place."""

    def iter_findings(self, first: Place, last: Place) -> Iterator[Finding]:
        """Give the findings of the places ``[first, last)`` in ledger order."""

    def count_indeterminate(self, first_ns: int, last_ns: int) -> dict[str, int]:
        """Return numbers of events in the interval that each active or shadow policy could not decide, by policy id.

        The interval must begin and end on quarters of an hour.
        """

    def count_quarantine(self, first_ns: int, last_ns: int) -> dict[tuple[str, str], int]:
        """Return numbers of quarantined records by (source, code), by the time the ledger accepted them."""

    def list_quarantine(
        self, first_ns: int, last_ns: int, *, source: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[QuarantineRecord]:
        """Return quarantined records, newest accepted first."""

    def batch_stats(self, first_ns: int, last_ns: int) -> list[BatchStat]:
        """Return sums over the batches accepted in the interval, one row a source (``seq`` is its last batch)."""

    def count_dead_letters(self) -> int:
        """Return how many rows the store could not take; they are missing from its answers."""

    def list_dead_letters(self, *, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        """Return the rows the store could not take, in ledger order."""

    def digest(self) -> StoreDigest:
        """Return what must be equal for two stores built from one ledger."""

    def inventory(self) -> Inventory:
        """Return how much the store holds, events by month, and which months were removed."""

    def delete_month(self, month: str, now_ns: int) -> int:
        """Remove the events of a month for good, and return how many there were; the month must be over at ``now_ns``.

        Findings, quarantined records and sums stay. Events and findings of the month that come later are not stored.
        Removing a month again is fine and finishes what a crash left.

        Raises:
            InputError: ``input_invalid`` when it is no month or not over.
            StorageError: ``conflict`` when a chunk is written in the same moment; ``storage_unavailable``, with
                Elasticsearch also when our user is no administrator. Then nothing is removed.
        """

    def close(self) -> None:
        """Release the store; further calls are refused."""

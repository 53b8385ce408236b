"""What is written to an event store, chunk by chunk, and the rows it returns.

Times are nanoseconds since 1970-01-01T00:00:00Z, intervals are ``[first, last)``. Ids are 16 bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NewType

from auditsvc.event.model import Event
from auditsvc.ground.errors import StorageError
from auditsvc.ground.ids import EventUid, FindingKey

EventDigest = NewType("EventDigest", str)
"""Hex digest of an event's content as delivered; equal digests under one uid are the same event."""


@dataclass(frozen=True, slots=True, order=True)
class LedgerPlace:
    """A place in the ledger: the record ``record`` of the batch at leaf ``seq``, both 0-based."""

    seq: int
    record: int = 0

    def __str__(self) -> str:
        """Return the place in the form used in messages."""
        return f"leaf {self.seq}, record {self.record}"


@dataclass(frozen=True, slots=True)
class Position:
    """The place up to which a store is complete, and the leaves of the catalogue and policy set in force there.

    Attributes:
        next: first place not yet stored.
        catalog_seq, policy_seq: leaf of the catalogue and of the policy set; None before the first one.
        leaf: hex leaf hash of the last leaf that was processed, wholly or in part, which identifies the log; None before
            the first one, and in a store of a version that did not record it.
    """

    next: LedgerPlace = LedgerPlace(0)
    catalog_seq: int | None = None
    policy_seq: int | None = None
    leaf: str | None = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One event to be stored.

    Attributes:
        event: the flat event, enriched, judged, with its place in the ledger.
        uid: identifies the event; several rows may share it (``duplicate``, ``id_conflict``).
        digest: of its content as delivered.
        access_key: shared by both sides of one call, when it has a correlation id.
        partner: uid of the half stored before, when this one is the call's second half.
    """

    event: Event
    uid: EventUid
    digest: EventDigest
    access_key: bytes | None = None
    partner: EventUid | None = None


class FindingKind(Enum):
    """How an access is against a policy. Indeterminate results are counted (:class:`IndeterminateCount`), not stored singly."""

    VIOLATION = "violation"
    EXCEPTED = "excepted"


@dataclass(frozen=True, slots=True)
class Finding:
    """One access against one policy; ``key`` is the same for every replay, see ``docs/engine.md``.

    Attributes:
        status: the policy's status (``active`` or ``shadow``); only active ones raise alerts.
        group: values of the policy's ``alert.by`` fields, by field name; a missing field is absent.
        time: the event's time.
        seq, record, item: the event's place in the ledger.
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
    """A record that could not be read as an event, with the reason; ``raw`` is an excerpt, the archive has all of it."""

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
    """A row that a store could not store and quarantines instead of silently dropping it.

    Attributes:
        seq, record, item: its place in the ledger.
        table: ``events``, ``findings``, ``quarantine``, ``batches`` or ``undecided``.
        reason: the server's error message.
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
    """Counts of the outcomes of one batch, or of the part of it in one chunk."""

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
    """Everything derived from the places ``[first, position.next)`` of the ledger."""

    first: LedgerPlace
    position: Position
    events: Sequence[NewEvent] = ()
    findings: Sequence[Finding] = ()
    quarantine: Sequence[QuarantineRecord] = ()
    batches: Sequence[BatchStat] = ()
    indeterminate: Sequence[IndeterminateCount] = ()


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as stored.

    The properties return fields that every stored event has.

    Raises:
        StorageError: ``storage_unavailable`` from each property when the event lacks such an integer.
    """

    event: Event
    uid: EventUid
    access_key: bytes | None
    partner: EventUid | None

    @property
    def time_ns(self) -> int:
        """When it happened, in nanoseconds."""
        return self._read_whole("time")

    @property
    def seq(self) -> int:
        """Leaf index of its batch in the ledger."""
        return self._read_whole("seq")

    @property
    def record(self) -> int:
        """Index of its record in the batch, 0-based."""
        return self._read_whole("record")

    @property
    def item(self) -> int:
        """Index of the item in its record, 0-based."""
        return self._read_whole("item")

    def _read_whole(self, name: str) -> int:
        """Return a field that must be an int."""
        value = self.event.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        message = f"event store: event `{self.uid.hex()}`: expected a whole number as `{name}`, got `{value!r:.64}`"
        raise StorageError("storage_unavailable", f"{message}; run `auditsvc reindex`")


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


@dataclass(frozen=True, slots=True)
class TableDigest:
    """A table's number of rows and a digest over the multiset; duplicate rows do not cancel out."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class StoreDigest:
    """Numbers of rows and a digest over their contents that does not depend on their order."""

    events: int
    findings: int
    quarantine: int
    digest: str

    @classmethod
    def join(cls, events: TableDigest, findings: TableDigest, quarantine: TableDigest) -> "StoreDigest":
        """Return the digest of a store with these tables."""
        digest = "-".join(table.digest for table in (events, findings, quarantine))
        return cls(events.rows, findings.rows, quarantine.rows, digest)


@dataclass(frozen=True, slots=True)
class MonthFigure:
    """One month: its name, the rows of events it holds, and its bytes if the store partitions by month, else None."""

    month: str
    events: int
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """The contents of a store.

    Attributes:
        months: those that hold events, in order of time; see :mod:`auditsvc.store.month` for their names.
        removed: months that retention removed, in order of time.
        findings, quarantine, dead_letters: numbers of rows.
        size_bytes: of the whole store, without replicas.
    """

    months: tuple[MonthFigure, ...]
    removed: tuple[str, ...]
    findings: int
    quarantine: int
    dead_letters: int
    size_bytes: int

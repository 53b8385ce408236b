"""The port every event store implements.

A store is an index, never the truth: everything in it follows from the ledger and can be built again. It is written by
one engine, chunk by chunk in ledger order; a chunk's rows and the position behind it are stored together or not at all.

Times are nanoseconds since 1970-01-01T00:00:00Z, intervals are ``[first, last)``. Ids are 16 bytes.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from auditsvc.ground.ids import EventUid, FindingKey
from auditsvc.store.query import COUNT, AggregateRow, By, Cursor, EventQuery, FindingQuery, Measure, Order, Page
from auditsvc.store.rows import (
    BatchStat,
    Chunk,
    DeadLetter,
    EventDigest,
    Finding,
    Half,
    Inventory,
    LedgerPlace,
    Position,
    QuarantineRecord,
    StoredEvent,
    StoreDigest,
)


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
        self, query: EventQuery, *, limit: int = 50, after: Cursor | None = None, order: Order = Order.NEWEST
    ) -> Page:
        """Return a page of the events of a query."""

    def iter_events(self, query: EventQuery) -> Iterator[StoredEvent]:
        """Give every event of a query, oldest first, ties by place, as of the first one asked for.

        Memory does not grow with their number. What is held for it is released when the iterator ends or is closed.
        """

    def get_event(self, uid: EventUid) -> StoredEvent:
        """Return the first row stored under ``uid``; raise ``StorageError`` (``not_found``) when there is none."""

    def list_rows(self, uid: EventUid) -> list[StoredEvent]:
        """Return every row stored under ``uid``, in ledger order: the event, its duplicates and conflicts."""

    def list_partners(self, access_key: bytes) -> list[StoredEvent]:
        """Return every stored side of one call, in ledger order."""

    def aggregate(
        self, query: EventQuery, by: tuple[By, ...] = (), measures: tuple[Measure, ...] = (COUNT,)
    ) -> list[AggregateRow]:
        """Return exact figures of the events of a query, ordered by key; without ``by`` one row, also of no event.

        Args:
            by: fields and time buckets; a list field puts an event in the group of each of its elements.
            measures: at least one.

        Raises:
            InputError: ``field_unknown``; ``input_invalid`` for a measure its field's type does not have.
        """

    def count_findings(self, query: FindingQuery, by: tuple[By, ...] = ()) -> list[AggregateRow]:
        """Return the number of findings in each group, ordered by key; ``by`` names :data:`FINDING_FIELDS`."""

    def list_findings(self, query: FindingQuery, *, limit: int = 100, offset: int = 0) -> list[Finding]:
        """Return findings in order of time and place."""

    def get_findings(self, keys: Sequence[FindingKey]) -> list[Finding]:
        """Return the findings with these keys that are stored, in order of time and place."""

    def iter_findings(self, first: LedgerPlace, last: LedgerPlace) -> Iterator[Finding]:
        """Give the findings of the places ``[first, last)`` in ledger order."""

    def count_indeterminate(
        self, first_ns: int, last_ns: int, interfaces: Collection[str] | None = None
    ) -> dict[str, int]:
        """Return numbers of events in the interval that each active or shadow policy could not decide, by policy id.

        Args:
            first_ns, last_ns: event time in ``[first_ns, last_ns)``; both on quarters of an hour.
            interfaces: only events of these interfaces, none when empty; None for all.
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

"""The port every event store implements.

A store is an index, never the source of truth: everything in it is derived from the ledger and can be rebuilt. It is written by
one engine, chunk by chunk in ledger order; a chunk's rows and the position after it are stored atomically.

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
    """Port of the stores. Methods that find nothing return None or empty; an unavailable store raises StorageError."""

    def prepare(self) -> None:
        """Create and check what writing requires; the writer calls it before it starts, and again after every failure.

        Raises:
            StorageError: ``storage_unavailable``, with what has to be corrected.
        """

    def position(self) -> Position:
        """Return the place in the ledger up to which the store is complete."""

    def write(self, chunk: Chunk) -> None:
        """Store a chunk and its position atomically; a chunk that does not start at the position is refused."""

    def find_uids(self, uids: Collection[EventUid]) -> dict[EventUid, frozenset[EventDigest]]:
        """Return the digests stored under each uid, for those of ``uids`` that are stored."""

    def find_halves(self, keys: Collection[bytes], first_ns: int, last_ns: int) -> list[Half]:
        """Return the stored sides of calls with these access keys and times in ``[first_ns, last_ns)``, in ledger order."""

    def find_finding_uids(self, keys: Collection[FindingKey]) -> dict[FindingKey, EventUid]:
        """Return the event of each finding, for those of ``keys`` that are stored."""

    def search(
        self, query: EventQuery, *, limit: int = 50, after: Cursor | None = None, order: Order = Order.NEWEST
    ) -> Page:
        """Return a page of the events of a query."""

    def iter_events(self, query: EventQuery) -> Iterator[StoredEvent]:
        """Yield every event of a query, oldest first, ties by place, as of the first call to ``next``.

        Memory use does not grow with their number. Resources are released when the iterator ends or is closed.
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
        """Return exact aggregates of the events of a query, ordered by key; without ``by`` one row, even for no events.

        Args:
            by: fields and time buckets; a list field puts an event in the group of each of its elements.
            measures: at least one.

        Raises:
            InputError: ``field_unknown``; ``input_invalid`` for a measure that its field's type does not support.
        """

    def count_findings(self, query: FindingQuery, by: tuple[By, ...] = ()) -> list[AggregateRow]:
        """Return the number of findings in each group, ordered by key; ``by`` names :data:`FINDING_FIELDS`."""

    def list_findings(self, query: FindingQuery, *, limit: int = 100, offset: int = 0) -> list[Finding]:
        """Return findings in order of time and place."""

    def get_findings(self, keys: Sequence[FindingKey]) -> list[Finding]:
        """Return the findings with these keys that are stored, in order of time and place."""

    def iter_findings(self, first: LedgerPlace, last: LedgerPlace) -> Iterator[Finding]:
        """Yield the findings at the places ``[first, last)``, in ledger order."""

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
        """Return sums over the batches accepted in the interval, one row per source (``seq`` is its last batch)."""

    def count_dead_letters(self) -> int:
        """Return the number of rows the store could not store; they are missing from its results."""

    def list_dead_letters(self, *, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        """Return the rows the store could not store, in ledger order."""

    def digest(self) -> StoreDigest:
        """Return a digest that is equal for two stores built from one ledger."""

    def inventory(self) -> Inventory:
        """Return the store's size, its events by month, and the removed months."""

    def delete_month(self, month: str, now_ns: int) -> int:
        """Permanently remove the events of a month, and return their number; the month must be over at ``now_ns``.

        Findings, quarantined records and sums are kept. Late events and findings of the month are not stored.
        Removal is idempotent; a repeated call completes one that a crash interrupted.

        Raises:
            InputError: ``input_invalid`` when it is not a month or not over.
            StorageError: ``conflict`` when a chunk is written concurrently; ``storage_unavailable``, with Elasticsearch
                also when our user is not an administrator. Nothing was removed.
        """

    def close(self) -> None:
        """Release the store; further calls are refused."""

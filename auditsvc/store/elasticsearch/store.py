"""The event store in Elasticsearch. An index, never the source of truth: it can be deleted and rebuilt from the archive.

Rules:
- One writer. A second one is detected by optimistic concurrency control on the position's document.
- A chunk becomes visible atomically: every query is limited to places before the position
  (:mod:`auditsvc.store.elasticsearch.state`), which advances once everything before it is stored and searchable.
- Results are exact, or an error is raised: no partial results from some of the shards, no approximate aggregations.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from elasticsearch import Elasticsearch

from auditsvc.event.time import MAX_TIME_NS
from auditsvc.ground.clock import Clock, SystemClock
from auditsvc.ground.errors import StorageError
from auditsvc.ground.ids import EventUid, FindingKey
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch import findings as finding
from auditsvc.store.elasticsearch import retention, search
from auditsvc.store.elasticsearch.accumulator import Figures
from auditsvc.store.elasticsearch.aggregate import RowSource, list_by, run
from auditsvc.store.elasticsearch.client import ServerFacts, check_server
from auditsvc.store.elasticsearch.digest import digest_store
from auditsvc.store.elasticsearch.failure import CODE, storage_errors
from auditsvc.store.elasticsearch.mapping import ACCESS_KEY, FIRST_GENERATION, TABLES, TIME, UID, Names
from auditsvc.store.elasticsearch.retry import Sleep
from auditsvc.store.elasticsearch.scan_aggregate import tally
from auditsvc.store.elasticsearch.setup import Indices, check_held, check_templates
from auditsvc.store.elasticsearch.state import (
    EMPTY_STATE,
    create_active,
    create_state,
    find_active,
    find_state,
    read_state,
)
from auditsvc.store.elasticsearch.view import View
from auditsvc.store.elasticsearch.writer import Writer
from auditsvc.store.measure import check_measure
from auditsvc.store.month import check_over, name_month
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

_MONTH_NS = 31 * 86_400 * 10**9

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class IndexFigure:
    """One index: documents (including those past the position), bytes of its primary shards, ``green`` to ``red``."""

    name: str
    documents: int
    size_bytes: int
    health: str


@dataclass(frozen=True, slots=True)
class Statistics:
    """The store's size in the cluster."""

    generation: str
    indices: tuple[IndexFigure, ...]
    dead_letters: int


@dataclass(frozen=True, slots=True)
class _OpenGeneration:
    """What belongs to one generation."""

    names: Names
    indices: Indices
    writer: Writer


class ElasticStore:
    """An :class:`~auditsvc.store.port.EventStore` in an Elasticsearch cluster.

    The cluster is not contacted before the first call, so that a service can start while it is unavailable. A rebuild may
    switch to another generation at any time; the next query then uses the new one.
    """

    def __init__(
        self,
        client: Elasticsearch,
        settings: Settings,
        *,
        generation: str | None = None,
        clock: Clock | None = None,
        sleep: Sleep = time.sleep,
    ) -> None:
        """Use the generation in use, or the given one being filled; the store owns the client and closes it."""
        self._client = client
        self._settings = settings
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._generation = generation
        self._bound: _OpenGeneration | None = None
        self._bind_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._is_closed = False

    def _bind(self, *, anew: bool = False) -> _OpenGeneration:
        """Return what belongs to the generation in use; with ``anew``, ask the cluster which it is now."""
        with self._bind_lock:
            if self._bound is None or anew:
                prefix = self._settings.elasticsearch_prefix
                generation = self._generation or find_active(self._client, prefix) or FIRST_GENERATION
                if self._bound is None or self._bound.names.generation != generation:
                    self._bound = self._open(Names(prefix, generation))
            return self._bound

    def _open(self, names: Names) -> _OpenGeneration:
        """Return what belongs to a generation; nothing of it is known to be there yet."""
        indices = Indices(self._client, names)
        return _OpenGeneration(names, indices, Writer(self._client, names, self._settings, indices, self._sleep))

    def prepare(self) -> None:
        """Create missing indices, including those of this month and the next, and check all.

        Raises:
            StorageError: ``storage_unavailable`` when the server has another major version, templates are missing, of
                another version or not durable enough, an index cannot be created, or a non-empty one was deleted.
        """
        self.check_server()
        bound = self._bind(anew=True)
        names, indices = bound.names, bound.indices
        check_templates(self._client, names.prefix)
        state = find_state(self._client, names)
        indices.check_held(state or EMPTY_STATE)
        indices.make_tables()
        if state is None:
            create_state(self._client, names)
            state = read_state(self._client, names)
        if self._generation is None and find_active(self._client, names.prefix) is None:
            create_active(self._client, names)
        now = min(self._clock.now_ns(), MAX_TIME_NS - _MONTH_NS)
        indices.make_months(sorted({*state.months, name_month(now), name_month(now + _MONTH_NS)}))

    def close(self) -> None:
        """Close the client; further calls are refused."""
        with self._write_lock:
            self._is_closed = True
            self._client.close()

    def _view(self) -> View:
        if self._is_closed:
            raise StorageError(CODE, "event store: it is closed")
        bound = self._bind()
        try:
            state = read_state(self._client, bound.names)
        except StorageError:
            moved = self._bind(anew=True)
            if moved is bound:
                raise
            bound, state = moved, read_state(self._client, moved.names)
        return View(self._client, bound.names, state)

    def _ask(self, answer: Callable[[View], T]) -> T:
        """Return the result of a query; retry it once when a rebuild removed the generation during it."""
        view = self._view()
        try:
            return answer(view)
        except StorageError as err:
            if "status" not in err.context or self._bind(anew=True).names == view.names:
                raise
        return answer(self._view())

    # --- writing

    def position(self) -> Position:
        """Return the place in the ledger up to which the store is complete."""
        return self._view().state.position

    def write(self, chunk: Chunk) -> None:
        """Store a chunk and its position; until the position is stored, nothing of the chunk is visible.

        Raises:
            StorageError: ``conflict`` when the chunk does not start at the position, or another process writes;
                ``storage_unavailable`` when not everything is known to be stored; then the write can be retried.
        """
        with self._write_lock:
            if self._is_closed:
                raise StorageError(CODE, "event store: it is closed")
            self._bind().writer.write(chunk)

    # --- what the engine asks while it builds a chunk

    def find_uids(self, uids: Collection[EventUid]) -> dict[EventUid, frozenset[EventDigest]]:
        """Return the digests stored under each uid, for those of ``uids`` that are stored."""
        return self._ask(lambda view: search.find_uids(view, uids))

    def find_halves(self, keys: Collection[bytes], first_ns: int, last_ns: int) -> list[Half]:
        """Return the stored sides of calls with these access keys in the interval, in ledger order."""
        return self._ask(lambda view: search.find_halves(view, keys, first_ns, last_ns))

    def find_finding_uids(self, keys: Collection[FindingKey]) -> dict[FindingKey, EventUid]:
        """Return the event of each finding, for those of ``keys`` that are stored."""
        return self._ask(lambda view: finding.find_finding_uids(view, keys))

    # --- search

    def search(
        self, query: EventQuery, *, limit: int = 50, after: Cursor | None = None, order: Order = Order.NEWEST
    ) -> Page:
        """Return a page of the events of a query."""
        return self._ask(lambda view: search.read_page(view, view.select(query), limit, after, order))

    def iter_events(self, query: EventQuery) -> Iterator[StoredEvent]:
        """Yield every event of a query, oldest first, ties by place, as of the first call to ``next``."""
        view = self._view()
        return search.iter_in_order(view, view.select(query))

    def get_event(self, uid: EventUid) -> StoredEvent:
        """Return the first row stored under ``uid``; raise ``StorageError`` (``not_found``) when there is none."""
        return self._ask(lambda view: search.get_event(view, uid))

    def list_rows(self, uid: EventUid) -> list[StoredEvent]:
        """Return every row stored under ``uid``, in ledger order."""
        return self._ask(lambda view: search.list_rows(view, UID, uid))

    def list_partners(self, access_key: bytes) -> list[StoredEvent]:
        """Return every stored side of one call, in ledger order."""
        return self._ask(lambda view: search.list_rows(view, ACCESS_KEY, access_key))

    # --- figures

    def aggregate(
        self, query: EventQuery, by: tuple[By, ...] = (), measures: tuple[Measure, ...] = (COUNT,)
    ) -> list[AggregateRow]:
        """Return exact aggregates of the events of a query, ordered by key."""
        return self._ask(lambda view: self._aggregate(view, query, by, measures))

    def _aggregate(
        self, view: View, query: EventQuery, by: tuple[By, ...], measures: tuple[Measure, ...]
    ) -> list[AggregateRow]:
        """Return exact aggregates of one view."""
        figures = Figures(measures, [check_measure(measure) for measure in measures])
        columns = list_by(by, view.state.nulls)
        selection = view.select(query)
        names = {part for part in by if isinstance(part, str)}
        names |= {known.name for known in figures.fields if known is not None}
        if selection.residual is None and names.isdisjoint(view.state.overlong):
            interval = (query.first_ns, query.last_ns)
            run(RowSource(self._client, selection.indices, selection.query, TIME, interval), columns, figures)
        else:
            if not by:
                figures.find_cells(())
            tally(search.iter_events(view, selection, names | {"time"}), by, figures)
        return figures.build_rows()

    def count_findings(self, query: FindingQuery, by: tuple[By, ...] = ()) -> list[AggregateRow]:
        """Return the number of findings in each group, ordered by key."""
        return self._ask(lambda view: finding.count_findings(view, query, by))

    def list_findings(self, query: FindingQuery, *, limit: int = 100, offset: int = 0) -> list[Finding]:
        """Return findings in order of time and place."""
        return self._ask(lambda view: finding.list_findings(view, query, limit, offset))

    def get_findings(self, keys: Sequence[FindingKey]) -> list[Finding]:
        """Return the findings with these keys that are stored, in order of time and place."""
        return self._ask(lambda view: finding.get_findings(view, keys))

    def iter_findings(self, first: LedgerPlace, last: LedgerPlace) -> Iterator[Finding]:
        """Yield the findings at the places ``[first, last)``, in ledger order."""
        return finding.iter_findings(self._view(), first, last)

    def count_indeterminate(
        self, first_ns: int, last_ns: int, interfaces: Collection[str] | None = None
    ) -> dict[str, int]:
        """Return numbers of undecided events in the interval by policy id, of some interfaces or of all."""
        return self._ask(lambda view: finding.count_indeterminate(view, first_ns, last_ns, interfaces))

    def count_quarantine(self, first_ns: int, last_ns: int) -> dict[tuple[str, str], int]:
        """Return numbers of quarantined records by (source, code), by the time the ledger accepted them."""
        return self._ask(lambda view: finding.count_quarantine(view, first_ns, last_ns))

    def list_quarantine(
        self, first_ns: int, last_ns: int, *, source: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[QuarantineRecord]:
        """Return quarantined records, newest accepted first."""
        return self._ask(lambda view: finding.list_quarantine(view, (first_ns, last_ns), source, limit, offset))

    def batch_stats(self, first_ns: int, last_ns: int) -> list[BatchStat]:
        """Return sums over the batches accepted in the interval, one row per source."""
        return self._ask(lambda view: finding.sum_batches(view, first_ns, last_ns))

    def count_dead_letters(self) -> int:
        """Return the number of documents the server refused to store."""
        return self._ask(finding.count_dead_letters)

    def list_dead_letters(self, *, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        """Return the documents the server refused to store, in ledger order."""
        return self._ask(lambda view: finding.list_dead_letters(view, limit, offset))

    # --- months

    def inventory(self) -> Inventory:
        """Return the store's size, its events by month, and the removed months."""
        return self._ask(retention.take_inventory)

    def delete_month(self, month: str, now_ns: int) -> int:
        """Permanently remove the events of a month, and return their number; requires an administrator's client.

        Raises:
            InputError: ``input_invalid`` when it is not a month or not over.
            StorageError: ``conflict`` when a chunk is written concurrently; ``storage_unavailable``, also when the user
                lacks the privilege. Nothing was removed.
        """
        check_over(month, now_ns)
        with self._write_lock:
            return retention.delete_month(self._client, self._view().names, month)

    def digest(self) -> StoreDigest:
        """Return a digest that is equal for two stores built from one ledger: rows and contents, in any order."""
        return self._ask(digest_store)

    # --- beyond the port

    def check_server(self) -> ServerFacts:
        """Return the server's version, licence and nodes.

        Raises:
            StorageError: ``storage_unavailable`` when it is unreachable or has another major version than this program.
        """
        return check_server(self._client)

    def check_held(self) -> None:
        """Check that the store's non-empty indices exist.

        Raises:
            StorageError: ``storage_unavailable``, naming those that were deleted.
        """
        view = self._view()
        check_held(self._client, view.names, view.state)

    def statistics(self) -> Statistics:
        """Return the store's size in the cluster.

        Raises:
            StorageError: ``storage_unavailable`` when the cluster does not report it.
        """
        view = self._view()
        names = view.names
        wanted = [names.events("*"), *(names.table(kind) for kind in TABLES)]
        with storage_errors():
            stats: dict[str, Any] = self._client.indices.stats(index=wanted, metric=["docs", "store"]).body["indices"]
            health = self._client.cluster.health(index=wanted, level="indices").body["indices"]
        figures = [
            IndexFigure(name, one["primaries"]["docs"]["count"], one["primaries"]["store"]["size_in_bytes"], state)
            for name, one in sorted(stats.items())
            for state in [health.get(name, {}).get("status", "unknown")]
        ]
        return Statistics(names.generation, tuple(figures), finding.count_dead_letters(view))

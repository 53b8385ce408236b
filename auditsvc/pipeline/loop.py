"""The engine: processes the ledger in order and keeps the event store and the alerts up to date.

Order of one turn, and the state after a crash in each step:
1. build the chunk of the next records (nothing is durable; it is built again);
2. wait until the previous chunk is stored (rows and position in one transaction: all or nothing);
3. pass the chunk to the writer thread, so that reading and judging continue while it is stored;
4. raise alerts from stored findings (alerts, their ledger leaf and the stage's position in one transaction).

INVARIANT: the store's position is the only record of judging progress. A failed turn discards everything in
memory and restarts from it, so every record is stored exactly once.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, islice

from auditsvc.ground.errors import StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.inforce.versions import Versions
from auditsvc.ingest.readers.model import Scanned
from auditsvc.ingest.readers.subject import load_or_create_subject_hasher
from auditsvc.ledger.leaf import Leaf, iter_leaves
from auditsvc.ledger.ledger import Ledger
from auditsvc.pipeline.alerting import AlertStage
from auditsvc.pipeline.build import ChunkBuilder, Part, Recent
from auditsvc.pipeline.log_identity import Followed
from auditsvc.pipeline.progress import EngineStatus, measure_progress
from auditsvc.pipeline.source import Batch, read_batch_facts, scan_batch
from auditsvc.store.port import EventStore
from auditsvc.store.rows import Chunk, LedgerPlace, Position

CHUNK_EVENTS = 10_000
"""Target number of events in a chunk: large enough for the store (5,000 to 20,000), small enough to search soon."""
CHUNK_BYTES = 64 * 1024 * 1024
"""Maximum bytes of records in a chunk, apart from its last record: their decoded form is several times larger."""
IDLE_S = 0.2
"""Wait when there is nothing to do."""
GATHER_S = 0.05
"""Wait after a small chunk, so that single events are stored together."""
SMALL_CHUNK = 1_000
LEAVES_AT_ONCE = 200

OnPoint = Callable[[str], None]
"""Called at named points of a turn; tests kill the process there."""

log = logging.getLogger(__name__)


def ignore_point(name: str) -> None:
    """A crash point that does nothing."""


def ignore_turn() -> None:
    """An ``on_turn`` callback that does nothing."""


@dataclass(frozen=True, slots=True)
class TurnProgress:
    """The result of one turn: records read, findings turned into alerts; idle when everything is done and durable."""

    records: int
    findings: int
    is_idle: bool


@dataclass(slots=True)
class _OpenBatch:
    """A batch that is being read, and the position in it."""

    batch: Batch
    scan: Iterator[Scanned]
    next_record: int


class Engine:
    """Ties ledger, readers, catalogue, policies, store and alerts together; to be used by one thread."""

    def __init__(
        self,
        ledger: Ledger,
        versions: Versions,
        store: EventStore,
        settings: Settings,
        *,
        chunk_events: int = CHUNK_EVENTS,
        raises_alerts: bool = True,
        on_point: OnPoint = ignore_point,
    ) -> None:
        """Continue from the position of ``store``; a rebuild raises no alerts.

        Raises:
            SigningError: the key for hashes of data subjects cannot be read or created.
        """
        self._ledger = ledger
        self._store = store
        self._chunk_events = chunk_events
        self._on_point = on_point
        self._hash_subject = load_or_create_subject_hasher(settings.key_path)
        self._versions = versions
        self._alerts = AlertStage(ledger, store, versions) if raises_alerts else None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._writing: Future[None] | None = None
        self._next: Position | None = None
        self._followed = Followed(ledger, store)
        self._forget()

    # --- turning

    def run(self, stop_event: threading.Event, on_turn: Callable[[], None] = ignore_turn) -> None:
        """Run until ``stop_event`` is set; finish the current chunk before returning.

        Args:
            stop_event: ends the run.
            on_turn: called after each turn that did not fail.

        Raises:
            AuditError: the failure that stopped the run; calling again continues from what is durable.
        """
        self._forget()
        while not stop_event.is_set():
            progress = self.step()
            on_turn()
            if progress.is_idle:
                stop_event.wait(IDLE_S)
            elif progress.records < SMALL_CHUNK:
                stop_event.wait(GATHER_S)
        self._settle()
        self.close()

    def close(self) -> None:
        """Save the alert position, which only saves work on the next start."""
        if self._alerts is not None:
            self._alerts.save()

    def catch_up(self) -> None:
        """Run until everything in the log is judged and stored, and its alerts raised."""
        while not self.step().is_idle:
            pass

    def step(self) -> TurnProgress:
        """Do one turn; on failure, discard what is not durable, and raise."""
        try:
            return self._step()
        except BaseException:
            self._abandon()
            raise

    def _step(self) -> TurnProgress:
        chunk, recent, records = self._build_next()
        self._on_point("chunk_built")
        self._settle()
        if chunk is None:
            findings = self._make_alerts()
            return TurnProgress(records, findings, findings == 0)
        self._recent = recent
        self._next = chunk.position
        self._writing = self._writer.submit(self._store.write, chunk)
        self._on_point("write_begun")
        return TurnProgress(records, self._make_alerts(), False)

    def _make_alerts(self) -> int:
        """Raise alerts from stored findings; return the number of findings."""
        if self._alerts is None:
            return 0
        stored = self._followed.read_position()
        if self._writing is None and stored != self._next:
            message = f"event store: somebody changed its position: expected {self._next}, got {stored}"
            raise StorageError("storage_unavailable", f"{message}; judged again from there")
        findings = self._alerts.step(stored.next)
        self._on_point("alerts_made")
        return findings

    def _settle(self) -> None:
        """Wait until the chunk that is being written is durable; raise the error if it failed."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()
            self._on_point("chunk_stored")

    def _abandon(self) -> None:
        """Wait for a write in progress, ignoring its outcome, and discard what is not durable."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.exception()
        self._forget()

    def _forget(self) -> None:
        """Restart from the store's position, which is read lazily, since the store may be unavailable."""
        self._next = None
        self._recent = Recent()
        self._leaves: deque[Leaf] = deque()
        self._open: _OpenBatch | None = None

    # --- building

    def _build_next(self) -> tuple[Chunk | None, Recent, int]:
        """Return the next chunk, the data of it that its successor needs, and its size; None at the end of the log."""
        if self._next is None:
            self._store.prepare()
            self._next = self._followed.read_position()
        position = self._next
        first = position.next
        builder = ChunkBuilder(self._store, self._recent)
        while builder.size < self._chunk_events and builder.raw_bytes < CHUNK_BYTES:
            if self._open is None:
                leaf = self._take_leaf(position.next.seq)
                if leaf is None:
                    break
                position = self._enter(leaf, position)
            if self._open is not None:
                position = self._read_part(self._open, position, builder)
        if position.next == first:
            return None, self._recent, 0
        return builder.build(first, position), builder.result, builder.size

    def _take_leaf(self, seq: int) -> Leaf | None:
        """Return leaf ``seq``, None when it does not exist yet."""
        if not self._leaves:
            with self._ledger.database.connect() as connection:
                self._leaves.extend(islice(iter_leaves(connection, seq), LEAVES_AT_ONCE))
        return self._leaves.popleft() if self._leaves else None

    def _enter(self, leaf: Leaf, position: Position) -> Position:
        """Open a batch, or process a leaf of another kind; return the position after it."""
        behind = LedgerPlace(leaf.seq + 1)
        if leaf.kind == "policy":
            return Position(behind, position.catalog_seq, leaf.seq, leaf.leaf_hash.hex())
        if leaf.kind == "catalog":
            return Position(behind, leaf.seq, position.policy_seq, leaf.leaf_hash.hex())
        if leaf.kind != "batch":
            return Position(behind, position.catalog_seq, position.policy_seq, leaf.leaf_hash.hex())
        batch = read_batch_facts(leaf)
        catalog = None if position.catalog_seq is None else self._versions.get_catalog(position.catalog_seq)
        reader = None if catalog is None else catalog.find_reader(batch.source)
        scan = scan_batch(leaf, batch, self._ledger.archive, reader, self._hash_subject)
        start = position.next.record
        if start:
            scan = (item for item in scan if item.record >= start)
        self._open = _OpenBatch(batch, scan, start)
        return replace(position, leaf=leaf.leaf_hash.hex())

    def _read_part(self, opened: _OpenBatch, position: Position, builder: ChunkBuilder) -> Position:
        """Read whole records of the open batch until the chunk is full or the batch ends; return the new position."""
        catalog_seq, policy_seq = position.catalog_seq, position.policy_seq
        part = Part(
            batch=opened.batch,
            catalog=None if catalog_seq is None else self._versions.get_catalog(catalog_seq),
            policies=None if policy_seq is None else self._versions.get_policies(policy_seq),
            first_record=opened.next_record,
        )
        taken = _take_records(opened, self._chunk_events - builder.size, CHUNK_BYTES - builder.raw_bytes)
        builder.add_part(part, taken)
        if opened.next_record < 0:
            self._open = None
            part.last_record = max(part.last_record, opened.batch.records if opened.batch.kind == "lines" else 1)
            return replace(position, next=LedgerPlace(opened.batch.seq + 1))
        return replace(position, next=LedgerPlace(opened.batch.seq, opened.next_record))

    # --- status

    def status(self) -> EngineStatus:
        """Return the engine's progress, from what is durable; thread-safe."""
        return measure_progress(self._ledger, self._followed.read_position())


def _take_records(opened: _OpenBatch, limit: int, limit_bytes: int) -> Iterator[Scanned]:
    """Yield at least ``limit`` items or bytes, ending at a record boundary; ``next_record`` is the next record, -1 at the end."""
    current, size = -1, 0
    for taken, scanned in enumerate(opened.scan):
        if (taken >= limit or size >= limit_bytes) and scanned.record != current:
            opened.scan = chain((scanned,), opened.scan)
            opened.next_record = scanned.record
            return
        if scanned.record != current:
            size += len(scanned.raw)
        current = scanned.record
        yield scanned
    opened.next_record = -1

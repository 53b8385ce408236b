"""The embedded event store: one DuckDB file, owned by exactly one process.

Rules:
- One writer: :meth:`DuckStore.write` holds a lock and is one transaction per chunk, position included. DuckDB syncs its
  log on commit, so after a crash a chunk is stored completely or not at all.
- Readers use a cursor of their own for each call and never wait for the writer.
- No external access: extensions are not installed or loaded, files other than the store's are not opened.
"""

import fcntl
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TextIO

import duckdb
from duckdb import DuckDBPyConnection

from auditsvc.ground.errors import StorageError
from auditsvc.ground.files import make_folder
from auditsvc.ground.ids import EventUid, FindingKey
from auditsvc.ground.settings.model import Settings
from auditsvc.store.duckdb import findings, search
from auditsvc.store.duckdb.aggregate import build_group, build_measure, run_groups
from auditsvc.store.duckdb.clause import build_clause, split_clause
from auditsvc.store.duckdb.columns import build_event_table, quote
from auditsvc.store.duckdb.schema import LEAF_COLUMN, REMOVED_TABLE, VERSION, create_tables, find_version
from auditsvc.store.month import bound_month, check_over, drop_removed, name_month, rank_month
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
    MonthFigure,
    Position,
    QuarantineRecord,
    StoredEvent,
    StoreDigest,
    TableDigest,
)

CHECKPOINT_THRESHOLD = "256MB"
"""With DuckDB's default of 16 MB, every twentieth chunk waits a second."""
WRITE_ROWS = 20_000
"""Maximum rows of one insert; larger ones gain nothing and take more memory."""

DAY_NS = 86_400 * 10**9
_NEW_ROWS = "new_rows"
_ROW_HASH = "md5_number(CAST(r AS VARCHAR)) AS h"


_COUNT_BY_DAY = 'SELECT "time" // ?, count(*) FROM event GROUP BY 1'
_COUNT_ROWS = ("SELECT count(*) FROM finding", "SELECT count(*) FROM quarantine")
_DELETE_EVENTS = 'DELETE FROM event WHERE "time" >= ? AND "time" < ?'


class DuckStore:
    """An :class:`~auditsvc.store.port.EventStore` in one DuckDB file."""

    def __init__(self, path: Path, settings: Settings, *, owns_file: bool = True) -> None:
        """Open or create the store at ``path``; with ``owns_file=False`` the caller already holds :func:`own_file`.

        Raises:
            StorageError: ``storage_unavailable`` when another process owns the file, it cannot be opened, or it was
                created by another version of the program.
        """
        self.path = path
        self._write_lock = threading.Lock()
        self._cursor_lock = threading.Lock()
        self._resources = ExitStack()
        with ExitStack() as opening:
            if owns_file:
                opening.enter_context(own_file(path))
            self._connection = opening.enter_context(closing(_connect(path, settings)))
            self._null_fields = self._prepare()
            self._resources = opening.pop_all()

    def _prepare(self) -> frozenset[str]:
        """Create the tables of a new store, refuse one of another version; return the fields that are null in some event."""
        version = find_version(self._connection)
        if version is None:
            create_tables(self._connection)
        elif version != VERSION:
            raise StorageError(
                "storage_unavailable",
                f"event store `{self.path}`: expected version {VERSION}, got {version}; run `auditsvc reindex`",
            )
        self._connection.execute(REMOVED_TABLE)
        self._connection.execute(LEAF_COLUMN)
        self._removed = _read_names(self._connection, "SELECT month FROM removed_month")
        return _read_names(self._connection, "SELECT name FROM null_field")

    def close(self) -> None:
        """Release the file; further calls are refused."""
        with self._write_lock, self._cursor_lock:
            self._resources.close()

    def checkpoint(self) -> None:
        """Merge the write-ahead log into the file, so that it can be moved once it is closed."""
        with self._write_lock, self._open_cursor() as cursor:
            cursor.execute("CHECKPOINT")

    @contextmanager
    def _open_cursor(self) -> Iterator[DuckDBPyConnection]:
        """Yield a new cursor; DuckDB's errors are translated to :class:`StorageError`."""
        try:
            with self._cursor_lock:
                cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()
        except duckdb.Error as err:
            raise StorageError("storage_unavailable", f"event store: {_first_line(err)}") from err

    # --- writing

    def prepare(self) -> None:
        """Do nothing: an open file is ready."""

    def position(self) -> Position:
        """Return the place in the ledger up to which the store is complete."""
        with self._open_cursor() as cursor:
            return _read_position(cursor)

    def write(self, chunk: Chunk) -> None:
        """Store a chunk and its position in one transaction.

        Raises:
            StorageError: ``conflict`` when the chunk does not start at the position; ``storage_unavailable`` when
                DuckDB could not store it, in which case nothing of it is stored.
        """
        with self._write_lock, self._open_cursor() as cursor:
            chunk = drop_removed(chunk, self._removed)
            cursor.execute("BEGIN")
            try:
                _expect_position(cursor, chunk)
                nulls = self._insert_chunk(cursor, chunk)
                cursor.execute("COMMIT")
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            self._null_fields |= nulls

    def _insert_chunk(self, cursor: DuckDBPyConnection, chunk: Chunk) -> frozenset[str]:
        """Insert all rows of a chunk and advance the position; return the names of fields that are null for the first time."""
        new_nulls: set[str] = set()
        for start in range(0, len(chunk.events), WRITE_ROWS):
            rows = chunk.events[start : start + WRITE_ROWS]
            built = build_event_table(rows)
            _insert(cursor, "event", built.names, built.table, built.reads)
            new_nulls.update(built.nulls)
        nulls = frozenset(new_nulls - self._null_fields)
        for name in sorted(nulls):
            cursor.execute("INSERT INTO null_field VALUES (?)", [name])
        if chunk.findings:
            _insert(cursor, "finding", *findings.build_finding_table(chunk.findings))
        if chunk.quarantine:
            _insert(cursor, "quarantine", *findings.build_quarantine_table(chunk.quarantine))
        if chunk.batches:
            _insert(cursor, "batch", *findings.build_batch_table(chunk.batches))
        if chunk.indeterminate:
            _insert(cursor, "indeterminate", *findings.build_indeterminate_table(chunk.indeterminate))
        place = chunk.position.next
        cursor.execute(
            'UPDATE position SET "seq" = ?, "record" = ?, "catalog_seq" = ?, "policy_seq" = ?, "leaf" = ?',
            [place.seq, place.record, chunk.position.catalog_seq, chunk.position.policy_seq, chunk.position.leaf],
        )
        return nulls

    # --- what the engine asks while it builds a chunk

    def find_uids(self, uids: Collection[EventUid]) -> dict[EventUid, frozenset[EventDigest]]:
        """Return the digests stored under each uid, for those of ``uids`` that are stored."""
        with self._open_cursor() as cursor:
            return search.find_uids(cursor, uids)

    def find_halves(self, keys: Collection[bytes], first_ns: int, last_ns: int) -> list[Half]:
        """Return the stored sides of calls with these access keys in the interval, in ledger order."""
        with self._open_cursor() as cursor:
            return search.find_halves(cursor, keys, first_ns, last_ns)

    def find_finding_uids(self, keys: Collection[FindingKey]) -> dict[FindingKey, EventUid]:
        """Return the event of each finding, for those of ``keys`` that are stored."""
        with self._open_cursor() as cursor:
            return findings.find_finding_uids(cursor, keys)

    # --- search

    def search(
        self, query: EventQuery, *, limit: int = 50, after: Cursor | None = None, order: Order = Order.NEWEST
    ) -> Page:
        """Return a page of the events of a query."""
        with self._open_cursor() as cursor:
            return search.read_page(cursor, build_clause(cursor, query), limit, after, order)

    def iter_events(self, query: EventQuery) -> Iterator[StoredEvent]:
        """Yield every event of a query, oldest first, ties by place, as of the first call to ``next``."""
        with self._open_cursor() as cursor:
            cursor.execute("BEGIN")  # concurrent writes are not seen; closing the cursor ends the snapshot
            yield from search.iter_events(cursor, split_clause(query))

    def get_event(self, uid: EventUid) -> StoredEvent:
        """Return the first row stored under ``uid``; raise ``StorageError`` (``not_found``) when there is none."""
        with self._open_cursor() as cursor:
            return search.get_event(cursor, uid)

    def list_rows(self, uid: EventUid) -> list[StoredEvent]:
        """Return every row stored under ``uid``, in ledger order."""
        with self._open_cursor() as cursor:
            return search.list_rows(cursor, "uid", uid)

    def list_partners(self, access_key: bytes) -> list[StoredEvent]:
        """Return every stored side of one call, in ledger order."""
        with self._open_cursor() as cursor:
            return search.list_rows(cursor, "access_key", access_key)

    # --- figures

    def aggregate(
        self, query: EventQuery, by: tuple[By, ...] = (), measures: tuple[Measure, ...] = (COUNT,)
    ) -> list[AggregateRow]:
        """Return exact aggregates of the events of a query, ordered by key."""
        groups = [
            build_group(part, self._null_fields, query.first_ns, query.last_ns, number)
            for number, part in enumerate(by)
        ]
        asked = [build_measure(measure) for measure in measures]
        with self._open_cursor() as cursor:
            return run_groups(cursor, "event", build_clause(cursor, query), groups, asked)

    def count_findings(self, query: FindingQuery, by: tuple[By, ...] = ()) -> list[AggregateRow]:
        """Return the number of findings in each group, ordered by key."""
        with self._open_cursor() as cursor:
            return findings.count_findings(cursor, query, by)

    def list_findings(self, query: FindingQuery, *, limit: int = 100, offset: int = 0) -> list[Finding]:
        """Return findings in order of time and place."""
        with self._open_cursor() as cursor:
            return findings.list_findings(cursor, query, limit, offset)

    def get_findings(self, keys: Sequence[FindingKey]) -> list[Finding]:
        """Return the findings with these keys that are stored, in order of time and place."""
        with self._open_cursor() as cursor:
            return findings.get_findings(cursor, keys)

    def iter_findings(self, first: LedgerPlace, last: LedgerPlace) -> Iterator[Finding]:
        """Yield the findings at the places ``[first, last)``, in ledger order."""
        with self._open_cursor() as cursor:
            yield from findings.iter_findings(cursor, first, last)

    def count_indeterminate(
        self, first_ns: int, last_ns: int, interfaces: Collection[str] | None = None
    ) -> dict[str, int]:
        """Return numbers of undecided events in the interval by policy id, of some interfaces or of all."""
        with self._open_cursor() as cursor:
            return findings.count_indeterminate(cursor, first_ns, last_ns, interfaces)

    def count_quarantine(self, first_ns: int, last_ns: int) -> dict[tuple[str, str], int]:
        """Return numbers of quarantined records by (source, code), by the time the ledger accepted them."""
        with self._open_cursor() as cursor:
            return findings.count_quarantine(cursor, first_ns, last_ns)

    def list_quarantine(
        self, first_ns: int, last_ns: int, *, source: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[QuarantineRecord]:
        """Return quarantined records, newest accepted first."""
        with self._open_cursor() as cursor:
            return findings.list_quarantine(cursor, (first_ns, last_ns), source, limit, offset)

    def batch_stats(self, first_ns: int, last_ns: int) -> list[BatchStat]:
        """Return sums over the batches accepted in the interval, one row per source."""
        with self._open_cursor() as cursor:
            return findings.sum_batches(cursor, first_ns, last_ns)

    def count_dead_letters(self) -> int:
        """Return 0: a row this store cannot store fails the whole chunk."""
        return 0

    def list_dead_letters(self, *, limit: int = 100, offset: int = 0) -> list[DeadLetter]:
        """Return an empty list: a row this store cannot store fails the whole chunk."""
        return []

    # --- months

    def inventory(self) -> Inventory:
        """Return the store's size, its events by month, and the removed months; the size is the file's."""
        with self._open_cursor() as cursor:
            days = cursor.execute(_COUNT_BY_DAY, [DAY_NS]).fetchall()
            counts = [cursor.execute(text).fetchall()[0][0] for text in _COUNT_ROWS]
        months: dict[str, int] = {}
        for day, number in days:
            month = name_month(day * DAY_NS)
            months[month] = months.get(month, 0) + number
        return Inventory(
            months=tuple(MonthFigure(month, months[month], None) for month in sorted(months, key=rank_month)),
            removed=tuple(sorted(self._removed, key=rank_month)),
            findings=counts[0],
            quarantine=counts[1],
            dead_letters=0,
            size_bytes=self.path.stat().st_size,
        )

    def delete_month(self, month: str, now_ns: int) -> int:
        """Permanently remove the events of a month in one transaction, and return their number.

        Raises:
            InputError: ``input_invalid`` when it is not a month or not over.
            StorageError: ``storage_unavailable``; nothing was removed.
        """
        check_over(month, now_ns)
        with self._write_lock, self._open_cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                ((number,),) = cursor.execute(_DELETE_EVENTS, bound_month(month)).fetchall()
                if month not in self._removed:
                    cursor.execute("INSERT INTO removed_month VALUES (?)", [month])
                cursor.execute("COMMIT")
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            self._removed |= {month}
        return int(number)

    def digest(self) -> StoreDigest:
        """Return a digest that is equal for two stores built from one ledger: rows and contents, in any order."""
        with self._open_cursor() as cursor:
            return StoreDigest.join(
                events=_digest_table(cursor, "event"),
                findings=_digest_table(cursor, "finding"),
                quarantine=_digest_table(cursor, "quarantine"),
            )


@contextmanager
def own_file(path: Path) -> Iterator[None]:
    """Become the only owner of the store at ``path``, through a lock on ``<path>.lock`` that ends with the process.

    Raises:
        StorageError: ``storage_unavailable`` when another process owns it.
    """
    lock = path.with_name(path.name + ".lock")
    with _open_lock(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            message = (
                f"event store `{path}`: another process owns it; stop the service (`auditsvc serve`), or wait until "
                "`auditsvc reindex` or `auditsvc report create` has ended"
            )
            raise StorageError("storage_unavailable", message) from err
        yield


def _open_lock(lock: Path) -> TextIO:
    """Open the lock file, creating it if missing."""
    try:
        make_folder(lock.parent)
        return lock.open("a")
    except OSError as err:
        raise StorageError("storage_unavailable", f"event store: `{lock}` cannot be written: {err.strerror}") from err


def _connect(path: Path, settings: Settings) -> DuckDBPyConnection:
    """Open the file; a lock held by another process is reported as such."""
    config: dict[str, Any] = {
        "checkpoint_threshold": CHECKPOINT_THRESHOLD,
        "memory_limit": settings.duckdb_memory_limit,
        "threads": settings.duckdb_threads,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "enable_external_access": False,
    }
    try:
        return duckdb.connect(str(path), config=config)
    except duckdb.Error as err:
        raise StorageError("storage_unavailable", f"event store `{path}`: {_first_line(err)}") from err


def _read_names(connection: DuckDBPyConnection, text: str) -> frozenset[str]:
    """Return the names that a statement yields."""
    return frozenset(name for (name,) in connection.execute(text).fetchall())


def _first_line(err: duckdb.Error) -> str:
    """Return the first line of DuckDB's error message."""
    return str(err).splitlines()[0] if str(err) else type(err).__name__


def _read_position(cursor: DuckDBPyConnection) -> Position:
    """Return the only row of ``position``."""
    rows = cursor.execute('SELECT "seq", "record", "catalog_seq", "policy_seq", "leaf" FROM position').fetchall()
    if len(rows) != 1:
        raise StorageError("storage_unavailable", "event store: no position; run `auditsvc reindex`")
    seq, record, catalog_seq, policy_seq, leaf = rows[0]
    return Position(LedgerPlace(seq, record), catalog_seq, policy_seq, leaf)


def _expect_position(cursor: DuckDBPyConnection, chunk: Chunk) -> None:
    """Refuse a chunk that would leave a gap or duplicate rows."""
    at = _read_position(cursor).next
    if chunk.first != at:
        raise StorageError("conflict", f"event store: expected a chunk from {at}, got one from {chunk.first}")


def _insert(
    cursor: DuckDBPyConnection, target: str, names: Sequence[str], table: Any, reads: Sequence[str] | None = None
) -> None:
    """Insert an Arrow table into the named columns of ``target``."""
    columns = ", ".join(quote(name) for name in names)
    selects = ", ".join(reads) if reads is not None else columns
    cursor.register(_NEW_ROWS, table)
    cursor.execute(" ".join(["INSERT INTO", target, "(", columns, ") SELECT", selects, "FROM", _NEW_ROWS]))
    cursor.unregister(_NEW_ROWS)


def _digest_table(cursor: DuckDBPyConnection, table: str) -> TableDigest:
    """Return a table's number of rows and a 128-bit digest of the multiset; duplicate rows do not cancel out."""
    text = " ".join(
        [
            "SELECT count(*), bit_xor(h), sum(CAST(h % 1000000007 AS BIGINT)) FROM",
            "(SELECT",
            _ROW_HASH,
            "FROM",
            table,
            "r)",
        ]
    )
    ((number, mixed, added),) = cursor.execute(text).fetchall()
    return TableDigest(int(number), f"{int(mixed or 0):032x}{int(added or 0):016x}")

"""Group commit: one thread per ingest worker makes all pending deliveries durable, then returns their receipts.

Order of steps for a group; no receipt is returned before the last: look for deliveries already received; compress; write the frames and
fdatasync; one transaction that appends all leaves; then the receipts. A crash between the sync and the commit leaves
orphan frames, which :mod:`auditsvc.ledger.write.recovery` reoffers when a worker starts.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from auditsvc.ground.database import begin_write
from auditsvc.ground.errors import AuditError, InputError, StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.archive import compress_frame
from auditsvc.ledger.delivery import Delivery, Identity, find_received
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.receipt import Receipt, Received
from auditsvc.ledger.write.appender import read_head
from auditsvc.ledger.write.batch import HashedDelivery, append_batches, group_parts, hash_delivery, prepare_batch
from auditsvc.ledger.write.recovery import recover
from auditsvc.ledger.write.segment import SegmentWriter

__all__ = ["Committer", "Delivery", "Receipt"]

MAX_GROUP_BYTES = 32 * 1024 * 1024
"""A group accepts no further delivery past this, so that small ones do not wait for a long compression."""
MAX_GROUP_DELIVERIES = 1024
"""Limits the size of the statements that look up known deliveries."""

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Pending:
    """A delivery waiting for its receipt; ``done`` is locked until the result is available."""

    hashed: HashedDelivery
    done: threading.Lock = field(default_factory=threading.Lock)
    receipt: Receipt | None = None
    error: AuditError | None = None

    def answer(self, receipt: Receipt) -> None:
        """Set the receipt as the result."""
        self.receipt = receipt
        self.done.release()

    def refuse(self, error: AuditError) -> None:
        """Set an error as the result."""
        self.error = error
        self.done.release()


class Committer:
    """Makes deliveries durable in groups. One per process; thread-safe."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        """Claim a slot of the archive, reoffer orphan frames to the log, and start the thread.

        Raises:
            StorageError: ``storage_unavailable`` when no slot is available.
            LogError: ``log_damaged`` when the log is shorter than its last checkpoint.
        """
        self._ledger = ledger
        self._horizon = timedelta(days=settings.duplicate_horizon_days)
        self._max_pending_bytes = settings.max_pending_bytes
        self._writer = SegmentWriter(ledger.archive, settings.worker_slot)
        try:
            self.recovery = recover(ledger, settings, self._writer)
        except BaseException:
            self._writer.close()
            raise
        self._pending: deque[_Pending] = deque()
        self._pending_bytes = 0
        self._wake = threading.Condition(threading.Lock())
        self._closed = False
        self.failure: AuditError | None = None
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    @property
    def slot(self) -> int:
        """The slot of the archive this committer writes to."""
        return self._writer.slot

    def check_ready(self) -> None:
        """Raise the last storage error, or a new one when the archive is not writable."""
        if self.failure is not None:
            self._ledger.archive.check_writable()
        if self._closed or not self._thread.is_alive():
            raise StorageError("storage_unavailable", "committer: stopped")

    def submit(self, item: Delivery) -> Receipt:
        """Return the delivery's receipt once it is durable and in the log.

        Raises:
            InputError: ``overloaded`` when too much is pending (try again later), ``idempotency_conflict`` when the key
                was used for other bytes, ``input_invalid`` when the body contradicts the delivery's fields.
            StorageError: ``storage_unavailable``; retrying is safe.
        """
        pending = _Pending(hash_delivery(item))
        pending.done.acquire()
        size = len(item.body)
        with self._wake:
            if self._closed:
                raise StorageError("storage_unavailable", "committer: stopping, send again")
            if self._pending and self._pending_bytes + size > self._max_pending_bytes:
                raise InputError("overloaded", "too many bytes are waiting to be written; send again after a second")
            self._pending.append(pending)
            self._pending_bytes += size
            self._wake.notify()
        pending.done.acquire()
        if pending.receipt is None:
            raise pending.error or StorageError("storage_unavailable", "committer: stopped")
        return pending.receipt

    def close(self) -> None:
        """Commit what is pending, stop the thread and release the slot."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()
        self._writer.close()

    def _run(self) -> None:
        """Commit groups until closed and empty."""
        while group := self._take():
            try:
                self._commit(group)
                self.failure = None
            except AuditError as err:
                self._fail(group, err)
            except SQLAlchemyError as err:
                _log.exception("group_failed")
                self._fail(group, StorageError("storage_unavailable", f"database: {type(err).__name__}, send again"))
            except Exception:
                # The outermost loop of the thread: whatever happens, the waiting requests must get a result.
                _log.exception("group_failed")
                self._fail(group, StorageError("storage_unavailable", "committer: failed, send again"))

    def _take(self) -> list[_Pending]:
        """Wait for pending deliveries and return the next group; empty when closed and nothing is left."""
        with self._wake:
            while not self._pending and not self._closed:
                self._wake.wait()
            group: list[_Pending] = []
            size = 0
            while self._pending and size < MAX_GROUP_BYTES and len(group) < MAX_GROUP_DELIVERIES:
                item = self._pending.popleft()
                size += len(item.hashed.delivery.body)
                group.append(item)
            self._pending_bytes -= size
            return group

    def _fail(self, group: Sequence[_Pending], error: AuditError) -> None:
        """Set an error for every delivery in the group without a result."""
        self.failure = error
        _log.error("group_refused", extra={"code": error.code, "reason": error.message, "deliveries": len(group)})
        for item in group:
            if item.receipt is None and item.error is None:
                item.refuse(error)

    def _commit(self, group: list[_Pending]) -> None:
        """Make a group durable and set the results."""
        first: dict[Identity, _Pending] = {}
        for item in group:
            first.setdefault(item.hashed.delivery.identity, item)
        answers: dict[Identity, Received] = {}
        fresh = {identity: item.hashed for identity, item in first.items()}
        while fresh:
            with self._ledger.database.connect() as connection:
                size = read_head(connection)[0].size
                answers.update(self._find_received(connection, fresh.values()))
            fresh = {identity: part for identity, part in fresh.items() if identity not in answers}
            if fresh:
                answers.update(self._write(fresh, size))
                fresh = {identity: part for identity, part in fresh.items() if identity not in answers}
        for item in group:
            identity = item.hashed.delivery.identity
            self._answer(item, answers[identity], repeated=first[identity] is not item)

    def _write(self, fresh: Mapping[Identity, HashedDelivery], size: int) -> dict[Identity, Received]:
        """Write and append deliveries; nothing is appended when another worker has appended one of them first.

        ``size`` is the log's size when it was checked that it has none of them; while it is unchanged, the check is valid.
        """
        batches = [prepare_batch(self._ledger.clock, parts) for parts in group_parts(list(fresh.values()))]
        places = self._writer.append([(compress_frame(item.payload), item.build_index_line()) for item in batches])
        with begin_write(self._ledger.database) as connection:
            appender = self._ledger.open_appender(connection)
            if appender.size != size:
                overtaken = self._find_received(connection, fresh.values())
                if overtaken:
                    return overtaken
            receipts = append_batches(connection, appender, list(zip(batches, places, strict=True)))
        return {
            part.delivery.identity: Received(receipt, part.delivery.body_sha256)
            for item, given in zip(batches, receipts, strict=True)
            for part, receipt in zip(item.deliveries, given, strict=True)
        }

    def _find_received(self, connection: Connection, parts: Iterable[HashedDelivery]) -> dict[Identity, Received]:
        """Return those of ``parts`` that are already in the log."""
        since = self._ledger.clock.now() - self._horizon
        return find_received(connection, [part.delivery for part in parts], since)

    def _answer(self, item: _Pending, received: Received, *, repeated: bool) -> None:
        """Set one delivery's result: its own receipt, that of the original, or a conflict."""
        stated = item.hashed.delivery
        if received.body_sha256 != stated.body_sha256:
            message = f"idempotency key `{stated.idempotency_key}` was used for other bytes; use a new key"
            item.refuse(InputError("idempotency_conflict", message))
        else:
            item.answer(replace(received.receipt, replayed=True) if repeated else received.receipt)

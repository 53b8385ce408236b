"""Signing checkpoints: within a second of the log's growth, and never one that is inconsistent with the last.

Order of steps before every signature, under an exclusive file lock:
1. read the last checkpoint from its own append-only file, and check its signature with our key; drop an unfinished
   one behind it, and refuse any other trailing data;
2. the database must hold at least as many leaves, and its stored nodes must yield that checkpoint's root hash;
3. re-hash every header since then; the tree extended from the signed one must match the database's head;
4. sign; append to the file, fsync; only then insert it into the database, where others read it.
When a step fails, nothing is signed; the refusal is kept in :attr:`Checkpointer.refusal` and logged as an error.
"""

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import SQLAlchemyError

from auditsvc.ground.database import begin_write
from auditsvc.ground.errors import AuditError, LogError, SigningError, StorageError
from auditsvc.ground.files import make_folder, sync_folder
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.format.note import (
    Checkpoint,
    Signer,
    format_checkpoint,
    is_unfinished,
    sign_note,
    verify_checkpoint,
)
from auditsvc.ledger.format.tree import CompactRange, hash_leaf
from auditsvc.ledger.keys import load_signer
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.proof import latest_checkpoint, load_range
from auditsvc.ledger.tables import checkpoint, leaf
from auditsvc.ledger.write.appender import read_head
from auditsvc.ledger.write.checkpoint_file import read_last_note

__all__ = ["Checkpoint", "Checkpointer"]

INTERVAL_S = 0.5
"""Half of the promised second, so that a checkpoint is signed within it."""

_log = logging.getLogger(__name__)


class Checkpointer:
    """Signs the log's head."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        """Load the signing key; see :func:`load_signer` for errors."""
        self._ledger = ledger
        self._path = settings.checkpoint_path
        self._signer = load_signer(settings.key_path, ledger.origin)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.refusal: AuditError | None = None

    @property
    def signer(self) -> Signer:
        """The signer; its name is the log's origin."""
        return self._signer

    def start(self) -> None:
        """Sign in a thread whenever the log has grown."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Sign the head a last time if the log has grown, and stop the thread."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def sign_now(self) -> Checkpoint | None:
        """Sign the head and return the checkpoint; None when the log has not grown since the last one.

        Raises:
            SigningError: ``checkpoint_refused`` when the log does not extend the last checkpoint.
            StorageError: ``storage_unavailable`` when the file or the database cannot be used.
        """
        try:
            with _locked(self._path):
                with self._ledger.database.connect() as connection:
                    signed, missing = self._sign(connection)
                if missing is not None:
                    with begin_write(self._ledger.database) as connection:
                        self._insert(connection, missing)
                return signed
        except OSError as err:
            raise StorageError("storage_unavailable", f"checkpoint file: {err.strerror or err}") from err
        except SQLAlchemyError as err:
            raise StorageError("storage_unavailable", f"database: {type(err).__name__}") from err
        except LogError as err:
            raise SigningError("checkpoint_refused", f"no checkpoint is signed: {err.message}") from err

    def _run(self) -> None:
        """Sign until stopped, then once more."""
        while not self._stop.wait(INTERVAL_S):
            self._try()
        self._try()

    def _try(self) -> None:
        """Sign; on refusal, record it and log it once until it changes."""
        try:
            self.sign_now()
            self.refusal = None
        except AuditError as err:
            if self.refusal is None or self.refusal.message != err.message:
                _log.error("checkpoint_refused", extra={"code": err.code, "reason": err.message})
            self.refusal = err

    def _sign(self, connection: Connection) -> tuple[Checkpoint | None, Checkpoint | None]:
        """Carry out the steps above except the insertion; return what was signed, and what the database still lacks.

        Appending may continue concurrently: the head is read first, and nothing at or below it changes.
        """
        last = self._read_last()
        known = latest_checkpoint(connection)
        if known is not None and (last is None or known.size > last.size):
            raise LogError(
                "log_damaged",
                f"the database has a checkpoint of size {known.size}, the file `{self._path}` "
                f"{f'ends at {last.size}' if last else 'has none'}; restore the file",
            )
        head, _ = read_head(connection)
        grown = self._extend(connection, last, head.size)
        if (grown.size, grown.frontier) != (head.size, head.frontier):
            message = f"{grown.size} leaves hash to `{grown.root_hash().hex()}`, the head says {head.size} leaves, "
            raise LogError("log_damaged", f"{message}`{head.root_hash().hex()}`")
        if last is not None and last.size == head.size:
            return None, last if known is None or known.size < last.size else None
        if head.size == 0:
            return None, None
        note = sign_note(format_checkpoint(self._ledger.origin, head.size, head.root_hash()), self._signer)
        _append(self._path, note)
        signed = Checkpoint(self._ledger.origin, head.size, head.root_hash(), note)
        _log.debug("checkpoint_signed", extra={"size": head.size})
        return signed, signed

    def _read_last(self) -> Checkpoint | None:
        """Return the last checkpoint of the file, its signature checked; drop an unfinished one behind it.

        An unfinished one means that the process died while appending it, before it was published. Any other trailing data
        has a foreign origin, and is left for an operator to inspect.
        """
        note, end = read_last_note(self._path)
        rest = _read_from(self._path, end)
        if rest and not is_unfinished(rest.decode("utf-8", "replace"), self._ledger.origin):
            message = f"`{self._path}` has {len(rest)} bytes from byte {end} on that are no unfinished checkpoint"
            raise LogError("log_damaged", f"{message}; find out who wrote them and cut them off")
        if rest:
            _log.warning("unfinished_checkpoint_dropped", extra={"offset": end})
            os.truncate(self._path, end)
        return None if note is None else verify_checkpoint(note, self._signer.verifier_key)

    def _extend(self, connection: Connection, last: Checkpoint | None, size: int) -> CompactRange:
        """Return the last checkpoint's tree, extended with the re-hashed later headers up to ``size``."""
        tree = CompactRange()
        if last is not None:
            if size < last.size:
                raise LogError("log_damaged", f"the log has {size} leaves, the last checkpoint {last.size}")
            tree = load_range(connection, last.size)
            if tree.root_hash() != last.root_hash:
                message = f"the first {last.size} leaves hash to `{tree.root_hash().hex()}`, signed was "
                raise LogError("log_damaged", f"{message}`{last.root_hash.hex()}`")
        later = (leaf.c.seq >= tree.size) & (leaf.c.seq < size)
        query = select(leaf.c.seq, leaf.c.header, leaf.c.leaf_hash).where(later).order_by(leaf.c.seq)
        for row in connection.execute(query):
            if row.seq != tree.size or hash_leaf(row.header.encode()) != row.leaf_hash:
                raise LogError("log_damaged", f"leaf {tree.size} is missing or its header was changed")
            tree.append(row.leaf_hash)
        return tree

    def _insert(self, connection: Connection, signed: Checkpoint) -> None:
        values = {"size": signed.size, "root_hash": signed.root_hash, "note": signed.note}
        connection.execute(insert(checkpoint).values(**values, signed_at=self._ledger.clock.now()))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the exclusive lock for reading, signing and appending."""
    make_folder(path.parent)
    descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read_from(path: Path, offset: int) -> bytes:
    """Return the bytes of a file from ``offset`` on; empty when there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:
        return b""


def _append(path: Path, note: str) -> None:
    """Append a note and an empty line to the checkpoint file, durably."""
    new = not path.exists()
    with path.open("ab") as file:
        file.write(f"{note}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync_folder(path.parent)

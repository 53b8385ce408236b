"""The evidence of a verification, and reading it from a live archive with its SQLite database."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from auditsvc.ground.errors import LogError
from auditsvc.ledger.format.frame import MAX_PAYLOAD_BYTES
from auditsvc.ledger.format.header import Header

FINGERPRINT_BYTES = 4
"""Leading bytes of a record's leaf hash, kept to name a changed record; see ``docs/ledger.md``."""
MAX_TEXT_BYTES = 4 * 1024 * 1024 * 1024
"""Size limit of the headers, those of ten million batches; more is not read into memory."""
MAX_FRAME_BYTES = MAX_PAYLOAD_BYTES + MAX_PAYLOAD_BYTES // 64
"""Maximum size of a frame, even if its payload is incompressible."""
LOCK_WAIT_S = 1.0
"""Lock time-out; the service never blocks readers, so a long wait has another cause."""
_UNAVAILABLE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM", "SQLITE_NOMEM")
"""Names of SQLite errors that do not indicate damage to the stored data."""
_SEGMENT = re.compile(r"w[0-9]+-[0-9]{6}\.seg\Z")


class Evidence(Protocol):
    """The input of :mod:`auditsvc.ledger.verify.check`. The frames of the batches in ``[first, last)`` are available.

    Attributes:
        live: whether this is the log itself, which only grows, and not an export of it.
    """

    first: int
    last: int
    live: bool

    def headers(self) -> Iterator[str]:
        """Yield the headers of the log from leaf 0 on."""

    def notes(self) -> str:
        """Return the checkpoint notes, each followed by an empty line."""

    def frame(self, header: Header) -> bytes:
        """Return a batch's frame; raise :class:`LogError` ``not_found``."""

    def fingerprints(self, header: Header) -> bytes:
        """Return the fingerprints of a batch's records, in order; empty when there are none."""

    def object_frame(self, digest: str) -> bytes:
        """Return an object's frame; raise :class:`LogError` ``not_found``."""


class ArchiveEvidence:
    """A live archive: its folder, its SQLite database (opened read-only) and its checkpoint file.

    The content of the database is untrusted: every value is checked before it is used, and every error of the
    database is raised as a :class:`LogError`: ``log_damaged`` when its content is not what the service writes, or
    ``storage_unavailable`` when it cannot be read.
    """

    def __init__(self, database: Path, archive: Path, checkpoints: Path) -> None:
        """Open the database read-only.

        Raises:
            LogError: ``not_found`` when it is missing; ``log_damaged`` or ``storage_unavailable``.
        """
        if not database.is_file():
            raise LogError("not_found", f"there is no database `{database}`")
        self._archive = archive
        # INVARIANT: the notes are read before the database's state is fixed, so none of them is about later leaves.
        self._notes = _try_read_notes(checkpoints)
        self._database = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=LOCK_WAIT_S)
        self._database.text_factory = _decode_text
        self._tables = {"sqlite_master"}
        self.first, self.live = 0, True
        try:
            self._query("sqlite_master", "BEGIN")
            # A view could return arbitrary rows, without end; only tables are read.
            self._tables |= {
                row[0] for row in self._query("sqlite_master", "SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            self.last: int = self._query("leaf", "SELECT count(*) FROM leaf")[0][0]
        except BaseException:
            self._database.close()
            raise

    def _query(self, table: str, query: str, *values: int) -> list[Any]:
        """Return the rows of a query on ``table``; see :meth:`rows`."""
        return list(self.rows(table, query, *values))

    def rows(self, table: str, query: str, *values: int) -> Iterator[Any]:
        """Yield the rows of a query on ``table``.

        Raises:
            LogError: ``log_damaged`` or ``storage_unavailable``.
        """
        if table not in self._tables:
            raise LogError("log_damaged", f"database: there is no table `{table}`")
        try:
            with closing(self._database.execute(query, values)) as rows:
                yield from rows
        except (sqlite3.Error, UnicodeDecodeError) as err:  # the latter for an error text that quotes a damaged schema
            name = str(getattr(err, "sqlite_errorname", ""))
            code = "storage_unavailable" if name.startswith(_UNAVAILABLE) else "log_damaged"
            raise LogError(code, f"database: {err}") from err

    def headers(self) -> Iterator[str]:
        """Yield the headers of the log from leaf 0 on."""
        for (header,) in self.rows("leaf", "SELECT header FROM leaf ORDER BY seq"):
            yield str(header)

    def notes(self) -> str:
        """Return the checkpoint notes, each followed by an empty line."""
        if isinstance(self._notes, LogError):
            raise self._notes
        return self._notes

    def frame(self, header: Header) -> bytes:
        """Return a batch's frame."""
        rows = self._query("batch", 'SELECT segment, "offset", length FROM batch WHERE seq = ?', header.seq)
        if not rows:
            raise LogError("not_found", f"the database does not say where the frame of batch {header.seq} lies")
        segment, offset, length = rows[0]
        if not isinstance(segment, str) or not _SEGMENT.match(segment):
            raise LogError("not_found", f"`{str(segment)[:80]}` is not the name of a segment")
        if type(offset) is not int or type(length) is not int or offset < 0 or length < 0:
            raise LogError(
                "not_found", f"`{str(offset)[:20]}`, `{str(length)[:20]}` are no place in segment `{segment}`"
            )
        return _read_part(self._archive / "segments" / segment, offset, length)

    def fingerprints(self, header: Header) -> bytes:
        """Return the fingerprints of a batch's records."""
        rows = self._query("batch", "SELECT fingerprints FROM batch WHERE seq = ?", header.seq)
        return rows[0][0] if rows and isinstance(rows[0][0], bytes) else b""

    def object_frame(self, digest: str) -> bytes:
        """Return an object's frame."""
        return _read_part(self._archive / "objects" / digest[:2] / f"{digest}.zst", 0, None)

    def __enter__(self) -> "ArchiveEvidence":
        """Return the evidence itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database."""
        self._database.close()


def _decode_text(data: bytes) -> str:
    """Return a text of the database; bytes that are not UTF-8 become U+FFFD, which occurs in no header and no name."""
    return data.decode("utf-8", "replace")


def _try_read_notes(path: Path) -> str | LogError:
    """Return the text of the checkpoint file, empty when there is none, or the reason why it cannot be read."""
    try:
        return _read_part(path, 0, None, MAX_TEXT_BYTES).decode("utf-8", "replace") if path.exists() else ""
    except LogError as err:
        return err


def _read_part(path: Path, offset: int, length: int | None, limit: int = MAX_FRAME_BYTES) -> bytes:
    """Return ``length`` bytes of a file from ``offset`` on; all of them, at most ``limit``, when it is None.

    Raises:
        LogError: ``not_found`` when it has fewer, ``frame_corrupt`` when it has more; then nothing is read.
    """
    try:
        if not path.is_file():
            raise LogError("not_found", f"`{path.name}` is missing or is not a file")
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            wanted = size - offset if length is None else length
            if offset + wanted > size:
                raise LogError("not_found", f"`{path.name}` ends at {size}, not {offset + wanted}")
            if wanted > limit:
                raise LogError("frame_corrupt", f"`{path.name}` has {wanted} bytes, expected at most {limit}")
            file.seek(offset)
            return file.read(wanted)
    except OSError as err:
        raise LogError("not_found", f"`{path.name}` cannot be read: {err.strerror}") from err

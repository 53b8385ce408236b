"""Where evidence is read from: a period bundle, or a live archive with its SQLite database."""

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from auditsvc.errors import LogError
from auditsvc.ledger.verify.frame import MAX_PAYLOAD_BYTES
from auditsvc.ledger.verify.header import Header
from auditsvc.ledger.verify.tar import Member, iter_members

FORMAT = "auditsvc-bundle/v1"
FINGERPRINT_BYTES = 4
"""Leading bytes of a record's leaf hash, kept to name a changed record; see ``docs/ledger.md``."""
MANIFEST = "MANIFEST"
MAX_TEXT_BYTES = 4 * 1024 * 1024 * 1024
"""Headers of ten million batches; more is not read into memory."""
MAX_FRAME_BYTES = MAX_PAYLOAD_BYTES + MAX_PAYLOAD_BYTES // 64
"""No frame of a payload that is read is longer, even when nothing of it could be compressed."""
LOCK_WAIT_S = 1.0
"""The service locks nobody out that only reads; whoever does is not waited for long."""
_UNAVAILABLE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_PERM", "SQLITE_NOMEM")
"""Names of SQLite's errors that say nothing about what is stored."""
_SEGMENT = re.compile(r"w[0-9]+-[0-9]{6}\.seg\Z")


class Evidence(Protocol):
    """What :mod:`auditsvc.ledger.verify.check` looks at. Batches of ``[first, last)`` have their frames."""

    first: int
    last: int

    def headers(self) -> Iterator[str]:
        """Give the headers of the log from leaf 0 on."""

    def notes(self) -> str:
        """Return the checkpoint notes, an empty line after each."""

    def frame(self, header: Header) -> bytes:
        """Return a batch's frame; raise :class:`LogError` ``not_found``."""

    def fingerprints(self, header: Header) -> bytes:
        """Return the fingerprints of a batch's records, in order; empty when there are none."""

    def object_frame(self, digest: str) -> bytes:
        """Return an object's frame; raise :class:`LogError` ``not_found``."""


class BundleEvidence:
    """A period bundle. Opening it checks that every byte is accounted for by the manifest."""

    def __init__(self, path: Path) -> None:
        """Read the list of members and check it against the manifest.

        Raises:
            LogError: ``bundle_invalid``, naming the member.
        """
        self._file = path.open("rb")
        try:
            members = list(iter_members(self._file))
            self._members = {member.name: member for member in members}
            if len(self._members) != len(members):
                raise LogError("bundle_invalid", "bundle: a member stands twice")
            self._check_manifest(members)
            self._read_description()
        except BaseException:
            self._file.close()
            raise
        self._fingerprint_at = 0
        self._fingerprint_seq = self.first

    def _check_manifest(self, members: list[Member]) -> None:
        """Raise unless the manifest is the last member and says exactly what the others are."""
        if not members or members[-1].name != MANIFEST:
            raise LogError("bundle_invalid", f"bundle: the last member must be `{MANIFEST}`")
        stated = self._read(MANIFEST).decode("ascii", "replace").split("\n")
        for number, member in enumerate(members[:-1]):
            line = f"{self._digest(member)} {member.size} {member.name}"
            if number >= len(stated) or stated[number] != line:
                raise LogError("bundle_invalid", f"bundle: member `{member.name}` is not the one in the manifest")
        if stated[len(members) - 1 :] != [""]:
            raise LogError("bundle_invalid", "bundle: the manifest names members that are missing")

    def _read_description(self) -> None:
        """Read which part of which log this is."""
        try:
            data = json.loads(self._read("bundle.json"))
            self.first, self.last = data["first"], data["last"]
            good = data["format"] == FORMAT and 0 <= self.first <= self.last
        except (ValueError, KeyError, TypeError) as err:
            raise LogError("bundle_invalid", "bundle: `bundle.json` cannot be read") from err
        if not good:
            raise LogError("bundle_invalid", f"bundle: expected format `{FORMAT}` and `0 <= first <= last`")

    def _digest(self, member: Member) -> str:
        """Return the SHA-256 of a member's bytes, hex."""
        self._file.seek(member.offset)
        digest, left = hashlib.sha256(), member.size
        while left:
            chunk = self._file.read(min(left, 1024 * 1024))
            digest.update(chunk)
            left -= len(chunk)
        return digest.hexdigest()

    def _read(self, name: str) -> bytes:
        """Return a member's bytes."""
        member = self._members.get(name)
        if member is None:
            raise LogError("not_found", f"bundle: there is no member `{name}`")
        if member.size > MAX_TEXT_BYTES:
            raise LogError("bundle_invalid", f"bundle: member `{name}` is too large")
        self._file.seek(member.offset)
        return self._file.read(member.size)

    def headers(self) -> Iterator[str]:
        """Give the headers of the log from leaf 0 on."""
        text = self._read("headers.txt").decode("ascii", "replace")
        for part in text.split("\n\n")[:-1]:
            yield f"{part}\n"

    def notes(self) -> str:
        """Return the checkpoint notes, an empty line after each."""
        return self._read("checkpoints.txt").decode("utf-8", "replace")

    def frame(self, header: Header) -> bytes:
        """Return a batch's frame."""
        return self._read(f"frames/{header.seq}.zst")

    def fingerprints(self, header: Header) -> bytes:
        """Return the fingerprints of a batch's records; asked for in order of leaf index."""
        size = int(header.fields["records"]) * FINGERPRINT_BYTES
        member = self._members.get("fingerprints.bin")
        if member is None or self._fingerprint_at + size > member.size:
            return b""
        self._file.seek(member.offset + self._fingerprint_at)
        self._fingerprint_at += size
        return self._file.read(size)

    def object_frame(self, digest: str) -> bytes:
        """Return an object's frame."""
        return self._read(f"objects/{digest}.zst")

    def __enter__(self) -> "BundleEvidence":
        """Return the evidence itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()


class ArchiveEvidence:
    """A live archive: its folder, its SQLite database (opened for reading only) and its checkpoint file.

    Whatever stands in the database may be anything: every value is looked at before it is used, and every error of the
    database is a :class:`LogError`, ``log_damaged`` for a database that is not what the service wrote, or
    ``storage_unavailable`` for one that cannot be read just now.
    """

    def __init__(self, database: Path, archive: Path, checkpoints: Path) -> None:
        """Open the database.

        Raises:
            LogError: ``not_found`` when there is none; ``log_damaged`` or ``storage_unavailable``.
        """
        if not database.is_file():
            raise LogError("not_found", f"there is no database `{database}`")
        self._archive = archive
        # INVARIANT: the notes are read before the database's state is fixed, so none of them is about later leaves.
        self._notes = _try_read_notes(checkpoints)
        self._database = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=LOCK_WAIT_S)
        self._database.text_factory = _decode_text
        self._tables = {"sqlite_master"}
        self.first = 0
        try:
            self._query("sqlite_master", "BEGIN")
            # A view could give any rows, without end; only tables are read.
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
        """Give the rows of a query on ``table``.

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
        """Give the headers of the log from leaf 0 on."""
        for (header,) in self.rows("leaf", "SELECT header FROM leaf ORDER BY seq"):
            yield str(header)

    def notes(self) -> str:
        """Return the checkpoint notes, an empty line after each."""
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
    """Return a text of the database; bytes that are not UTF-8 become U+FFFD, which no header and no name has."""
    return data.decode("utf-8", "replace")


def _try_read_notes(path: Path) -> str | LogError:
    """Return the text of the checkpoint file, empty when there is none; or why it cannot be read."""
    try:
        return _read_part(path, 0, None, MAX_TEXT_BYTES).decode("utf-8", "replace") if path.exists() else ""
    except LogError as err:
        return err


def _read_part(path: Path, offset: int, length: int | None, limit: int = MAX_FRAME_BYTES) -> bytes:
    """Return ``length`` bytes of a file from ``offset`` on; all of them, at most ``limit``, when it is None.

    Raises:
        LogError: ``not_found`` when it has fewer, ``frame_corrupt`` when more; nothing is read then.
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

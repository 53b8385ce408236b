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
from typing import Protocol

from auditsvc.errors import LogError
from auditsvc.ledger.verify.header import Header
from auditsvc.ledger.verify.tar import Member, iter_members

FORMAT = "auditsvc-bundle/v1"
FINGERPRINT_BYTES = 4
"""Leading bytes of a record's leaf hash, kept to name a changed record; see ``docs/ledger.md``."""
MANIFEST = "MANIFEST"
MAX_TEXT_BYTES = 4 * 1024 * 1024 * 1024
"""Headers of ten million batches; more is not read into memory."""
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
    """A live archive: its folder, its SQLite database (opened for reading only) and its checkpoint file."""

    def __init__(self, database: Path, archive: Path, checkpoints: Path) -> None:
        """Open the database.

        Raises:
            LogError: ``not_found`` when there is none.
        """
        if not database.is_file():
            raise LogError("not_found", f"there is no database `{database}`")
        self._archive, self._checkpoints = archive, checkpoints
        self.database = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
        self.database.execute("BEGIN")
        self.first = 0
        self.last = int(self.database.execute("SELECT count(*) FROM leaf").fetchone()[0])

    def headers(self) -> Iterator[str]:
        """Give the headers of the log from leaf 0 on."""
        with closing(self.database.execute("SELECT header FROM leaf ORDER BY seq")) as rows:
            for (header,) in rows:
                yield str(header)

    def notes(self) -> str:
        """Return the checkpoint notes, an empty line after each."""
        try:
            return self._checkpoints.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def frame(self, header: Header) -> bytes:
        """Return a batch's frame."""
        query = 'SELECT segment, "offset", length FROM batch WHERE seq = ?'
        row = self.database.execute(query, (header.seq,)).fetchone()
        if row is None:
            raise LogError("not_found", f"the database does not say where the frame of batch {header.seq} lies")
        segment, offset, length = row
        if not _SEGMENT.match(segment):
            raise LogError("not_found", f"`{segment[:80]}` is not the name of a segment")
        try:
            with (self._archive / "segments" / segment).open("rb") as file:
                frame = os.pread(file.fileno(), length, offset)
        except OSError as err:
            raise LogError("not_found", f"segment `{segment}` cannot be read: {err.strerror}") from err
        if len(frame) != length:
            raise LogError("not_found", f"segment `{segment}` ends at {offset + len(frame)}, not {offset + length}")
        return frame

    def fingerprints(self, header: Header) -> bytes:
        """Return the fingerprints of a batch's records."""
        row = self.database.execute("SELECT fingerprints FROM batch WHERE seq = ?", (header.seq,)).fetchone()
        return bytes(row[0]) if row else b""

    def object_frame(self, digest: str) -> bytes:
        """Return an object's frame."""
        try:
            return (self._archive / "objects" / digest[:2] / f"{digest}.zst").read_bytes()
        except OSError as err:
            raise LogError("not_found", f"object `{digest}` cannot be read: {err.strerror}") from err

    def __enter__(self) -> "ArchiveEvidence":
        """Return the evidence itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database."""
        self.database.close()

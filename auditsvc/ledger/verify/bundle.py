"""Reading a period bundle: one tar in canonical form, whose every member is in the manifest and required by an entry.

Nothing in a bundle is signed but the checkpoints. The content of ``bundle.json`` is therefore a claim: it determines
which members are required, and where there is a report, it is compared with the report's own, signed range.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from auditsvc.ground.errors import LogError
from auditsvc.ledger.format.header import Header, list_objects
from auditsvc.ledger.format.note import cut_rest, parse_checkpoint, split_notes
from auditsvc.ledger.format.tar import Member, iter_members
from auditsvc.ledger.verify.evidence import FINGERPRINT_BYTES, MAX_FRAME_BYTES, MAX_TEXT_BYTES

FORMAT = "auditsvc-bundle/v1"
DESCRIPTION = "bundle.json"
HEADERS = "headers.txt"
CHECKPOINTS = "checkpoints.txt"
FINGERPRINTS = "fingerprints.bin"
MANIFEST = "MANIFEST"
_NEEDED = (DESCRIPTION, HEADERS, CHECKPOINTS)
_KEYS = frozenset({"format", "origin", "first", "last", "size"})
_MAX_DESCRIPTION_BYTES = 4096
"""Five values."""


def build_description(origin: str, *, first: int, last: int, size: int) -> bytes:
    """Return the bytes of ``bundle.json``, in canonical form."""
    values = {"format": FORMAT, "origin": origin, "first": first, "last": last, "size": size}
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def name_frame(seq: int) -> str:
    """Return the name of the member that contains a batch's frame."""
    return f"frames/{seq}.zst"


def name_object(digest: str) -> str:
    """Return the name of the member that contains an object."""
    return f"objects/{digest}.zst"


class BundleEvidence:
    """A period bundle. Opening it checks that every byte is accounted for by the manifest.

    Attributes:
        origin, first, last, size: as stated in ``bundle.json``, ``0 <= first <= last <= size``.
    """

    def __init__(self, path: Path) -> None:
        """Read the list of members and check it against the manifest.

        Raises:
            LogError: ``bundle_invalid``, naming the member.
            OSError: the file cannot be read.
        """
        self.live = False
        self._file = path.open("rb")
        try:
            members = list(iter_members(self._file))
            self._members = {member.name: member for member in members}
            if len(self._members) != len(members):
                raise LogError("bundle_invalid", "bundle: duplicate member")
            self._check_manifest(members)
            self._read_description()
        except BaseException:
            self._file.close()
            raise
        self._fingerprint_at = 0

    def _check_manifest(self, members: list[Member]) -> None:
        """Raise unless the manifest is the last member and lists exactly the others."""
        if not members or members[-1].name != MANIFEST:
            raise LogError("bundle_invalid", f"bundle: the last member must be `{MANIFEST}`")
        stated = self._read(MANIFEST).decode("ascii", "replace").split("\n")
        for number, member in enumerate(members[:-1]):
            line = f"{self._digest(member)} {member.size} {member.name}"
            if number >= len(stated) or stated[number] != line:
                raise LogError("bundle_invalid", f"bundle: member `{member.name}` is not the one in the manifest")
        if stated[len(members) - 1 :] != [""]:
            raise LogError("bundle_invalid", "bundle: the manifest names members that are missing")
        for name in _NEEDED:
            if name not in self._members:
                raise LogError("bundle_invalid", f"bundle: there is no member `{name}`")

    def _read_description(self) -> None:
        """Read the log's origin and the range of leaves."""
        data = self._read(DESCRIPTION, _MAX_DESCRIPTION_BYTES)
        try:
            values = json.loads(data)
        except (ValueError, RecursionError) as err:
            raise LogError("bundle_invalid", f"bundle: `{DESCRIPTION}` is not JSON") from err
        if not isinstance(values, dict) or set(values) != _KEYS or values["format"] != FORMAT:
            raise LogError(
                "bundle_invalid", f"bundle: expected `{DESCRIPTION}` of format `{FORMAT}` with its five keys"
            )
        first, last, size = (values[key] for key in ("first", "last", "size"))
        if not all(type(value) is int for value in (first, last, size)) or not 0 <= first <= last <= size:
            raise LogError("bundle_invalid", "bundle: expected whole numbers with `0 <= first <= last <= size`")
        self.origin = str(values["origin"])
        self.first, self.last, self.size = first, last, size
        if build_description(self.origin, first=first, last=last, size=size) != data:
            raise LogError("bundle_invalid", f"bundle: `{DESCRIPTION}` is not in its one spelling")

    def _digest(self, member: Member) -> str:
        """Return the SHA-256 of a member's bytes, hex."""
        self._file.seek(member.offset)
        digest, left = hashlib.sha256(), member.size
        while left:
            chunk = self._file.read(min(left, 1024 * 1024))
            digest.update(chunk)
            left -= len(chunk)
        return digest.hexdigest()

    def _read(self, name: str, limit: int = MAX_TEXT_BYTES) -> bytes:
        member = self._members.get(name)
        if member is None:
            raise LogError("not_found", f"bundle: there is no member `{name}`")
        if member.size > limit:
            raise LogError("bundle_invalid", f"bundle: member `{name}` is larger than {limit} bytes")
        self._file.seek(member.offset)
        return self._file.read(member.size)

    def check_members(self, headers: Sequence[Header], origin: str) -> Iterator[tuple[str, str]]:
        """Yield unexpected members, and those whose content does not match the entries, each with what is wrong.

        A missing member is reported by the step that needs it.

        Args:
            headers: of all the entries of ``headers.txt``.
            origin: of their log.
        """
        if self.origin != origin:
            yield DESCRIPTION, f"is of log `{self.origin[:80]}`, expected `{origin}`"
        if len(headers) != self.size:
            yield HEADERS, f"has {len(headers)} entries, `{DESCRIPTION}` says {self.size}"
        places = {name: place for place, name in enumerate(self._list_names(headers))}
        reached = 0
        for name in self._members:
            place = places.get(name)
            if place is None:
                yield name, "no entry of the period asks for it"
            elif place < reached:
                yield name, "does not stand in its place"
            else:
                reached = place
        records = sum(int(header.fields["records"]) for header in self._list_batches(headers))
        member = self._members.get(FINGERPRINTS)
        if member is not None and member.size != records * FINGERPRINT_BYTES:
            yield FINGERPRINTS, f"has {member.size} bytes, expected {FINGERPRINT_BYTES} for each of {records} records"
        yield from self._check_notes()

    def _list_batches(self, headers: Sequence[Header]) -> list[Header]:
        return [header for header in headers[self.first : self.last] if header.kind == "batch"]

    def _list_names(self, headers: Sequence[Header]) -> list[str]:
        """Return the names of all members a bundle with these entries has, in order."""
        frames = [name_frame(header.seq) for header in self._list_batches(headers)]
        objects = [name_object(digest) for digest in sorted(list_objects(headers, self.first, self.last))]
        return [*_NEEDED, *frames, FINGERPRINTS, *objects, MANIFEST]

    def _check_notes(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the choice of checkpoints; a malformed one is reported by the step that reads it."""
        text = self.notes()
        try:
            sizes, rest = [parse_checkpoint(note).size for note in split_notes(text)], cut_rest(text)
        except LogError:
            return
        if rest:
            yield CHECKPOINTS, f"{len(rest)} characters behind the last checkpoint"
        covering, before = sizes[-1:], sizes[:-1]
        if len(before) > 1 or any(size > self.first for size in before) or covering not in ([], [self.size]):
            listed = ", ".join(str(size) for size in sizes[:10])
            yield CHECKPOINTS, f"sizes {listed}; expected at most one up to {self.first}, then one of {self.size}"

    def headers(self) -> Iterator[str]:
        """Yield the headers of the log from leaf 0 on; raise ``bundle_invalid`` for trailing data."""
        *parts, rest = self._read(HEADERS).decode("ascii", "replace").split("\n\n")
        if rest:
            raise LogError("bundle_invalid", f"bundle: member `{HEADERS}` does not end with an entry and an empty line")
        for part in parts:
            yield f"{part}\n"

    def notes(self) -> str:
        """Return the checkpoint notes, each followed by an empty line."""
        return self._read(CHECKPOINTS).decode("utf-8", "replace")

    def frame(self, header: Header) -> bytes:
        """Return a batch's frame."""
        return self._read(name_frame(header.seq), MAX_FRAME_BYTES)

    def fingerprints(self, header: Header) -> bytes:
        """Return the fingerprints of a batch's records; must be called in order of leaf index."""
        size = int(header.fields["records"]) * FINGERPRINT_BYTES
        member = self._members.get(FINGERPRINTS)
        if member is None or self._fingerprint_at + size > member.size:
            return b""
        self._file.seek(member.offset + self._fingerprint_at)
        self._fingerprint_at += size
        return self._file.read(size)

    def object_frame(self, digest: str) -> bytes:
        """Return an object's frame."""
        return self._read(name_object(digest), MAX_FRAME_BYTES)

    def __enter__(self) -> "BundleEvidence":
        """Return the evidence itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

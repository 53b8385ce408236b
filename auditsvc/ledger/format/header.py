"""Headers: the entries of the log. One ``key value`` per line, printable ASCII, LF, fixed order.

The first line ``<origin>/<kind>/v1`` separates domains. A parsed header formats to exactly the bytes it was read from:
unknown, duplicate, missing and reordered keys, values not in canonical form and trailing data are rejected.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from auditsvc.ground.errors import LogError
from auditsvc.ledger.format.note import decode_base64

MAX_HEADER_BYTES = 4096
"""Headers are small; every verifier keeps all of them in memory."""
NONE = "-"
"""The empty value, as in the ``prev`` of a source's first batch."""

_SEQ = re.compile(r"(0|[1-9][0-9]{0,17})\Z")
_TEXT = re.compile(r"[\x21-\x7e]{1,256}\Z")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_TIME = re.compile(r"[0-9]{4}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z\Z")
_HEX = re.compile(r"[0-9a-f]{64}\Z")
_HEX_OR_NONE = re.compile(r"([0-9a-f]{64}|-)\Z")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=\Z")
_KIND = re.compile(r"(lines|blob)\Z")
_COUNT = re.compile(r"[1-9][0-9]{0,17}\Z")

_FIRST = {"seq": _SEQ, "accepted": _TIME}

FIELDS: Mapping[str, Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "batch": {
            "seq": _SEQ,
            "batch-id": _UUID,
            "source": _TEXT,
            "source-seq": _SEQ,
            "prev": _HEX_OR_NONE,
            "accepted": _TIME,
            "kind": _KIND,
            "records": _COUNT,
            "events-root": _BASE64,
            "raw-sha256": _HEX,
            "raw-bytes": _COUNT,
        },
        "policy": {**_FIRST, "sha256": _HEX, "actor": _TEXT},
        "catalog": {**_FIRST, "sha256": _HEX, "actor": _TEXT},
        "key": {**_FIRST, "act": _TEXT, "role": _TEXT, "key-sha256": _HEX, "actor": _TEXT},
        "report": {**_FIRST, "report-id": _TEXT, "kind": _TEXT, "sha256": _HEX, "actor": _TEXT},
        "admin": {**_FIRST, "act": _TEXT, "actor": _TEXT, "subject": _TEXT, "detail-sha256": _HEX},
    }
)
"""Kind of leaf to its keys, in order, with the pattern of each value."""

OBJECT_FIELDS: Mapping[str, str] = MappingProxyType({"policy": "sha256", "catalog": "sha256", "admin": "detail-sha256"})
"""Kind of leaf to the key that names an object of the archive."""


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header: the log's origin, the kind of leaf and its fields in order."""

    origin: str
    kind: str
    fields: Mapping[str, str]

    @property
    def seq(self) -> int:
        """The leaf index the header states."""
        return int(self.fields["seq"])

    @property
    def events_root(self) -> bytes:
        """The root hash over a batch's records, 32 bytes."""
        return decode_base64(self.fields["events-root"])


def parse_header(text: str) -> Header:
    """Return the header of a log entry.

    Raises:
        LogError: ``header_invalid``; not in exactly the documented form.
    """
    if len(text) > MAX_HEADER_BYTES or not text.isascii() or not text.endswith("\n"):
        raise _broken(f"expected ASCII lines that end with LF, at most {MAX_HEADER_BYTES} bytes")
    first, *lines = text[:-1].split("\n")
    domain = first.rsplit("/", 2)
    if len(domain) != 3 or not _TEXT.match(domain[0]) or domain[2] != "v1" or domain[1] not in FIELDS:
        raise _broken(f"expected `<origin>/<kind>/v1` with a known kind, got `{first[:80]}`")
    form = FIELDS[domain[1]]
    if len(lines) != len(form):
        raise _broken(f"{domain[1]}: expected {len(form)} keys, got {len(lines)}")
    fields = {}
    for line, (key, pattern) in zip(lines, form.items(), strict=True):
        name, _, value = line.partition(" ")
        if name != key:
            raise _broken(f"{domain[1]}: expected key `{key}`, got `{name[:40]}`")
        if not pattern.match(value):
            raise _broken(f"{domain[1]}: `{key}` has the value `{value[:80]}`, which is not of its form")
        fields[key] = value
    if "events-root" in fields:
        _check_base64(fields["events-root"])
    return Header(domain[0], domain[1], MappingProxyType(fields))


def list_objects(headers: Sequence[Header], first: int, last: int) -> dict[str, int]:
    """Return the objects that belong to ``[first, last)``: hex digest to the first leaf in the range that names it.

    These are the policy set and catalogue in force at ``first`` and everything named in the range.
    """
    in_force = {header.kind: header for header in headers[:first] if header.kind in ("policy", "catalog")}
    found: dict[str, int] = {}
    for header in (*in_force.values(), *headers[first:last]):
        key = OBJECT_FIELDS.get(header.kind)
        if key is not None:
            found.setdefault(header.fields[key], header.seq)
    return found


def _check_base64(value: str) -> None:
    """Raise for base64 that is not in canonical form."""
    try:
        decode_base64(value)
    except ValueError as err:
        raise _broken("batch: `events-root` is not canonical base64") from err


def _broken(message: str) -> LogError:
    """Return the error for a header that cannot be parsed."""
    return LogError("header_invalid", f"header: {message}")


def format_header(origin: str, kind: str, fields: Mapping[str, str]) -> str:
    """Return the header of a leaf, fields in the kind's order.

    Raises:
        LogError: ``header_invalid``; an unknown kind, a missing or unknown field, or a malformed value.
    """
    form = FIELDS.get(kind)
    if form is None:
        raise LogError("header_invalid", f"header: unknown kind `{kind}`")
    if form.keys() != fields.keys():
        wrong = ", ".join(sorted(form.keys() ^ fields.keys()))
        raise LogError("header_invalid", f"header: {kind}: missing or unknown keys: {wrong}")
    for key, pattern in form.items():
        if not pattern.match(fields[key]):
            message = f"header: {kind}: `{key}` has the value `{fields[key][:80]}`, which is not of its form"
            raise LogError("header_invalid", message)
    lines = [f"{origin}/{kind}/v1", *(f"{key} {fields[key]}" for key in form)]
    return "\n".join(lines) + "\n"

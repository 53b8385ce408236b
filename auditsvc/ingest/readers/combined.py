r"""Apache and nginx access logs, common and combined format.

Handles: ``\xXX`` and ``\"`` escapes (their bytes may be UTF-8, GB18030 or neither), IPv6 and host names in the
first column, users with spaces, ``-`` for empty values, request lines that are not HTTP, truncated lines.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from auditsvc.catalog.model import Source
from auditsvc.event.fields import MAX_KEYWORD, MAX_TEXT
from auditsvc.event.model import Event
from auditsvc.event.native import HashSubject, parse_address
from auditsvc.event.time import parse_time_ns
from auditsvc.ground.errors import InputError
from auditsvc.ground.mapping_reader import MappingReader
from auditsvc.ingest.readers.route import Router, outcome_of_status

_QUOTED = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_LINE = re.compile(
    r"(\S+) \S+ (.*?) \[(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\] "
    + _QUOTED
    + r" (\d{3}|-) (\d{1,15}|-)(?: "
    + _QUOTED
    + " "
    + _QUOTED
    + r')?(?: [^"\\]*(?:(?:\\.|"[^"\\]*(?:\\.[^"\\]*)*")[^"\\]*)*)?\Z',
    re.DOTALL | re.ASCII,
)
_REQUEST = re.compile(r"([A-Za-z][A-Za-z_-]{0,31}) (\S.*?)(?: HTTP/\d(?:\.\d)?)?\Z", re.DOTALL)
_ESCAPES = re.compile(rb"(?:\\x[0-9A-Fa-f]{2})+|\\[\"\\btnrfv]")
_HEX = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_MONTHS = {
    name: f"{number:02d}"
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}


class CombinedReader:
    """Reads one line of an access log."""

    def __init__(self, source: Source, options: MappingReader) -> None:
        """Read the source's options."""
        self._router = Router(options)
        self._encoding = source.encoding

    @property
    def interfaces(self) -> frozenset[str]:
        """Every interface the rules can yield."""
        return self._router.interfaces

    def is_whole(self, body: bytes) -> bool:
        """Always false: a text log has one record per line."""
        return False

    def read(self, record: bytes, hash_subject: HashSubject) -> Iterable[Event | InputError]:
        """Return the line's event; raise ``InputError`` (``line_invalid``, ``time_invalid``, ``interface_unmatched``)."""
        text, repaired = decode_text(record.rstrip(b"\r"), self._encoding)
        match = _LINE.match(text)
        if match is None:
            raise InputError("line_invalid", _explain(text))
        host, user, time, request, status, size, _, agent = match.groups()
        event: Event = {"time": parse_clf_time(time)}
        _set_client(event, host)
        if user != "-":
            event["user.id"] = self._cut(user, MAX_KEYWORD)
        self._set_request(event, request)
        code = None if status == "-" else int(status)
        if code is not None:
            event["http.status"] = code
        event["outcome"] = outcome_of_status(code)
        event["bytes"] = 0 if size == "-" else int(size)
        if agent and agent != "-":
            event["user_agent"] = self._cut(agent, MAX_TEXT)
        if repaired:
            event["quality"] = ["repaired"]
        self._router.apply(event)
        return (event,)

    def _cut(self, text: str, limit: int) -> str:
        """Return ``text`` unescaped, truncated to ``limit`` characters."""
        return (unescape(text, self._encoding) if "\\" in text else text)[:limit]

    def _set_request(self, event: Event, request: str) -> None:
        """Set method and path, or flag why they are missing."""
        match = _REQUEST.match(request)
        if match is None:
            event["reason"] = "no request line" if request in ("", "-") else "the request line is not HTTP"
            return
        method, target = match.groups()
        event["http.method"] = method
        event["url.path"] = self._cut(path_of(target), MAX_TEXT)


def path_of(target: str) -> str:
    """Return the path of a request target, without query string, fragment, scheme and host."""
    path = target.partition("?")[0].partition("#")[0]
    if "://" in path and not path.startswith("/"):
        rest = path.partition("://")[2]
        slash = rest.find("/")
        path = rest[slash:] if slash >= 0 else "/"
    return path


def decode_text(raw: bytes, encoding: str) -> tuple[str, bool]:
    """Return ``raw`` as text, and whether bytes were replaced or control characters escaped."""
    try:
        text, repaired = raw.decode(encoding), False
    except UnicodeDecodeError:
        text, repaired = raw.decode(encoding, "backslashreplace"), True
    if "\0" in text:
        return text.replace("\0", "\\x00"), True
    return text, repaired


def unescape(text: str, encoding: str) -> str:
    r"""Return ``text`` with ``\"``, ``\\`` and ``\xXX`` undone; control characters and undecodable bytes stay escaped."""

    def replace(match: re.Match[bytes]) -> bytes:
        found = match.group()
        if not found.startswith(b"\\x"):
            return found[1:] if found[1:] in (b'"', b"\\") else found
        plain = bytes(int(digits, 16) for digits in _HEX.findall(found))
        try:
            decoded = plain.decode(encoding)
        except UnicodeDecodeError:
            return found
        return decoded.encode("utf-8") if decoded.isprintable() else found

    return _ESCAPES.sub(replace, text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


@lru_cache(maxsize=8192)
def parse_clf_time(text: str) -> int:
    """Return the nanoseconds of ``17/May/2015:08:05:32 +0000``; raise ``InputError`` (``time_invalid``)."""
    month = _MONTHS.get(text[3:6])
    if month is None or len(text) != 26:
        raise InputError("time_invalid", f"time: no such time: `{text[:64]}`")
    iso = f"{text[7:11]}-{month}-{text[:2]}T{text[12:20]}{text[21:24]}:{text[24:]}"
    return parse_time_ns(iso)


def _set_client(event: Event, host: str) -> None:
    """Set the client's address, or its host name where the server resolved it."""
    if host == "-":
        return
    try:
        event["source.ip"] = parse_address("source.ip", host)
    except InputError:
        event["labels.client"] = host[:MAX_KEYWORD]


def _explain(text: str) -> str:
    """Return the most likely reason why a line is invalid."""
    if text.count('"') % 2:
        return "the line is cut short: a quotation mark is not closed"
    if "[" not in text:
        return 'expected `host ident user [time] "request" status bytes`, found no time in brackets'
    return 'expected `host ident user [day/month/year:time offset] "request" status bytes "referer" "agent"`'

"""The path of one request into the ledger.

Order of steps, each of which may reject the request: API key, source and its reader, headers and parameters, memory for
the body, body, records, ledger. Nothing is stored before the last step, and the answer is sent after it.
"""

import hashlib
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from werkzeug.http import parse_options_header

from auditsvc.ground.clock import Clock
from auditsvc.ground.compression import CHUNK_BYTES
from auditsvc.ground.errors import AuthError, InputError
from auditsvc.ground.settings.model import Settings
from auditsvc.ingest.answer import Answer, build_receipt_answer, describe_reject
from auditsvc.ingest.body import read_body
from auditsvc.ingest.credentials import KeyRing, authenticate
from auditsvc.ingest.readers.model import Reject
from auditsvc.ingest.readers.registry import LINES, BatchReader, build_reject
from auditsvc.ingest.view import CatalogView
from auditsvc.ledger.delivery import Delivery
from auditsvc.ledger.write.committer import Committer

MAX_RECORDS = 1_000_000
"""Most records, and most items, of one delivery: bounds the Merkle tree and the quarantine entries."""
MAX_ITEMS = 100_000
"""Most items of one record; the engine judges a record as a whole."""
DOCUMENT_COST = 16
"""Bytes of memory needed per byte of a JSON document while it is decoded."""
MAX_LISTED_REJECTS = 100
"""Rejects listed in the receipt of a stored delivery; the console shows all."""
MAX_LISTED_ERRORS = 1000
"""Errors listed in a problem document."""
ON_ERROR = ("reject", "quarantine")
JSON_TYPES = frozenset({"application/json", "application/x-ndjson", "application/ndjson", "application/jsonl"})
LINE_TYPES = JSON_TYPES - {"application/json"} | {"text/plain"}
"""Content types that make every line a record, whatever its content."""
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
"""Character sets a body may be declared in; every reader reads UTF-8."""
FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})

_KEY = re.compile(r"[\x21-\x7e]{1,200}\Z")
_log = logging.getLogger(__name__)


class Room:
    """Budget of body bytes that a worker holds in memory at once; thread-safe."""

    def __init__(self, limit: int) -> None:
        """Allow ``limit`` bytes."""
        self._limit = limit
        self._held = 0
        self._lock = threading.Lock()

    @contextmanager
    def enter(self) -> Iterator["Reservation"]:
        """Yield a reservation, which is released on exit."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self.resize(reservation.size, 0)

    def resize(self, old: int, new: int) -> None:
        """Resize a reservation; raise ``InputError`` (``overloaded``) when the budget does not allow it."""
        with self._lock:
            others = self._held - old
            if new > old and others and others + new > self._limit:
                raise InputError("overloaded", "too many bytes are waiting to be stored; send the same again later")
            self._held = others + new


@dataclass(slots=True)
class Reservation:
    """One request's share of a :class:`Room`; small bodies are not counted."""

    room: Room
    size: int = 0
    seen: int = 0

    def add(self, size: int) -> None:
        """Reserve ``size`` more bytes; raise ``InputError`` (``overloaded``) when the budget is exhausted."""
        self.seen += size
        if self.seen > CHUNK_BYTES:
            self.room.resize(self.size, self.seen)
            self.size = self.seen


@dataclass(slots=True)
class Tally:
    """Counts from reading a body's records.

    Attributes:
        records: records of ``lines``, items of a ``blob``.
        accepted, quarantined: number of items that are events, and of those that are not.
        rejects: the first :data:`MAX_LISTED_ERRORS` items that are not events.
        foreign: interfaces of other sources that records name.
    """

    records: int = 0
    accepted: int = 0
    quarantined: int = 0
    rejects: list[Reject] = field(default_factory=list)
    foreign: int = 0


class Intake:
    """Handles the deliveries of one worker. Thread-safe."""

    def __init__(
        self, ring: KeyRing, view: CatalogView, committer: Committer, clock: Clock, settings: Settings
    ) -> None:
        """Connect the components that a request passes through."""
        self._ring = ring
        self._view = view
        self._committer = committer
        self._clock = clock
        self._max_body = settings.max_body_bytes
        self._max_record = settings.max_record_bytes
        self._max_document = settings.max_document_bytes
        self._room = Room(settings.max_pending_bytes)

    def take_events(self, environ: Mapping[str, Any]) -> Answer:
        """Store native events: one object, an array or NDJSON.

        Raises:
            AuditError: any refusal of docs/ingest.md.
        """
        source = authenticate(self._ring, self._clock, environ.get("HTTP_AUTHORIZATION", ""))
        reader = self._view.get_reader(source)
        if reader.source.reader != "native":
            raise InputError(
                "request_invalid",
                f"source `{source}` is read as `{reader.source.reader}`; send to /ingest/v1/sources/{source}/records",
            )
        media_type = _media_type(environ)
        if media_type not in JSON_TYPES:
            raise InputError(
                "media_type_unsupported",
                f"content type: expected one of {', '.join(sorted(JSON_TYPES))}, got `{media_type[:64]}`",
            )
        strict = _on_error(environ) == "reject"
        return self._take(environ, reader, strict=strict, force_lines=media_type in LINE_TYPES)

    def take_records(self, environ: Mapping[str, Any], name: str) -> Answer:
        """Store records in the form of source ``name``; what cannot be read goes to quarantine.

        Raises:
            AuditError: any refusal of docs/ingest.md.
        """
        source = authenticate(self._ring, self._clock, environ.get("HTTP_AUTHORIZATION", ""))
        reader = self._view.get_reader(name)
        if source != name:
            _log.warning("foreign_source", extra={"source": source, "asked": name[:255]})
            raise AuthError("forbidden", f"this API key delivers for `{source}`, not for `{name}`")
        media_type = _media_type(environ)
        if media_type in FORM_TYPES:
            raise InputError(
                "media_type_unsupported",
                f"content type: `{media_type}` is not a log; with curl use --data-binary and -H 'Content-Type: text/plain'",
            )
        return self._take(environ, reader, strict=False, force_lines=media_type in LINE_TYPES)

    def _take(self, environ: Mapping[str, Any], reader: BatchReader, *, strict: bool, force_lines: bool) -> Answer:
        """Read, count and store one body."""
        key = _idempotency_key(environ)
        with self._room.enter() as reservation:
            body = read_body(environ, self._max_body, reservation.add)
            kind = LINES if force_lines else reader.find_kind(body)
            if kind == LINES and not body.endswith(b"\n"):
                body += b"\n"
            if kind != LINES:
                self._admit_document(len(body), reservation)
            tally = self._count(body, kind, reader)
            if tally.foreign:
                _log.warning("foreign_interface", extra={"source": reader.source.id, "records": tally.foreign})
            if strict and tally.quarantined:
                raise _refuse_records(tally)
            receipt = self._committer.submit(
                Delivery(
                    source=reader.source.id,
                    kind=kind,
                    body=body,
                    records=tally.records,
                    idempotency_key=key,
                    body_sha256=hashlib.sha256(body).digest(),
                    accepted=tally.accepted,
                    quarantined=tally.quarantined,
                )
            )
        return build_receipt_answer(receipt, tally.rejects[:MAX_LISTED_REJECTS])

    def _admit_document(self, size: int, reservation: Reservation) -> None:
        """Reserve the memory that decoding one document needs; raise ``InputError`` (``record_too_large``, ``overloaded``)."""
        if size > self._max_document:
            raise InputError(
                "record_too_large",
                f"one JSON document of {size} bytes; at most {self._max_document} are taken, as lines (NDJSON) more",
            )
        reservation.add(size * DOCUMENT_COST)

    def _count(self, body: bytes, kind: str, reader: BatchReader) -> Tally:
        """Return how many of the body's records are events, and why the others are none."""
        tally = Tally()
        if kind == LINES:
            tally.records = body.count(b"\n")
            if tally.records > MAX_RECORDS:
                raise InputError("too_many_records", f"at most {MAX_RECORDS} records a delivery, got {tally.records}")
        items = 0
        for record, item, found, raw in reader.scan(body, kind, _skip_subject):
            items += 1
            if items > MAX_RECORDS or item >= MAX_ITEMS:
                limits = f"{MAX_ITEMS} items a record and {MAX_RECORDS} a delivery"
                raise InputError("too_many_records", f"at most {limits} are taken; send several, or send lines")
            if kind == LINES and len(raw) > self._max_record:
                raise InputError(
                    "record_too_large", f"line {record + 1}: longer than {self._max_record} bytes", line=record + 1
                )
            if not isinstance(found, InputError):
                tally.accepted += 1
                continue
            tally.quarantined += 1
            tally.foreign += found.code == "foreign_interface"
            if len(tally.rejects) < MAX_LISTED_ERRORS:
                tally.rejects.append(build_reject(record, item, found, raw))
        if kind != LINES:
            tally.records = items
        return tally


def _skip_subject(number: str) -> str:
    """Stand in for the keyed hash, which only the engine needs."""
    return ""


def _refuse_records(tally: Tally) -> InputError:
    """Return the error of a body whose records are not all events."""
    first = tally.rejects[0]
    return InputError(
        "records_invalid",
        f"{tally.quarantined} of {tally.accepted + tally.quarantined} records cannot be read, nothing was stored; "
        f"the first is line {first.record + 1}: {first.message}",
        error_count=tally.quarantined,
        errors=[describe_reject(reject) for reject in tally.rejects],
    )


def _media_type(environ: Mapping[str, Any]) -> str:
    """Return the body's media type without parameters, lower case; empty when none is given.

    Raises:
        InputError: ``media_type_unsupported`` for a character set other than UTF-8 or its part ASCII.
    """
    kind, options = parse_options_header(environ.get("CONTENT_TYPE"))
    charset = options.get("charset", "utf-8")
    if charset.lower() not in CHARSETS:
        raise InputError("media_type_unsupported", f"charset: expected utf-8, got `{charset[:64]}`")
    return kind.strip().lower()


def _on_error(environ: Mapping[str, Any]) -> str:
    """Return the mode asked for in the query string; raise ``InputError`` for any other parameter."""
    query = environ.get("QUERY_STRING") or ""
    if not query:
        return "reject"
    try:
        values = parse_qs(query, keep_blank_values=True, max_num_fields=8)
    except ValueError as err:
        raise InputError("request_invalid", "query string: too many parameters") from err
    modes = values.pop("on_error", ["reject"])
    if values:
        raise InputError("request_invalid", f"query string: unknown parameter `{next(iter(values))[:64]}`")
    mode = ",".join(modes)
    if mode not in ON_ERROR:
        raise InputError("request_invalid", f"on_error: expected {' or '.join(ON_ERROR)}, got `{mode[:64]}`")
    return mode


def _idempotency_key(environ: Mapping[str, Any]) -> str | None:
    """Return the producer's name for the delivery; raise ``InputError`` when it is not of its form."""
    key = environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    if not _KEY.match(key):
        raise InputError("request_invalid", "Idempotency-Key: expected 1 to 200 visible ASCII characters")
    return str(key)

"""Searching events and showing one with its proof; every search and every view is an act in the ledger."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from flask import Response
from flask.views import MethodView
from marshmallow import Schema, fields, validate

from auditsvc.api.ledger import ProofSchema, build_inclusion
from auditsvc.api.resource import ApiBlueprint, Instant, PageQuery, page_schema
from auditsvc.auth.gate import current_person
from auditsvc.auth.model import Person
from auditsvc.auth.roles import require
from auditsvc.condition.ast import All, AnyOf, Node, build_equals
from auditsvc.condition.evaluate import EMPTY_CONTEXT, Truth, evaluate
from auditsvc.condition.parse import parse_query
from auditsvc.condition.query import MAX_QUERY
from auditsvc.event.fields import Kind, find_field
from auditsvc.event.model import Event, Value
from auditsvc.event.time import count_ns, format_time_ns
from auditsvc.figures.search import NEWEST, OLDEST, UNITS, EventSearch, FoundEvent
from auditsvc.ground.errors import AuditError, AuthError, InputError
from auditsvc.ground.ids import EventUid
from auditsvc.runtime.services import get_services, record_reading

resource = ApiBlueprint("events", description="Accesses, normalised and judged")

DEFAULT_SPAN = timedelta(days=30)
"""Span of a search without a start."""
MAX_SPAN = timedelta(days=3660)
NDJSON = "application/x-ndjson"
_SECOND = timedelta(seconds=1)
_encode = msgspec.json.encode

log = logging.getLogger(__name__)


class SpanQuery(Schema):
    """Filter of events: a query and a span of event time."""

    query = fields.String(
        load_default="",
        validate=validate.Length(0, MAX_QUERY),
        metadata={"description": "search text, e.g. `user.id:u17 rows>100 -outcome:success`; docs/policy-language.md"},
    )
    first = Instant(
        data_key="from", load_default=None, metadata={"description": "first instant; default 30 days before `to`"}
    )
    last = Instant(data_key="to", load_default=None, metadata={"description": "instant after the last; default now"})
    repeats = fields.Boolean(
        load_default=False,
        metadata={"description": "also what is no access: repeats, second halves of calls, probes and heartbeats"},
    )


class SearchQuery(SpanQuery, PageQuery):
    """A page of a search."""

    order = fields.String(load_default=NEWEST, validate=validate.OneOf((NEWEST, OLDEST)))


class HistogramQuery(SpanQuery):
    """A histogram of a search."""

    unit = fields.String(load_default="day", validate=validate.OneOf(UNITS))


class EventSchema(Schema):
    """An event: short field names of docs/event-fields.md, times as RFC 3339; an absent field is missing."""

    uid = fields.String(required=True, metadata={"description": "32 hex digits"})
    event = fields.Dict(keys=fields.String(), required=True)


class EventDetailSchema(EventSchema):
    """An event with the other rows of the same access."""

    rows = fields.List(fields.Nested(EventSchema), required=True, metadata={"description": "stored under the same uid"})
    partners = fields.List(
        fields.Nested(EventSchema), required=True, metadata={"description": "sides of the same call"}
    )


class BucketSchema(Schema):
    """One bar of a histogram."""

    start = fields.String(required=True)
    count = fields.Integer(required=True)


class HistogramSchema(Schema):
    """Numbers of events by time; empty buckets are omitted."""

    total = fields.Integer(required=True)
    items = fields.List(fields.Nested(BucketSchema), required=True)


class EventProofSchema(Schema):
    """An event's place in the ledger: the batch's leaf, its proof, and the raw record."""

    leaf = fields.Integer(required=True)
    record = fields.Integer(required=True, metadata={"description": "0-based record of the batch"})
    item = fields.Integer(required=True)
    leaf_sha256 = fields.String(required=True, metadata={"description": "hash of the raw record, hex"})
    proof = fields.Nested(ProofSchema, required=True)


@resource.route("/events")
class Events(MethodView):
    """All events."""

    @resource.arguments(SearchQuery, location="query")
    @resource.response(200, page_schema(EventSchema))
    @require("event.read", "event.read_own")
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Search events; a department reader finds those of the own department."""
        asked = _read_span(query)
        record_reading(current_person().name, "event_search", "events", _describe(query, asked))
        page = get_services().events.find_page(
            asked, limit=query["limit"], after=query["cursor"] or "", order=query["order"]
        )
        return {"items": [show_event(found) for found in page.events], "next": page.after or None}


@resource.route("/events/histogram")
class Histogram(MethodView):
    """Numbers by time."""

    @resource.arguments(HistogramQuery, location="query")
    @resource.response(200, HistogramSchema)
    @require("event.read", "event.read_own")
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Count the events of a search by time."""
        services = get_services()
        asked = _read_span(query)
        record_reading(current_person().name, "event_search", "events", _describe(query, asked))
        bars = services.events.count_by_unit(asked, query["unit"], services.settings.zone)
        return {
            "total": sum(bars.values()),
            "items": [{"start": format_time_ns(start), "count": count} for start, count in bars.items()],
        }


@resource.route("/events/export")
class Export(MethodView):
    """All events of a search at once."""

    @resource.arguments(SpanQuery, location="query")
    @resource.response(
        200,
        {"type": "string"},
        content_type=NDJSON,
        description="one event a line as in a search; the last line has `end`: true when these are all, with their number",
    )
    @require("event.read", "event.read_own")
    def get(self, query: dict[str, Any]) -> Response:
        """Export all events of a search, oldest first, one JSON document per line."""
        asked = _read_span(query)
        record_reading(current_person().name, "event_export", "events", _describe(query, asked))
        return Response(_iter_lines(get_services().events.iter_all(asked)), mimetype=NDJSON)


def _iter_lines(found: Iterator[FoundEvent]) -> Iterator[bytes]:
    """Give events as lines, and a last one that says whether they are all; the answer has begun, so it is the only way."""
    number = 0
    try:
        for stored in found:
            number += 1
            yield _encode(show_event(stored)) + b"\n"
        end: dict[str, Any] = {"end": True, "events": number}
    except AuditError as err:
        log.warning("export_failed", extra={"code": err.code, "reason": err.message, "events": number})
        end = {"end": False, "events": number, "code": err.code, "detail": err.message}
    yield _encode(end) + b"\n"


@resource.route("/events/<string:uid>")
class OneEvent(MethodView):
    """One event."""

    @resource.response(200, EventDetailSchema)
    @require("event.read", "event.read_own")
    def get(self, uid: str) -> dict[str, Any]:
        """Show one event with its duplicates and the other side of the call."""
        found = _get_event(uid)
        events = get_services().events
        record_reading(current_person().name, "event_read", uid, {})
        return {
            **show_event(found),
            "rows": [show_event(row) for row in events.list_rows(found.uid) if _may_see(row.event)],
            "partners": [show_event(row) for row in events.list_partners(found) if _may_see(row.event)],
        }


@resource.route("/events/<string:uid>/proof")
class EventProof(MethodView):
    """The proof of one event."""

    @resource.response(200, EventProofSchema)
    @require("event.read", "event.read_own")
    def get(self, uid: str) -> dict[str, Any]:
        """Show the event's place in the ledger, with the inclusion proof of its batch."""
        found = _get_event(uid)
        return {
            "leaf": found.seq,
            "record": found.record,
            "item": found.item,
            "leaf_sha256": str(found.event.get("leaf_hash") or ""),
            "proof": build_inclusion(found.seq, None),
        }


def show_event(found: FoundEvent) -> dict[str, Any]:
    """Return an event as JSON shows it."""
    return {"uid": found.uid.hex(), "event": {name: _show_value(name, value) for name, value in found.event.items()}}


def _show_value(name: str, value: Value) -> Value:
    """Return a value with times as text."""
    known = find_field(name)
    if known is not None and known.kind is Kind.TIME and isinstance(value, int):
        return format_time_ns(value)
    return value


def _read_span(query: dict[str, Any]) -> EventSearch:
    """Return the events a request asks for, with the lists and calendars in force."""
    services = get_services()
    last = query["last"] or services.ledger.clock.now() + _SECOND
    first = query["first"] or max(last - DEFAULT_SPAN, datetime(1970, 1, 1, tzinfo=UTC))
    if not timedelta(0) < last - first <= MAX_SPAN:
        raise InputError("field_invalid", f"query: `from` must be before `to`, at most {MAX_SPAN.days} days")
    text = query["query"].strip()
    nodes = [parse_query(text, zone=services.settings.time_zone)] if text else []
    own = find_own_condition(current_person())
    nodes += [own] if own else []
    return EventSearch(
        All(tuple(nodes)) if nodes else None,
        count_ns(first),
        count_ns(last),
        context=services.versions.find().context,
        with_repeats=query["repeats"],
    )


def find_own_condition(person: Person) -> Node | None:
    """Return the condition that limits a reader to their own department; None for those who read everything."""
    if person.has("event.read"):
        return None
    if not person.department:
        raise AuthError("forbidden", "this account has no department to read for", roles=[], permissions=["event.read"])
    return AnyOf((build_equals("provider.org", person.department), build_equals("consumer.org", person.department)))


def _may_see(event: Event) -> bool:
    """Return whether the caller may see this event."""
    own = find_own_condition(current_person())
    return own is None or evaluate(own, event, EMPTY_CONTEXT) is Truth.TRUE


def _get_event(uid: str) -> FoundEvent:
    """Return the event; one of another department is as absent as one that does not exist."""
    missing = InputError("not_found", f"there is no event `{uid[:64]}`")
    try:
        raw = bytes.fromhex(uid)
    except ValueError as err:
        raise missing from err
    if len(raw) != 16:
        raise missing
    found = get_services().events.get(EventUid(raw))
    if not _may_see(found.event):
        raise missing
    return found


def _describe(query: dict[str, Any], asked: EventSearch) -> dict[str, Any]:
    """Return what was searched, as the ledger keeps it."""
    return {
        "query": query["query"],
        "from": format_time_ns(asked.first_ns),
        "to": format_time_ns(asked.last_ns),
        "repeats": asked.with_repeats,
    }

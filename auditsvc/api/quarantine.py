"""Quarantined records, with the reason for each."""

from datetime import UTC, datetime
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate

from auditsvc.api.resource import ApiBlueprint, Instant, PageQuery, format_cursor, page_schema, parse_cursor
from auditsvc.auth.gate import current_person
from auditsvc.auth.roles import require
from auditsvc.event.time import MAX_TIME_NS, count_ns, format_time_ns
from auditsvc.ground.errors import InputError
from auditsvc.runtime.services import get_services, record_reading

resource = ApiBlueprint("quarantine", description="Records that could not be read")

_START = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_OFFSET = 10_000_000


class QuarantineQuery(PageQuery):
    """Which records, by the time the ledger accepted them."""

    first = Instant(data_key="from", load_default=_START)
    last = Instant(data_key="to", load_default=None)
    source = fields.String(load_default=None, validate=validate.Length(1, 200))


class QuarantineSchema(Schema):
    """One record."""

    source = fields.String(required=True)
    seq = fields.Integer(required=True, metadata={"description": "leaf of its batch"})
    record = fields.Integer(required=True, metadata={"description": "0-based record of the batch"})
    item = fields.Integer(required=True)
    code = fields.String(required=True)
    message = fields.String(required=True)
    raw = fields.String(required=True, metadata={"description": "beginning of the record as received"})
    accepted = fields.String(required=True)


class QuarantineCountSchema(Schema):
    """Records of one source with one reason."""

    source = fields.String(required=True)
    code = fields.String(required=True)
    count = fields.Integer(required=True)


class QuarantineCountsSchema(Schema):
    """Numbers by source and reason."""

    items = fields.List(fields.Nested(QuarantineCountSchema), required=True)


class QuarantineCountsQuery(Schema):
    """Which records, by the time the ledger accepted them."""

    first = Instant(data_key="from", load_default=_START)
    last = Instant(data_key="to", load_default=None)


@resource.route("/quarantine")
class Quarantine(MethodView):
    """All such records."""

    @resource.arguments(QuarantineQuery, location="query")
    @resource.response(200, page_schema(QuarantineSchema))
    @require("quarantine.read")
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List quarantined records, newest first; each view is recorded, since they hold raw data."""
        first_ns, last_ns = _read_span(query)
        offset = parse_cursor(query["cursor"]) or 0
        if type(offset) is not int or not 0 <= offset <= _MAX_OFFSET:
            raise InputError("field_invalid", "cursor: not one of this list")
        detail = {"source": query["source"], "from": format_time_ns(first_ns), "to": format_time_ns(last_ns)}
        record_reading(current_person().name, "quarantine_read", "quarantine", detail)
        limit = query["limit"]
        found = get_services().store.list_quarantine(
            first_ns, last_ns, source=query["source"], limit=limit + 1, offset=offset
        )
        items = [
            {
                **{
                    name: getattr(record, name)
                    for name in ("source", "seq", "record", "item", "code", "message", "raw")
                },
                "accepted": format_time_ns(record.accepted),
            }
            for record in found[:limit]
        ]
        return {"items": items, "next": format_cursor(offset + limit if len(found) > limit else None)}


@resource.route("/quarantine/counts")
class QuarantineCounts(MethodView):
    """Numbers of such records."""

    @resource.arguments(QuarantineCountsQuery, location="query")
    @resource.response(200, QuarantineCountsSchema)
    @require("quarantine.read", "source.read")
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """Count quarantined records by source and reason."""
        counts = get_services().store.count_quarantine(*_read_span(query))
        return {
            "items": [
                {"source": source, "code": code, "count": count} for (source, code), count in sorted(counts.items())
            ]
        }


def _read_span(query: dict[str, Any]) -> tuple[int, int]:
    """Return the start (inclusive) and end (exclusive) of the span."""
    first_ns = count_ns(query["first"])
    last_ns = count_ns(query["last"]) if query["last"] else MAX_TIME_NS
    if first_ns >= last_ns:
        raise InputError("field_invalid", "query: `from` must be before `to`")
    return first_ns, last_ns

"""Alerts: listing, showing, acknowledging and closing them."""

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate

from auditsvc.alerts.model import MAX_NOTE, Alert, AlertFilter, AlertState, CloseReason
from auditsvc.alerts.service import (
    MAX_PAGE,
    acknowledge,
    close,
    get_alert,
    list_alerts,
    list_evidence,
    list_transitions,
)
from auditsvc.api.resource import ApiBlueprint, Instant, PageQuery, format_cursor, page_schema, parse_cursor
from auditsvc.auth.gate import current_person
from auditsvc.auth.roles import require
from auditsvc.event.time import format_time_ns
from auditsvc.ground.database import read_session, write_session
from auditsvc.ground.errors import InputError
from auditsvc.policy.model import Severity
from auditsvc.runtime.services import get_services, record_reading

resource = ApiBlueprint("alerts", description="What people are told of violations")

_MAX_OFFSET = 2**31


class AlertQuery(PageQuery):
    """Filter of alerts."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))
    state = fields.Enum(AlertState, by_value=True, load_default=None)
    severity = fields.Enum(Severity, by_value=True, load_default=None)
    policy = fields.String(load_default=None, validate=validate.Length(1, 200))
    opened_from = Instant(data_key="from", load_default=None)
    opened_until = Instant(data_key="to", load_default=None)


class AlertSchema(Schema):
    """An alert."""

    id = fields.String(required=True)
    policy_id = fields.String(required=True)
    policy_version = fields.String(required=True)
    severity = fields.String(required=True)
    state = fields.Enum(AlertState, by_value=True, required=True)
    title_zh = fields.String(required=True)
    title_en = fields.String(required=True)
    group = fields.Dict(required=True, metadata={"description": "what its findings share, by field"})
    count = fields.Integer(required=True, metadata={"description": "findings, exact"})
    first = fields.String(required=True, metadata={"description": "event time of the earliest finding"})
    last = fields.String(required=True)
    opened_at = fields.AwareDateTime(required=True)
    acknowledged_at = fields.AwareDateTime(required=True, allow_none=True)
    acknowledged_by = fields.String(required=True, allow_none=True)
    closed_at = fields.AwareDateTime(required=True, allow_none=True)
    closed_by = fields.String(required=True, allow_none=True)
    close_reason = fields.Enum(CloseReason, by_value=True, required=True, allow_none=True)
    close_note = fields.String(required=True)


class TransitionSchema(Schema):
    """One transition of an alert."""

    at = fields.AwareDateTime(required=True)
    actor = fields.String(required=True)
    from_state = fields.Enum(AlertState, by_value=True, required=True, allow_none=True)
    to_state = fields.Enum(AlertState, by_value=True, required=True)
    reason = fields.String(required=True, allow_none=True)
    note = fields.String(required=True)
    leaf_seq = fields.Integer(required=True, metadata={"description": "the ledger leaf that says so"})


class AlertDetailSchema(AlertSchema):
    """An alert with its time line."""

    transitions = fields.List(fields.Nested(TransitionSchema), required=True)


class EvidenceSchema(Schema):
    """One finding of an alert."""

    key = fields.String(required=True, metadata={"description": "name of the finding, hex"})
    uid = fields.String(required=True, metadata={"description": "the event, hex"})
    time = fields.String(required=True)
    seq = fields.Integer(required=True)
    record = fields.Integer(required=True)
    item = fields.Integer(required=True)


class NoteSchema(Schema):
    """A note on a transition."""

    note = fields.String(load_default="", validate=validate.Length(0, MAX_NOTE))


class CloseSchema(NoteSchema):
    """Why an alert is closed."""

    reason = fields.Enum(CloseReason, by_value=True, required=True)


@resource.route("/alerts")
class Alerts(MethodView):
    """All alerts."""

    @resource.arguments(AlertQuery, location="query")
    @resource.response(200, page_schema(AlertSchema))
    @require("alert.read")
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List alerts, newest opened first."""
        chosen = AlertFilter(
            states=_one_or_none(query["state"]),
            severities=_one_or_none(query["severity"] and query["severity"].value),
            policies=_one_or_none(query["policy"]),
            opened_from=query["opened_from"],
            opened_until=query["opened_until"],
        )
        after = parse_cursor(query["cursor"])
        if after is not None and not isinstance(after, str):
            raise InputError("field_invalid", "cursor: not one of this list")
        with read_session(get_services().ledger.database) as session:
            page = list_alerts(session, chosen, limit=query["limit"], after=after)
        return {"items": [show_alert(alert) for alert in page.alerts], "next": format_cursor(page.after)}


@resource.route("/alerts/<string:alert_id>")
class OneAlert(MethodView):
    """One alert."""

    @resource.response(200, AlertDetailSchema)
    @require("alert.read")
    def get(self, alert_id: str) -> dict[str, Any]:
        """Show one alert with its time line."""
        with read_session(get_services().ledger.database) as session:
            alert = get_alert(session, alert_id)
            return {**show_alert(alert), "transitions": list_transitions(session, alert_id)}


@resource.route("/alerts/<string:alert_id>/findings")
class AlertFindings(MethodView):
    """The findings of one alert."""

    @resource.arguments(PageQuery, location="query")
    @resource.response(200, page_schema(EvidenceSchema))
    @require("alert.read")
    def get(self, query: dict[str, Any], alert_id: str) -> dict[str, Any]:
        """List the findings of an alert in order of event time."""
        offset = parse_cursor(query["cursor"]) or 0
        if type(offset) is not int or not 0 <= offset <= _MAX_OFFSET:
            raise InputError("field_invalid", "cursor: not one of this list")
        limit = query["limit"]
        with read_session(get_services().ledger.database) as session:
            get_alert(session, alert_id)
            found = list_evidence(session, alert_id, limit=limit + 1, offset=offset)
        record_reading(current_person().name, "alert_findings_read", alert_id, {"offset": offset, "limit": limit})
        items = [
            {
                "key": item.key.hex(),
                "uid": item.uid.hex(),
                "time": format_time_ns(item.time),
                "seq": item.seq,
                "record": item.record,
                "item": item.item,
            }
            for item in found[:limit]
        ]
        return {"items": items, "next": format_cursor(offset + limit if len(found) > limit else None)}


@resource.route("/alerts/<string:alert_id>/acknowledgement")
class Acknowledgement(MethodView):
    """Acknowledging an alert."""

    @resource.arguments(NoteSchema)
    @resource.response(200, AlertSchema)
    @require("alert.work")
    def post(self, body: dict[str, str], alert_id: str) -> dict[str, Any]:
        """Acknowledge a new alert."""
        with write_session(get_services().ledger.database) as session:
            return show_alert(
                acknowledge(session, get_services().ledger, alert_id, actor=current_person().name, note=body["note"])
            )


@resource.route("/alerts/<string:alert_id>/closure")
class Closure(MethodView):
    """Closing an alert."""

    @resource.arguments(CloseSchema)
    @resource.response(200, AlertSchema)
    @require("alert.work")
    def post(self, body: dict[str, Any], alert_id: str) -> dict[str, Any]:
        """Close an alert with a reason."""
        actor = current_person().name
        with write_session(get_services().ledger.database) as session:
            return show_alert(
                close(session, get_services().ledger, alert_id, actor=actor, reason=body["reason"], note=body["note"])
            )


def show_alert(alert: Alert) -> dict[str, Any]:
    """Return an alert as JSON-serialisable data."""
    names = [name for name in AlertSchema._declared_fields if name not in {"first", "last"}]
    plain: dict[str, Any] = {name: getattr(alert, name) for name in names}
    return {**plain, "first": format_time_ns(alert.first_ns), "last": format_time_ns(alert.last_ns)}


def _one_or_none(value: Any) -> tuple[Any, ...]:
    """Return a tuple of the value, empty for None."""
    return () if value is None else (value,)

"""How the service stands: what came in, how far it is judged, what is signed."""

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from auditsvc.api.health import find_checks
from auditsvc.api.resource import Resource
from auditsvc.auth.roles import require
from auditsvc.clock import format_instant
from auditsvc.engine.services import get_services
from auditsvc.event.time import MAX_TIME_NS
from auditsvc.ledger.service import get_head, latest_checkpoint

resource = Resource("status", description="How the service stands")


class StatusSchema(Schema):
    """Counts since the beginning, and how far each stage is."""

    log_size = fields.Integer(required=True, metadata={"description": "leaves of the log"})
    last_accepted = fields.String(required=True, allow_none=True)
    signed_size = fields.Integer(required=True, metadata={"description": "leaves under the latest checkpoint"})
    judged_size = fields.Integer(required=True, metadata={"description": "leaves the engine has followed"})
    lag = fields.Integer(required=True, metadata={"description": "leaves accepted but not judged yet"})
    lag_records = fields.Integer(required=True, metadata={"description": "records accepted but not judged yet"})
    records = fields.Integer(
        required=True, metadata={"description": "records of the log; one that is a JSON array holds several events"}
    )
    events = fields.Integer(required=True)
    duplicates = fields.Integer(required=True)
    quarantined = fields.Integer(required=True)
    sources = fields.List(fields.Dict(), required=True, metadata={"description": "the same counts by source"})
    checks = fields.Dict(required=True, metadata={"description": "what /health/ready looks at"})


_COUNTS = ("records", "events", "duplicates", "conflicts", "paired", "quarantined")


@resource.route("/status")
class Status(MethodView):
    """How the service stands."""

    @resource.response(200, StatusSchema)
    @require("status.read")
    def get(self) -> dict[str, Any]:
        """Show counts, lag and checks; numbers only, no event."""
        services = get_services()
        with services.engine_db.connect() as connection:
            head = get_head(connection)
            checkpoint = latest_checkpoint(connection)
        judged = services.store.position().next.seq
        stats = services.store.batch_stats(0, MAX_TIME_NS)
        return {
            "log_size": head.size,
            "last_accepted": format_instant(head.last_accepted) if head.last_accepted else None,
            "signed_size": checkpoint.size if checkpoint else 0,
            "judged_size": judged,
            "lag": max(head.size - judged, 0),
            "lag_records": services.event_engine.status().records_behind if services.event_engine else 0,
            **{
                name: sum(getattr(stat, name) for stat in stats)
                for name in ("records", "events", "duplicates", "quarantined")
            },
            "sources": [{"source": stat.source, **{name: getattr(stat, name) for name in _COUNTS}} for stat in stats],
            "checks": {check.name: check.reason or "ok" for check in find_checks()},
        }

"""Status of the service: deliveries accepted, events judged, checkpoints signed."""

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from auditsvc.api.health import find_checks
from auditsvc.api.resource import ApiBlueprint
from auditsvc.auth.roles import require
from auditsvc.figures.deliveries import DeliveryTotals, SourceTotals, measure_deliveries
from auditsvc.figures.lag import read_log_status
from auditsvc.ground.clock import format_instant
from auditsvc.ground.errors import StorageError
from auditsvc.runtime.services import Services, get_services, read_status

resource = ApiBlueprint("status", description="How the service stands")


class StoreSchema(Schema):
    """The event store: its kind, whether it is available, and its lag; null where unknown."""

    kind = fields.String(required=True, metadata={"description": "`duckdb` or `elasticsearch`"})
    state = fields.String(required=True, metadata={"description": "`ok`, or why the store does not answer"})
    lag = fields.Integer(
        required=True, allow_none=True, metadata={"description": "records accepted but not judged yet"}
    )
    dead_letters = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "rows the store could not take, which are missing from its answers; 0 for DuckDB"},
    )


class StatusSchema(Schema):
    """Total counts, and the progress of each stage; counts are null while the event store is unavailable."""

    log_size = fields.Integer(required=True, metadata={"description": "leaves of the log"})
    last_accepted = fields.String(required=True, allow_none=True)
    signed_size = fields.Integer(required=True, metadata={"description": "leaves under the latest checkpoint"})
    judged_size = fields.Integer(
        required=True, allow_none=True, metadata={"description": "leaves the engine has followed"}
    )
    lag = fields.Integer(required=True, allow_none=True, metadata={"description": "leaves accepted but not judged yet"})
    lag_records = fields.Integer(
        required=True, allow_none=True, metadata={"description": "records accepted but not judged yet"}
    )
    records = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "records of the log; one that is a JSON array holds several events"},
    )
    events = fields.Integer(required=True, allow_none=True)
    duplicates = fields.Integer(required=True, allow_none=True)
    quarantined = fields.Integer(required=True, allow_none=True)
    store = fields.Nested(StoreSchema, required=True, metadata={"description": "the event store"})
    sources = fields.List(fields.Dict(), required=True, metadata={"description": "the same counts by source"})
    checks = fields.Dict(required=True, metadata={"description": "what /health/ready looks at"})


_SUMS = ("records", "events", "duplicates", "quarantined")
_COUNTS = ("records", "events", "duplicates", "conflicts", "paired", "quarantined")


@resource.route("/status")
class Status(MethodView):
    """Status of the service."""

    @resource.response(200, StatusSchema)
    @require("status.read")
    def get(self) -> dict[str, Any]:
        """Show counts, lag and checks; numbers only, no event."""
        services = get_services()
        log, store = read_log_status(services.ledger), read_status(services)
        totals = _measure(services) if store.reason is None else None
        return {
            "log_size": log.size,
            "last_accepted": format_instant(log.last_accepted) if log.last_accepted else None,
            "signed_size": log.signed_size,
            "judged_size": store.judged_size,
            "lag": store.leaves_behind,
            "lag_records": store.records_behind,
            **{name: None if totals is None else getattr(totals, name) for name in _SUMS},
            "store": {
                "kind": store.kind,
                "state": store.reason or "ok",
                "lag": store.records_behind,
                "dead_letters": store.dead_letters,
            },
            "sources": [] if totals is None else [_show_source(stat) for stat in totals.sources],
            "checks": {check.name: check.reason or "ok" for check in find_checks()},
        }


def _measure(services: Services) -> DeliveryTotals | None:
    """Return the sums of every source, None when the store became unavailable meanwhile."""
    try:
        return measure_deliveries(services.store)
    except StorageError:
        return None


def _show_source(stat: SourceTotals) -> dict[str, Any]:
    """Return the counts of one source."""
    return {"source": stat.source, **{name: getattr(stat, name) for name in _COUNTS}}

"""Log sources of the catalogue in force, and their API keys."""

from datetime import timedelta
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate

from auditsvc.api.policies import TextSchema
from auditsvc.api.resource import ApiBlueprint
from auditsvc.auth.gate import current_person
from auditsvc.auth.roles import require
from auditsvc.catalog.model import Source
from auditsvc.ground.errors import InputError
from auditsvc.ingest.credentials import ApiKey, issue_key, list_keys, withdraw_key
from auditsvc.runtime.services import get_services

resource = ApiBlueprint("sources", description="Who sends logs, and how they are read")


class SourceSchema(Schema):
    """A source."""

    id = fields.String(required=True)
    title = fields.Nested(TextSchema, required=True)
    reader = fields.String(required=True, metadata={"description": "native, combined, mapped or xroad"})
    zone = fields.String(required=True)
    encoding = fields.String(required=True)
    interfaces = fields.List(fields.String(), required=True)


class SourceListSchema(Schema):
    """Every source."""

    items = fields.List(fields.Nested(SourceSchema), required=True)


class KeySchema(Schema):
    """An API key, without its secret."""

    key_id = fields.String(required=True)
    source = fields.String(required=True)
    label = fields.String(required=True)
    created = fields.AwareDateTime(required=True)
    expires = fields.AwareDateTime(required=True, allow_none=True)
    revoked = fields.AwareDateTime(required=True, allow_none=True)


class KeyListSchema(Schema):
    """The keys of a source."""

    items = fields.List(fields.Nested(KeySchema), required=True)


class NewKeySchema(Schema):
    """A new key; `secret` is the full key to send, which is shown only once."""

    key = fields.Nested(KeySchema, required=True)
    secret = fields.String(required=True)


class KeyCreationSchema(Schema):
    """Settings of a new key."""

    label = fields.String(load_default="", validate=validate.Length(0, 255))
    days = fields.Integer(
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, 3660),
        metadata={"description": "days until it expires; null: until revoked"},
    )


@resource.route("/sources")
class Sources(MethodView):
    """All sources."""

    @resource.response(200, SourceListSchema)
    @require("source.read")
    def get(self) -> dict[str, Any]:
        """List the sources of the catalogue in force."""
        catalog = get_services().versions.find().find_catalog()
        return {"items": [catalog.sources[key] for key in sorted(catalog.sources)] if catalog else []}


@resource.route("/sources/<string:source>")
class OneSource(MethodView):
    """One source."""

    @resource.response(200, SourceSchema)
    @require("source.read")
    def get(self, source: str) -> Source:
        """Show one source."""
        return _get_source(source)


@resource.route("/sources/<string:source>/keys")
class SourceKeys(MethodView):
    """The API keys of a source."""

    @resource.response(200, KeyListSchema)
    @require("source.manage")
    def get(self, source: str) -> dict[str, Any]:
        """List the keys of a source, revoked ones included."""
        _get_source(source)
        return {"items": list_keys(get_services().ledger, source)}

    @resource.arguments(KeyCreationSchema)
    @resource.response(201, NewKeySchema)
    @require("source.manage")
    def post(self, body: dict[str, Any], source: str) -> dict[str, Any]:
        """Create a key for a source."""
        _get_source(source)
        lifetime = None if body["days"] is None else timedelta(days=body["days"])
        key, secret = issue_key(
            get_services().ledger, source, actor=current_person().name, label=body["label"], lifetime=lifetime
        )
        return {"key": key, "secret": secret}


@resource.route("/source-keys/<string:key_id>")
class SourceKey(MethodView):
    """One API key."""

    @resource.response(200, KeySchema)
    @require("source.manage")
    def delete(self, key_id: str) -> ApiKey:
        """Revoke a key; deliveries with it are refused within seconds."""
        return withdraw_key(get_services().ledger, key_id, actor=current_person().name)


def _get_source(source: str) -> Source:
    """Return the source; raise ``not_found`` when it is not in the catalogue."""
    catalog = get_services().versions.find().find_catalog()
    found = catalog.find_source(source) if catalog else None
    if found is None:
        raise InputError("not_found", f"there is no source `{source[:64]}`")
    return found

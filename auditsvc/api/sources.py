"""Log sources as the catalogue in force names them."""

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from auditsvc.api.policies import TextSchema
from auditsvc.api.resource import Resource
from auditsvc.auth.roles import require
from auditsvc.catalog.model import Source
from auditsvc.engine.inforce import find_catalog
from auditsvc.engine.services import get_services
from auditsvc.errors import InputError

resource = Resource("sources", description="Who sends logs, and how they are read")


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


@resource.route("/sources")
class Sources(MethodView):
    """All sources."""

    @resource.response(200, SourceListSchema)
    @require("source.read")
    def get(self) -> dict[str, Any]:
        """List the sources of the catalogue in force."""
        catalog = find_catalog(get_services())
        return {"items": [catalog.sources[key] for key in sorted(catalog.sources)] if catalog else []}


@resource.route("/sources/<string:source>")
class OneSource(MethodView):
    """One source."""

    @resource.response(200, SourceSchema)
    @require("source.read")
    def get(self, source: str) -> Source:
        """Show one source."""
        catalog = find_catalog(get_services())
        found = catalog.find_source(source) if catalog else None
        if found is None:
            raise InputError("not_found", f"there is no source `{source[:64]}`")
        return found

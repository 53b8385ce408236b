"""The catalogue in force: one route per kind of thing, each thing shown as in its document."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields

from auditsvc.api.resource import ApiBlueprint, PageQuery, format_cursor, page_schema, parse_cursor
from auditsvc.auth.roles import require
from auditsvc.catalog.model import Catalog, Validity
from auditsvc.event.time import format_time_ns
from auditsvc.ground.errors import InputError
from auditsvc.runtime.services import get_services

resource = ApiBlueprint("catalog", description="Organisations, resources, interfaces, agreements and projects")


class CatalogSchema(Schema):
    """The catalogue as a whole."""

    digest = fields.String(
        required=True, allow_none=True, metadata={"description": "SHA-256, hex; null: none in force"}
    )
    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)


class ThingSchema(Schema):
    """One registered thing."""

    id = fields.String(required=True)
    versions = fields.List(fields.Dict(), required=True, metadata={"description": "in order of their start"})


KINDS: Mapping[str, Callable[[Catalog], Mapping[str, Iterable[Any]]]] = {
    "organisations": lambda catalog: catalog.org_history,
    "resources": lambda catalog: catalog.resource_history,
    "interfaces": lambda catalog: catalog.interface_history,
    "agreements": lambda catalog: catalog.agreement_history,
    "projects": lambda catalog: {key: (project,) for key, project in catalog.projects.items()},
    "matters": lambda catalog: {key: (matter,) for key, matter in catalog.matters.items()},
}
"""By kind of thing, the function that returns its versions by id."""


@resource.route("/catalog")
class WholeCatalog(MethodView):
    """The catalogue."""

    @resource.response(200, CatalogSchema)
    @require("catalog.read")
    def get(self) -> dict[str, Any]:
        """Show which catalogue is in force, and its counts."""
        catalog = get_services().versions.find().find_catalog()
        if catalog is None:
            return {"digest": None, "counts": {}}
        return {
            "digest": catalog.digest.hex(),
            "counts": {kind: len(list_of(catalog)) for kind, list_of in KINDS.items()},
        }


@resource.route("/catalog/<string:kind>")
class Things(MethodView):
    """All things of a kind."""

    @resource.arguments(PageQuery, location="query")
    @resource.response(200, page_schema(ThingSchema))
    @require("catalog.read")
    def get(self, query: dict[str, Any], kind: str) -> dict[str, Any]:
        """List things of a kind by id: organisations, resources, interfaces, agreements, projects or matters."""
        things = _list_things(kind)
        after = parse_cursor(query["cursor"])
        if after is not None and not isinstance(after, str):
            raise InputError("field_invalid", "cursor: not one of this list")
        keys = sorted(key for key in things if after is None or key > after)
        page = keys[: query["limit"]]
        return {
            "items": [{"id": key, "versions": [show_plain(version) for version in things[key]]} for key in page],
            "next": format_cursor(page[-1] if len(keys) > len(page) else None),
        }


@resource.route("/catalog/<string:kind>/<string:thing>")
class OneThing(MethodView):
    """One thing."""

    @resource.response(200, ThingSchema)
    @require("catalog.read")
    def get(self, kind: str, thing: str) -> dict[str, Any]:
        """Show one thing with every version of it."""
        things = _list_things(kind)
        if thing not in things:
            raise InputError("not_found", f"there is no `{thing[:64]}` among the {kind}")
        return {"id": thing, "versions": [show_plain(version) for version in things[thing]]}


def _list_things(kind: str) -> Mapping[str, Iterable[Any]]:
    """Return all things of a kind; none before the first activation."""
    if kind not in KINDS:
        raise InputError("not_found", f"there is no kind `{kind[:64]}`; kinds are {', '.join(KINDS)}")
    catalog = get_services().versions.find().find_catalog()
    return KINDS[kind](catalog) if catalog else {}


def show_plain(value: Any) -> Any:
    """Return a value of the catalogue as JSON-serialisable data: money and shares as text, instants as RFC 3339."""
    if isinstance(value, Validity):
        return {"from": format_time_ns(value.start), "until": None if value.end is None else format_time_ns(value.end)}
    if is_dataclass(value):
        return {member.name: show_plain(getattr(value, member.name)) for member in fields_of(value)}
    if isinstance(value, Mapping):
        return {str(key): show_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [show_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, (Decimal, date)) else value

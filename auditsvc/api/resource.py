"""Common parts of the API's resources: the blueprint class, strict arguments, and pages with a cursor.

Arguments are strict: undeclared and repeated names are refused, since a misspelt filter that is silently ignored would
return the results of another search. A page's cursor is opaque and part of the body.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import current_app, request
from flask_smorest import blueprint
from marshmallow import RAISE, Schema, fields, missing, validate
from webargs.flaskparser import FlaskParser

from auditsvc.event.time import read_bound_ns
from auditsvc.ground.errors import InputError
from auditsvc.ground.jsontext import decode_json

View = TypeVar("View", bound=Callable[..., Any])
Route = TypeVar("Route", bound=Any)

PREFIX = "/api/v1"
MAX_PAGE = 1000
"""Most items of one page."""
DEFAULT_PAGE = 100
_ID_BYTES = 400
"""Longest path argument or cursor."""


class StrictParser(FlaskParser):
    """Reads arguments and refuses undeclared ones."""

    DEFAULT_UNKNOWN_BY_LOCATION: Mapping[str, str | None] = {  # type: ignore[assignment]
        "json": RAISE,
        "query": RAISE,
        "files": RAISE,
        "form": RAISE,
        "path": RAISE,
    }

    def load_json(self, req: Any, schema: Schema) -> Any:
        """Return the JSON body; refuse another media type instead of treating the body as missing.

        Raises:
            InputError: ``media_type_unsupported``, ``json_invalid``.
        """
        if req.content_length and not req.is_json:
            raise InputError("media_type_unsupported", f"expected application/json, got `{req.mimetype[:100]}`")
        data = req.get_data()
        return decode_json(data) if data else missing


class ApiBlueprint(blueprint.Blueprint):
    """A blueprint below ``/api/v1`` whose routes take declared arguments only."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, name: str, *, description: str) -> None:
        """Create the blueprint ``api.<name>``; its routes give their full path after ``/api/v1``."""
        make: Any = super().__init__  # the library has no types, here and below
        make(f"api-{name}", __name__, url_prefix=PREFIX, description=description)
        self.before_request(check_query_names)

    def arguments(self, schema: type[Schema], *, location: str = "json", **options: Any) -> Callable[[View], View]:
        """Return a decorator that passes the arguments in ``location``, parsed by ``schema``, to the view."""
        declare: Any = super().arguments
        decorator: Callable[[View], View] = declare(schema, location=location, **options)
        return decorator

    def response(
        self, status_code: int, schema: type[Schema] | dict[str, Any] | None = None, **options: Any
    ) -> Callable[[View], View]:
        """Return a decorator that serialises the view's result by ``schema``."""
        declare: Any = super().response
        decorator: Callable[[View], View] = declare(status_code, schema, **options)
        return decorator

    def route(self, rule: str, **options: Any) -> Callable[[Route], Route]:
        """Return a decorator that registers a view for ``rule`` below ``/api/v1``."""
        register: Any = super().route
        decorator: Callable[[Route], Route] = register(rule, **options)
        return decorator

    @staticmethod
    def doc(**options: Any) -> Callable[[View], View]:
        """Return a decorator that adds ``options`` to the view's part of the OpenAPI document."""
        add: Any = blueprint.Blueprint.doc
        decorator: Callable[[View], View] = add(**options)
        return decorator


def check_query_names() -> None:
    """Refuse a query with a repeated name, or any query where the route declares none.

    Raises:
        InputError: ``field_invalid``, ``field_unknown``.
    """
    for name, values in request.args.lists():
        if len(values) > 1:
            raise InputError("field_invalid", f"query: `{name[:100]}` is given {len(values)} times")
    if request.args and not _declares_query():
        name = next(iter(request.args))
        raise InputError("field_unknown", f"query: `{name[:100]}` is not known here")


def _declares_query() -> bool:
    """Return whether the route of the current request declares query arguments."""
    view: Any = current_app.view_functions[request.endpoint or ""]
    view_class = getattr(view, "view_class", None)
    target = getattr(view_class, request.method.lower(), view) if view_class else view
    parameters = getattr(target, "_apidoc", {}).get("arguments", {}).get("parameters", [])
    return any(parameter["in"] == "query" for parameter in parameters)


class Instant(fields.AwareDateTime):
    """A bound of a time span, with a UTC offset; refused outside the range of event times."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        """Return the instant in UTC; raise ``InputError`` (``time_invalid``) naming the argument."""
        instant: datetime = super()._deserialize(value, attr, data, **kwargs)
        try:
            read_bound_ns(instant)
        except InputError as err:
            raise InputError(err.code, f"`{attr}`: {err.message}", field=attr) from err
        return instant.astimezone(UTC)


class PageQuery(Schema):
    """Which page of a list."""

    limit = fields.Integer(
        load_default=DEFAULT_PAGE,
        validate=validate.Range(1, MAX_PAGE),
        metadata={"description": f"items of the page, 1 to {MAX_PAGE}"},
    )
    cursor = fields.String(
        load_default=None,
        validate=validate.Length(1, _ID_BYTES),
        metadata={"description": "`next` of the page before; leave out for the first page"},
    )


def format_cursor(value: Any) -> str | None:
    """Return a position as an opaque cursor, None when there is no next page."""
    if value is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def parse_cursor(text: str | None) -> Any:
    """Return the position in a cursor, None for the first page.

    Raises:
        InputError: ``field_invalid`` for a malformed cursor.
    """
    if text is None:
        return None
    try:
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error) as err:
        raise InputError("field_invalid", "cursor: not one that this service gave out") from err


def page_schema(item: type[Schema]) -> type[Schema]:
    """Return the schema of a page of ``item``."""
    name = f"{item.__name__.removesuffix('Schema')}PageSchema"
    return Schema.from_dict(
        {
            "items": fields.List(fields.Nested(item), required=True),
            "next": fields.String(
                required=True, allow_none=True, metadata={"description": "cursor of the next page; null at the end"}
            ),
        },
        name=name,
    )

"""The console's entry point for the application: :func:`install` adds its pages, languages and template filters."""

from pathlib import Path
from typing import Any

from flask import Flask, send_from_directory
from flask.typing import ResponseReturnValue
from flask_babel import Babel

from auditsvc.auth.roles import public
from auditsvc.console import alert, event, language, report, session, today, verification, violation
from auditsvc.console.blueprint import blueprint
from auditsvc.console.failure import handle_error
from auditsvc.console.labels import show_label
from auditsvc.console.layout import build_layout
from auditsvc.console.text import (
    pick_language,
    show_digest,
    show_instant,
    show_number,
    show_percent,
    show_size,
)
from auditsvc.runtime.services import get_services

__all__ = ["blueprint", "handle_error", "install"]

PAGES = (alert, event, language, report, session, today, verification, violation)
"""Modules whose import added their routes to the blueprint."""

_HERE = Path(__file__).parent
_STATIC_AGE_S = 24 * 3600
_FILTERS = {
    "number": show_number,
    "percent": show_percent,
    "instant": show_instant,
    "size": show_size,
    "digest": show_digest,
    "bilingual": pick_language,
    "label": show_label,
}


def install(app: Flask) -> None:
    """Add the console to ``app``, which already holds the services."""
    babel: Any = Babel  # the library has no types
    babel(
        app,
        default_translation_directories=str(_HERE / "translations"),
        locale_selector=language.select_language,
        timezone_selector=lambda: get_services().settings.time_zone,
    )
    app.jinja_env.filters.update(_FILTERS)
    app.register_blueprint(blueprint)
    app.context_processor(build_layout)


@blueprint.get("/static/console/<path:filename>", endpoint="static")
@public
def send_static(filename: str) -> ResponseReturnValue:
    """Send a style sheet, script, font or picture."""
    return send_from_directory(_HERE / "static", filename, max_age=_STATIC_AGE_S)


@blueprint.get("/favicon.ico")
@public
def send_favicon() -> ResponseReturnValue:
    """Send the service's icon to browsers, which request it by default."""
    return send_from_directory(_HERE / "static", "favicon.svg", mimetype="image/svg+xml", max_age=_STATIC_AGE_S)

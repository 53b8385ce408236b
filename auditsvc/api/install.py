"""Installs the API in an application: every resource below ``/api/v1``, its OpenAPI document and the page that shows it."""

from typing import Any

import flask_smorest
from flask import Blueprint, Flask, Response, current_app, g, jsonify, render_template_string, url_for

from auditsvc import __version__
from auditsvc.api import (
    accounts,
    alerts,
    catalog,
    events,
    ledger,
    policies,
    quarantine,
    reports,
    sources,
    status,
    tokens,
)
from auditsvc.api.problems import MEDIA_TYPE, ProblemSchema
from auditsvc.api.resource import ApiBlueprint
from auditsvc.auth.roles import public

RESOURCES: tuple[ApiBlueprint, ...] = (
    tokens.resource,
    accounts.resource,
    status.resource,
    events.resource,
    quarantine.resource,
    alerts.resource,
    reports.resource,
    policies.resource,
    catalog.resource,
    sources.resource,
    ledger.resource,
)

documents = Blueprint("api-docs", __name__, url_prefix="/api")

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>auditsvc API</title>
<link rel="stylesheet" href="{{ vendor('swagger-ui.css') }}"></head>
<body><div id="ui"></div>
<script src="{{ vendor('swagger-ui-bundle.js') }}"></script>
<script nonce="{{ nonce }}">SwaggerUIBundle({url: {{ url | tojson }}, dom_id: "#ui", validatorUrl: null})</script>
</body></html>"""


class AuditApi(flask_smorest.Api):
    """flask-smorest's API object with our problem documents; its own would drop ``Allow`` and ``Retry-After``."""

    ERROR_SCHEMA: Any = ProblemSchema

    def _register_error_handlers(self) -> None:
        """Leave errors to the application's handlers."""

    def _register_doc_blueprint(self) -> None:
        """Leave the documents to :data:`documents`, whose routes declare their permission."""


def install_api(app: Flask, csrf: Any) -> None:
    """Register every resource of the API in ``app``; bearer tokens need no CSRF protection."""
    app.config.update(API_TITLE="auditsvc", API_VERSION=__version__, OPENAPI_VERSION="3.1.0")
    make_api: Any = AuditApi  # the library has no types
    api = make_api(app, spec_kwargs={"info": {"description": "Reference: docs/api.md. Errors are RFC 9457 problems."}})
    api.spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    api.spec.options["security"] = [{"bearer": []}]
    for resource in RESOURCES:
        api.register_blueprint(resource)
        csrf.exempt(resource)
    app.extensions["auditsvc-openapi"] = api
    app.register_blueprint(documents)


def build_document(api: AuditApi) -> dict[str, Any]:
    """Return the OpenAPI document, with errors described as problem documents."""
    document: dict[str, Any] = api.spec.to_dict()
    for response in document.get("components", {}).get("responses", {}).values():
        content = response.get("content", {})
        if "application/json" in content:
            content[MEDIA_TYPE] = content.pop("application/json")
    return document


@documents.get("/openapi.json")
@public
def show_document() -> Response:
    """Return the OpenAPI document as a response."""
    return jsonify(build_document(_current_api()))


@documents.get("/docs")
@public
def show_page() -> str:
    """Return the page that shows the OpenAPI document; all its files are served by this service."""
    return render_template_string(
        _PAGE,
        nonce=g.csp_nonce,
        url=url_for("api-docs.show_document"),
        vendor=lambda name: url_for("console.static", filename=f"vendor/swagger-ui/{name}"),
    )


def _current_api() -> AuditApi:
    """Return the API object of the application that handles the current request."""
    api: AuditApi = current_app.extensions["auditsvc-openapi"]
    return api

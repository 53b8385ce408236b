"""Errors of the API as problem documents (RFC 9457): one format for every refusal, with the stable code."""

import logging
from collections.abc import Mapping
from typing import Any

from flask import Response, current_app, json, request
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException

from auditsvc.ground.errors import CODES, AuditError

MEDIA_TYPE = "application/problem+json"

_CODES: Mapping[int, str] = {
    400: "input_invalid",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "media_type_unsupported",
    422: "input_invalid",
}
"""Our error codes by status of errors raised by the web framework."""
_MAX_TEXT = 500
"""Longest excerpt of a request that is echoed."""
log = logging.getLogger(__name__)


class ProblemSchema(Schema):
    """Why a request was refused."""

    type = fields.String(required=True, metadata={"description": "address of the code's documentation"})
    title = fields.String(required=True, metadata={"description": "the meaning of the code"})
    status = fields.Integer(required=True, metadata={"description": "the HTTP status"})
    code = fields.String(required=True, metadata={"description": "stable name of the error; docs/errors.md lists all"})
    detail = fields.String(required=True, metadata={"description": "what was wrong here and what to do"})
    context = fields.Dict(metadata={"description": "what the detail speaks of, for programs"})
    errors = fields.List(fields.Dict(), metadata={"description": "each wrong value with its place"})


def answer_error(error: AuditError) -> Response:
    """Return the problem document of an error."""
    if error.http_status >= 500:
        log.error("request_failed", extra={"code": error.code, "detail": error.message, "path": request.path})
    response = _build(error.http_status, error.code, error.message, {"context": error.context} if error.context else {})
    wait_s = error.context.get("retry_after_s")
    if error.http_status in {429, 503}:
        response.headers["Retry-After"] = str(wait_s or 5)
    if error.http_status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def answer_http_error(error: HTTPException) -> Response:
    """Return the problem document of an error raised by the web framework, with its headers."""
    status = error.code or 500
    code = _CODES.get(status, "internal" if status >= 500 else "input_invalid")
    more = _list_validation_errors(error)
    detail = (error.description or error.name).rstrip(".")
    if more:
        detail = "; ".join(f"{item['location']}: {item['message']}" for item in more["errors"])[:_MAX_TEXT]
    response = _build(status, code, detail, more)
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def answer_crash(_error: Exception) -> Response:
    """Return the problem document of an unexpected error; details go to the log, not to the caller."""
    log.exception("request_crashed", extra={"path": request.path, "method": request.method})
    return _build(500, "internal", "the program failed; the operator finds the details in the log", {})


def _build(status: int, code: str, detail: str, more: Mapping[str, Any]) -> Response:
    """Return a problem document."""
    body = {
        "type": f"urn:auditsvc:error:{code}",
        "title": _meaning(code),
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }
    text = json.dumps(body, ensure_ascii=False, default=str)
    return current_app.response_class(text, status=status, mimetype=MEDIA_TYPE)


def _meaning(code: str) -> str:
    """Return the meaning of a code from the table of codes."""
    return CODES[code].meaning


def _list_validation_errors(error: HTTPException) -> dict[str, Any]:
    """Return webargs' validation errors as a flat list, each with its place."""
    messages = getattr(error, "data", {}).get("messages")
    if not isinstance(messages, dict):
        return {}
    return {"errors": [{"location": place, "message": text} for place, text in _flatten("", messages)]}


def _flatten(prefix: str, messages: Any) -> list[tuple[str, str]]:
    """Return nested messages as (place, text) pairs."""
    if isinstance(messages, dict):
        return [
            pair
            for key, value in messages.items()
            for pair in _flatten(f"{prefix}.{key}" if prefix else str(key), value)
        ]
    texts = messages if isinstance(messages, list) else [messages]
    return [(prefix, str(text).rstrip(".")[:_MAX_TEXT]) for text in texts]

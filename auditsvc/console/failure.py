"""Errors as shown to people: what happened, what to do next, and the code that API and logs also use."""

from dataclasses import dataclass

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext, lazy_gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from auditsvc.auth.roles import ROLES, Role
from auditsvc.console.text import current_language
from auditsvc.ground.errors import AuditError

_TITLES = {
    "unauthenticated": lazy_gettext("Name or password is wrong, or the account is disabled."),
    "locked_out": lazy_gettext("Too many failed attempts. Wait, or ask the system administrator."),
    "overloaded": lazy_gettext("The service is busy. Try again in a moment."),
    "password_weak": lazy_gettext("This password is too easy to guess."),
    "forbidden": lazy_gettext("You may not open this page"),
    "not_found": lazy_gettext("There is nothing here"),
    "conflict": lazy_gettext("This was changed in the meantime. Look at it again before you act."),
    "storage_unavailable": lazy_gettext("The storage does not answer. Nothing was lost; try again later."),
    "input_invalid": lazy_gettext("Something in the form is not as it must be."),
    "field_unknown": lazy_gettext("There is no field of this name."),
    "query_invalid": lazy_gettext("The query cannot be read."),
}
"""Titles of errors by code; other codes have a general one."""

_STATUS_TITLES = {
    400: lazy_gettext("The request cannot be understood"),
    403: lazy_gettext("You may not open this page"),
    404: lazy_gettext("There is nothing here"),
    405: lazy_gettext("This page is not reached this way"),
    413: lazy_gettext("The file is too large"),
    429: lazy_gettext("Too many requests"),
}
_UNAUTHENTICATED = 401
_SEE_OTHER = 303


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as shown on a page.

    Attributes:
        code: stable code, empty for HTTP's own errors.
        title: sentence in the page's language.
        detail: the exact error message, in English as in API and logs; empty when the title suffices.
        roles: names of the roles that are allowed, in the page's language.
    """

    code: str
    title: str
    detail: str = ""
    roles: tuple[str, ...] = ()


def describe(err: AuditError) -> Failure:
    """Return ``err`` as shown on a page."""
    title = str(_TITLES.get(err.code) or gettext("This did not work."))
    roles = tuple(_name_role(role) for role in err.context.get("roles", ()))
    return Failure(err.code, title, err.message, roles)


def handle_error(err: AuditError | HTTPException) -> ResponseReturnValue:
    """Handle any error of a page: redirect to sign-in if unauthenticated, else show a page that explains the error."""
    if isinstance(err, HTTPException):
        return _answer_http(err)
    if err.code == "unauthenticated":
        return _send_to("console.sign_in")
    if err.context.get("must_change_password"):
        return _send_to("console.password")
    return render_template("console/failure.html", failure=describe(err), status=err.http_status), err.http_status


def _answer_http(err: HTTPException) -> ResponseReturnValue:
    """Return the page for an HTTP error of the framework, with its headers (405 keeps ``Allow``)."""
    if err.response is not None:
        return err
    status = err.code or 500
    detail = ""
    if isinstance(err, CSRFError):
        detail = gettext("The form is too old, or it did not come from this page. Open the page again and repeat.")
    title = str(_STATUS_TITLES.get(status) or gettext("This did not work."))
    body = render_template("console/failure.html", failure=Failure("", title, detail), status=status)
    headers = [(name, value) for name, value in err.get_headers() if name.lower() != "content-type"]
    return body, status, headers


def _send_to(endpoint: str) -> ResponseReturnValue:
    """Redirect to a page that must come first, and from there back to this one."""
    here = request.full_path.rstrip("?") if request.method == "GET" else "/"
    target = url_for(endpoint, next=here) if here != "/" else url_for(endpoint)
    if request.headers.get("HX-Request"):
        return Response(status=_UNAUTHENTICATED, headers={"HX-Redirect": target})
    if here != "/" and endpoint == "console.sign_in":
        flash(gettext("Please sign in; you will come back to the page you asked for."))
    return redirect(target, _SEE_OTHER)


def _name_role(role: str) -> str:
    """Return the name of a role in the page's language."""
    info = ROLES[Role(role)]
    return info.zh if current_language() == "zh" else info.en

"""Authentication and authorisation of every request, before its view runs.

Order: find the route's declared permission; let public routes pass; identify the person (by session cookie for pages, by
bearer token only below ``/api/``); refuse the unauthenticated (401), those with a one-time password on any route but the
one that sets a new password (403), and those without the permission (403, naming the roles that have it).

INVARIANT: a route that declares nothing is refused, so a forgotten declaration never grants access.
"""

from typing import Any

import flask_login
from flask import Flask, current_app, g, request

from auditsvc.auth.bearer import BearerTokens
from auditsvc.auth.model import Person
from auditsvc.auth.roles import PUBLIC, declared_permissions, roles_with
from auditsvc.auth.service import Accounts
from auditsvc.ground.errors import AuthError

API_PREFIX = "/api/"
"""Below this path only bearer tokens are accepted, never a browser's cookie, to prevent CSRF."""
_SELF = "self.manage"


def install_gate(app: Flask, accounts: Accounts, tokens: BearerTokens) -> None:
    """Check the permission of every request to ``app``."""
    make_login: Any = flask_login.LoginManager  # the library has no types
    login = make_login()
    login.session_protection = "basic"

    def load_from_session(remembered: str) -> Person | None:
        if request.path.startswith(API_PREFIX):
            return None
        account_id, _, version = remembered.rpartition(".")
        return accounts.find_person(account_id, int(version)) if version.isdecimal() else None

    def load_from_header(_request: object) -> Person | None:
        if not request.path.startswith(API_PREFIX):
            return None
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return None
        grant = tokens.check(token.strip())
        g.token_grant = grant
        return accounts.find_person(grant.account_id, grant.credential_version)

    login.user_loader(load_from_session)
    login.request_loader(load_from_header)
    login.init_app(app)
    app.before_request(check_permission)


def check_permission() -> None:
    """Refuse the current request unless the caller has the permission its route declares.

    Raises:
        AuthError: ``unauthenticated`` or ``forbidden``.
    """
    if request.endpoint is None:
        return  # no route: the answer is 404 or 405, which reveals nothing
    view = current_app.view_functions[request.endpoint]
    if request.method == "OPTIONS":
        return  # answered by Flask from the routing table alone
    permissions = declared_permissions(view, request.method)
    if permissions is None:
        raise AuthError("forbidden", f"`{request.path}` declares no permission, so nobody may call it")
    if PUBLIC in permissions:
        return
    person = current_person()
    if person.must_change_password and _SELF not in permissions:
        raise AuthError(
            "forbidden",
            "signed in with a one-time password; set a new password first",
            must_change_password=True,
            permissions=list(permissions),
        )
    if not any(person.has(permission) for permission in permissions):
        roles = roles_with(permissions)
        raise AuthError(
            "forbidden",
            f"this needs the role {' or '.join(f'`{role}`' for role in roles)}",
            permissions=list(permissions),
            roles=[str(role) for role in roles],
        )


def current_person() -> Person:
    """Return the person making the current request.

    Raises:
        AuthError: ``unauthenticated``.
    """
    proxy: Any = flask_login.current_user
    if not proxy.is_authenticated:
        raise AuthError("unauthenticated", "sign in, or send `Authorization: Bearer <token>`")
    person: Person = proxy._get_current_object()  # flask-login's proxy offers no public access to its object
    return person

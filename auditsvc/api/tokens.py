"""Tokens, and the caller's own account and password."""

from typing import Any

from flask import g
from flask.views import MethodView
from marshmallow import Schema, fields, validate

from auditsvc.api.resource import ApiBlueprint
from auditsvc.auth.bearer import LIFETIME
from auditsvc.auth.gate import current_person
from auditsvc.auth.passwords import MAX_LENGTH
from auditsvc.auth.roles import permissions_of, public, require
from auditsvc.runtime.services import get_services

resource = ApiBlueprint("tokens", description="Sign in, and the caller's own account")

_PASSWORD = validate.Length(1, MAX_LENGTH)


class SignInSchema(Schema):
    """Name and password."""

    name = fields.String(required=True, validate=validate.Length(1, 64))
    password = fields.String(required=True, validate=_PASSWORD, load_only=True)


class TokenSchema(Schema):
    """A bearer token."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True, metadata={"description": "always `Bearer`"})
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})
    expires = fields.AwareDateTime(required=True)
    must_change_password = fields.Boolean(
        required=True, metadata={"description": "only `PUT /self/password` is allowed until then"}
    )


class SelfSchema(Schema):
    """The caller."""

    name = fields.String(required=True)
    display_name = fields.String(required=True)
    roles = fields.List(fields.String(), required=True)
    permissions = fields.List(fields.String(), required=True)
    department = fields.String(required=True, allow_none=True)
    must_change_password = fields.Boolean(required=True)


class PasswordChangeSchema(Schema):
    """The old password and the new one."""

    old = fields.String(required=True, validate=_PASSWORD, load_only=True)
    new = fields.String(required=True, validate=_PASSWORD, load_only=True)


@resource.route("/tokens")
class Tokens(MethodView):
    """Getting a token."""

    @resource.arguments(SignInSchema)
    @resource.response(201, TokenSchema)
    @resource.doc(security=[])
    @public
    def post(self, body: dict[str, str]) -> dict[str, Any]:
        """Get a bearer token for a name and password."""
        services = get_services()
        person = services.accounts.sign_in(body["name"], body["password"])
        token, expires = services.tokens.issue(person)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(LIFETIME.total_seconds()),
            "expires": expires,
            "must_change_password": person.must_change_password,
        }


@resource.route("/tokens/current")
class CurrentToken(MethodView):
    """The token of this request."""

    @resource.response(204)
    @require("self.manage")
    def delete(self) -> None:
        """Withdraw the token used for this request."""
        services = get_services()
        services.tokens.withdraw(g.token_grant)
        services.accounts.sign_out(current_person())


@resource.route("/self")
class Self(MethodView):
    """The caller's own account."""

    @resource.response(200, SelfSchema)
    @require("self.manage")
    def get(self) -> dict[str, Any]:
        """Show the caller's account, roles and permissions."""
        person = current_person()
        return {
            "name": person.name,
            "display_name": person.display_name,
            "roles": [str(role) for role in person.roles],
            "permissions": sorted(permissions_of(person.roles)),
            "department": person.department,
            "must_change_password": person.must_change_password,
        }


@resource.route("/self/password")
class OwnPassword(MethodView):
    """The caller's own password."""

    @resource.arguments(PasswordChangeSchema)
    @resource.response(204)
    @require("self.manage")
    def put(self, body: dict[str, str]) -> None:
        """Set a new password; ends every session and token of the account, including this one."""
        get_services().accounts.change_password(current_person(), old=body["old"], new=body["new"])

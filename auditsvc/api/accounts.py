"""Accounts and roles, for administrators."""

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate

from auditsvc.api.resource import ApiBlueprint, PageQuery, format_cursor, page_schema, parse_cursor
from auditsvc.auth.gate import current_person
from auditsvc.auth.roles import ROLES, Duty, Role, require
from auditsvc.auth.service import Account, NewAccount
from auditsvc.ground.errors import InputError
from auditsvc.runtime.services import get_services

resource = ApiBlueprint("accounts", description="People and their roles")


class AccountSchema(Schema):
    """An account."""

    name = fields.String(required=True)
    display_name = fields.String(required=True)
    duty = fields.Enum(Duty, by_value=True, required=True)
    department = fields.String(required=True, allow_none=True)
    roles = fields.List(fields.Enum(Role, by_value=True), required=True)
    enabled = fields.Boolean(required=True)
    must_change_password = fields.Boolean(required=True)
    created = fields.AwareDateTime(required=True)
    last_sign_in = fields.AwareDateTime(required=True, allow_none=True)


class NewAccountSchema(Schema):
    """An account and its one-time password, which is shown only once."""

    account = fields.Nested(AccountSchema, required=True)
    one_time_password = fields.String(required=True)


class AccountCreationSchema(Schema):
    """A new account; the security administrator assigns its roles afterwards."""

    name = fields.String(required=True, validate=validate.Length(2, 64))
    display_name = fields.String(load_default="", validate=validate.Length(0, 200))
    duty = fields.Enum(Duty, by_value=True, load_default=Duty.BUSINESS)
    department = fields.String(load_default=None, allow_none=True, validate=validate.Length(18, 18))


class EnabledSchema(Schema):
    """Whether an account may sign in."""

    enabled = fields.Boolean(required=True)


class RoleSchema(Schema):
    """A role."""

    role = fields.String(required=True)
    duty = fields.String(required=True)
    zh = fields.String(required=True)
    en = fields.String(required=True)
    permissions = fields.List(fields.String(), required=True)


class RoleListSchema(Schema):
    """Every role."""

    items = fields.List(fields.Nested(RoleSchema), required=True)


@resource.route("/roles")
class Roles(MethodView):
    """The role table."""

    @resource.response(200, RoleListSchema)
    @require("account.read")
    def get(self) -> dict[str, Any]:
        """List roles with their permissions."""
        items = [
            {
                "role": str(role),
                "duty": str(info.duty),
                "zh": info.zh,
                "en": info.en,
                "permissions": sorted(info.permissions),
            }
            for role, info in ROLES.items()
        ]
        return {"items": items}


@resource.route("/accounts")
class AccountList(MethodView):
    """All accounts."""

    @resource.arguments(PageQuery, location="query")
    @resource.response(200, page_schema(AccountSchema))
    @require("account.read")
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List accounts by name."""
        after = parse_cursor(query["cursor"])
        if after is not None and not isinstance(after, str):
            raise InputError("field_invalid", "cursor: not one of this list")
        found = get_services().accounts.list_accounts(after=after or "", limit=query["limit"] + 1)
        items = found[: query["limit"]]
        return {"items": items, "next": format_cursor(items[-1].name if len(found) > len(items) else None)}

    @resource.arguments(AccountCreationSchema)
    @resource.response(201, NewAccountSchema)
    @require("account.manage")
    def post(self, body: dict[str, Any]) -> NewAccount:
        """Create an account without roles."""
        return get_services().accounts.create(
            body["name"],
            display_name=body["display_name"],
            duty=body["duty"],
            department=body["department"],
            actor=current_person().name,
        )


@resource.route("/accounts/<string:name>")
class OneAccount(MethodView):
    """One account."""

    @resource.response(200, AccountSchema)
    @require("account.read")
    def get(self, name: str) -> Account:
        """Show one account."""
        return get_services().accounts.get(name)


@resource.route("/accounts/<string:name>/enabled")
class AccountEnabled(MethodView):
    """Whether an account may sign in."""

    @resource.arguments(EnabledSchema)
    @resource.response(200, AccountSchema)
    @require("account.manage")
    def put(self, body: dict[str, bool], name: str) -> Account:
        """Enable or disable the account; disabling ends its sessions and tokens."""
        return get_services().accounts.set_enabled(name, enabled=body["enabled"], actor=current_person().name)


@resource.route("/accounts/<string:name>/password-reset")
class PasswordReset(MethodView):
    """A new one-time password."""

    @resource.response(200, NewAccountSchema)
    @require("account.manage")
    def post(self, name: str) -> NewAccount:
        """Set a new one-time password and unlock the account."""
        return get_services().accounts.reset_password(name, actor=current_person().name)


@resource.route("/accounts/<string:name>/roles/<string:role>")
class AccountRole(MethodView):
    """One role of one account."""

    @resource.response(200, AccountSchema)
    @require("role.assign")
    def put(self, name: str, role: str) -> Account:
        """Assign the role to the account; nobody may assign one to their own."""
        return get_services().accounts.assign_role(name, _parse_role(role), actor=current_person().name)

    @resource.response(200, AccountSchema)
    @require("role.assign")
    def delete(self, name: str, role: str) -> Account:
        """Withdraw the role from the account."""
        return get_services().accounts.withdraw_role(name, _parse_role(role), actor=current_person().name)


def _parse_role(text: str) -> Role:
    """Return the role with this name; raise ``not_found`` when there is none."""
    if text not in set(Role):
        raise InputError("not_found", f"there is no role `{text[:64]}`; roles are {', '.join(Role)}")
    return Role(text)

"""Roles, the table of their permissions, and the declaration of the permission a route requires.

Rules: a route declares its permission with :func:`require`, or :func:`public`; a route with neither is refused
(:mod:`auditsvc.auth.gate` enforces this before any argument is read). Administration of the system, of
security and of audit exclude each other and every business role; the database refuses such an account
(:mod:`auditsvc.auth.tables`), this module only defines the duties.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

PUBLIC = "public"
"""Marker used instead of a permission for views that need none."""
_MARK = "auditsvc_permissions"


class Duty(StrEnum):
    """The purpose of an account, which has exactly one duty and only roles of that duty."""

    SYSTEM = "system_administration"
    SECURITY = "security_administration"
    AUDIT = "audit_administration"
    BUSINESS = "business"


class Role(StrEnum):
    """A role of an account."""

    SYSTEM_ADMINISTRATOR = "system_administrator"
    SECURITY_ADMINISTRATOR = "security_administrator"
    AUDIT_ADMINISTRATOR = "audit_administrator"
    SECURITY_OFFICER = "security_officer"
    AUDITOR = "auditor"
    DEPARTMENT_READER = "department_reader"


@dataclass(frozen=True, slots=True)
class RoleInfo:
    """One row of the role table.

    Attributes:
        duty: the duty an account must have to hold the role.
        zh: name in Chinese.
        en: name in English.
        permissions: what the role may do; documented in ``docs/api.md``.
    """

    duty: Duty
    zh: str
    en: str
    permissions: frozenset[str]


_EVERYBODY = frozenset({"self.manage", "status.read", "catalog.read"})

ROLES: Mapping[Role, RoleInfo] = MappingProxyType(
    {
        Role.SYSTEM_ADMINISTRATOR: RoleInfo(
            Duty.SYSTEM,
            "系统管理员",
            "system administrator",
            _EVERYBODY | {"account.read", "account.manage", "source.read", "source.manage", "ledger.read"},
        ),
        Role.SECURITY_ADMINISTRATOR: RoleInfo(
            Duty.SECURITY,
            "安全管理员",
            "security administrator",
            _EVERYBODY | {"account.read", "role.assign", "policy.read", "ledger.read", "act.read_users"},
        ),
        Role.AUDIT_ADMINISTRATOR: RoleInfo(
            Duty.AUDIT,
            "审计管理员",
            "audit administrator",
            _EVERYBODY | {"account.read", "ledger.read", "act.read_administrators"},
        ),
        Role.SECURITY_OFFICER: RoleInfo(
            Duty.BUSINESS,
            "安全员",
            "security officer",
            _EVERYBODY
            | {"event.read", "quarantine.read", "alert.read", "alert.work", "policy.read", "report.read"}
            | {"report.verify", "source.read", "ledger.read"},
        ),
        Role.AUDITOR: RoleInfo(
            Duty.BUSINESS,
            "审计员",
            "auditor",
            _EVERYBODY
            | {"event.read", "quarantine.read", "alert.read", "policy.read", "report.read", "report.create"}
            | {"report.verify", "source.read", "ledger.read"},
        ),
        Role.DEPARTMENT_READER: RoleInfo(
            Duty.BUSINESS,
            "部门查阅员",
            "department reader",
            _EVERYBODY | {"event.read_own"},
        ),
    }
)
"""Every role with its duty, names and permissions."""

PERMISSIONS = frozenset(permission for info in ROLES.values() for permission in info.permissions)
"""Every permission."""

ADMINISTRATORS = tuple(role for role, info in ROLES.items() if info.duty is not Duty.BUSINESS)
"""The three roles for each of which a new installation creates an account."""


def permissions_of(roles: Iterable[Role]) -> frozenset[str]:
    """Return the union of the permissions of ``roles``."""
    return frozenset(permission for role in roles for permission in ROLES[role].permissions)


def roles_with(permissions: Iterable[str]) -> tuple[Role, ...]:
    """Return the roles that hold at least one of ``permissions``, in the order of the table."""
    wanted = set(permissions)
    return tuple(role for role, info in ROLES.items() if info.permissions & wanted)


def require(*permissions: str) -> Callable[[View], View]:
    """Declare that a view requires at least one of ``permissions``.

    Works on functions and on the methods of a ``MethodView``, above or below other decorators that use
    ``functools.wraps``.
    """
    unknown = set(permissions) - PERMISSIONS
    if unknown or not permissions:
        raise KeyError(f"unknown permissions {sorted(unknown)}")
    return _marker(permissions)


def public(view: View) -> View:
    """Declare that a view needs no sign-in and no permission."""
    return _marker((PUBLIC,))(view)


def declared_permissions(view: Callable[..., Any], method: str) -> tuple[str, ...] | None:
    """Return the permissions declared by the view for ``method``; None when it declares nothing."""
    view_class = getattr(view, "view_class", None)
    target = getattr(view_class, _handler_name(view_class, method), None) if view_class else view
    declared: tuple[str, ...] | None = getattr(target, _MARK, None)
    return declared


def _handler_name(view_class: Any, method: str) -> str:
    """Return the name of the handler of ``method`` in ``view_class``; HEAD falls back to GET, as in Flask."""
    name = method.lower()
    return "get" if name == "head" and not hasattr(view_class, "head") else name


def _marker(permissions: tuple[str, ...]) -> Callable[[View], View]:
    """Return a decorator that stores ``permissions`` on a view."""

    def mark(view: View) -> View:
        setattr(view, _MARK, permissions)
        return view

    return mark

"""The signed-in person, as routes and templates see them."""

from dataclasses import dataclass

from auditsvc.auth.roles import Role, permissions_of


@dataclass(frozen=True, slots=True)
class Person:
    """An account as of now, with its roles; also the user object of flask-login.

    Attributes:
        account_id: identifier of the account.
        name: sign-in name, as ledger entries carry it.
        display_name: name for people.
        roles: the roles held.
        department: USCC of the organisation a department reader reads for; None for the others.
        language: ``zh`` or ``en``; None until chosen.
        must_change_password: signed in with a one-time password, nothing else is allowed before a new one is set.
        credential_version: changes with password, roles and disabling, and ends sessions and tokens.
    """

    account_id: str
    name: str
    display_name: str
    roles: tuple[Role, ...]
    department: str | None
    language: str | None
    must_change_password: bool
    credential_version: int

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """Return what a session remembers: account and credential version."""
        return f"{self.account_id}.{self.credential_version}"

    def has(self, permission: str) -> bool:
        """Tell whether one of the person's roles allows ``permission``."""
        return permission in permissions_of(self.roles)

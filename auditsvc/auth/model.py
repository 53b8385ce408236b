"""The signed-in person, as routes and templates see them."""

from dataclasses import dataclass

from auditsvc.auth.roles import Role, permissions_of


@dataclass(frozen=True, slots=True)
class Person:
    """The current state of an account, with its roles; also the user object of flask-login.

    Attributes:
        account_id: identifier of the account.
        name: sign-in name, as used in ledger entries.
        display_name: name shown to people.
        roles: the roles held.
        department: USCC of a department reader's organisation; None for other roles.
        language: ``zh`` or ``en``; None until chosen.
        must_change_password: signed in with a one-time password; only setting a new one is allowed.
        credential_version: changes with password, roles and disabling, which ends sessions and tokens.
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
        """Return the session's user id: account and credential version."""
        return f"{self.account_id}.{self.credential_version}"

    def has(self, permission: str) -> bool:
        """Return whether one of the person's roles allows ``permission``."""
        return permission in permissions_of(self.roles)

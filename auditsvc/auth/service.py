"""Accounts, roles and sign-in, as used by the console, the API and the commands.

Every act that changes an account, and every sign-in, is an ``admin/v1`` leaf written in the same transaction as the
change. The actor is given by name: ``shell:<user>`` for a user with a shell on the machine, ``auditsvc`` for the
installation itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from auditsvc.auth import lockout
from auditsvc.auth.model import Person
from auditsvc.auth.passwords import MAX_LENGTH, Passwords, check_new_password, new_one_time_password
from auditsvc.auth.roles import ADMINISTRATORS, ROLES, Duty, Role
from auditsvc.auth.tables import MAX_NAME, AccountRow, RoleAssignmentRow
from auditsvc.ground.database import read_session, write_session
from auditsvc.ground.errors import AuthError, InputError
from auditsvc.ground.ids import new_uuid7
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.ledger import Ledger

INSTALLATION = "auditsvc"
"""The actor of acts that no person requested, such as those of the first start."""
SHELL = "shell:"
"""Prefix of the name of an actor with a shell on the machine; account names contain no colon."""

_NAME = re.compile(r"[a-z][a-z0-9._-]{1,63}\Z")
_BAD_CREDENTIALS = "name or password is wrong, or the account is disabled"


@dataclass(frozen=True, slots=True)
class Account:
    """An account as administrators see it."""

    account_id: str
    name: str
    display_name: str
    duty: Duty
    department: str | None
    roles: tuple[Role, ...]
    enabled: bool
    must_change_password: bool
    created: datetime
    last_sign_in: datetime | None


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A new account and its one-time password, which is shown only once."""

    account: Account
    one_time_password: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account service; cheap to create, stateless but for the password hasher's decoy hash."""

    ledger: Ledger
    passwords: Passwords

    @classmethod
    def open(cls, ledger: Ledger, settings: Settings) -> Accounts:
        """Return the service; computes one password hash."""
        return cls(ledger, Passwords.from_settings(settings))

    # -- signing in ------------------------------------------------------------------------------------------------

    def sign_in(self, name: str, password: str) -> Person:
        """Return the person with this name and password.

        Takes as long for an unknown name as for a wrong password; failures count per name, known or not.

        Raises:
            AuthError: ``unauthenticated``; ``locked_out`` after too many failures; ``overloaded``.
        """
        key = name.strip().lower()[:MAX_NAME]
        with read_session(self.ledger.database) as session:
            lockout.check_open(session, key, self.ledger.clock.now())
            row = _find_row(session, key)
            stored = row.password_hash if row is not None and row.enabled else None
        matches = len(password) <= MAX_LENGTH and self.passwords.matches(stored, password)
        with write_session(self.ledger.database) as session:
            lockout.check_open(session, key, self.ledger.clock.now())
            row = _find_row(session, key)
            if matches and row is not None and row.enabled and row.password_hash == stored:
                return self._let_in(session, row, password)
            locked = lockout.count_failure(session, key, self.ledger.clock.now())
            if locked:
                self._record(session, key, "sign_in_locked", key, {"failures": lockout.MAX_FAILURES})
        raise AuthError("unauthenticated", _BAD_CREDENTIALS)

    def _let_in(self, session: Session, row: AccountRow, password: str) -> Person:
        """Record a successful sign-in and return the person."""
        lockout.forget(session, row.name)
        row.last_sign_in = self.ledger.clock.now()
        if self.passwords.is_outdated(row.password_hash):
            row.password_hash = self.passwords.hash(password)
        self._record(session, row.name, "sign_in", row.name, {})
        return _build_person(row)

    def sign_out(self, person: Person) -> None:
        """Record that a person ended a session."""
        with write_session(self.ledger.database) as session:
            self._record(session, person.name, "sign_out", person.name, {})

    def change_password(self, person: Person, *, old: str, new: str) -> Person:
        """Set a person's own new password; ends every other session and token of the account.

        Raises:
            AuthError: ``unauthenticated`` when ``old`` is wrong; ``locked_out``.
            InputError: ``password_weak``.
        """
        check_new_password(new, name=person.name)
        if old == new:
            raise InputError("password_weak", "the new password must differ from the old one")
        with read_session(self.ledger.database) as session:
            lockout.check_open(session, person.name, self.ledger.clock.now())
            stored = _get_row(session, person.name).password_hash
        matches = len(old) <= MAX_LENGTH and self.passwords.matches(stored, old)
        replacement = self.passwords.hash(new) if matches else ""
        with write_session(self.ledger.database) as session:
            row = _get_row(session, person.name)
            if matches and row.password_hash == stored:
                row.password_hash = replacement
                row.must_change_password = False
                row.credential_version += 1
                self._record(session, person.name, "password_changed", person.name, {})
                return _build_person(row)
            lockout.count_failure(session, person.name, self.ledger.clock.now())
        raise AuthError("unauthenticated", "the old password is wrong")

    def set_language(self, person: Person, language: str) -> None:
        """Store the language a person chose, ``zh`` or ``en``."""
        if language not in {"zh", "en"}:
            raise InputError("input_invalid", f"language: expected zh or en, got `{language}`")
        with write_session(self.ledger.database) as session:
            _get_row(session, person.name).language = language

    def find_person(self, account_id: str, credential_version: int) -> Person | None:
        """Return the person of a valid session or token; None when the account has changed since."""
        with read_session(self.ledger.database) as session:
            row = session.get(AccountRow, account_id)
            if row is None or not row.enabled or row.credential_version != credential_version:
                return None
            return _build_person(row)

    # -- administration --------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        display_name: str,
        duty: Duty = Duty.BUSINESS,
        department: str | None = None,
        actor: str,
    ) -> NewAccount:
        """Create an account without roles and return it with its one-time password.

        Raises:
            InputError: ``input_invalid`` for the name, ``conflict`` when it is taken.
        """
        password = new_one_time_password()
        hashed = self.passwords.hash(password)
        with write_session(self.ledger.database) as session:
            row = self._insert(session, name, display_name, duty, department, hashed)
            self._record(session, actor, "account_created", name, {"duty": str(duty), "department": department})
            return NewAccount(_build_account(row), password)

    def create_administrators(self) -> list[NewAccount]:
        """Create an account for each administrator role that has no holder; an installation has no superuser."""
        return [made for role in ADMINISTRATORS if (made := self._create_administrator(role))]

    def _create_administrator(self, role: Role) -> NewAccount | None:
        """Create the account of one administrator unless the role has a holder."""
        name = _administrator_name(role)
        password = new_one_time_password()
        with read_session(self.ledger.database) as session:
            if _holders(session, role) or _find_row(session, name):
                return None
        hashed = self.passwords.hash(password)
        with write_session(self.ledger.database) as session:
            if _holders(session, role) or _find_row(session, name):
                return None
            info = ROLES[role]
            row = self._insert(session, name, f"{info.zh} / {info.en}", info.duty, None, hashed)
            self._record(session, INSTALLATION, "account_created", name, {"duty": str(info.duty)})
            self._grant(session, row, role, None, INSTALLATION)
            return NewAccount(_build_account(row), password)

    def assign_role(self, name: str, role: Role, *, actor: str) -> Account:
        """Assign a role of its duty to an account.

        Raises:
            InputError: ``not_found``; ``conflict`` when duties exclude each other, or it already holds the role.
            AuthError: ``forbidden`` for one's own account.
        """
        with write_session(self.ledger.database) as session:
            row = _get_row(session, name)
            giver = _find_row(session, actor)
            if actor == name:
                raise AuthError("forbidden", "nobody gives a role to themselves", roles=[], permissions=[])
            info = ROLES[role]
            if row.duty != info.duty:
                raise InputError(
                    "conflict",
                    f"`{name}` is an account for {row.duty}, the role `{role}` is for {info.duty}; these exclude each "
                    "other, so make another account",
                )
            if role in _roles_of(row):
                raise InputError("conflict", f"`{name}` holds the role `{role}` already")
            if role is Role.DEPARTMENT_READER and not row.department:
                raise InputError("conflict", f"`{name}` has no department to read for")
            self._grant(session, row, role, giver.id if giver else None, actor)
            row.credential_version += 1
            return _build_account(row)

    def withdraw_role(self, name: str, role: Role, *, actor: str) -> Account:
        """Withdraw a role from an account; ends its sessions.

        Raises:
            InputError: ``not_found``; ``conflict`` when it is the last enabled account with an administrator's role.
        """
        with write_session(self.ledger.database) as session:
            row = _get_row(session, name)
            assignment = session.get(RoleAssignmentRow, (row.id, str(role)))
            if assignment is None:
                raise InputError("not_found", f"`{name}` does not hold the role `{role}`")
            _keep_one_administrator(session, row, {role})
            session.delete(assignment)
            row.credential_version += 1
            self._record(session, actor, "role_withdrawn", name, {"role": str(role)})
            session.flush()
            session.expire(row, ["assignments"])
            return _build_account(row)

    def set_enabled(self, name: str, *, enabled: bool, actor: str) -> Account:
        """Enable or disable an account; disabling ends its sessions and tokens.

        Raises:
            InputError: ``not_found``; ``conflict`` for the last enabled account with an administrator's role.
        """
        with write_session(self.ledger.database) as session:
            row = _get_row(session, name)
            if row.enabled != enabled:
                if not enabled:
                    _keep_one_administrator(session, row, set(_roles_of(row)))
                row.enabled = enabled
                row.credential_version += 1
                self._record(session, actor, "account_enabled" if enabled else "account_disabled", name, {})
            return _build_account(row)

    def reset_password(self, name: str, *, actor: str) -> NewAccount:
        """Set a new one-time password, end the account's sessions and unlock its name.

        Resetting an administrator's password gives access to that duty, so only a shell may do it, never an account.

        Raises:
            InputError: ``not_found``.
            AuthError: ``forbidden`` for an administrator's account unless ``actor`` is a shell.
        """
        password = new_one_time_password()
        hashed = self.passwords.hash(password)
        with write_session(self.ledger.database) as session:
            row = _get_row(session, name)
            if row.duty != Duty.BUSINESS and not actor.startswith(SHELL):
                raise AuthError(
                    "forbidden",
                    "an administrator's password is reset on the machine itself: `auditsvc account reset-password`",
                )
            row.password_hash = hashed
            row.must_change_password = True
            row.credential_version += 1
            lockout.forget(session, name)
            self._record(session, actor, "password_reset", name, {})
            return NewAccount(_build_account(row), password)

    def get(self, name: str) -> Account:
        """Return one account.

        Raises:
            InputError: ``not_found``.
        """
        with read_session(self.ledger.database) as session:
            return _build_account(_get_row(session, name))

    def list_accounts(self, *, after: str = "", limit: int = 100) -> list[Account]:
        """Return at most ``limit`` accounts with names after ``after``, ordered by name."""
        query = select(AccountRow).where(AccountRow.name > after).order_by(AccountRow.name).limit(limit)
        with read_session(self.ledger.database) as session:
            return [_build_account(row) for row in session.scalars(query).unique()]

    def list_duties(self) -> dict[str, Duty]:
        """Return every account's name with its duty."""
        with read_session(self.ledger.database) as session:
            return {name: Duty(duty) for name, duty in session.execute(select(AccountRow.name, AccountRow.duty))}

    # -- inside a transaction --------------------------------------------------------------------------------------

    def _insert(
        self, session: Session, name: str, display_name: str, duty: Duty, department: str | None, hashed: str
    ) -> AccountRow:
        """Add the account's row, checked."""
        if not _NAME.match(name):
            raise InputError(
                "input_invalid",
                f"name: `{name}` must be 2 to {MAX_NAME} characters of a-z, 0-9, `.`, `_`, `-`, beginning with a letter",
            )
        if name == INSTALLATION:
            raise InputError("input_invalid", f"name: `{name}` stands for the installation itself")
        if _find_row(session, name) is not None:
            raise InputError("conflict", f"there is an account `{name}` already")
        row = AccountRow(
            id=str(new_uuid7(self.ledger.clock)),
            name=name,
            display_name=display_name.strip() or name,
            duty=str(duty),
            department=department,
            language=None,
            password_hash=hashed,
            must_change_password=True,
            enabled=True,
            credential_version=1,
            created=self.ledger.clock.now(),
            last_sign_in=None,
        )
        session.add(row)
        session.flush()
        return row

    def _grant(self, session: Session, row: AccountRow, role: Role, giver_id: str | None, actor: str) -> None:
        session.add(
            RoleAssignmentRow(
                account_id=row.id,
                role=str(role),
                duty=str(ROLES[role].duty),
                granted_by_id=giver_id,
                granted=self.ledger.clock.now(),
            )
        )
        session.flush()
        session.expire(row, ["assignments"])
        self._record(session, actor, "role_assigned", row.name, {"role": str(role)})

    def _record(self, session: Session, actor: str, act: str, subject: str, detail: dict[str, Any]) -> None:
        """Append the act to the ledger, in the session's transaction."""
        self.ledger.record_act(session.connection(), actor=actor, act=act, subject=subject, detail=detail)


def _administrator_name(role: Role) -> str:
    """Return the sign-in name of an administrator that a new installation creates."""
    return {
        Role.SYSTEM_ADMINISTRATOR: "sysadmin",
        Role.SECURITY_ADMINISTRATOR: "secadmin",
        Role.AUDIT_ADMINISTRATOR: "auditadmin",
    }[role]


def _find_row(session: Session, name: str) -> AccountRow | None:
    return session.scalars(select(AccountRow).where(AccountRow.name == name)).unique().one_or_none()


def _get_row(session: Session, name: str) -> AccountRow:
    """Return the account's row; raise ``not_found`` when there is none."""
    row = _find_row(session, name)
    if row is None:
        raise InputError("not_found", f"there is no account `{name}`")
    return row


def _roles_of(row: AccountRow) -> tuple[Role, ...]:
    """Return an account's roles in the order of the role table."""
    held = {assignment.role for assignment in row.assignments}
    return tuple(role for role in Role if role in held)


def _holders(session: Session, role: Role) -> int:
    """Return the number of enabled accounts that hold ``role``."""
    query = (
        select(func.count())
        .select_from(RoleAssignmentRow)
        .join(AccountRow, AccountRow.id == RoleAssignmentRow.account_id)
        .where(RoleAssignmentRow.role == str(role), AccountRow.enabled)
    )
    return session.scalar(query) or 0


def _keep_one_administrator(session: Session, row: AccountRow, losing: set[Role]) -> None:
    """Raise ``conflict`` when ``row`` is the last enabled account with one of its administrator roles."""
    for role in sorted(losing & set(ADMINISTRATORS)):
        if row.enabled and _holders(session, role) <= 1:
            raise InputError("conflict", f"`{row.name}` is the only `{role}`; give the role to another account first")


def _build_person(row: AccountRow) -> Person:
    """Return the account as the signed-in person."""
    return Person(
        account_id=row.id,
        name=row.name,
        display_name=row.display_name,
        roles=_roles_of(row),
        department=row.department,
        language=row.language,
        must_change_password=row.must_change_password,
        credential_version=row.credential_version,
    )


def _build_account(row: AccountRow) -> Account:
    """Return the account as administrators see it."""
    return Account(
        account_id=row.id,
        name=row.name,
        display_name=row.display_name,
        duty=Duty(row.duty),
        department=row.department,
        roles=_roles_of(row),
        enabled=row.enabled,
        must_change_password=row.must_change_password,
        created=row.created,
        last_sign_in=row.last_sign_in,
    )

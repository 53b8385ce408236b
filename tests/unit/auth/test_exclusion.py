"""The database itself refuses an account with two duties, whoever writes to it and however."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from auditsvc.auth.roles import ROLES, Role
from auditsvc.auth.service import INSTALLATION, Accounts
from auditsvc.ground.database import begin_write
from auditsvc.ground.errors import AuthError, InputError

INSERT = (
    "INSERT INTO role_assignment (account_id, role, duty, granted) "
    "SELECT id, :role, :duty, '2026-11-23 04:00:00' FROM account WHERE name = :name"
)
PAIRS = [(held, other) for held in Role for other in Role if ROLES[held].duty is not ROLES[other].duty]


def give(accounts: Accounts, role: Role) -> str:
    name = str(role).replace("_", "-")
    accounts.create(name, display_name="", duty=ROLES[role].duty, department="x" * 18, actor=INSTALLATION)
    accounts.assign_role(name, role, actor=INSTALLATION)
    return name


@pytest.mark.parametrize(("held", "other"), PAIRS)
def test_raw_sql_cannot_add_a_role_of_another_duty(accounts: Accounts, held: Role, other: Role) -> None:
    name = give(accounts, held)
    for duty in (ROLES[held].duty, ROLES[other].duty):
        with pytest.raises(IntegrityError), begin_write(accounts.ledger.database) as connection:
            connection.execute(text(INSERT), {"role": str(other), "duty": str(duty), "name": name})
    assert accounts.get(name).roles == (held,)


@pytest.mark.parametrize("held", [Role.SYSTEM_ADMINISTRATOR, Role.AUDITOR])
def test_a_connection_without_foreign_keys_is_refused_by_the_triggers(
    accounts: Accounts, held: Role, tmp_path: Path
) -> None:
    name = give(accounts, held)
    other = Role.SECURITY_ADMINISTRATOR
    with closing(sqlite3.connect(tmp_path / "auditsvc.db")) as raw:
        assert raw.execute("PRAGMA foreign_keys").fetchone() == (0,)
        with pytest.raises(sqlite3.IntegrityError, match="exclude each other"):
            raw.execute(INSERT, {"role": str(other), "duty": str(ROLES[other].duty), "name": name})
        with pytest.raises(sqlite3.IntegrityError, match="exclude each other"):
            raw.execute("UPDATE role_assignment SET role = ?, duty = ?", (str(other), str(ROLES[other].duty)))
        with pytest.raises(sqlite3.IntegrityError, match="keeps its duty"):
            raw.execute("UPDATE account SET duty = ?", (str(ROLES[other].duty),))


def test_a_role_cannot_pass_as_one_of_another_duty(accounts: Accounts) -> None:
    accounts.create("lin", display_name="", actor=INSTALLATION)
    with pytest.raises(IntegrityError, match="role_fits_duty"), begin_write(accounts.ledger.database) as connection:
        connection.execute(text(INSERT), {"role": "system_administrator", "duty": "business", "name": "lin"})


def test_nobody_can_be_the_giver_of_their_own_role(accounts: Accounts) -> None:
    accounts.create("lin", display_name="", actor=INSTALLATION)
    statement = INSERT.replace("granted)", "granted, granted_by_id)").replace("FROM account", ", id FROM account")
    with pytest.raises(IntegrityError, match="not_by_oneself"), begin_write(accounts.ledger.database) as connection:
        connection.execute(text(statement), {"role": "auditor", "duty": "business", "name": "lin"})
    with pytest.raises(AuthError, match="nobody gives a role to themselves"):
        accounts.assign_role("lin", Role.AUDITOR, actor="lin")


def test_the_service_says_why_duties_exclude_each_other(accounts: Accounts) -> None:
    name = give(accounts, Role.AUDITOR)
    with pytest.raises(InputError, match="exclude each other, so make another account"):
        accounts.assign_role(name, Role.SYSTEM_ADMINISTRATOR, actor=INSTALLATION)


def test_business_roles_can_be_held_together(accounts: Accounts) -> None:
    name = give(accounts, Role.AUDITOR)
    assert accounts.assign_role(name, Role.SECURITY_OFFICER, actor=INSTALLATION).roles == (
        Role.SECURITY_OFFICER,
        Role.AUDITOR,
    )


def test_the_migration_names_the_roles_and_duties_of_the_table(accounts: Accounts) -> None:
    with accounts.ledger.database.connect() as connection:
        ddl = "".join(connection.execute(text("SELECT sql FROM sqlite_master WHERE type = 'table'")).scalars())
    for role, info in ROLES.items():
        assert f"role = '{role}' AND duty = '{info.duty}'" in ddl

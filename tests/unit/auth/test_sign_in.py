"""Signing in, being locked out, and what ends a session."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from auditsvc.auth import lockout
from auditsvc.auth.passwords import MAX_LENGTH, Passwords, check_new_password, new_one_time_password
from auditsvc.auth.roles import Role
from auditsvc.auth.service import INSTALLATION, Accounts
from auditsvc.ground.clock import FixedClock
from auditsvc.ground.errors import AuthError, InputError
from tests.support.accounts import list_recorded

NEW = "Nine-Red-Lanterns-Hang"


def move(accounts: Accounts, by: timedelta) -> None:
    assert isinstance(accounts.ledger.clock, FixedClock)
    accounts.ledger.clock.instant += by


def fail(accounts: Accounts, name: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(AuthError, match="name or password is wrong"):
            accounts.sign_in(name, "wrong password")


def test_a_fresh_installation_gets_three_administrators_and_no_super_user(accounts: Accounts) -> None:
    made = accounts.create_administrators()
    assert [new.account.roles for new in made] == [
        (Role.SYSTEM_ADMINISTRATOR,),
        (Role.SECURITY_ADMINISTRATOR,),
        (Role.AUDIT_ADMINISTRATOR,),
    ]
    assert len({new.one_time_password for new in made}) == 3
    assert accounts.create_administrators() == []


def test_a_one_time_password_lets_in_and_must_be_changed(accounts: Accounts) -> None:
    made = accounts.create_administrators()[0]
    person = accounts.sign_in("sysadmin", made.one_time_password)
    assert person.must_change_password
    changed = accounts.change_password(person, old=made.one_time_password, new=NEW)
    assert not changed.must_change_password
    assert accounts.sign_in("SysAdmin ", NEW).name == "sysadmin"
    fail(accounts, "sysadmin", 1)


def test_a_changed_password_ends_the_sessions_that_were_open(accounts: Accounts) -> None:
    made = accounts.create_administrators()[0]
    person = accounts.sign_in("sysadmin", made.one_time_password)
    assert accounts.find_person(person.account_id, person.credential_version) == person
    accounts.change_password(person, old=made.one_time_password, new=NEW)
    assert accounts.find_person(person.account_id, person.credential_version) is None


def test_a_changed_role_and_a_disabled_account_end_sessions(accounts: Accounts) -> None:
    made = accounts.create("lin", display_name="", actor=INSTALLATION)
    first = accounts.sign_in("lin", made.one_time_password)
    accounts.assign_role("lin", Role.AUDITOR, actor=INSTALLATION)
    assert accounts.find_person(first.account_id, first.credential_version) is None
    second = accounts.sign_in("lin", made.one_time_password)
    accounts.set_enabled("lin", enabled=False, actor=INSTALLATION)
    assert accounts.find_person(second.account_id, second.credential_version) is None
    fail(accounts, "lin", 1)


def test_the_fifth_failure_locks_the_name_and_the_right_password_does_not_open_it(accounts: Accounts) -> None:
    made = accounts.create_administrators()[0]
    fail(accounts, "sysadmin", lockout.MAX_FAILURES)
    with pytest.raises(AuthError, match="try again in 15 minutes") as caught:
        accounts.sign_in("sysadmin", made.one_time_password)
    assert caught.value.code == "locked_out"
    move(accounts, lockout.LOCK - timedelta(seconds=1))
    with pytest.raises(AuthError, match="try again in 1 minutes"):
        accounts.sign_in("sysadmin", made.one_time_password)
    move(accounts, timedelta(seconds=1))
    assert accounts.sign_in("sysadmin", made.one_time_password).name == "sysadmin"


def test_one_failure_less_does_not_lock_and_a_success_starts_the_count_anew(accounts: Accounts) -> None:
    made = accounts.create_administrators()[0]
    for _ in range(2):
        fail(accounts, "sysadmin", lockout.MAX_FAILURES - 1)
        accounts.sign_in("sysadmin", made.one_time_password)


def test_after_a_lock_the_count_begins_anew(accounts: Accounts) -> None:
    made = accounts.create_administrators()[0]
    fail(accounts, "sysadmin", lockout.MAX_FAILURES)
    move(accounts, lockout.LOCK)
    fail(accounts, "sysadmin", lockout.MAX_FAILURES - 1)
    assert accounts.sign_in("sysadmin", made.one_time_password).name == "sysadmin"


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let ``act`` happen once, while the next password is compared with its hash, which takes a while."""
    compare = Passwords.matches

    def matches(self: Passwords, stored: str | None, password: str) -> bool:
        monkeypatch.setattr(Passwords, "matches", compare)
        act()
        return compare(self, stored, password)

    monkeypatch.setattr(Passwords, "matches", matches)


def test_a_lock_made_while_a_password_is_compared_holds(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    made = accounts.create_administrators()[0]
    meanwhile(monkeypatch, lambda: fail(accounts, "sysadmin", lockout.MAX_FAILURES))
    with pytest.raises(AuthError, match="too many failed sign-ins"):
        accounts.sign_in("sysadmin", made.one_time_password)


def test_a_password_changed_while_it_is_compared_lets_nobody_in(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = accounts.create_administrators()[0].one_time_password
    person = accounts.sign_in("sysadmin", old)
    meanwhile(monkeypatch, lambda: accounts.change_password(person, old=old, new=NEW))
    with pytest.raises(AuthError, match="name or password is wrong"):
        accounts.sign_in("sysadmin", old)
    assert accounts.sign_in("sysadmin", NEW).name == "sysadmin"


def test_a_password_too_long_to_be_one_is_not_hashed(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    monkeypatch.setattr(Passwords, "matches", lambda _self, _stored, password: bool(compared.append(len(password))))
    for length in (MAX_LENGTH, MAX_LENGTH + 1):
        with pytest.raises(AuthError, match="name or password is wrong"):
            accounts.sign_in("nobody", "x" * length)
    assert compared == [MAX_LENGTH]


def test_a_name_nobody_has_is_locked_like_any_other(accounts: Accounts) -> None:
    fail(accounts, "nobody", lockout.MAX_FAILURES)
    with pytest.raises(AuthError, match="too many failed sign-ins"):
        accounts.sign_in("nobody", "wrong password")


def test_guessing_the_old_password_of_an_open_session_locks_too(accounts: Accounts) -> None:
    made = accounts.create_administrators()[0]
    person = accounts.sign_in("sysadmin", made.one_time_password)
    for _ in range(lockout.MAX_FAILURES):
        with pytest.raises(AuthError, match="the old password is wrong"):
            accounts.change_password(person, old="wrong password", new=NEW)
    with pytest.raises(AuthError, match="too many failed sign-ins"):
        accounts.change_password(person, old=made.one_time_password, new=NEW)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short-one-11", None),
        ("short-one-1", "12 to 128"),
        ("x" * 129, "12 to 128"),
        ("ababababababab", "different"),
        ("my-Sysadmin-password", "must not contain"),
    ],
)
def test_a_new_password_follows_the_rules(password: str, why: str | None) -> None:
    if why is None:
        check_new_password(password, name="sysadmin")
        return
    with pytest.raises(InputError, match=why):
        check_new_password(password, name="sysadmin")


def test_one_time_passwords_follow_the_rules_and_differ() -> None:
    made = {new_one_time_password() for _ in range(100)}
    assert len(made) == 100
    for password in made:
        check_new_password(password, name="sysadmin")


def test_the_last_administrator_of_a_kind_can_neither_be_disabled_nor_lose_the_role(accounts: Accounts) -> None:
    accounts.create_administrators()
    with pytest.raises(InputError, match="is the only `security_administrator`"):
        accounts.set_enabled("secadmin", enabled=False, actor="sysadmin")
    with pytest.raises(InputError, match="is the only `audit_administrator`"):
        accounts.withdraw_role("auditadmin", Role.AUDIT_ADMINISTRATOR, actor="secadmin")


def test_no_account_takes_over_an_administrator_by_a_new_password(accounts: Accounts) -> None:
    made = {item.account.name: item for item in accounts.create_administrators()}
    for name in ("secadmin", "auditadmin", "sysadmin"):
        with pytest.raises(AuthError, match="on the machine itself"):
            accounts.reset_password(name, actor="sysadmin")
        accounts.sign_in(name, made[name].one_time_password)
        fresh = accounts.reset_password(name, actor="shell:root")
        accounts.sign_in(name, fresh.one_time_password)


def test_every_act_is_a_leaf_of_the_log_with_its_actor(accounts: Accounts) -> None:
    made = accounts.create("lin", display_name="", actor="sysadmin")
    accounts.assign_role("lin", Role.AUDITOR, actor="secadmin")
    person = accounts.sign_in("lin", made.one_time_password)
    accounts.change_password(person, old=made.one_time_password, new=NEW)
    accounts.sign_out(person)
    accounts.withdraw_role("lin", Role.AUDITOR, actor="secadmin")
    accounts.reset_password("lin", actor="sysadmin")
    accounts.set_enabled("lin", enabled=False, actor="sysadmin")
    accounts.set_enabled("lin", enabled=False, actor="sysadmin")
    fail(accounts, "lin", lockout.MAX_FAILURES)
    with accounts.ledger.database.connect() as connection:
        assert list_recorded(connection) == [
            ("sysadmin", "account_created", "lin"),
            ("secadmin", "role_assigned", "lin"),
            ("lin", "sign_in", "lin"),
            ("lin", "password_changed", "lin"),
            ("lin", "sign_out", "lin"),
            ("secadmin", "role_withdrawn", "lin"),
            ("sysadmin", "password_reset", "lin"),
            ("sysadmin", "account_disabled", "lin"),
            ("lin", "sign_in_locked", "lin"),
        ]


@pytest.mark.parametrize("name", ["", "L", "lin li", "1lin", "auditsvc", "x" * 65, "lin/../x", "Lin"])
def test_a_name_of_another_form_is_refused(accounts: Accounts, name: str) -> None:
    with pytest.raises(InputError, match="name: "):
        accounts.create(name, display_name="", actor=INSTALLATION)


def test_a_department_reader_needs_a_department(accounts: Accounts) -> None:
    accounts.create("lin", display_name="", actor=INSTALLATION)
    with pytest.raises(InputError, match="no department to read for"):
        accounts.assign_role("lin", Role.DEPARTMENT_READER, actor=INSTALLATION)

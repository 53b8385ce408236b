"""Bearer tokens are short-lived, end with the account's state, and can be given back."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from auditsvc.auth.bearer import KEY_FILE, LIFETIME, BearerTokens, load_or_create_token_key
from auditsvc.auth.model import Person
from auditsvc.auth.service import Accounts
from auditsvc.ground.clock import FixedClock
from auditsvc.ground.errors import AuthError, SigningError
from auditsvc.ground.settings.model import Settings


@pytest.fixture
def tokens(accounts: Accounts) -> BearerTokens:
    return BearerTokens.open(
        accounts.ledger.database, accounts.ledger.clock, Settings(data_dir=accounts.ledger.archive.path.parent)
    )


@pytest.fixture
def person(accounts: Accounts) -> Person:
    return accounts.sign_in("sysadmin", accounts.create_administrators()[0].one_time_password)


def test_a_token_names_account_and_credential_version(tokens: BearerTokens, person: Person) -> None:
    token, expires = tokens.issue(person)
    grant = tokens.check(token)
    assert (grant.account_id, grant.credential_version) == (person.account_id, person.credential_version)
    assert grant.expires == expires


def test_a_token_ends_with_its_lifetime(accounts: Accounts, tokens: BearerTokens, person: Person) -> None:
    token, _ = tokens.issue(person)
    assert isinstance(accounts.ledger.clock, FixedClock)
    accounts.ledger.clock.instant += LIFETIME - timedelta(seconds=1)
    tokens.check(token)
    accounts.ledger.clock.instant += timedelta(seconds=1)
    with pytest.raises(AuthError, match="expired"):
        tokens.check(token)


def test_a_withdrawn_token_is_refused_and_another_is_not(tokens: BearerTokens, person: Person) -> None:
    first, second = tokens.issue(person)[0], tokens.issue(person)[0]
    tokens.withdraw(tokens.check(first))
    with pytest.raises(AuthError, match="withdrawn"):
        tokens.check(first)
    tokens.check(second)


def test_a_withdrawal_is_forgotten_once_the_token_would_have_ended(
    accounts: Accounts, tokens: BearerTokens, person: Person
) -> None:
    grant = tokens.check(tokens.issue(person)[0])
    tokens.withdraw(grant)
    assert isinstance(accounts.ledger.clock, FixedClock)
    accounts.ledger.clock.instant += LIFETIME + timedelta(seconds=1)
    tokens.withdraw(tokens.check(tokens.issue(person)[0]))
    with accounts.ledger.database.connect() as connection:
        assert connection.exec_driver_sql("select count(*) from withdrawn_token").scalar() == 1


def test_a_token_of_another_installation_is_refused(tokens: BearerTokens, person: Person, tmp_path: Path) -> None:
    other = load_or_create_token_key(tmp_path / "other")
    forged = BearerTokens(tokens.engine, tokens.clock, tokens.issuer, other, tokens.public_keys, tokens.kid)
    with pytest.raises(AuthError, match="signature"):
        tokens.check(forged.issue(person)[0])


def test_an_outside_library_verifies_a_token(tokens: BearerTokens, person: Person) -> None:
    token, _ = tokens.issue(person)
    key = ECKey.import_key(tokens.public_keys[tokens.kid])
    assert person.account_id.encode() in jws.deserialize_compact(token, key, algorithms=["ES256"]).payload


def test_the_key_file_is_for_its_owner_only_and_stays_the_same(tmp_path: Path) -> None:
    first = load_or_create_token_key(tmp_path)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert load_or_create_token_key(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_damaged_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("no key")
    with pytest.raises(SigningError, match="not an unencrypted PEM private key"):
        load_or_create_token_key(tmp_path)

"""Bearer tokens of the API: short-lived, signed with a key of their own, valid only while the account is unchanged.

A token's subject is the account and its credential version, so that a new password, changed roles or a disabled account
invalidates it at once. The id of a token that is withdrawn early is stored until the token would have expired anyway.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from sqlalchemy import Engine

from auditsvc.auth.model import Person
from auditsvc.auth.tokens import build_thumbprint, issue_token, verify_token
from auditsvc.auth.withdrawn import is_withdrawn, withdraw
from auditsvc.ground.clock import Clock
from auditsvc.ground.errors import AuthError, SigningError
from auditsvc.ground.key_file import load_or_create_key
from auditsvc.ground.settings.model import Settings

KEY_FILE = "api-token.pem"
"""File name of the signing key in the key folder: P-256, PKCS #8, readable by its owner only."""
_REMEDY = "restore it from the backup, or stop the service and delete it: then everybody signs in again"
LIFETIME = timedelta(minutes=30)
"""How long a token is valid."""
AUDIENCE = "auditsvc-api"
"""Audience of tokens; a report's signature can never pass as a token, nor vice versa."""


@dataclass(frozen=True, slots=True)
class Grant:
    """The content of a valid token."""

    token_id: str
    account_id: str
    credential_version: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class BearerTokens:
    """Issues, verifies and withdraws the tokens of one installation."""

    engine: Engine
    clock: Clock
    issuer: str
    key_pem: str = field(repr=False)
    public_keys: Mapping[str, str]
    kid: str

    @classmethod
    def open(cls, engine: Engine, clock: Clock, settings: Settings) -> "BearerTokens":
        """Return the issuer; its key is created on first use.

        Raises:
            SigningError: ``key_unusable``.
        """
        key_pem = load_or_create_token_key(settings.key_path)
        public_pem = _public_pem(key_pem)
        kid = build_thumbprint(public_pem)
        return cls(engine, clock, settings.origin, key_pem, {kid: public_pem}, kid)

    def issue(self, person: Person) -> tuple[str, datetime]:
        """Return a token for ``person`` and its time of expiry."""
        now = self.clock.now()
        expires = now + LIFETIME
        token = issue_token(
            person.get_id(),
            self.key_pem,
            self.kid,
            clock=self.clock,
            issuer=self.issuer,
            audience=AUDIENCE,
            lifetime_s=int(LIFETIME.total_seconds()),
            claims={"jti": str(uuid.uuid4())},
        )
        return token, expires

    def check(self, token: str) -> Grant:
        """Return the content of a token that this installation issued and that is neither expired nor withdrawn.

        Raises:
            AuthError: ``unauthenticated``.
        """
        read = verify_token(token, self.public_keys, clock=self.clock, issuer=self.issuer, audience=AUDIENCE)
        account_id, _, version = read.subject.rpartition(".")
        token_id = str(read.claims.get("jti", ""))
        if not version.isdecimal() or not token_id:
            raise AuthError("unauthenticated", "the token was not made by this service")
        if is_withdrawn(self.engine, token_id):
            raise AuthError("unauthenticated", "the token was withdrawn")
        return Grant(token_id, account_id, int(version), datetime.fromtimestamp(read.expires, UTC))

    def withdraw(self, grant: Grant) -> None:
        """Invalidate a token from now on."""
        withdraw(self.engine, self.clock, grant.token_id, grant.expires)


def load_or_create_token_key(folder: Path) -> str:
    """Return the signing key's PEM, created on first use and readable by its owner only.

    Raises:
        SigningError: ``key_unusable`` when the file is not a P-256 private key.
    """
    path = folder / KEY_FILE
    pem = load_or_create_key(path, _make_key, remedy=_REMEDY).decode("ascii", "replace")
    try:
        _public_pem(pem)
    except SigningError as err:
        raise SigningError("key_unusable", f"key file `{path}` {err.message}; {_REMEDY}") from err
    return pem


def _make_key() -> bytes:
    made = ec.generate_private_key(ec.SECP256R1())
    return made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(key_pem: str) -> str:
    """Return the public half of a P-256 key; raise ``key_unusable`` for anything else."""
    try:
        key = load_pem_private_key(key_pem.encode(), password=None)
    except (ValueError, TypeError) as err:
        raise SigningError("key_unusable", "is not an unencrypted PEM private key") from err
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningError("key_unusable", "is not a P-256 key")
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

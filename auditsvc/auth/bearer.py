"""Bearer tokens of the API: short-lived, signed with a key of their own, good only while the account is unchanged.

A token names account and credential version as its subject, so that a changed password, role or a disabled account
ends it at once; giving one back early is remembered by the token's id until it would have ended anyway.
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
"""How long a token is good for."""
AUDIENCE = "auditsvc-api"
"""Whom a token is for; a report's signature can never pass as a token, nor the other way round."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a good token says."""

    token_id: str
    account_id: str
    credential_version: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class BearerTokens:
    """Issues, checks and withdraws tokens of one installation."""

    engine: Engine
    clock: Clock
    issuer: str
    key_pem: str = field(repr=False)
    public_keys: Mapping[str, str]
    kid: str

    @classmethod
    def open(cls, engine: Engine, clock: Clock, settings: Settings) -> "BearerTokens":
        """Return the issuer, making its key on first use.

        Raises:
            SigningError: ``key_unusable``.
        """
        key_pem = load_or_create_token_key(settings.key_path)
        public_pem = _public_pem(key_pem)
        kid = build_thumbprint(public_pem)
        return cls(engine, clock, settings.origin, key_pem, {kid: public_pem}, kid)

    def issue(self, person: Person) -> tuple[str, datetime]:
        """Return a token for ``person`` and when it ends."""
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
        """Return what a token says, if it is ours, not over and not withdrawn.

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
        """Make a token useless from now on."""
        withdraw(self.engine, self.clock, grant.token_id, grant.expires)


def load_or_create_token_key(folder: Path) -> str:
    """Return the signing key's PEM, made on first use and never readable by others.

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
    """Return a new key as PEM."""
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

"""Passwords: argon2id hashes, the rules for a new one, and one-time passwords.

One hash takes tens of megabytes, so only :data:`MAX_PARALLEL` run at a time; a caller who waits longer than
:data:`WAIT_S` is refused as overloaded, which keeps a flood of sign-ins from exhausting memory.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auditsvc.ground.errors import AuthError, InputError
from auditsvc.ground.settings.model import Settings

MAX_PARALLEL = 2
"""Hashes computed at the same time in one process."""
WAIT_S = 10.0
"""Longest wait for a free slot, in seconds."""
MIN_LENGTH = 12
"""Shortest password, in characters."""
MAX_LENGTH = 128
"""Longest password, in characters; longer input is refused before it is hashed."""

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS = 4
_GROUP_LENGTH = 5

_turns = threading.BoundedSemaphore(MAX_PARALLEL)


@dataclass(frozen=True, slots=True)
class Passwords:
    """Hashes and verifies passwords with the configured cost."""

    hasher: PasswordHasher
    decoy: str = field(repr=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Passwords":
        """Return a hasher with the cost in ``settings``."""
        hasher = PasswordHasher(
            time_cost=settings.argon2_time_cost,
            memory_cost=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
        )
        with _turn():
            return cls(hasher, hasher.hash(secrets.token_hex(16)))

    def hash(self, password: str) -> str:
        """Return the salted hash to store."""
        with _turn():
            return self.hasher.hash(password)

    def matches(self, password_hash: str | None, password: str) -> bool:
        """Return whether ``password`` matches; False without a hash, after the same time."""
        try:
            with _turn():
                self.hasher.verify(password_hash or self.decoy, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Return whether the hash was made with a cost other than the current one."""
        return self.hasher.check_needs_rehash(password_hash)


def new_one_time_password() -> str:
    """Return about 99 random bits in groups that are easy to read aloud."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def check_new_password(password: str, *, name: str) -> None:
    """Refuse a password that is too short or too long, repeats one character, or contains the sign-in name.

    Raises:
        InputError: ``password_weak``.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InputError(
            "password_weak",
            f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters, got {len(password)}",
            minimum=MIN_LENGTH,
            maximum=MAX_LENGTH,
        )
    if len(set(password)) < MIN_LENGTH // 3:
        raise InputError("password_weak", "a password needs more different characters")
    if name.lower() in password.lower():
        raise InputError("password_weak", "a password must not contain the sign-in name")


@contextmanager
def _turn() -> Iterator[None]:
    """Hold one of :data:`MAX_PARALLEL` slots; raise ``overloaded`` after :data:`WAIT_S`."""
    if not _turns.acquire(timeout=WAIT_S):
        raise AuthError("overloaded", "too many sign-ins at once; try again in a few seconds")
    try:
        yield
    finally:
        _turns.release()

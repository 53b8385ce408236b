"""API keys: one belongs to one source, its secret is shown once and kept as a digest.

A key is written ``auditsvc_<key id>_<secret>``. The secret is 256 random bits, so a plain SHA-256 of it cannot be
reversed and no slow password hash is needed for every request. Whether a key is revoked or expired is disclosed only to
holders of its secret.
"""

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, insert, select, update

from auditsvc.event.time import NS
from auditsvc.ground.clock import Clock, format_instant
from auditsvc.ground.database import begin_write
from auditsvc.ground.errors import AuthError, InputError
from auditsvc.ground.ids import SourceId
from auditsvc.ingest.tables import api_key
from auditsvc.ledger.ledger import Ledger

KEY_PREFIX = "auditsvc"
SECRET_BYTES = 32
MAX_AGE_NS = 2 * NS
"""How long a worker caches the keys; a revoked key stops working within this time."""
MIN_AGE_NS = NS // 4
"""Shortest interval between refreshes triggered by unknown keys."""
_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret.

    Attributes:
        key_id: public name of the key.
        source: the only source it may deliver for.
        label: for people.
        secret_sha256: 32 bytes.
        created, expires, revoked: aware UTC; valid in ``[created, min(expires, revoked))``.
    """

    key_id: str
    source: SourceId
    label: str
    secret_sha256: bytes
    created: datetime
    expires: datetime | None
    revoked: datetime | None


def create_key(
    connection: Connection, clock: Clock, source: str, *, label: str = "", lifetime: timedelta | None = None
) -> tuple[str, str]:
    """Create a key for ``source`` in the caller's transaction; return its id and the full key, which is not stored.

    Raises:
        InputError: ``input_invalid`` when source or label is not a valid name.
    """
    for name, text in (("source", source), ("label", label)):
        if len(text) > 255 or not (text.isprintable() or text == ""):
            raise InputError("input_invalid", f"{name}: expected at most 255 printable characters")
    if not source:
        raise InputError("input_invalid", "source: expected a name")
    now = clock.now()
    key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(SECRET_BYTES)
    row = {
        "key_id": key_id,
        "source": source,
        "label": label,
        "secret_sha256": hashlib.sha256(secret.encode()).digest(),
        "created": now,
        "expires": None if lifetime is None else now + lifetime,
        "revoked": None,
    }
    connection.execute(insert(api_key).values(row))
    return key_id, f"{KEY_PREFIX}_{key_id}_{secret}"


def revoke_key(connection: Connection, clock: Clock, key_id: str) -> ApiKey:
    """Revoke a key in the caller's transaction and return the updated key.

    Raises:
        InputError: ``not_found`` for an unknown key, ``conflict`` for one already revoked.
    """
    found = get_key(connection, key_id)
    if found.revoked is not None:
        raise InputError("conflict", f"key `{key_id}` was revoked before")
    connection.execute(update(api_key).where(api_key.c.key_id == key_id).values(revoked=clock.now()))
    return get_key(connection, key_id)


def get_key(connection: Connection, key_id: str) -> ApiKey:
    """Return a key; raise ``InputError`` (``not_found``) for an unknown one."""
    row = connection.execute(select(api_key).where(api_key.c.key_id == key_id)).mappings().one_or_none()
    if row is None:
        raise InputError("not_found", f"no API key `{key_id}`")
    return _build_key(row)


def issue_key(
    ledger: Ledger, source: str, *, actor: str, label: str = "", lifetime: timedelta | None = None
) -> tuple[ApiKey, str]:
    """Make a key for ``source`` with the act of ``actor`` in the log; return it and the whole key, which is not kept.

    Raises:
        InputError: ``input_invalid`` when source or label cannot be a name.
    """
    with begin_write(ledger.database) as connection:
        key_id, secret = create_key(connection, ledger.clock, source, label=label, lifetime=lifetime)
        key = get_key(connection, key_id)
        _record_act(ledger, connection, "source_key_create", key, actor)
    return key, secret


def withdraw_key(ledger: Ledger, key_id: str, *, actor: str) -> ApiKey:
    """Revoke a key with the act of ``actor`` in the log; raises as :func:`revoke_key`."""
    with begin_write(ledger.database) as connection:
        key = revoke_key(connection, ledger.clock, key_id)
        _record_act(ledger, connection, "source_key_revoke", key, actor)
    return key


def _record_act(ledger: Ledger, connection: Connection, act: str, key: ApiKey, actor: str) -> None:
    expires = None if key.expires is None else format_instant(key.expires)
    detail = {"source": str(key.source), "label": key.label, "expires": expires}
    ledger.record_act(connection, actor=actor, act=act, subject=key.key_id, detail=detail)


def list_keys(ledger: Ledger, source: str | None = None) -> list[ApiKey]:
    """Return the keys of ``source``, or all, in order of source and age."""
    with ledger.database.connect() as connection:
        return _read_keys(connection, source)


def _read_keys(connection: Connection, source: str | None = None) -> list[ApiKey]:
    query: Any = select(api_key).order_by(api_key.c.source, api_key.c.created, api_key.c.key_id)
    if source is not None:
        query = query.where(api_key.c.source == source)
    return [_build_key(row) for row in connection.execute(query).mappings()]


def _build_key(row: RowMapping) -> ApiKey:
    return ApiKey(**{**row, "source": SourceId(row["source"])})


class KeyRing:
    """A worker's cache of the keys, at most :data:`MAX_AGE_NS` old. Thread-safe."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        """Read keys through ``engine``, on first use."""
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, ApiKey] = {}
        self._read_ns = -MAX_AGE_NS

    def find(self, key_id: str) -> ApiKey | None:
        """Return the key with this id, None when there is none."""
        age = self._clock.now_ns() - self._read_ns
        if age >= MAX_AGE_NS or age < 0 or (key_id not in self._keys and age >= MIN_AGE_NS):
            self._refresh()
        return self._keys.get(key_id)

    def _refresh(self) -> None:
        """Read all keys; meanwhile other threads use the cached keys, or wait if there are none."""
        if not self._lock.acquire(blocking=not self._keys):
            return
        try:
            now = self._clock.now_ns()
            with self._engine.connect() as connection:
                keys = {key.key_id: key for key in _read_keys(connection)}
            self._keys, self._read_ns = keys, now
        finally:
            self._lock.release()


def authenticate(ring: KeyRing, clock: Clock, authorization: str) -> SourceId:
    """Return the source that the ``Authorization`` header's key delivers for.

    Raises:
        AuthError: ``unauthenticated`` for a missing, malformed or unknown key; ``key_revoked`` and ``key_expired`` for one
            that was once valid.
    """
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise AuthError("unauthenticated", "expected `Authorization: Bearer <API key>`")
    prefix, _, rest = authorization[len(_SCHEME) :].strip().partition("_")
    key_id, _, secret = rest.partition("_")
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
    found = ring.find(key_id) if prefix == KEY_PREFIX and secret else None
    if found is None or not hmac.compare_digest(found.secret_sha256, digest):
        raise AuthError("unauthenticated", "this API key is not known")
    if found.revoked is not None:
        raise AuthError("key_revoked", f"key `{key_id}` was revoked; ask for a new one")
    if found.expires is not None and clock.now() >= found.expires:
        raise AuthError("key_expired", f"key `{key_id}` expired; ask for a new one")
    return found.source

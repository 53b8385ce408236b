"""Keyed hashes of data subjects' numbers: the number itself is never indexed, yet equal numbers have equal hashes.

The key is stored in ``subject.key`` in the key folder: one line, key id and 64 hex digits. Without it, old hashes can no
longer be looked up; it is as secret as the signing keys.
"""

import hmac
import secrets
from pathlib import Path

from auditsvc.ground.errors import SigningError
from auditsvc.ground.key_file import load_or_create_key

KEY_FILE = "subject.key"
KEY_ID = "k1"
_KEY_BYTES = 32
_REMEDY = "restore it from the backup; under a new key, subjects of older events can no longer be looked up"


class SubjectHasher:
    """Hashes numbers under one key; call it with a number to get ``<key id>:<hex>``."""

    def __init__(self, key_id: str, key: bytes) -> None:
        """Hash with ``key``, named in every hash by its id."""
        self._prefix = f"{key_id}:"
        self._key = key

    def __call__(self, number: str) -> str:
        """Return the keyed hash; surrounding white space and letter case (``x`` as last digit) are ignored."""
        plain = number.strip().upper().encode("utf-8", "surrogatepass")
        return self._prefix + hmac.digest(self._key, plain, "sha256").hex()


def load_or_create_subject_hasher(key_dir: Path) -> SubjectHasher:
    """Return the hasher of the key in ``key_dir``, which is created if missing.

    Raises:
        SigningError: ``key_unusable`` when the file is malformed, or cannot be read or created.
    """
    path = key_dir / KEY_FILE
    data = load_or_create_key(path, _make_line, remedy=_REMEDY)
    try:
        key_id, digits = data.decode("ascii").split()
        key = bytes.fromhex(digits)
    except ValueError as err:
        raise SigningError("key_unusable", f"`{path}`: expected key id and 64 hex digits; {_REMEDY}") from err
    if len(key) != _KEY_BYTES:
        message = f"`{path}`: expected a key of {_KEY_BYTES} bytes, got {len(key)}; {_REMEDY}"
        raise SigningError("key_unusable", message)
    return SubjectHasher(key_id, key)


def _make_line() -> bytes:
    """Return the line of a new key: its id and 64 hex digits."""
    return f"{KEY_ID} {secrets.token_hex(_KEY_BYTES)}\n".encode("ascii")

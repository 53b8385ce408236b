"""The key that signs session cookies."""

import secrets
from pathlib import Path

from auditsvc.ground.errors import SigningError
from auditsvc.ground.key_file import load_or_create_key

SESSION_KEY_FILE = "session.key"
SESSION_KEY_BYTES = 32
_REMEDY = "stop the service and delete it: then everybody signs in again"


def load_or_create_session_key(folder: Path) -> bytes:
    """Return the key in ``folder``, created on first use and readable by its owner only.

    Raises:
        SigningError: ``key_unusable`` when the file has the wrong length, or cannot be read or created.
    """
    path = folder / SESSION_KEY_FILE
    key = load_or_create_key(path, lambda: secrets.token_bytes(SESSION_KEY_BYTES), remedy=_REMEDY)
    if len(key) != SESSION_KEY_BYTES:
        message = f"key file `{path}`: expected {SESSION_KEY_BYTES} bytes, got {len(key)}; {_REMEDY}"
        raise SigningError("key_unusable", message)
    return key

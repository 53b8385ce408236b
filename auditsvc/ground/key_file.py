"""Key files: created once, atomically, and never replaced silently."""

from collections.abc import Callable
from pathlib import Path

from auditsvc.ground.errors import SigningError
from auditsvc.ground.files import write_once


def load_or_create_key(path: Path, make: Callable[[], bytes], *, remedy: str) -> bytes:
    """Return the bytes of a key file, created on first use (mode 0600); concurrent processes get the same key.

    Args:
        make: returns the bytes of a new key, at least one.
        remedy: what to do about an empty file, for the message.

    Raises:
        SigningError: ``key_unusable`` when the file is empty, or cannot be read or created.
    """
    try:
        if not path.exists():
            write_once(path, make())
        data = path.read_bytes()
    except OSError as err:
        reason = f"`{err.filename}`: {err.strerror}" if err.filename else str(err.strerror)
        raise SigningError("key_unusable", f"key file `{path}` cannot be read or made: {reason}") from err
    if not data:
        raise SigningError("key_unusable", f"key file `{path}` is empty; {remedy}")
    return data

"""The log's signing key: one Ed25519 key in a file that only its owner reads."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from auditsvc.errors import SigningError
from auditsvc.ledger.note import Signer, format_vkey

LOG_KEY_FILE = "log.key"


def load_or_create_log_key(key_dir: Path) -> Ed25519PrivateKey:
    """Return the log's private key, made on first use (PKCS #8, PEM, mode 0600).

    Raises:
        SigningError: ``key_unusable`` when the file cannot be read as an Ed25519 key or cannot be written.
    """
    path = key_dir / LOG_KEY_FILE
    try:
        key_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _create(path)
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as err:
        raise SigningError("key_unusable", f"log key `{path}` cannot be used: {err}") from err
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError("key_unusable", f"log key `{path}` is not an Ed25519 key")
    return key


def load_signer(key_dir: Path, origin: str) -> Signer:
    """Return the log's signer under its origin; see :func:`load_or_create_log_key` for errors."""
    return Signer(origin, load_or_create_log_key(key_dir))


def load_log_vkey(key_dir: Path, origin: str) -> str:
    """Return the log's verifier key text, as it goes into a trust file."""
    return format_vkey(load_signer(key_dir, origin).verifier_key)


def _create(path: Path) -> None:
    """Write a new key; whoever comes second keeps the first one's."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        draft.unlink()

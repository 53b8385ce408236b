"""The log's signing key: one Ed25519 key in a file that only its owner can read."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from auditsvc.ground.errors import SigningError
from auditsvc.ground.key_file import load_or_create_key
from auditsvc.ledger.format.note import Signer, format_vkey

LOG_KEY_FILE = "log.key"
_REMEDY = "restore it from the backup; a new key does not continue the checkpoints that this one signed"


def load_or_create_log_key(key_dir: Path) -> Ed25519PrivateKey:
    """Return the log's private key, created on first use (PKCS #8, PEM, mode 0600).

    Raises:
        SigningError: ``key_unusable`` when the file cannot be read as an Ed25519 key or cannot be written.
    """
    path = key_dir / LOG_KEY_FILE
    pem = load_or_create_key(path, _build_pem, remedy=_REMEDY)
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError) as err:
        message = f"log key `{path}` is not an unencrypted PEM private key; {_REMEDY}"
        raise SigningError("key_unusable", message) from err
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError("key_unusable", f"log key `{path}` is not an Ed25519 key; {_REMEDY}")
    return key


def load_signer(key_dir: Path, origin: str) -> Signer:
    """Return the log's signer under its origin; see :func:`load_or_create_log_key` for errors."""
    return Signer(origin, load_or_create_log_key(key_dir))


def load_log_vkey(key_dir: Path, origin: str) -> str:
    """Return the log's verifier key text, as used in a trust file."""
    return format_vkey(load_signer(key_dir, origin).verifier_key)


def _build_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

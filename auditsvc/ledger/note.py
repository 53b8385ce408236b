"""Signing notes and writing checkpoints; the form and its checks are in :mod:`auditsvc.ledger.verify.note`."""

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auditsvc.ledger.verify.note import (
    ED25519_TYPE,
    Checkpoint,
    Note,
    NoteSignature,
    VerifierKey,
    build_key_id,
    parse_checkpoint,
    parse_note,
    parse_vkey,
    split_notes,
    verify_checkpoint,
    verify_note,
)

__all__ = [
    "Checkpoint",
    "Note",
    "NoteSignature",
    "Signer",
    "VerifierKey",
    "format_checkpoint",
    "format_vkey",
    "parse_checkpoint",
    "parse_note",
    "parse_vkey",
    "sign_note",
    "split_notes",
    "verify_checkpoint",
    "verify_note",
]


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that signs notes under ``name``; for the log, the name is its origin."""

    name: str
    private_key: Ed25519PrivateKey

    @property
    def verifier_key(self) -> VerifierKey:
        """The public half, as a verifier holds it."""
        public = self.private_key.public_key().public_bytes_raw()
        return VerifierKey(self.name, build_key_id(self.name, public), public)


def format_vkey(key: VerifierKey) -> str:
    """Return the verifier key text ``name+hash+base64``, as trust files and other tools hold it."""
    encoded = base64.b64encode(ED25519_TYPE + key.public_key).decode()
    return f"{key.name}+{key.key_id.hex()}+{encoded}"


def sign_note(text: str, signer: Signer) -> str:
    """Return ``text`` (which ends with LF) as a note with one signature line."""
    signature = signer.private_key.sign(text.encode())
    encoded = base64.b64encode(signer.verifier_key.key_id + signature).decode()
    return f"{text}\n— {signer.name} {encoded}\n"


def format_checkpoint(origin: str, size: int, root_hash: bytes) -> str:
    """Return the text a checkpoint's signature is over: origin, size and root hash, one a line."""
    return f"{origin}\n{size:d}\n{base64.b64encode(root_hash).decode()}\n"

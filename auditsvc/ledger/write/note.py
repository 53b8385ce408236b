"""Signing notes and writing checkpoints; the form and its checks are in :mod:`auditsvc.ledger.format.note`."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auditsvc.ledger.format.note import (
    ED25519_TYPE,
    MAX_NOTE_BYTES,
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
    "read_last_note",
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


_NOTE_END = re.compile("^— [^\n]*\n\n".encode(), re.MULTILINE)
_TAIL_BYTES = 4 * MAX_NOTE_BYTES
"""Two of the largest notes and an unfinished one fit; the file itself grows for years and is not read whole."""


def read_last_note(path: Path) -> tuple[str | None, int]:
    """Return the last whole note of a checkpoint file, None when there is none, and the offset where it ends.

    Raises:
        LogError: ``note_invalid`` when the end of the file is not a row of notes.
        OSError: the file is there but cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            begin = max(0, size - _TAIL_BYTES)
            file.seek(begin)
            tail = file.read()
    except FileNotFoundError:
        return None, 0
    if begin:
        first = _NOTE_END.search(tail)
        skipped = first.end() if first else 0
        begin, tail = begin + skipped, tail[skipped:]
    notes = split_notes(tail.decode("utf-8", "replace"))
    return (notes[-1] if notes else None), begin + sum(len(note.encode()) + 1 for note in notes)

"""C2SP signed notes and checkpoints: signing and printing, parsing and checking.

Order of steps for a checkpoint: split text and signatures; find the signature line whose name and key id are those of
the trusted key; check the signature over the exact text; only then read origin, size and root hash from it.
Signatures of unknown keys are ignored, a wrong signature under the trusted name and key id is rejected.
Extension lines are rejected: this log writes none. Sources: c2sp.org/signed-note, c2sp.org/tlog-checkpoint.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from auditsvc.ground.errors import LogError, SigningError

MAX_NOTE_BYTES = 16 * 1024
"""A checkpoint with a full set of signatures stays far below."""
MAX_SIGNATURES = 16
"""More signature lines than any quorum needs; the limit keeps checking cheap."""
ED25519_TYPE = b"\x01"
"""Signature type of plain Ed25519 in a key id and a verifier key."""

_SIZE = re.compile(r"(0|[1-9][0-9]{0,17})\Z")
_NAME = re.compile(r"[^\s+]+\Z")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: who, which key (4 bytes), and the raw signature."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note: the exact signed ``text`` (ends with LF) and its signature lines in order."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A statement about the log: ``origin`` has ``size`` leaves under ``root_hash``; ``note`` is the signed text."""

    origin: str
    size: int
    root_hash: bytes
    note: str


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key that may sign notes under ``name``."""

    name: str
    key_id: bytes
    public_key: bytes


def build_key_id(name: str, public_key: bytes) -> bytes:
    """Return the 4-byte key id of an Ed25519 key under ``name``."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519_TYPE + public_key).digest()[:4]


def decode_base64(text: str) -> bytes:
    """Return the bytes of canonical, padded base64; raise ``ValueError`` for any other form."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, UnicodeEncodeError) as err:
        raise ValueError("not base64") from err
    if base64.b64encode(data).decode() != text:
        raise ValueError("not canonical base64")
    return data


def parse_vkey(text: str) -> VerifierKey:
    """Return the key of a verifier key text ``name+hash+base64``.

    Raises:
        SigningError: ``key_unusable``; another form, another algorithm, or a hash that does not match the key.
    """
    parts = text.strip().split("+", 2)
    try:
        name, hash_hex, encoded = parts
        data = decode_base64(encoded)
        key_id = bytes.fromhex(hash_hex)
    except ValueError as err:
        raise SigningError("key_unusable", "verifier key: expected `name+hash+base64`") from err
    if not _NAME.match(name) or data[:1] != ED25519_TYPE or len(data) != 33:
        raise SigningError("key_unusable", "verifier key: expected an Ed25519 key of 32 bytes under a name")
    if key_id != build_key_id(name, data[1:]):
        raise SigningError("key_unusable", f"verifier key: hash `{hash_hex}` is not that of the key of `{name}`")
    return VerifierKey(name, key_id, data[1:])


def parse_note(text: str) -> Note:
    """Return a signed note's text and signature lines; only the syntax is checked.

    Raises:
        LogError: ``note_invalid``; no text, no signature, a malformed line, or over a limit.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_NOTE_BYTES:
        raise _broken(f"longer than {MAX_NOTE_BYTES} bytes")
    if any(ord(char) < 0x20 and char != "\n" for char in text):
        raise _broken("a control character")
    split = text.rfind("\n\n")
    if split < 0 or not text.endswith("\n"):
        raise _broken("expected text, an empty line and signature lines that end with LF")
    body, lines = text[: split + 1], text[split + 2 :].split("\n")[:-1]
    if not lines:
        raise _broken("no signature line")
    if len(lines) > MAX_SIGNATURES:
        raise _broken(f"{len(lines)} signature lines, at most {MAX_SIGNATURES} are read")
    return Note(body, tuple(_parse_signature(line) for line in lines))


def _parse_signature(line: str) -> NoteSignature:
    words = line.split(" ")
    if len(words) != 3 or words[0] != "—" or not _NAME.match(words[1]):
        raise _broken("a signature line must be `— name base64`")
    try:
        data = decode_base64(words[2])
    except ValueError as err:
        raise _broken("a signature is not canonical base64") from err
    if len(data) < 5:
        raise _broken("a signature is too short")
    return NoteSignature(words[1], data[:4], data[4:])


def _broken(message: str) -> LogError:
    """Return the error for a note that cannot be parsed."""
    return LogError("note_invalid", f"signed note: {message}")


def verify_note(text: str, key: VerifierKey) -> Note:
    """Return the note if ``key`` signed it.

    Raises:
        LogError: ``note_invalid`` when it is not a well-formed signed note.
        SigningError: ``signature_invalid`` when the key's signature is missing or does not verify.
    """
    note = parse_note(text)
    own = [line for line in note.signatures if (line.name, line.key_id) == (key.name, key.key_id)]
    if not own:
        raise SigningError("signature_invalid", f"signed note: no signature by `{key.name}+{key.key_id.hex()}`")
    if len(own) > 1:
        raise SigningError("signature_invalid", f"signed note: `{key.name}` signed more than once")
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(own[0].signature, note.text.encode())
    except (InvalidSignature, ValueError) as err:
        message = f"signed note: the signature by `{key.name}+{key.key_id.hex()}` does not hold"
        raise SigningError("signature_invalid", message) from err
    return note


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the statement of a checkpoint note, its signature NOT checked.

    Raises:
        LogError: ``note_invalid``; not three lines of origin, size and root hash.
    """
    lines = parse_note(text).text.split("\n")[:-1]
    if len(lines) != 3:
        raise _broken(f"a checkpoint has three lines and no extensions, got {len(lines)}")
    origin, size, root_b64 = lines
    if not origin or not _SIZE.match(size):
        raise _broken("a checkpoint's lines are origin, size in decimal and root hash")
    try:
        root_hash = decode_base64(root_b64)
    except ValueError as err:
        raise _broken("the root hash is not canonical base64") from err
    if len(root_hash) != 32:
        raise _broken(f"the root hash has {len(root_hash)} bytes, expected 32")
    return Checkpoint(origin, int(size), root_hash, text)


def verify_checkpoint(text: str, key: VerifierKey) -> Checkpoint:
    """Return the statement of a checkpoint that ``key`` signed; the key's name is the log's origin.

    Raises:
        LogError: ``note_invalid`` when it is malformed or a checkpoint of another log.
        SigningError: ``signature_invalid`` when the signature is missing or does not verify.
    """
    verify_note(text, key)
    checkpoint = parse_checkpoint(text)
    if checkpoint.origin != key.name:
        raise _broken(f"origin: expected `{key.name}`, got `{checkpoint.origin}`")
    return checkpoint


def split_notes(text: str) -> list[str]:
    """Return the notes of a checkpoint file: notes one after the other, an empty line after each.

    What follows the last whole note is left out; :func:`cut_rest` returns it.

    Raises:
        LogError: ``note_invalid`` when text and signature parts do not alternate.
    """
    parts = text.split("\n\n")
    parts.pop()
    if len(parts) % 2:
        # The text part of an unfinished note ends with an empty line too.
        parts.pop()
    notes = [f"{body}\n\n{signatures}\n" for body, signatures in zip(parts[::2], parts[1::2], strict=True)]
    for note in notes:
        parse_note(note)
    return notes


def cut_rest(text: str) -> str:
    """Return what follows the last whole note of a checkpoint file: nothing, an unfinished note, or foreign data.

    Raises:
        LogError: ``note_invalid``, as :func:`split_notes`.
    """
    return text[sum(len(note) + 1 for note in split_notes(text)) :]


def is_unfinished(rest: str, origin: str) -> bool:
    """Return whether ``rest`` begins like a checkpoint of ``origin``, as an interrupted write leaves it.

    Zero bytes at its end mean that the file had grown before its content reached the disk. Bytes that are not UTF-8
    appear as U+FFFD, as does a truncated em dash.
    """
    *whole, begun = rest.rstrip("\0").removesuffix("\ufffd").split("\n")
    lines = (
        _Line(origin),
        _Line(form=re.compile(r"[0-9]{1,18}")),
        _Line(form=re.compile(r"[A-Za-z0-9+/=]{1,44}")),
        _Line(),
        _Line(f"— {origin} ", re.compile(r"[A-Za-z0-9+/=]{1,92}")),
        _Line(),
    )
    if len(whole) >= len(lines):
        return False
    complete = all(line.matches(text) for line, text in zip(lines, whole, strict=False))
    last = lines[len(whole)]
    return complete and (last.literal.startswith(begun) or last.matches(begun))


@dataclass(frozen=True, slots=True)
class _Line:
    """The prefix of a line in a checkpoint's note, and the pattern of the rest, if any."""

    literal: str = ""
    form: re.Pattern[str] | None = None

    def matches(self, text: str) -> bool:
        """Return whether ``text`` is such a line."""
        if not text.startswith(self.literal):
            return False
        rest = text.removeprefix(self.literal)
        return not rest if self.form is None else bool(self.form.fullmatch(rest))


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that signs notes under ``name``; for the log, the name is its origin."""

    name: str
    private_key: Ed25519PrivateKey

    @property
    def verifier_key(self) -> VerifierKey:
        """The public key, as a verifier uses it."""
        public = self.private_key.public_key().public_bytes_raw()
        return VerifierKey(self.name, build_key_id(self.name, public), public)


def format_vkey(key: VerifierKey) -> str:
    """Return the verifier key text ``name+hash+base64``, as used in trust files and by other tools."""
    encoded = base64.b64encode(ED25519_TYPE + key.public_key).decode()
    return f"{key.name}+{key.key_id.hex()}+{encoded}"


def sign_note(text: str, signer: Signer) -> str:
    """Return ``text`` (which ends with LF) as a note with one signature line."""
    signature = signer.private_key.sign(text.encode())
    encoded = base64.b64encode(signer.verifier_key.key_id + signature).decode()
    return f"{text}\n— {signer.name} {encoded}\n"


def format_checkpoint(origin: str, size: int, root_hash: bytes) -> str:
    """Return the signed text of a checkpoint: origin, size and root hash, one per line."""
    return f"{origin}\n{size:d}\n{base64.b64encode(root_hash).decode()}\n"

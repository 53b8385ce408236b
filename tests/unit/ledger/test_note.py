"""Signed notes and checkpoints: what is read, and what is refused."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auditsvc.ground.errors import AuditError, LogError, SigningError
from auditsvc.ledger.format.note import (
    Signer,
    cut_rest,
    format_checkpoint,
    format_vkey,
    is_unfinished,
    parse_checkpoint,
    parse_vkey,
    sign_note,
    split_notes,
    verify_checkpoint,
)

SIGNER = Signer("audit.example/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Signer("audit.example/log", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
ROOT = bytes(range(32))
NOTE = sign_note(format_checkpoint("audit.example/log", 42, ROOT), SIGNER)
KEY = SIGNER.verifier_key


def test_a_checkpoint_reads_back_as_written() -> None:
    checkpoint = verify_checkpoint(NOTE, KEY)
    assert (checkpoint.origin, checkpoint.size, checkpoint.root_hash) == ("audit.example/log", 42, ROOT)
    assert checkpoint.note == NOTE


def test_a_verifier_key_reads_back_as_written() -> None:
    assert parse_vkey(format_vkey(KEY)) == KEY


def test_the_published_vkey_of_the_specification_is_read() -> None:
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    key = parse_vkey(text)
    assert key.name == "PeterNeumann"
    assert format_vkey(key) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000+AA==",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_broken_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(SigningError) as caught:
        parse_vkey(text)
    assert caught.value.code == "key_unusable"


def changed(old: str, new: str) -> str:
    assert old in NOTE
    return NOTE.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (changed("\n42\n", "\n43\n"), "signature_invalid"),
        (changed(base64.b64encode(ROOT).decode(), base64.b64encode(bytes(32)).decode()), "signature_invalid"),
        (sign_note(format_checkpoint("audit.example/log", 42, ROOT), OTHER), "signature_invalid"),
        (sign_note(format_checkpoint("other.example/log", 42, ROOT), SIGNER), "note_invalid"),
        (sign_note("audit.example/log\n042\n" + base64.b64encode(ROOT).decode() + "\n", SIGNER), "note_invalid"),
        (sign_note("audit.example/log\n-1\n" + base64.b64encode(ROOT).decode() + "\n", SIGNER), "note_invalid"),
        (sign_note(format_checkpoint("audit.example/log", 42, ROOT) + "extension\n", SIGNER), "note_invalid"),
        (sign_note(format_checkpoint("audit.example/log", 42, ROOT[:31]), SIGNER), "note_invalid"),
        (sign_note(format_checkpoint("audit.example/log", 42, b""), SIGNER), "note_invalid"),
        (NOTE[:-1], "note_invalid"),
        (NOTE + "garbage\n", "note_invalid"),
        (NOTE + "— short AAAA\n", "note_invalid"),
        (NOTE.replace("\n", "\r\n"), "note_invalid"),
        ("", "note_invalid"),
        (NOTE + NOTE.split("\n\n")[1], "signature_invalid"),
        (NOTE.split("\n\n")[0] + "\n\n", "note_invalid"),
        (NOTE + "— x+y AAAAAAAA\n", "note_invalid"),
    ],
)
def test_a_changed_checkpoint_is_refused(text: str, code: str) -> None:
    with pytest.raises(AuditError) as caught:
        verify_checkpoint(text, KEY)
    assert caught.value.code == code


def test_a_signature_under_the_same_name_and_key_id_by_another_key_is_refused() -> None:
    line = base64.b64encode(KEY.key_id + OTHER.private_key.sign(NOTE.split("\n\n")[0].encode() + b"\n")).decode()
    forged = f"{NOTE.split(chr(10) * 2)[0]}\n\n— {KEY.name} {line}\n"
    with pytest.raises(SigningError, match="does not hold"):
        verify_checkpoint(forged, KEY)


def test_signatures_of_unknown_keys_are_ignored_up_to_the_limit() -> None:
    unknown = "— witness.example " + base64.b64encode(bytes(68)).decode() + "\n"
    assert verify_checkpoint(NOTE + unknown * 15, KEY).size == 42
    with pytest.raises(LogError, match="17 signature lines"):
        verify_checkpoint(NOTE + unknown * 16, KEY)


def test_a_second_spelling_of_a_signature_is_refused() -> None:
    head, encoded = NOTE[:-1].rsplit(" ", 1)
    assert encoded.endswith("=")
    tail = "=" if not encoded.endswith("==") else "=="
    last = encoded[: -len(tail)][-1]
    other = chr(ord(last) + 1)
    with pytest.raises(LogError, match="canonical"):
        verify_checkpoint(f"{head} {encoded[: -len(tail) - 1]}{other}{tail}\n", KEY)


def test_every_flipped_bit_of_a_checkpoint_is_refused() -> None:
    data = NOTE.encode()
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            with pytest.raises(AuditError):
                verify_checkpoint(flipped.decode("utf-8", "surrogateescape"), KEY)


def test_a_checkpoint_file_gives_its_whole_notes_and_leaves_out_an_unfinished_one() -> None:
    second = sign_note(format_checkpoint("audit.example/log", 43, ROOT), SIGNER)
    text = f"{NOTE}\n{second}\n"
    assert split_notes(text) == [NOTE, second]
    for end in range(len(NOTE) + 1, len(text)):
        assert split_notes(text[:end]) == [NOTE]
    assert split_notes("") == []


def test_every_cut_of_a_note_is_unfinished_and_nothing_else_is() -> None:
    second = sign_note(format_checkpoint("audit.example/log", 43, ROOT), SIGNER)
    written = f"{NOTE}\n".encode() + f"{second}\n".encode()
    begin = len(NOTE.encode()) + 1
    for end in range(begin, len(written)):
        rest = cut_rest(written[:end].decode("utf-8", "replace"))
        assert is_unfinished(rest, "audit.example/log"), rest
        assert is_unfinished(rest + "\0" * 100, "audit.example/log"), rest
        assert end == begin or not is_unfinished(rest + "\n\n\n", "audit.example/log"), rest
    assert cut_rest(written.decode()) == ""
    odd = (
        "junk\n",
        "\n",
        " ",
        "audit.example/log2",
        "audit.example/log\nx",
        "audit.example/log\n1\nA\n\nx",
        f"{second}\nx",
    )
    for junk in odd:
        assert not is_unfinished(junk, "audit.example/log"), junk


def test_reading_a_statement_does_not_need_the_key() -> None:
    assert parse_checkpoint(NOTE).size == 42

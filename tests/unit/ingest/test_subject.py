"""Keyed hashes of data subjects."""

import hashlib
import stat
from pathlib import Path

import pytest

from auditsvc.ground.errors import SigningError
from auditsvc.ingest.readers.subject import SubjectHasher, load_or_create_subject_hasher


def test_the_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    first = load_or_create_subject_hasher(tmp_path / "keys")("370100X")
    assert load_or_create_subject_hasher(tmp_path / "keys")("370100X") == first
    assert stat.S_IMODE((tmp_path / "keys" / "subject.key").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["subject.key"]


def test_another_key_gives_another_hash(tmp_path: Path) -> None:
    assert load_or_create_subject_hasher(tmp_path / "a")("1") != load_or_create_subject_hasher(tmp_path / "b")("1")


def test_the_hash_is_hmac_sha256_with_the_key_id_in_front() -> None:
    key = b"\x0b" * 32
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key.ljust(64, b"\0")) + b"370100X").digest()
    expected = hashlib.sha256(bytes(byte ^ 0x5C for byte in key.ljust(64, b"\0")) + inner).hexdigest()
    assert SubjectHasher("k7", key)("370100X") == f"k7:{expected}"


def test_case_of_the_check_character_and_white_space_make_no_difference() -> None:
    hasher = SubjectHasher("k1", b"x" * 32)
    assert hasher(" 37010019900101001x\n") == hasher("37010019900101001X")


@pytest.mark.parametrize("text", ["", "k1", "k1 zz", "k1 00", "a b c", "k1 " + "0" * 66])
def test_a_damaged_key_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "subject.key").write_text(text)
    with pytest.raises(SigningError, match=r"subject\.key"):
        load_or_create_subject_hasher(tmp_path)

"""A checkpoint is signed only for a log that extends the last one."""

import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from auditsvc.ground.errors import LogError, SigningError
from auditsvc.ledger.format.note import Signer, format_checkpoint, parse_vkey, sign_note, split_notes, verify_checkpoint
from auditsvc.ledger.keys import load_log_vkey
from auditsvc.ledger.proof import checkpoint_at_least, get_head, latest_checkpoint
from auditsvc.ledger.write.checkpoint import Checkpointer
from auditsvc.ledger.write.checkpoint_file import read_last_note
from tests.support.ledger import TestLedger, build_delivery, edit_database, fill_ledger, open_ledger


def checkpointer(ledger: TestLedger) -> Checkpointer:
    return Checkpointer(ledger.ledger, ledger.settings)


def test_a_checkpoint_states_the_head_and_its_signature_holds(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    assert checkpointer(ledger).sign_now() is None
    ledger.submit(build_delivery(1), build_delivery(2))
    signed = checkpointer(ledger).sign_now()
    with ledger.engine.connect() as connection:
        head = get_head(connection)
        assert signed is not None
        assert latest_checkpoint(connection) == checkpoint_at_least(connection, 1) == signed
        assert checkpoint_at_least(connection, 3) is None
    key = parse_vkey(load_log_vkey(ledger.settings.key_path, ledger.settings.origin))
    assert verify_checkpoint(signed.note, key) == signed
    assert (signed.size, signed.root_hash) == (2, head.root_hash)
    assert split_notes(ledger.settings.checkpoint_path.read_text()) == [signed.note]


def test_nothing_is_signed_when_the_log_has_not_grown(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    before = ledger.settings.checkpoint_path.read_text()
    assert checkpointer(ledger).sign_now() is None
    assert ledger.settings.checkpoint_path.read_text() == before


def test_the_thread_signs_within_a_second_of_growth(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    signer = checkpointer(ledger)
    signer.start()
    try:
        ledger.submit(build_delivery(1))
        deadline = time.monotonic() + 60  # it takes half a second, unless the machine does other things
        while True:
            with ledger.engine.connect() as connection:
                if latest_checkpoint(connection) is not None:
                    break
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert signer.refusal is None
    finally:
        signer.stop()


def test_stopping_signs_what_has_grown(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    signer = checkpointer(ledger)
    signer.start()
    ledger.submit(build_delivery(1))
    signer.stop()
    with ledger.engine.connect() as connection:
        latest = latest_checkpoint(connection)
    assert latest is not None
    assert latest.size == 1


def test_the_key_is_read_by_its_owner_only_and_stays_the_same(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    first = load_log_vkey(ledger.settings.key_path, "a/b")
    assert load_log_vkey(ledger.settings.key_path, "a/b") == first
    assert (ledger.settings.key_path / "log.key").stat().st_mode & 0o777 == 0o600


def test_an_unreadable_key_is_refused(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.settings.key_path.mkdir()
    (ledger.settings.key_path / "log.key").write_text("no key")
    with pytest.raises(SigningError) as caught:
        checkpointer(ledger)
    assert caught.value.code == "key_unusable"


EDITS = {
    "a header edited, hash kept": ["UPDATE leaf SET header = replace(header, 'records 5', 'records 6') WHERE seq = 5"],
    "a stored leaf hash edited": ["UPDATE leaf SET leaf_hash = zeroblob(32) WHERE seq = 7"],
    "an inner node under the checkpoint edited": [
        "UPDATE node SET hash = zeroblob(32) WHERE level = 3 AND position = 0"
    ],
    "the last leaf deleted": [
        "DELETE FROM delivery WHERE seq = 8",
        "DELETE FROM batch WHERE seq = 8",
        "DELETE FROM leaf WHERE seq = 8",
    ],
    "the head rolled back": ["UPDATE head SET size = 8"],
    "the frontier edited": ["UPDATE head SET frontier = zeroblob(length(frontier))"],
    "the head deleted": ["DELETE FROM head"],
}


@pytest.mark.parametrize("name", EDITS)
def test_a_changed_database_is_not_signed(tmp_path: Path, name: str) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    ledger.submit(build_delivery(20))  # leaf 8, after the checkpoint of size 8
    edit_database(ledger, "UPDATE checkpoint SET signed_at = signed_at", *EDITS[name])
    before = ledger.settings.checkpoint_path.read_text()
    if name.startswith(("a header", "a stored")):
        # Leaves under the last checkpoint are covered by its nodes; move the checkpoint back to have them re-read.
        ledger.settings.checkpoint_path.write_text("".join(f"{note}\n" for note in split_notes(before)[:1]))
        edit_database(ledger, "DELETE FROM checkpoint WHERE size = 8")
        before = ledger.settings.checkpoint_path.read_text()
    with pytest.raises(SigningError) as caught:
        checkpointer(ledger).sign_now()
    assert caught.value.code == "checkpoint_refused"
    assert ledger.settings.checkpoint_path.read_text() == before


def test_a_database_restored_from_an_old_backup_and_appended_to_is_not_signed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path / "live")
    ledger.submit(build_delivery(1))
    ledger.sign()
    ledger.engine.dispose()
    backup = tmp_path / "backup.db"
    with sqlite3.connect(ledger.database) as connection, sqlite3.connect(backup) as target:
        connection.backup(target)
    ledger.submit(build_delivery(2))
    ledger.sign()
    ledger.engine.dispose()
    for path in ledger.database.parent.glob("auditsvc.db*"):
        path.unlink()
    shutil.copy(backup, ledger.database)
    with pytest.raises(SigningError, match="the log has 1 leaves, the last checkpoint 2"):
        checkpointer(ledger).sign_now()
    restored = open_ledger(tmp_path / "live")
    with pytest.raises(LogError, match="restore a newer backup"):
        restored.submit(build_delivery(30))
    away = tmp_path / "away"
    shutil.move(restored.settings.checkpoint_path, away)
    for segment in restored.archive.segments.glob("*.idx"):
        segment.unlink()  # what was lost is not offered again, so that the history really differs
    restored.submit(build_delivery(30), build_delivery(31), build_delivery(32))
    shutil.move(away, restored.settings.checkpoint_path)
    with pytest.raises(SigningError, match="signed was") as caught:
        checkpointer(restored).sign_now()
    assert caught.value.code == "checkpoint_refused"


def test_a_lost_checkpoint_file_is_noticed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    ledger.settings.checkpoint_path.unlink()
    with pytest.raises(SigningError, match="restore the file"):
        checkpointer(ledger).sign_now()


def test_a_checkpoint_file_that_lost_its_last_one_over_a_single_leaf_is_noticed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    for number in (1, 2):
        ledger.submit(build_delivery(number))
        ledger.sign()
    path = ledger.settings.checkpoint_path
    path.write_text(f"{split_notes(path.read_text())[0]}\n")
    with pytest.raises(SigningError, match=r"has a checkpoint of size 2, the file .* ends at 1; restore the file"):
        checkpointer(ledger).sign_now()


def test_a_leaf_that_is_missing_between_others_is_named(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    ledger.submit(build_delivery(20), build_delivery(21), build_delivery(22))
    edit_database(ledger, *(f"DELETE FROM {table} WHERE seq = 9" for table in ("delivery", "batch", "leaf")))  # noqa: S608
    with pytest.raises(SigningError, match="leaf 9 is missing or its header was changed"):
        checkpointer(ledger).sign_now()


def test_a_checkpoint_of_another_key_is_not_built_upon(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    (ledger.settings.key_path / "log.key").unlink()
    ledger.submit(build_delivery(20))
    with pytest.raises(SigningError, match="no signature by"):
        checkpointer(ledger).sign_now()


def test_a_refusal_is_kept_until_the_log_is_whole_again(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    saved = ledger.settings.checkpoint_path.read_text()
    ledger.settings.checkpoint_path.unlink()
    signer = checkpointer(ledger)
    signer._try()
    assert signer.refusal is not None
    ledger.settings.checkpoint_path.write_text(saved)
    signer._try()
    assert signer.refusal is None


def test_a_checkpoint_written_to_the_file_only_is_completed(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    edit_database(ledger, "DELETE FROM checkpoint WHERE size = 8")
    assert checkpointer(ledger).sign_now() is None
    with ledger.engine.connect() as connection:
        latest = latest_checkpoint(connection)
    assert latest is not None
    assert latest.size == 8


def test_an_unfinished_checkpoint_at_the_end_of_the_file_is_dropped(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    whole = ledger.settings.checkpoint_path.read_text()
    with ledger.settings.checkpoint_path.open("a") as file:
        file.write("audit.example/log\n9\nAAAA")
    ledger.submit(build_delivery(20))
    signed = checkpointer(ledger).sign_now()
    assert signed is not None
    assert ledger.settings.checkpoint_path.read_text() == f"{whole}{signed.note}\n"


@pytest.mark.parametrize("junk", ["junk\n", "\n", "x" * 200_000])
def test_foreign_bytes_behind_the_last_checkpoint_are_left_and_nothing_is_signed(tmp_path: Path, junk: str) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    with ledger.settings.checkpoint_path.open("a") as file:
        file.write(junk)
    before = ledger.settings.checkpoint_path.read_bytes()
    ledger.submit(build_delivery(20))
    with pytest.raises(SigningError, match="that are no unfinished checkpoint") as caught:
        checkpointer(ledger).sign_now()
    assert caught.value.code == "checkpoint_refused"
    assert ledger.settings.checkpoint_path.read_bytes() == before


@pytest.mark.parametrize("unfinished", ["", "audit.example/log\n2000\nAAAA", "a\n1\nb\n\n— x"])
def test_the_last_note_of_a_long_file_is_found_from_its_end(tmp_path: Path, unfinished: str) -> None:
    path = tmp_path / "checkpoints.log"
    signer = Signer("audit.example/log", Ed25519PrivateKey.generate())
    notes = [sign_note(format_checkpoint(signer.name, size, bytes(32)), signer) for size in range(1, 700)]
    whole = "".join(f"{note}\n" for note in notes)
    path.write_text(whole + unfinished)
    assert path.stat().st_size > 100_000
    assert read_last_note(path) == (notes[-1], len(whole.encode()))


def test_two_signers_take_turns(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    one, two = checkpointer(ledger), checkpointer(ledger)
    sizes = []
    for number in range(6):
        ledger.submit(build_delivery(number))
        signed = (one if number % 2 else two).sign_now()
        assert signed is not None
        sizes.append(signed.size)
    assert sizes == [1, 2, 3, 4, 5, 6]
    assert os.path.exists(f"{ledger.settings.checkpoint_path}.lock")  # noqa: PTH110

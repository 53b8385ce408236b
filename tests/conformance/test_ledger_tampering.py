"""The tamper suite: each way of changing archive, log or checkpoints gets its code and place, and nothing else does."""

import base64
import hashlib
import json
import random
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from auditsvc.ground.errors import AuditError
from auditsvc.ledger.archive import compress_frame
from auditsvc.ledger.format.note import (
    Checkpoint,
    Signer,
    format_checkpoint,
    format_vkey,
    parse_checkpoint,
    sign_note,
    split_notes,
)
from auditsvc.ledger.format.tar import END, build_member_header, iter_members, pad
from auditsvc.ledger.keys import load_signer
from auditsvc.ledger.leaf import get_leaf
from auditsvc.ledger.proof import get_root
from auditsvc.ledger.verify import (
    LogTrust,
    Step,
    decide_exit_code,
    parse_log_trust,
    verify_archive,
    verify_bundle,
)
from auditsvc.ledger.write.bundle import write_bundle
from tests.support.ledger import (
    TestLedger,
    build_delivery,
    copy_ledger,
    edit_database,
    fill_ledger,
    open_ledger,
    replace_frame,
)

FILLED = 8
"""Leaves of the filled ledger: 0 policy, 1 to 3 batches, checkpoint, 4 an act, 5 to 7 batches, checkpoint."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> TestLedger:
    ledger = open_ledger(tmp_path_factory.mktemp("original") / "data")
    fill_ledger(ledger)
    return ledger


@pytest.fixture
def ledger(original: TestLedger, tmp_path: Path) -> Iterator[TestLedger]:
    copy = copy_ledger(original, tmp_path / "data")
    yield copy
    copy.engine.dispose()


def verify(ledger: TestLedger, trust: LogTrust | None = None) -> list[Step]:
    ledger.engine.dispose()
    return verify_archive(ledger.database, ledger.archive.path, ledger.settings.checkpoint_path, trust or ledger.trust)


def failures(steps: list[Step]) -> list[tuple[str, str]]:
    return [(step.code, step.where) for step in steps if step.state == "fail"]


def test_an_untouched_archive_passes_every_step(ledger: TestLedger) -> None:
    steps = verify(ledger)
    assert [step.number for step in steps] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert {step.state for step in steps} == {"pass"}
    assert decide_exit_code(steps) == 0
    assert all(step.name_en and step.name_zh and step.detail for step in steps)


# Archive: the payload of batch 3 (five records of `gateway`) is changed.

PAYLOAD = build_delivery(3).body
LINES = PAYLOAD.splitlines(keepends=True)
FRAME = compress_frame(PAYLOAD)
RECOMPRESSED = zstandard.ZstdCompressor(level=-7, write_checksum=True, write_content_size=True).compress(PAYLOAD)
OTHER = build_delivery(1).body.splitlines(keepends=True)


def reorder_keys(line: bytes) -> bytes:
    record = json.loads(line)
    return json.dumps(dict(reversed(record.items())), separators=(",", ":")).encode() + b"\n"


PAYLOADS = {
    "one byte edited": ([*LINES[:2], LINES[2].replace(b"2}", b"9}"), *LINES[3:]], "EVENT_ALTERED", "#3 record 2"),
    "deleted": (LINES[:1] + LINES[2:], "EVENT_DELETED", "#3 record 1"),
    "last deleted": (LINES[:4], "EVENT_DELETED", "#3 record 4"),
    "inserted": (LINES[:1] + OTHER[:1] + LINES[1:], "EVENT_INSERTED", "#3 record 1"),
    "duplicated": ([*LINES, LINES[4]], "EVENT_INSERTED", "#3 record 5"),
    "two reordered": ([LINES[0], LINES[2], LINES[1], *LINES[3:]], "EVENT_REORDERED", "#3 record 1"),
    "taken from another batch": ([*LINES[:4], OTHER[4]], "EVENT_ALTERED", "#3 record 4"),
    "CRLF": ([LINES[0].replace(b"\n", b"\r\n"), *LINES[1:]], "EVENT_ALTERED", "#3 record 0"),
    "blank added": ([LINES[0].replace(b",", b", "), *LINES[1:]], "EVENT_ALTERED", "#3 record 0"),
    "same JSON, other order of keys": ([*LINES[:3], reorder_keys(LINES[3]), LINES[4]], "EVENT_ALTERED", "#3 record 3"),
    "last line feed removed": ([*LINES[:4], LINES[4][:-1]], "FILE_ALTERED", "#3"),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_changed_record_is_named(ledger: TestLedger, name: str) -> None:
    lines, code, where = PAYLOADS[name]
    assert b"".join(lines) != PAYLOAD
    replace_frame(ledger, 3, compress_frame(b"".join(lines)))
    steps = verify(ledger)
    assert failures(steps) == [(code, where)]
    assert decide_exit_code(steps) == 1


FRAMES = {
    "second frame appended": FRAME + compress_frame(b"{}\n"),
    "garbage appended": FRAME + b"garbage",
    "skippable frame in front": b"\x50\x2a\x4d\x18\x04\x00\x00\x00data" + FRAME,
    "without checksum": zstandard.ZstdCompressor(write_checksum=False).compress(PAYLOAD),
    "bomb": compress_frame(b"\0" * 100_000_000),
    "cut off": FRAME[:-3],
    "empty": b"",
}


@pytest.mark.parametrize("name", FRAMES)
def test_anything_but_one_whole_frame_is_corrupt(ledger: TestLedger, name: str) -> None:
    replace_frame(ledger, 3, FRAMES[name])
    assert failures(verify(ledger)) == [("FILE_CORRUPT", "#3")]


def test_the_same_bytes_recompressed_pass(ledger: TestLedger) -> None:
    assert RECOMPRESSED != FRAME
    replace_frame(ledger, 3, RECOMPRESSED)
    assert failures(verify(ledger)) == []


def test_a_flipped_bit_anywhere_in_a_segment_is_noticed_or_harmless(ledger: TestLedger) -> None:
    with ledger.engine.connect() as connection:
        leaf = get_leaf(connection, 3)
    path = ledger.archive.segments / leaf.segment
    data = path.read_bytes()
    noticed = 0
    for place in range(leaf.offset, leaf.offset + leaf.length, 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        found = failures(verify(ledger))
        assert all(where.startswith("#3") for _, where in found)
        if not found:
            assert ledger.archive.read_payload(leaf.segment, leaf.offset, leaf.length) == PAYLOAD
        noticed += bool(found)
    assert noticed >= leaf.length // 3 - 2


def test_a_missing_segment_is_named_for_each_of_its_batches(ledger: TestLedger) -> None:
    first, second = sorted(ledger.archive.segments.glob("*.seg"))
    first.unlink()
    assert failures(verify(ledger)) == [("FILE_MISSING", f"#{seq}") for seq in (1, 2, 3)]
    shutil.copy(second, first)
    assert {code for code, _ in failures(verify(ledger))} <= {"FILE_MISSING", "FILE_CORRUPT", "EVENT_ALTERED"}


def test_swapped_frames_are_both_named(ledger: TestLedger) -> None:
    replace_frame(ledger, 1, compress_frame(build_delivery(3).body))
    replace_frame(ledger, 3, compress_frame(build_delivery(1).body))
    assert [where.split()[0] for _, where in failures(verify(ledger))] == ["#1", "#3"]


def test_a_changed_index_of_record_hashes_is_not_silent(ledger: TestLedger) -> None:
    edit_database(ledger, "UPDATE batch SET fingerprints = zeroblob(20) WHERE seq = 3")
    assert failures(verify(ledger)) == [("FINGERPRINTS_ALTERED", "#3")]
    replace_frame(ledger, 3, compress_frame(b"".join(PAYLOADS["one byte edited"][0])))
    assert [code for code, _ in failures(verify(ledger))] == ["EVENT_ALTERED"]
    edit_database(ledger, "UPDATE batch SET fingerprints = x'' WHERE seq = 3")
    assert failures(verify(ledger)) == [("FILE_ALTERED", "#3")]


def test_a_changed_or_missing_object_is_named_by_its_leaf(ledger: TestLedger) -> None:
    paths = sorted(ledger.archive.objects.rglob("*.zst"))
    assert len(paths) == 2
    saved = [path.read_bytes() for path in paths]
    paths[0].write_bytes(saved[1])
    assert [code for code, _ in failures(verify(ledger))] == ["OBJECT_ALTERED"]
    for path in paths:
        path.unlink()
    assert failures(verify(ledger)) == [("OBJECT_MISSING", "#0"), ("OBJECT_MISSING", "#4")]


# Log and database.

EDITS: dict[str, tuple[list[str], list[str]]] = {
    "header field edited": (
        ["UPDATE leaf SET header = replace(header, 'source-seq 1', 'source-seq 2') WHERE seq = 3"],
        ["ROOT_MISMATCH", "SOURCE_GAP", "LEAF_ALTERED", "BATCH_ALTERED", "NODE_ALTERED", "HEAD_ALTERED"],
    ),
    "accepted time back-dated": (
        ["UPDATE leaf SET header = replace(header, 'accepted 2026-10-01', 'accepted 2026-09-01') WHERE seq = 4"],
        ["ROOT_MISMATCH", "TIME_REVERSED", "LEAF_ALTERED", "NODE_ALTERED", "HEAD_ALTERED"],
    ),
    "accepted time in the future": (
        ["UPDATE leaf SET header = replace(header, 'accepted 2026', 'accepted 2099') WHERE seq = 4"],
        ["ROOT_MISMATCH", "TIME_REVERSED", "LEAF_ALTERED", "NODE_ALTERED", "HEAD_ALTERED"],
    ),
    "header deleted": (["DELETE FROM leaf WHERE seq = 4"], ["SEQ_GAP"]),
    "headers swapped": (
        ["UPDATE leaf SET seq = 100 WHERE seq = 2", "UPDATE leaf SET seq = 2 WHERE seq = 3", "UPDATE leaf SET seq = 3 WHERE seq = 100"],
        ["SEQ_GAP"],
    ),
    "header with a key more": (["UPDATE leaf SET header = header || 'note x' || char(10) WHERE seq = 3"], ["HEADER_INVALID"]),
    "another log's header": (
        ["UPDATE leaf SET header = replace(header, 'audit.example', 'other.example') WHERE seq = 3"],
        ["ORIGIN_MISMATCH"],
    ),
    "stored leaf hash edited": (["UPDATE leaf SET leaf_hash = zeroblob(32) WHERE seq = 3"], ["LEAF_ALTERED"]),
    "inner node edited": (["UPDATE node SET hash = zeroblob(32) WHERE level = 1 AND position = 1"], ["NODE_ALTERED"]),
    "inner node deleted": (["DELETE FROM node WHERE level = 3"], ["NODE_MISSING"]),
    "inner node added": (["INSERT INTO node VALUES (1, 4, zeroblob(32))"], ["NODE_ALTERED"]),
    "head rolled back": (["UPDATE head SET size = 7"], ["HEAD_ALTERED"]),
    "frontier edited": (["UPDATE head SET frontier = zeroblob(32)"], ["HEAD_ALTERED"]),
    "tail cut off": (
        ["DELETE FROM delivery WHERE seq = 7", "DELETE FROM batch WHERE seq = 7", "DELETE FROM leaf WHERE seq = 7"],
        ["TRUNCATED", "NODE_ALTERED", "HEAD_ALTERED"],
    ),
    "place of a frame lost": (
        ["DELETE FROM delivery WHERE seq = 3", "DELETE FROM batch WHERE seq = 3"],
        ["FILE_MISSING"],
    ),
    "batch id twice": (
        ["UPDATE leaf SET header = (SELECT replace(a.header, substr(a.header, 40, 45), substr(b.header, 40, 45)) "
         "FROM leaf a, leaf b WHERE a.seq = 7 AND b.seq = 5) WHERE seq = 7"],
        ["ROOT_MISMATCH", "DUPLICATE_BATCH", "LEAF_ALTERED", "BATCH_ALTERED", "NODE_ALTERED", "HEAD_ALTERED"],
    ),
    "kind of a leaf edited": (["UPDATE leaf SET kind = 'admin' WHERE seq = 0"], ["LEAF_ALTERED"]),
    "leaf stored under another number": (
        ["UPDATE delivery SET seq = 9 WHERE seq = 7", "UPDATE batch SET seq = 9 WHERE seq = 7", "UPDATE leaf SET seq = 9 WHERE seq = 7"],
        ["FILE_MISSING", "LEAF_ALTERED"],
    ),
    "batch of another source": (["UPDATE batch SET source = 'other' WHERE seq = 3"], ["BATCH_ALTERED"]),
    "batch of a leaf that is none": (
        ["INSERT INTO batch SELECT 4, 'x', source, 77, records, segment, 77, length, fingerprints FROM batch WHERE seq = 3"],
        ["BATCH_ALTERED"],
    ),
    "length beyond the segment": (["UPDATE batch SET length = 9000000000000 WHERE seq = 3"], ["FILE_MISSING"]),
    "length is text": (["UPDATE batch SET length = 'x' WHERE seq = 3"], ["FILE_MISSING"]),
    "length is negative": (["UPDATE batch SET length = -1 WHERE seq = 3"], ["FILE_MISSING"]),
    "offset is a blob": (["UPDATE batch SET \"offset\" = x'00' WHERE seq = 3"], ["FILE_MISSING"]),
    "segment is a number": (["UPDATE batch SET segment = x'ff' WHERE seq = 3"], ["FILE_MISSING"]),
    "fingerprints are a number": (["UPDATE batch SET fingerprints = 9000000000000 WHERE seq = 3"], ["FINGERPRINTS_ALTERED"]),
    "fingerprints are text": (["UPDATE batch SET fingerprints = 'abc' WHERE seq = 3"], ["FINGERPRINTS_ALTERED"]),
    "header is a blob": (["UPDATE leaf SET header = x'ff00fe' WHERE seq = 3"], ["HEADER_INVALID"]),
    "header is not UTF-8": (["UPDATE leaf SET header = CAST(x'ff00fe' AS TEXT) WHERE seq = 3"], ["HEADER_INVALID"]),
    "header is a number": (["UPDATE leaf SET header = 7 WHERE seq = 3"], ["HEADER_INVALID"]),
    "head is text": (["UPDATE head SET size = 'x', frontier = 'y'"], ["HEAD_ALTERED"]),
    "head deleted": (["DELETE FROM head"], ["HEAD_ALTERED"]),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_a_changed_database_is_named(ledger: TestLedger, name: str) -> None:
    statements, codes = EDITS[name]
    edit_database(ledger, *statements)
    steps = verify(ledger)
    found = [code for code, _ in failures(steps)]
    assert list(dict.fromkeys(found)) == list(dict.fromkeys(codes)), failures(steps)
    assert decide_exit_code(steps) == 1


def damage(ledger: TestLedger, *statements: str) -> None:
    ledger.engine.dispose()
    with closing(sqlite3.connect(ledger.database)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


DAMAGES: dict[str, tuple[list[str], list[tuple[int, str]]]] = {
    "no leaves": (["DROP TABLE leaf"], [(2, "DATABASE_DAMAGED")]),
    "leaves without headers": (["ALTER TABLE leaf RENAME COLUMN header TO other"], [(2, "DATABASE_DAMAGED")]),
    "no batches": (["DROP TABLE batch"], [(7, "DATABASE_DAMAGED")] * 6 + [(9, "DATABASE_DAMAGED")]),
    "no nodes": (["DROP TABLE node"], [(9, "DATABASE_DAMAGED")]),
    "no head": (["DROP TABLE head"], [(9, "DATABASE_DAMAGED")]),
    "a view in place of the leaves": (
        [
            "ALTER TABLE leaf RENAME TO other",
            "CREATE VIEW leaf AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n) "
            "SELECT i AS seq, 'x' AS kind, 'x' AS header, x'00' AS leaf_hash FROM n",
        ],
        [(2, "DATABASE_DAMAGED")],
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_database_is_a_failed_step(ledger: TestLedger, name: str) -> None:
    statements, expected = DAMAGES[name]
    damage(ledger, *statements)
    steps = verify(ledger)
    assert [(step.number, step.code) for step in steps if step.state == "fail"] == expected
    assert decide_exit_code(steps) == 1
    assert {step.number for step in steps} == set(range(2, 10))


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", bytes(range(256)) * 20])
def test_what_is_no_database_is_a_failed_step(ledger: TestLedger, content: bytes) -> None:
    ledger.engine.dispose()
    ledger.database.write_bytes(content)
    for beside in ("-wal", "-shm"):
        ledger.database.with_name(ledger.database.name + beside).unlink(missing_ok=True)
    steps = verify(ledger)
    assert failures(steps) == [("DATABASE_DAMAGED", "")]
    assert {step.state for step in steps[1:]} == {"not done"}


def test_a_database_damaged_anywhere_never_ends_in_anything_but_steps(ledger: TestLedger) -> None:
    ledger.engine.dispose()
    damage(ledger, "PRAGMA wal_checkpoint(TRUNCATE)")
    data = ledger.database.read_bytes()
    chance = random.Random(1)
    for _ in range(150):
        spoiled = bytearray(data)
        for _ in range(chance.choice((1, 20, 400))):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        ledger.database.write_bytes(spoiled)
        assert {step.number for step in verify(ledger)} == set(range(2, 10))


def test_a_locked_database_is_not_done_and_no_tampering(ledger: TestLedger) -> None:
    ledger.engine.dispose()
    with closing(sqlite3.connect(ledger.database)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        steps = verify(ledger)
    assert failures(steps) == []
    assert (steps[0].code, decide_exit_code(steps)) == ("DATABASE_UNREADABLE", 2)


def test_a_checkpoint_file_that_cannot_be_read_is_not_done(ledger: TestLedger) -> None:
    ledger.settings.checkpoint_path.unlink()
    ledger.settings.checkpoint_path.mkdir()
    steps = verify(ledger)
    assert failures(steps) == []
    assert decide_exit_code(steps) == 2


def test_a_batch_that_states_more_bytes_than_there_is_memory_is_not_believed(ledger: TestLedger) -> None:
    stated = f"'raw-bytes {len(PAYLOAD)}', 'raw-bytes {10**17}'"
    edit_database(ledger, f"UPDATE leaf SET header = replace(header, {stated}) WHERE seq = 3")  # noqa: S608
    frame = bytearray(zstandard.ZstdCompressor(level=1, write_checksum=True).compress(bytes(5_000_000)))
    replace_frame(ledger, 3, b"\x28\xb5\x2f\xfd\xe4" + (10**15).to_bytes(8, "little") + bytes(frame[10:]))
    assert ("FILE_CORRUPT", "#3") in failures(verify(ledger))


def test_a_batch_removed_with_its_header_and_the_rest_renumbered_is_a_root_mismatch(ledger: TestLedger) -> None:
    edit_database(
        ledger,
        "DELETE FROM delivery WHERE seq = 7",
        "DELETE FROM batch WHERE seq = 7",
        "DELETE FROM leaf WHERE seq = 7",
        "UPDATE leaf SET header = (SELECT header FROM leaf b WHERE b.seq = 5) WHERE seq = 6",
        "UPDATE leaf SET header = replace(header, 'seq 5', 'seq 6') WHERE seq = 6",
    )
    assert ("TRUNCATED", "#7") in failures(verify(ledger))


# Checkpoints.


def notes_of(ledger: TestLedger) -> list[str]:
    return split_notes(ledger.settings.checkpoint_path.read_text())


def write_notes(ledger: TestLedger, notes: list[str]) -> None:
    ledger.settings.checkpoint_path.write_text("".join(f"{note}\n" for note in notes))


def signer_of(ledger: TestLedger) -> Signer:
    return load_signer(ledger.settings.key_path, ledger.settings.origin)


def resign(ledger: TestLedger, size: int, root_hash: bytes) -> str:
    return sign_note(format_checkpoint(ledger.settings.origin, size, root_hash), signer_of(ledger))


Change = Callable[[TestLedger, list[str]], list[str]]

CHECKPOINTS: dict[str, tuple[Change, list[tuple[str, str]]]] = {
    "size edited": (
        lambda _, notes: [notes[0].replace("\n4\n", "\n5\n"), notes[1]],
        [("CP_SIG_INVALID", "checkpoint 0 (size 5)")],
    ),
    "root edited": (
        lambda _, notes: [notes[0].replace(notes[0].split("\n")[2], base64.b64encode(bytes(32)).decode()), notes[1]],
        [("CP_SIG_INVALID", "checkpoint 0 (size 4)")],
    ),
    "origin of another log": (
        lambda ledger, notes: [
            notes[0],
            sign_note(notes[1].split("\n\n")[0].replace("audit", "other") + "\n", signer_of(ledger)),
        ],
        [("CP_INVALID", "checkpoint 1 (size 8)")],
    ),
    "extension line": (
        lambda ledger, notes: [notes[0], sign_note(notes[1].split("\n\n")[0] + "\nmore\n", signer_of(ledger))],
        [("CP_INVALID", "checkpoint 1 (not a checkpoint)")],
    ),
    "order turned back": (lambda _, notes: [notes[1], notes[0]], [("ROLLBACK", "checkpoint of size 4")]),
    "two roots for one size": (
        lambda ledger, notes: [*notes, resign(ledger, 8, bytes(32))],
        [("ROOT_MISMATCH", "checkpoint of size 8"), ("FORK", "checkpoint of size 8")],
    ),
    "larger than the log": (
        lambda ledger, notes: [*notes, resign(ledger, 9, bytes(32))],
        [("TRUNCATED", "#8")],
    ),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_changed_checkpoint_is_named(ledger: TestLedger, name: str) -> None:
    change, expected = CHECKPOINTS[name]
    write_notes(ledger, change(ledger, notes_of(ledger)))
    assert failures(verify(ledger)) == expected


@pytest.mark.parametrize("junk", ["junk\n", "\n", "audit.example/log\n8\nAAAA\n\njunk", "\0\0junk"])
def test_bytes_behind_the_last_checkpoint_are_named(ledger: TestLedger, junk: str) -> None:
    with ledger.settings.checkpoint_path.open("a") as file:
        file.write(junk)
    steps = verify(ledger)
    assert failures(steps) == [("CP_FOREIGN", "behind checkpoint 1")]
    assert decide_exit_code(steps) == 1


def test_a_checkpoint_cut_off_by_a_crash_is_no_tampering_and_no_pass(ledger: TestLedger) -> None:
    ledger.submit(build_delivery(40))
    before = ledger.settings.checkpoint_path.stat().st_size
    ledger.sign()
    whole = ledger.settings.checkpoint_path.read_bytes()
    for end in range(before + 1, len(whole)):
        ledger.settings.checkpoint_path.write_bytes(whole[:end])
        found = [(step.code, step.where) for step in verify(ledger) if step.state != "pass"]
        assert found == [("CP_UNFINISHED", "behind checkpoint 1"), ("UNCHECKPOINTED", "#8")]
    ledger.settings.checkpoint_path.write_bytes(whole)
    assert decide_exit_code(verify(ledger)) == 0


def test_a_log_without_checkpoints_is_incomplete_evidence(ledger: TestLedger) -> None:
    ledger.settings.checkpoint_path.unlink()
    steps = verify(ledger)
    assert failures(steps) == []
    assert {step.number for step in steps if step.state == "not done"} == {3, 4, 5}
    assert decide_exit_code(steps) == 2


def test_entries_after_the_last_checkpoint_are_incomplete_evidence(ledger: TestLedger) -> None:
    ledger.submit(build_delivery(40))
    steps = verify(ledger)
    assert [(step.code, step.where) for step in steps if step.state != "pass"] == [("UNCHECKPOINTED", "#8")]
    assert decide_exit_code(steps) == 2


def test_signatures_of_others_beside_ours_are_fine(ledger: TestLedger) -> None:
    extra = "— witness.example " + base64.b64encode(bytes(68)).decode() + "\n"
    write_notes(ledger, [note + extra for note in notes_of(ledger)])
    assert failures(verify(ledger)) == []


def test_a_log_rewritten_and_signed_anew_differs_from_the_pinned_checkpoint(
    original: TestLedger, tmp_path: Path
) -> None:
    other = open_ledger(tmp_path / "data")
    shutil.copytree(original.settings.key_path, other.settings.key_path)
    other.submit(*(build_delivery(number) for number in range(9)))
    other.sign()
    assert failures(verify(other)) == []
    (first, last) = notes_of(original)
    for note in (first, last):
        trust = LogTrust(original.trust.key, _checkpoint(note))
        assert [code for code, _ in failures(verify(other, trust))] == ["FORK"]
    larger = LogTrust(original.trust.key, _checkpoint(resign(original, 50, bytes(32))))
    assert failures(verify(other, larger)) == [("TRUNCATED", "#9")]
    assert failures(verify(original, LogTrust(original.trust.key, _checkpoint(first)))) == []
    other.engine.dispose()


def test_a_checkpoint_one_leaf_longer_than_the_log_is_no_state_of_it_whatever_its_root(
    ledger: TestLedger, bundle: Path
) -> None:
    last = parse_checkpoint(notes_of(ledger)[-1])
    assert last.size == FILLED
    longer = resign(ledger, FILLED + 1, last.root_hash)
    pinned = LogTrust(ledger.trust.key, parse_checkpoint(longer))
    assert failures(verify(ledger, pinned)) == [("TRUNCATED", f"#{FILLED}")]
    (step,) = [step for step in verify_bundle(bundle, pinned) if step.state != "pass"]
    assert (step.code, step.state) == ("PINNED_LATER", "not done")
    assert failures(verify(ledger, LogTrust(ledger.trust.key, last))) == []
    write_notes(ledger, [*notes_of(ledger), longer])
    assert failures(verify(ledger)) == [("TRUNCATED", f"#{FILLED}")]


def test_a_checkpoint_one_leaf_shorter_than_its_root_is_not_that_root(ledger: TestLedger) -> None:
    first, last = (parse_checkpoint(note) for note in notes_of(ledger))
    shorter = resign(ledger, FILLED - 1, last.root_hash)
    write_notes(ledger, [first.note, shorter, last.note])
    assert failures(verify(ledger)) == [("ROOT_MISMATCH", f"checkpoint of size {FILLED - 1}")]
    trust = LogTrust(ledger.trust.key, parse_checkpoint(shorter))
    assert ("FORK", f"pinned checkpoint of size {FILLED - 1}") in failures(verify(ledger, trust))


@pytest.mark.parametrize(("size", "code"), [(FILLED - 1, "ROLLBACK"), (FILLED, None)])
def test_sizes_of_checkpoints_do_not_fall_by_a_single_leaf(ledger: TestLedger, size: int, code: str | None) -> None:
    notes = notes_of(ledger)
    with ledger.engine.connect() as connection:
        root = get_root(connection, size)
    write_notes(ledger, [*notes, resign(ledger, size, root)])
    assert [found for found, _ in failures(verify(ledger))] == ([code] if code else [])


@pytest.mark.parametrize("pinned", [{"size": 4}, ["note"], 4, True, ""])
def test_a_pinned_checkpoint_that_is_no_note_is_not_passed_over(original: TestLedger, pinned: object) -> None:
    data = {"origin": original.settings.origin, "log_vkey": format_vkey(original.trust.key)}
    assert parse_log_trust({**data, "pinned_checkpoint": None}) == original.trust
    with pytest.raises(AuditError):
        parse_log_trust({**data, "pinned_checkpoint": pinned})


def _checkpoint(note: str) -> Checkpoint:

    return parse_checkpoint(note)


# Bundles.


@pytest.fixture(scope="module")
def bundle(original: TestLedger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "period.bundle.tar"
    with original.engine.connect() as connection:
        write_bundle(connection, original.archive, path, first=3, last=7)
    return path


def test_a_bundle_verifies_by_itself(original: TestLedger, bundle: Path) -> None:
    steps = verify_bundle(bundle, original.trust)
    assert [(step.number, step.state) for step in steps] == [(number, "pass") for number in range(1, 9)]
    assert "records of leaves [3, 7), headers of 8" in steps[0].detail
    assert "11 records in 3 batches" in steps[6].detail
    assert "2 objects" in steps[7].detail


def test_equal_logs_give_equal_bundles(original: TestLedger, bundle: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.bundle.tar"
    with original.engine.connect() as connection:
        write_bundle(connection, original.archive, again, first=3, last=7)
    assert again.read_bytes() == bundle.read_bytes()


def test_every_flipped_byte_of_a_bundle_is_noticed(original: TestLedger, bundle: Path, tmp_path: Path) -> None:
    data = bundle.read_bytes()
    spoiled = tmp_path / "spoiled.bundle.tar"
    places = [place for place in range(len(data)) if data[place] or place % 97 == 0]
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 0x01
        spoiled.write_bytes(flipped)
        steps = verify_bundle(spoiled, original.trust)
        assert decide_exit_code(steps) == 1, place
        assert steps[0].code == "BUNDLE_ALTERED"


@pytest.mark.parametrize("end", [0, 1, 511, 512, 700, -1, -512, -1024])
def test_a_cut_bundle_is_noticed(original: TestLedger, bundle: Path, tmp_path: Path, end: int) -> None:
    spoiled = tmp_path / "spoiled.bundle.tar"
    spoiled.write_bytes(bundle.read_bytes()[:end])
    assert decide_exit_code(verify_bundle(spoiled, original.trust)) == 1


def test_bytes_after_the_end_are_noticed(original: TestLedger, bundle: Path, tmp_path: Path) -> None:
    spoiled = tmp_path / "spoiled.bundle.tar"
    for tail in (b"\0", b"\0" * 512, b"x"):
        spoiled.write_bytes(bundle.read_bytes() + tail)
        assert decide_exit_code(verify_bundle(spoiled, original.trust)) == 1


def rebuild(bundle: Path, target: Path, changes: dict[str, bytes | None]) -> None:
    """Write a bundle with other members and a manifest that fits them, as a forger would."""
    with bundle.open("rb") as file:
        members = [(member.name, member.offset, member.size) for member in iter_members(file)][:-1]
        contents = {}
        for name, offset, size in members:
            file.seek(offset)
            contents[name] = file.read(size)
    for name, data in changes.items():
        if data is None:
            del contents[name]
        else:
            contents[name] = data
    lines = "".join(f"{hashlib.sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in contents.items())
    with target.open("wb") as file:
        for name, data in [*contents.items(), ("MANIFEST", lines.encode())]:
            file.write(build_member_header(name, len(data)) + data + bytes(pad(len(data))))
        file.write(END)


FORGED: dict[str, tuple[dict[str, bytes | None], str, str]] = {
    "frame": (
        {"frames/3.zst": compress_frame(b"".join(PAYLOADS["one byte edited"][0]))},
        "EVENT_ALTERED",
        "#3 record 2",
    ),
    "frame left out": ({"frames/3.zst": None}, "FILE_MISSING", "#3"),
    "checkpoints left out": ({"checkpoints.txt": b""}, "", ""),
    "fingerprints left out": ({"fingerprints.bin": None}, "FINGERPRINTS_ALTERED", "#3"),
    "description": ({"bundle.json": b"{}"}, "BUNDLE_ALTERED", "forged.bundle.tar"),
    "headers cut": ({"headers.txt": b""}, "TRUNCATED", "#0"),
    "headers left out": ({"headers.txt": None}, "BUNDLE_ALTERED", "forged.bundle.tar"),
    "checkpoints left out altogether": ({"checkpoints.txt": None}, "BUNDLE_ALTERED", "forged.bundle.tar"),
    "a frame nobody asks for": ({"frames/9999.zst": b"x"}, "BUNDLE_ALTERED", "frames/9999.zst"),
    "a frame of a leaf that is no batch": ({"frames/4.zst": FRAME}, "BUNDLE_ALTERED", "frames/4.zst"),
    "a frame from before the period": ({"frames/2.zst": FRAME}, "BUNDLE_ALTERED", "frames/2.zst"),
    "another name of a frame": ({"frames/03.zst": FRAME}, "BUNDLE_ALTERED", "frames/03.zst"),
    "a name that leads out of the folder": ({"../../evil": b"x"}, "BUNDLE_ALTERED", "../../evil"),
    "an object nobody asks for": (
        {f"objects/{'a' * 64}.zst": compress_frame(b"x")}, "BUNDLE_ALTERED", f"objects/{'a' * 64}.zst",
    ),
    "a member that is no file of a bundle": ({"README": b"x"}, "BUNDLE_ALTERED", "README"),
}  # fmt: skip


def describe(**changes: object) -> bytes:
    values = {
        "first": 3,
        "format": "auditsvc-bundle/v1",
        "last": 7,
        "origin": "audit.example/log",
        "size": 8,
        **changes,
    }
    return json.dumps(
        {key: value for key, value in values.items() if value is not None}, separators=(",", ":")
    ).encode()


DESCRIPTIONS: dict[str, tuple[bytes, str]] = {
    "without the line feed": (describe(), "one spelling"),
    "with blanks": (json.dumps(json.loads(describe())).encode() + b"\n", "one spelling"),
    "a key more": (describe(note=1) + b"\n", "five keys"),
    "a key less": (describe(size=None) + b"\n", "five keys"),
    "a fraction": (describe(first=3.5) + b"\n", "whole numbers"),
    "a truth value": (describe(first=True) + b"\n", "whole numbers"),
    "below zero": (describe(first=-1) + b"\n", "whole numbers"),
    "first after last": (describe(first=8) + b"\n", "whole numbers"),
    "last after size": (describe(last=9) + b"\n", "whole numbers"),
    "another format": (describe(format="x") + b"\n", "five keys"),
    "another log": (describe(origin="other.example/log") + b"\n", "is of log `other.example/log`"),
    "another size": (describe(size=7) + b"\n", "has 8 entries"),
    "a list": (b"[]\n", "five keys"),
    "nested too deep": (b"[" * 2000 + b"]" * 2000, "bundle: "),
    "too large": (b" " * 5000, "larger than"),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_description_in_any_other_form_is_noticed(
    original: TestLedger, bundle: Path, tmp_path: Path, name: str
) -> None:
    data, text = DESCRIPTIONS[name]
    forged = tmp_path / "forged.bundle.tar"
    rebuild(bundle, forged, {"bundle.json": data})
    steps = verify_bundle(forged, original.trust)
    assert (steps[0].state, steps[0].code) == ("fail", "BUNDLE_ALTERED")
    assert text in steps[0].detail


def read_member(bundle: Path, name: str) -> bytes:
    with tarfile.open(bundle) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read()


@pytest.mark.parametrize("name", ["headers.txt", "checkpoints.txt", "fingerprints.bin"])
@pytest.mark.parametrize("added", [b"junk", b"\n", b"audit.example/log\n8\n"])
def test_bytes_behind_the_last_item_of_a_member_are_noticed(
    original: TestLedger, bundle: Path, tmp_path: Path, name: str, added: bytes
) -> None:
    forged = tmp_path / "forged.bundle.tar"
    rebuild(bundle, forged, {name: read_member(bundle, name) + added})
    steps = verify_bundle(forged, original.trust)
    assert "BUNDLE_ALTERED" in [code for code, _ in failures(steps)]


def test_a_checkpoint_that_does_not_belong_to_a_bundle_is_noticed(
    original: TestLedger, bundle: Path, tmp_path: Path
) -> None:
    first, last = notes_of(original)
    forged = tmp_path / "forged.bundle.tar"
    for notes in ([first, last], [last, last], [first]):
        rebuild(bundle, forged, {"checkpoints.txt": "".join(f"{note}\n" for note in notes).encode()})
        assert ("BUNDLE_ALTERED", "checkpoints.txt") in failures(verify_bundle(forged, original.trust)), notes


def test_members_in_another_order_are_noticed(original: TestLedger, bundle: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged.bundle.tar"
    frame = read_member(bundle, "frames/3.zst")
    rebuild(bundle, forged, {"frames/3.zst": None})
    rebuild(forged, tmp_path / "again.bundle.tar", {"frames/3.zst": frame})
    steps = verify_bundle(tmp_path / "again.bundle.tar", original.trust)
    assert failures(steps) == [("BUNDLE_ALTERED", "frames/3.zst")]


def test_a_member_header_of_any_size_and_name_ends_in_steps(original: TestLedger, bundle: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged.bundle.tar"
    data = bundle.read_bytes()
    chance = random.Random(2)
    fields = ((0, 100), (100, 108), (124, 136), (136, 148), (156, 157), (157, 257), (257, 265), (345, 500))
    odd = (b"\x80" + b"\x7f" * 200, b"\xff" * 200, b"a/" * 100, b"\0" * 200, b"7" * 200, b"S" * 200, b"-1 " * 70)
    for _ in range(300):
        block = bytearray(data[:512])
        begin, end = chance.choice(fields)
        block[begin:end] = chance.choice(odd)[: end - begin]
        block[148:156] = b"%06o\0 " % sum(bytes(block[:148]) + b" " * 8 + bytes(block[156:]))
        forged.write_bytes(bytes(block) + data[512:])
        steps = verify_bundle(forged, original.trust)
        assert bytes(block) == data[:512] or decide_exit_code(steps) == 1


def test_a_checkpoint_pinned_after_a_bundle_was_made_does_not_speak_against_it(
    original: TestLedger, bundle: Path
) -> None:
    later = LogTrust(original.trust.key, parse_checkpoint(resign(original, 50, bytes(32))))
    steps = verify_bundle(bundle, later)
    assert [(step.code, step.state) for step in steps if step.state != "pass"] == [("PINNED_LATER", "not done")]
    assert decide_exit_code(steps) == 2


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_member_is_noticed_although_the_manifest_fits(
    original: TestLedger, bundle: Path, tmp_path: Path, name: str
) -> None:
    changes, code, where = FORGED[name]
    forged = tmp_path / "forged.bundle.tar"
    rebuild(bundle, forged, changes)
    steps = verify_bundle(forged, original.trust)
    if not code:
        assert decide_exit_code(steps) == 2
    else:
        assert (code, where) in failures(steps)
        assert decide_exit_code(steps) == 1


def test_a_bundle_of_another_log_is_refused(bundle: Path, tmp_path: Path) -> None:
    other = open_ledger(tmp_path / "other")
    assert decide_exit_code(verify_bundle(bundle, other.trust)) == 1
    other.engine.dispose()


def test_a_recompressed_frame_in_a_bundle_passes(original: TestLedger, bundle: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.bundle.tar"
    rebuild(bundle, again, {"frames/3.zst": RECOMPRESSED})
    assert decide_exit_code(verify_bundle(again, original.trust)) == 0


def test_the_verifier_does_not_write_to_the_database(ledger: TestLedger) -> None:
    ledger.engine.dispose()
    before = ledger.database.read_bytes()
    verify(ledger)
    assert ledger.database.read_bytes() == before
    with sqlite3.connect(ledger.database) as connection:
        assert connection.execute("SELECT count(*) FROM leaf").fetchone() == (FILLED,)

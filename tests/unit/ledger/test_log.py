"""Deliveries become leaves, receipts keep their promise, and the stored log stays as it was written."""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DatabaseError

from auditsvc.ground.database import begin_write
from auditsvc.ground.document import build_bundle
from auditsvc.ground.errors import InputError, LogError, StorageError
from auditsvc.ledger import leaf as leaf_module
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.format.tree import build_root, hash_leaf, hash_lines, verify_consistency, verify_inclusion
from auditsvc.ledger.leaf import find_latest, get_leaf, iter_leaves
from auditsvc.ledger.proof import consistency_proof, get_head, get_root, inclusion_proof
from auditsvc.ledger.receipt import find_by_body, find_by_key, find_receipt
from auditsvc.ledger.write.committer import Committer, Delivery, Receipt
from auditsvc.ledger.write.segment import SegmentWriter
from tests.support.ledger import START, TestLedger, build_delivery, fill_ledger, open_ledger


def wait_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def written_bytes(ledger: TestLedger) -> int:
    """Return how many bytes of frames are in the archive."""
    return sum(path.stat().st_size for path in ledger.archive.segments.glob("*.seg"))


def test_a_delivery_is_archived_as_received_and_its_header_says_what_it_is(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    delivery = build_delivery(1)
    (receipt,) = ledger.submit(delivery)
    with ledger.engine.connect() as connection:
        leaf = get_leaf(connection, receipt.seq)
    assert ledger.archive.read_payload(leaf.segment, leaf.offset, leaf.length) == delivery.body
    header = parse_header(receipt.header)
    assert header.events_root == build_root(hash_lines(delivery.body))
    assert header.fields["raw-sha256"] == hashlib.sha256(delivery.body).hexdigest()
    assert header.fields["accepted"] == "2026-10-01T08:00:00.000Z"
    assert receipt.leaf_hash == hash_leaf(receipt.header.encode()) == leaf.leaf_hash
    assert not receipt.replayed


def test_batches_of_a_source_are_chained(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    first, other, second = ledger.submit(build_delivery(1), build_delivery(2, source="portal"), build_delivery(3))
    assert parse_header(first.header).fields["prev"] == parse_header(other.header).fields["prev"] == "-"
    assert parse_header(second.header).fields["source-seq"] == "1"
    assert parse_header(second.header).fields["prev"] == hashlib.sha256(first.header.encode()).hexdigest()


def test_accepted_times_never_go_back(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    (first,) = ledger.submit(build_delivery(1))
    ledger.clock.instant -= timedelta(hours=1)
    (second,) = ledger.submit(build_delivery(2))
    assert parse_header(second.header).fields["accepted"] == parse_header(first.header).fields["accepted"]


def test_the_same_delivery_gets_its_first_receipt(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    first, keyed, again, keyed_again = ledger.submit(
        build_delivery(1), build_delivery(2, key="k"), build_delivery(1), build_delivery(2, key="k")
    )
    assert again == replace(first, replayed=True)
    assert keyed_again == replace(keyed, replayed=True)
    with ledger.engine.connect() as connection:
        assert get_head(connection).size == 2


def test_a_key_used_for_other_bytes_is_a_conflict(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with ledger.committer() as committer:
        committer.submit(build_delivery(1, key="k"))
        with pytest.raises(InputError, match="was used for other bytes") as caught:
            committer.submit(build_delivery(2, key="k"))
        assert caught.value.code == "idempotency_conflict"
        assert not committer.submit(build_delivery(2, key="k", source="portal")).replayed


def test_the_same_body_is_known_up_to_the_horizon(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    (first,) = ledger.submit(build_delivery(1))
    ledger.clock.instant += timedelta(days=ledger.settings.duplicate_horizon_days)
    (again,) = ledger.submit(build_delivery(1))
    assert (again.replayed, again.seq) == (True, first.seq)


def test_the_same_body_counts_anew_after_the_horizon(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    (first,) = ledger.submit(build_delivery(1))
    ledger.clock.instant += timedelta(days=ledger.settings.duplicate_horizon_days, seconds=1)
    (again,) = ledger.submit(build_delivery(1))
    assert (again.seq, again.replayed) == (first.seq + 1, False)


def test_deliveries_that_wait_together_share_a_batch_and_keep_their_places(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with ledger.committer() as committer:
        receipts = {}

        def send(number: int) -> None:
            receipts[number] = committer.submit(build_delivery(number, records=number + 1))

        threads = [threading.Thread(target=send, args=(number,)) for number in range(12)]
        with begin_write(ledger.engine):  # nothing can be committed meanwhile, so the rest piles up
            threads[0].start()
            wait_until(lambda: written_bytes(ledger) > 0)
            for thread in threads[1:]:
                thread.start()
            wait_until(lambda: len(committer._pending) == 11)
        for thread in threads:
            thread.join()
    batches = {receipt.batch_id for receipt in receipts.values()}
    assert len(batches) == 2
    with ledger.engine.connect() as connection:
        for number, receipt in receipts.items():
            leaf = get_leaf(connection, receipt.seq)
            lines = ledger.archive.read_payload(leaf.segment, leaf.offset, leaf.length).splitlines(keepends=True)
            own = lines[receipt.first_record : receipt.first_record + receipt.records]
            assert b"".join(own) == build_delivery(number, records=number + 1).body
            assert receipt in [replace(item, replayed=False) for item in find_receipt(connection, receipt.batch_id)]


def test_a_blob_is_one_record(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    delivery = replace(build_delivery(1, kind="blob"), body=b"[1,2,3]", records=3)
    (receipt,) = ledger.submit(delivery)
    header = parse_header(receipt.header)
    assert (header.fields["kind"], header.fields["records"], receipt.records) == ("blob", "1", 3)
    assert header.events_root == hash_leaf(b"[1,2,3]")


@pytest.mark.parametrize(
    ("body", "records", "reason"),
    [(b"", 0, "no records"), (b"a\nb", 2, "must end with LF"), (b"a\nb\n", 3, "3 records stated, 2 lines found")],
)
def test_a_delivery_that_is_not_what_it_says_is_refused(tmp_path: Path, body: bytes, records: int, reason: str) -> None:
    ledger = open_ledger(tmp_path)
    with ledger.committer() as committer, pytest.raises(InputError, match=reason):
        committer.submit(replace(build_delivery(1), body=body, records=records))


def test_too_much_waiting_is_refused_until_there_is_room(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    settings = replace(ledger.settings, max_pending_bytes=200)
    committer = Committer(ledger.ledger, settings)
    try:
        with begin_write(ledger.engine):
            threads = [threading.Thread(target=committer.submit, args=(build_delivery(n),)) for n in range(2)]
            threads[0].start()
            wait_until(lambda: written_bytes(ledger) > 0)
            threads[1].start()
            wait_until(lambda: len(committer._pending) == 1)
            with pytest.raises(InputError) as caught:
                committer.submit(build_delivery(9))
            assert (caught.value.code, caught.value.http_status) == ("overloaded", 429)
        for thread in threads:
            thread.join()
        assert committer.submit(build_delivery(9)).records == 5
    finally:
        committer.close()


def test_a_disk_that_fails_refuses_the_group_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(tmp_path)

    def fail(self: SegmentWriter, frames: object) -> None:
        raise OSError(28, "No space left on device")

    with ledger.committer() as committer:
        committer.submit(build_delivery(1))
        with monkeypatch.context() as patch:
            patch.setattr(SegmentWriter, "_write", fail)
            with pytest.raises(StorageError, match="No space left on device") as caught:
                committer.submit(build_delivery(2))
            assert caught.value.http_status == 503
        assert committer.submit(build_delivery(2)).seq == 1
        committer.check_ready()


def test_a_segment_is_closed_when_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditsvc.ledger.write.segment.SEGMENT_BYTES", 100)
    ledger = open_ledger(tmp_path)
    ledger.submit(*(build_delivery(number) for number in range(4)))
    with ledger.engine.connect() as connection:
        places = [(leaf.segment, leaf.offset) for leaf in iter_leaves(connection, 0)]
        assert len({segment for segment, _ in places}) > 1
        for leaf in iter_leaves(connection, 0):
            ledger.archive.read_payload(leaf.segment, leaf.offset, leaf.length)


def test_two_workers_never_write_one_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auditsvc.ledger.write.segment.CLAIM_TRIES", 2)
    ledger = open_ledger(tmp_path)
    with SegmentWriter(ledger.archive) as first, SegmentWriter(ledger.archive) as second:
        assert (first.slot, second.slot) == (0, 1)
        with pytest.raises(StorageError, match="slot 1 is in use"):
            SegmentWriter(ledger.archive, 1)
    with SegmentWriter(ledger.archive, 1) as again:
        assert again.slot == 1


def test_two_committers_share_one_log(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with ledger.committer() as one, ledger.committer() as two:
        receipts = [committer.submit(build_delivery(n)) for n in range(10) for committer in (one, two)]
    assert [receipt.replayed for receipt in receipts] == [False, True] * 10
    with ledger.engine.connect() as connection:
        assert get_head(connection).size == 10


def send(worker: Committer, delivery: Delivery, receipts: list[Receipt]) -> None:
    receipts.append(worker.submit(delivery))


def test_one_delivery_sent_to_two_workers_at_once_is_received_once(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with ledger.committer() as one, ledger.committer() as two:
        for number in range(20):
            receipts: list[Receipt] = []
            delivery = build_delivery(number, key=f"k{number}")
            threads = [threading.Thread(target=send, args=(worker, delivery, receipts)) for worker in (one, two)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(receipt.replayed for receipt in receipts) == [False, True]
            assert len({receipt.seq for receipt in receipts}) == 1


@pytest.mark.parametrize("table", ["leaf", "node"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
def test_leaves_and_nodes_cannot_be_changed(tmp_path: Path, table: str, statement: str) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    column = {"leaf": "kind", "node": "level"}[table]
    with pytest.raises(DatabaseError, match=f"{table} is append-only"), begin_write(ledger.engine) as connection:
        connection.execute(text(statement.format(table, column, column)))


def test_every_proof_of_the_stored_log_holds(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    with ledger.engine.connect() as connection:
        leaves = list(iter_leaves(connection, 0))
        head = get_head(connection)
        assert head.size == len(leaves) == 8
        for size in range(1, head.size + 1):
            root = build_root([leaf.leaf_hash for leaf in leaves[:size]])
            assert get_root(connection, size) == root
            for leaf in leaves[:size]:
                path = inclusion_proof(connection, leaf.seq, size)
                verify_inclusion(leaf.leaf_hash, leaf.seq, size, path, root)
            path = consistency_proof(connection, size, head.size)
            verify_consistency(size, head.size, path, root, head.root_hash)
        with pytest.raises(LogError, match="not in a tree"):
            inclusion_proof(connection, 8, 8)


def test_leaves_are_read_page_by_page_up_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaf_module, "PAGE", 3)
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    with ledger.engine.connect() as connection:
        assert [leaf.seq for leaf in iter_leaves(connection, 0)] == list(range(8))
        assert [leaf.seq for leaf in iter_leaves(connection, 2, 7)] == [2, 3, 4, 5, 6]
        assert list(iter_leaves(connection, 8)) == []
        with pytest.raises(LogError, match="there is no leaf 8"):
            get_leaf(connection, 8)


def test_an_act_is_a_leaf_with_its_detail_in_the_archive(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with begin_write(ledger.engine) as connection:
        leaf = ledger.ledger.record_act(
            connection, actor="李 明", act="close", subject="alert-1", detail={"reason": "误报"}
        )
    fields = parse_header(leaf.header).fields
    assert fields["actor"] == "%E6%9D%8E%20%E6%98%8E"
    assert ledger.archive.get_object(bytes.fromhex(fields["detail-sha256"])) == '{"reason":"误报"}'.encode()


def test_an_act_that_is_rolled_back_leaves_no_leaf(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with begin_write(ledger.engine) as connection:
        ledger.ledger.record_act(connection, actor="a", act="b", subject="c", detail={})
        connection.rollback()
    with ledger.engine.connect() as connection:
        assert get_head(connection).size == 0


def test_the_bundle_last_activated_is_in_force(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    assert ledger.ledger.find_latest("policy") is None
    for content in ("a: 1\n", "a: 2\n"):
        with begin_write(ledger.engine) as connection:
            ledger.ledger.activate(connection, kind="policy", bundle=build_bundle({"p.yaml": content}), actor="x")
    latest = ledger.ledger.find_latest("policy")
    assert latest is not None
    assert ledger.ledger.load_bundle(latest) == build_bundle({"p.yaml": "a: 2\n"})
    assert ledger.ledger.find_latest("catalog") is None


def test_an_object_that_was_changed_is_not_given_out(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    digest = ledger.archive.put_object(b"policy")
    other = ledger.archive.put_object(b"other")
    name = digest.hex()
    theirs = other.hex()
    (ledger.archive.objects / name[:2] / f"{name}.zst").write_bytes(
        (ledger.archive.objects / theirs[:2] / f"{theirs}.zst").read_bytes()
    )
    with pytest.raises(LogError, match="holds other bytes"):
        ledger.archive.get_object(digest)
    with pytest.raises(LogError, match="there is no object"):
        ledger.archive.get_object(bytes(32))


def test_a_frame_outside_the_archive_is_not_read(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    with pytest.raises(LogError, match="not the name of a segment"):
        ledger.archive.read_payload("../../etc/passwd", 0, 10)


def test_nothing_on_the_way_of_a_delivery_or_a_proof_reads_a_whole_table(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    fill_ledger(ledger)
    seen: list[tuple[str, object]] = []
    event.listen(
        ledger.engine, "before_cursor_execute", lambda _c, _cursor, sql, values, _x, _m: seen.append((sql, values))
    )
    with ledger.engine.connect() as connection:
        find_by_key(connection, [("gateway", "a"), ("portal", "b")])
        find_by_body(connection, [("gateway", b"a"), ("portal", b"b")], START)
        inclusion_proof(connection, 3, 7)
        consistency_proof(connection, 3, 7)
        find_latest(connection, "policy")
        find_receipt(connection, "x")
        asked = [item for item in seen if item[0].startswith("SELECT")]
        assert len(asked) >= 7
        for sql, values in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()  # type: ignore[arg-type]
            assert not [row for row in plan if str(row[3]).startswith("SCAN")], (sql, plan)

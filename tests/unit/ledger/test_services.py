"""What faces ask of a ledger: proofs no larger than the log, acts by page, frames no leaf names, the proof of an event."""

import base64
import hashlib
from pathlib import Path

import pytest

from auditsvc.ground.database import begin_write
from auditsvc.ground.errors import LogError
from auditsvc.ledger.acts import list_acts
from auditsvc.ledger.archive import compress_frame
from auditsvc.ledger.event_proof import build_proof_document, collect_evidence
from auditsvc.ledger.service import Orphan, list_orphans, sign_checkpoint
from tests.support.ledger import TestLedger, build_delivery, fill_ledger, open_ledger


@pytest.fixture
def ledger(tmp_path: Path) -> TestLedger:
    """Return a log of eight leaves with checkpoints over four and eight; leaf 4 is an act."""
    made = open_ledger(tmp_path)
    fill_ledger(made)
    return made


def hash_pair(left: bytes, right: bytes) -> bytes:
    """Return an inner node's hash as RFC 9162 defines it."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def hash_header(header: str) -> bytes:
    """Return a leaf's hash as RFC 9162 defines it."""
    return hashlib.sha256(b"\x00" + header.encode()).digest()


def test_an_inclusion_proof_leads_to_the_root_it_states(ledger: TestLedger) -> None:
    proof = ledger.ledger.prove_inclusion(1, 4)
    first, upper = proof.path
    root = hash_pair(hash_pair(first, hash_header(proof.leaf.header)), upper)
    checkpoint = ledger.ledger.find_checkpoint(4)
    assert checkpoint is not None
    assert (proof.size, proof.root_hash, root) == (4, checkpoint.root_hash, checkpoint.root_hash)


def test_a_consistency_proof_joins_two_signed_trees(ledger: TestLedger) -> None:
    proof = ledger.ledger.prove_consistency(4, 8)
    signed = [ledger.ledger.find_checkpoint(size) for size in (4, 8)]
    assert [proof.root_hash1, proof.root_hash2] == [item and item.root_hash for item in signed]
    (right,) = proof.path
    assert hash_pair(proof.root_hash1, right) == proof.root_hash2


def test_no_proof_is_of_a_tree_larger_than_the_log(ledger: TestLedger) -> None:
    assert ledger.ledger.prove_inclusion(7, 8).size == 8
    with pytest.raises(LogError, match="at most 8, the leaves of the log, got `9`"):
        ledger.ledger.prove_inclusion(7, 9)
    with pytest.raises(LogError, match="at most 8, the leaves of the log, got `9`"):
        ledger.ledger.prove_consistency(9, 8)


def test_acts_come_newest_first_page_by_page(ledger: TestLedger) -> None:
    for actor in ("li", "wang", "li"):
        with begin_write(ledger.engine) as connection:
            ledger.ledger.record_act(connection, actor=actor, act="x", subject="y z", detail={"n": 1})
    page, before = list_acts(ledger.ledger, before=None, limit=2, keep=lambda actor: actor == "li")
    assert [(act.seq, act.actor, act.subject, act.detail) for act in page] == [
        (10, "li", "y z", {"n": 1}),
        (8, "li", "y z", {"n": 1}),
    ]
    page, before = list_acts(ledger.ledger, before=before, limit=2, keep=lambda actor: actor == "li")
    assert ([act.seq for act in page], [act.detail for act in page], before) == ([4], [{"reason": "误报"}], None)


def test_an_orphan_is_described(ledger: TestLedger) -> None:
    assert list_orphans(ledger.ledger) == []
    (segment,) = list(ledger.archive.segments.glob("*-000002.seg"))
    offset, frame = segment.stat().st_size, compress_frame(b"lost\n")
    with segment.open("ab") as file:
        file.write(frame)
    name = list_orphans(ledger.ledger)[0].segment
    assert name in segment.name
    assert list_orphans(ledger.ledger) == [Orphan(name, offset, len(frame), "unattributed", None, None)]


def test_a_checkpoint_is_signed_when_the_log_has_grown(ledger: TestLedger) -> None:
    assert sign_checkpoint(ledger.ledger, ledger.settings) is None
    ledger.submit(build_delivery(9))
    signed = sign_checkpoint(ledger.ledger, ledger.settings)
    assert (signed and signed.size) == 9


def test_an_event_is_led_back_to_the_signed_log(ledger: TestLedger) -> None:
    record = build_delivery(1).body.split(b"\n")[1]
    digest = hashlib.sha256(b"\x00" + record).digest()
    evidence = collect_evidence(ledger.ledger, 1, 1, digest.hex())
    assert [check.state for check in evidence.checks] == ["pass"] * 4
    assert evidence.raw.encode() == record
    document = build_proof_document(evidence)
    assert document["record"]["leaf_hash"] == base64.b64encode(digest).decode()
    other = collect_evidence(ledger.ledger, 1, 1, bytes(32).hex())
    assert [check.state for check in other.checks] == ["fail", "pass", "pass", "pass"]
    with pytest.raises(LogError, match="does not exist"):
        collect_evidence(ledger.ledger, 1, evidence.records, digest.hex())


def test_an_event_that_no_checkpoint_covers_is_not_proven(ledger: TestLedger) -> None:
    ledger.submit(build_delivery(9))
    record = build_delivery(9).body.split(b"\n")[0]
    evidence = collect_evidence(ledger.ledger, 8, 0, hashlib.sha256(b"\x00" + record).hexdigest())
    assert [check.state for check in evidence.checks] == ["pass", "pass", "pass", "not done"]
    assert evidence.checkpoint is None

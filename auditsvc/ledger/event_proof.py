"""The chain from one event to the signed log: raw record → events root of its batch → leaf → checkpoint, each step checked.

Order: read the frame of the batch, hash its records, compare with the hash in the index, then verify the paths from
the record to the header's events root, from the header to its leaf hash, and from the leaf to the checkpoint's root. A
step that could not be done is "not done", never "pass".
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from auditsvc.ground.errors import LogError
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.format.note import Checkpoint
from auditsvc.ledger.format.tree import build_root, hash_leaf, hash_records, verify_inclusion
from auditsvc.ledger.leaf import Leaf
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.write.proof_path import build_inclusion_path

PASS, FAIL, NOT_DONE = "pass", "fail", "not done"
FORMAT = "auditsvc-event-proof/v1"
_SHOWN_BYTES = 16_384
"""Most bytes of a raw record shown on a page; the archive holds the whole."""
_LINE_END = b"\n"


@dataclass(frozen=True, slots=True)
class ProofCheck:
    """One step: its name (see the labels of the page), the result, and the values compared."""

    name: str
    state: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EventEvidence:
    """The proof of one event.

    Attributes:
        raw: the record as delivered, as text; truncated when it is long.
        is_cut: whether ``raw`` is truncated.
        record_hash: leaf hash of the record under the batch's events root.
        record_path: from the record to the events root.
        leaf_path: from the leaf to the checkpoint's root.
        checkpoint: the first one that covers the leaf; None when none does yet.
    """

    leaf: Leaf
    raw: str
    is_cut: bool
    record: int
    records: int
    record_hash: bytes
    record_path: tuple[bytes, ...]
    leaf_path: tuple[bytes, ...]
    checkpoint: Checkpoint | None
    checks: tuple[ProofCheck, ...]


def collect_evidence(ledger: Ledger, seq: int, record: int, indexed_hash: str) -> EventEvidence:
    """Return the proof of an event, computed now from archive and log.

    Args:
        ledger: holds the event.
        seq: leaf of the event's batch.
        record: 0-based record of the batch.
        indexed_hash: leaf hash of the record as the index has it, in hex.

    Raises:
        LogError: the log or the archive does not hold what the index says.
    """
    leaf = ledger.get_leaf(seq)
    checkpoint = ledger.find_checkpoint(seq + 1)
    leaf_path = ledger.prove_inclusion(seq, checkpoint.size).path if checkpoint else ()
    header = parse_header(leaf.header)
    payload = ledger.archive.read_payload(leaf.segment, leaf.offset, leaf.length)
    hashes = hash_records(payload, header.fields["kind"])
    if record >= len(hashes):
        raise LogError("not_found", f"batch {seq}: record {record} of {len(hashes)} does not exist")
    raw = _cut_record(payload, header.fields["kind"], record)
    record_path = _build_record_path(hashes, record)
    checks = [
        _compare("record_hash", hashes[record].hex(), indexed_hash),
        _attempt("record_path", lambda: verify_inclusion(
            hashes[record], record, len(hashes), record_path, header.events_root)),
        _compare("leaf_hash", hash_leaf(leaf.header.encode("ascii")).hex(), leaf.leaf_hash.hex()),
        _check_leaf(leaf, leaf_path, checkpoint),
    ]  # fmt: skip
    return EventEvidence(
        leaf=leaf,
        raw=raw[:_SHOWN_BYTES].decode("utf-8", "replace"),
        is_cut=len(raw) > _SHOWN_BYTES,
        record=record,
        records=len(hashes),
        record_hash=hashes[record],
        record_path=tuple(record_path),
        leaf_path=leaf_path,
        checkpoint=checkpoint,
        checks=tuple(checks),
    )


def build_proof_document(evidence: EventEvidence) -> dict[str, Any]:
    """Return the proof for other programs: everything needed to verify it, hashes in base64."""
    return {
        "format": FORMAT,
        "record": {
            "index": evidence.record,
            "records": evidence.records,
            "leaf_hash": _encode(evidence.record_hash),
            "path": [_encode(one) for one in evidence.record_path],
        },
        "leaf": {
            "index": evidence.leaf.seq,
            "header": evidence.leaf.header,
            "path": [_encode(one) for one in evidence.leaf_path],
        },
        "checkpoint": evidence.checkpoint.note if evidence.checkpoint else None,
    }


def _cut_record(payload: bytes, kind: str, record: int) -> bytes:
    """Return the bytes of one record of a payload."""
    return payload if kind == "blob" else payload.split(_LINE_END)[record]


def _build_record_path(hashes: Sequence[bytes], record: int) -> list[bytes]:
    """Return the path from a record to the root over all records of its batch."""

    def get_node(name: tuple[int, int]) -> bytes:
        level, position = name
        return build_root(hashes[position << level : (position + 1) << level])

    return build_inclusion_path(record, len(hashes), get_node)


def _check_leaf(leaf: Leaf, path: Sequence[bytes], checkpoint: Checkpoint | None) -> ProofCheck:
    """Return the last step: the leaf is under the root of a signed checkpoint."""
    if checkpoint is None:
        return ProofCheck("leaf_path", NOT_DONE)
    return _attempt(
        "leaf_path",
        lambda: verify_inclusion(leaf.leaf_hash, leaf.seq, checkpoint.size, path, checkpoint.root_hash),
    )


def _compare(name: str, calculated: str, expected: str) -> ProofCheck:
    """Return whether two values are equal, naming both when they differ."""
    if calculated == expected:
        return ProofCheck(name, PASS, calculated)
    return ProofCheck(name, FAIL, f"expected {expected or 'a hash'}, calculated {calculated}")


def _attempt(name: str, verify: Callable[[], None]) -> ProofCheck:
    """Return whether ``verify`` accepts."""
    try:
        verify()
    except LogError as err:
        return ProofCheck(name, FAIL, err.message)
    return ProofCheck(name, PASS)


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")

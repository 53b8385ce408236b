"""The checklist over a log and its archive: re-hashes every byte, trusts no stored hash.

Rules: stored hashes are never compared with stored hashes; continuity is proved by index, not by listing files; the key
comes from the trust file, never from the evidence. Order of steps as numbered in :mod:`auditsvc.ledger.verify.step`;
a step whose prerequisites could not be established is *not done*.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from auditsvc.ground.errors import AuditError, LogError
from auditsvc.ledger.format.frame import MAX_PAYLOAD_BYTES, read_frame
from auditsvc.ledger.format.header import NONE, Header, list_objects, parse_header
from auditsvc.ledger.format.note import (
    Checkpoint,
    cut_rest,
    is_unfinished,
    parse_checkpoint,
    split_notes,
    verify_checkpoint,
)
from auditsvc.ledger.format.tree import CompactRange, Node, build_root, hash_leaf, hash_records
from auditsvc.ledger.verify.bundle import BundleEvidence
from auditsvc.ledger.verify.evidence import FINGERPRINT_BYTES, ArchiveEvidence, Evidence
from auditsvc.ledger.verify.step import Step, failed, not_done, passed
from auditsvc.ledger.verify.trust import LogTrust

INSERTED_BYTES = 1024 * 1024
"""A frame may exceed its accepted size by this much (and by as much again) and is still read, to report an insertion."""
MAX_FINDINGS = 100
"""Contradictions listed for one step; a rewritten log contradicts everywhere."""


@dataclass(frozen=True, slots=True)
class LoggedHeader:
    """A header with the exact text it was read from."""

    header: Header
    text: str


def verify_bundle(path: Path, trust: LogTrust) -> list[Step]:
    """Return the checklist of a period bundle, steps 1 to 8.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        evidence = BundleEvidence(path)
    except LogError as err:
        return [failed(1, "BUNDLE_ALTERED", path.name, err.message), *_skip(2, 8, "the bundle is not whole")]
    with evidence:
        entries, broken = _read_entries(evidence, trust.origin)
        if broken:
            unknown = not_done(1, "NOT_DONE", "the entries, which say what members there are, cannot be read")
            return [unknown, *broken, *_skip(3, 8, "the entries of the log cannot be read")]
        return [*_check_members(path.name, evidence, entries, trust), *_check_entries(evidence, entries, trust)]


def verify_archive(database: Path, archive: Path, checkpoints: Path, trust: LogTrust) -> list[Step]:
    """Return the checklist of a live archive with a SQLite database, steps 2 to 9.

    Raises:
        LogError: ``not_found`` when the database is missing.
    """
    try:
        evidence = ArchiveEvidence(database, archive, checkpoints)
    except LogError as err:
        if err.code == "not_found":
            raise
        return [_unread(2, "", err), *_skip(3, 9, "the entries of the log cannot be read")]
    with evidence:
        entries, broken = _read_entries(evidence, trust.origin)
        if broken:
            return [*broken, *_skip(3, 9, "the entries of the log cannot be read")]
        return [*_check_entries(evidence, entries, trust), *_check_database(evidence)]


def _unread(number: int, where: str, err: LogError, missing: str = "FILE_MISSING", other: str = "FILE_CORRUPT") -> Step:
    """Return the result of a step whose evidence cannot be read: *not done* if the medium is unavailable, else a failure."""
    match err.code:
        case "storage_unavailable":
            return not_done(number, "DATABASE_UNREADABLE", err.message, where)
        case "log_damaged":
            return failed(number, "DATABASE_DAMAGED", where, err.message)
        case "not_found":
            return failed(number, missing, where, err.message)
        case _:
            return failed(number, other, where, err.message)


def _skip(first: int, last: int, reason: str) -> list[Step]:
    """Return the steps as *not done*."""
    return [not_done(number, "NOT_DONE", reason) for number in range(first, last + 1)]


def _check_members(name: str, evidence: BundleEvidence, entries: Sequence[LoggedHeader], trust: LogTrust) -> list[Step]:
    """Return step 1: the bundle's members are those its entries require."""
    findings = [
        failed(1, "BUNDLE_ALTERED", member[:120], message)
        for member, message in evidence.check_members([entry.header for entry in entries], trust.origin)
    ]
    detail = f"`{name}`: records of leaves [{evidence.first}, {evidence.last}), headers of {evidence.size}"
    return _one_or(passed(1, detail), findings)


def _check_entries(evidence: Evidence, entries: Sequence[LoggedHeader], trust: LogTrust) -> list[Step]:
    """Return steps 2 to 8, after the entries have been read."""
    steps = [passed(2, f"{len(entries)} entries, indexes 0 to {len(entries) - 1}" if entries else "no entries")]
    checkpoints, signed = _read_checkpoints(evidence, trust)
    steps += signed
    steps += _check_roots(entries, checkpoints)
    steps += _check_order(checkpoints, entries, trust, live=evidence.live)
    steps += _one_or(passed(6, "accepted times and source sequences are unbroken"), list(_check_chains(entries)))
    steps += _check_frames(evidence, entries)
    steps += _check_objects(evidence, entries)
    return steps


def _one_or(fine: Step, findings: Sequence[Step]) -> list[Step]:
    """Return the findings, at most :data:`MAX_FINDINGS`, or ``fine`` when there are none."""
    if len(findings) <= MAX_FINDINGS:
        return list(findings) or [fine]
    rest = len(findings) - MAX_FINDINGS
    more = failed(findings[0].number, findings[0].code, "", f"and {rest} more contradictions of this step")
    return [*findings[:MAX_FINDINGS], more]


def _read_entries(evidence: Evidence, origin: str) -> tuple[list[LoggedHeader], list[Step]]:
    """Return the entries, or what is wrong with the first bad one: later ones cannot be assigned an index."""
    entries: list[LoggedHeader] = []
    try:
        texts = list(evidence.headers())
    except LogError as err:
        return [], [_unread(2, "", err, "BUNDLE_ALTERED", "BUNDLE_ALTERED")]
    for seq, text in enumerate(texts):
        try:
            header = parse_header(text)
        except LogError as err:
            return [], [failed(2, "HEADER_INVALID", f"#{seq}", err.message)]
        if header.origin != origin:
            return [], [failed(2, "ORIGIN_MISMATCH", f"#{seq}", f"expected log `{origin}`, got `{header.origin}`")]
        if header.seq != seq:
            return [], [failed(2, "SEQ_GAP", f"#{seq}", f"expected seq {seq}, got {header.seq}")]
        entries.append(LoggedHeader(header, text))
    if len(entries) < evidence.last:
        message = f"the log has {len(entries)} entries, the period reaches {evidence.last}"
        return [], [failed(2, "TRUNCATED", f"#{len(entries)}", message)]
    return entries, []


def _read_checkpoints(evidence: Evidence, trust: LogTrust) -> tuple[list[Checkpoint], list[Step]]:
    """Return the checkpoints whose signature verifies, and step 3."""
    try:
        text = evidence.notes()
    except LogError as err:
        return [], [not_done(3, "CP_MISSING", err.message)]
    try:
        notes, rest = split_notes(text), cut_rest(text)
    except AuditError as err:
        return [], [failed(3, "CP_INVALID", "", err.message)]
    good, findings = [], _check_rest(rest, f"behind checkpoint {len(notes) - 1}" if notes else "", trust)
    for number, note in enumerate(notes):
        try:
            good.append(verify_checkpoint(note, trust.key))
        except AuditError as err:
            code = "CP_SIG_INVALID" if err.code == "signature_invalid" else "CP_INVALID"
            findings.append(failed(3, code, f"checkpoint {number} ({_describe(note)})", err.message))
    if not notes:
        return [], [*findings, not_done(3, "CP_MISSING", "there is no checkpoint: nothing says what the log was")]
    return good, _one_or(passed(3, f"{len(good)} checkpoints by `{trust.origin}+{trust.key.key_id.hex()}`"), findings)


def _check_rest(rest: str, where: str, trust: LogTrust) -> list[Step]:
    """Return what is wrong with what follows the last whole note; a crash while signing is not tampering."""
    if not rest:
        return []
    if is_unfinished(rest, trust.origin):
        message = "a checkpoint whose writing was cut off, as by a crash; the service drops it when it signs next"
        return [not_done(3, "CP_UNFINISHED", message, where)]
    return [failed(3, "CP_FOREIGN", where, f"{len(rest)} characters that are no checkpoint, from {rest[:40]!r} on")]


def _describe(note: str) -> str:
    """Return what a note claims, for display; the note is untrusted."""
    try:
        return f"size {parse_checkpoint(note).size}"
    except LogError:
        return "not a checkpoint"


def _check_roots(entries: Sequence[LoggedHeader], checkpoints: Sequence[Checkpoint]) -> list[Step]:
    """Return step 4: the re-hashed entries yield each checkpoint's root."""
    if not checkpoints:
        return [not_done(4, "CP_MISSING", "there is no checkpoint with a valid signature")]
    by_size: dict[int, list[Checkpoint]] = {}
    for item in checkpoints:
        by_size.setdefault(item.size, []).append(item)
    tree, findings = CompactRange(), []
    for entry in entries:
        tree.append(hash_leaf(entry.text.encode("ascii")))
        for item in by_size.pop(tree.size, ()):
            if item.root_hash != tree.root_hash():
                message = f"signed root `{item.root_hash.hex()}`, calculated `{tree.root_hash().hex()}`"
                findings.append(failed(4, "ROOT_MISMATCH", f"checkpoint of size {item.size}", message))
    findings += [
        failed(4, "TRUNCATED", f"#{len(entries)}", f"{len(entries)} entries, a checkpoint was signed over {size}")
        for size in sorted(by_size)
        if size > len(entries)
    ]
    reached = max(item.size for item in checkpoints)
    if not findings and reached < len(entries):
        message = f"{len(entries) - reached} entries after the last checkpoint, of size {reached}, are not signed yet"
        return [not_done(4, "UNCHECKPOINTED", message, f"#{reached}")]
    return _one_or(passed(4, f"root hashes of {len(checkpoints)} checkpoints, the last over {reached}"), findings)


def _check_order(
    checkpoints: Sequence[Checkpoint], entries: Sequence[LoggedHeader], trust: LogTrust, *, live: bool
) -> list[Step]:
    """Return step 5: sizes grow, one root per size, and the pinned checkpoint is among the log's states."""
    findings: list[Step] = []
    roots: dict[int, bytes] = {}
    reached = 0
    for item in checkpoints:
        where = f"checkpoint of size {item.size}"
        if roots.setdefault(item.size, item.root_hash) != item.root_hash:
            findings.append(failed(5, "FORK", where, "two signed root hashes for one size"))
        elif item.size < reached:
            findings.append(failed(5, "ROLLBACK", where, f"follows a checkpoint of size {reached}"))
        reached = max(reached, item.size)
    if trust.pinned is not None:
        findings += _check_pinned(trust.pinned, entries, live=live)
    if not checkpoints and not findings:
        return [not_done(5, "CP_MISSING", "there is no checkpoint with a valid signature")]
    detail = f"{len(checkpoints)} checkpoints" + (
        f", pinned at {trust.pinned.size}" if trust.pinned else ", none pinned"
    )
    return _one_or(passed(5, detail), findings)


def _check_pinned(pinned: Checkpoint, entries: Sequence[LoggedHeader], *, live: bool) -> list[Step]:
    """Return contradictions to the pinned checkpoint; evidence exported before it was signed may be shorter."""
    if pinned.size > len(entries):
        message = f"{len(entries)} entries, the pinned checkpoint has {pinned.size}"
        if live:
            return [failed(5, "TRUNCATED", f"#{len(entries)}", message)]
        return [not_done(5, "PINNED_LATER", f"{message}; compare with one seen before this was made")]
    root = build_root([hash_leaf(entry.text.encode("ascii")) for entry in entries[: pinned.size]])
    if root == pinned.root_hash:
        return []
    where = f"pinned checkpoint of size {pinned.size}"
    return [failed(5, "FORK", where, "the history differs from the pinned checkpoint")]


def _check_chains(entries: Sequence[LoggedHeader]) -> Iterator[Step]:
    """Yield the contradictions of step 6."""
    accepted = ""
    sources: dict[str, tuple[int, str]] = {}
    batches: set[str] = set()
    for entry in entries:
        fields, where = entry.header.fields, f"#{entry.header.seq}"
        if fields["accepted"] < accepted:
            yield failed(6, "TIME_REVERSED", where, f"accepted {fields['accepted']} after {accepted}")
        accepted = max(accepted, fields["accepted"])
        if entry.header.kind != "batch":
            continue
        if fields["batch-id"] in batches:
            yield failed(6, "DUPLICATE_BATCH", where, f"duplicate batch-id `{fields['batch-id']}`")
        batches.add(fields["batch-id"])
        source_seq, previous = sources.get(fields["source"], (-1, NONE))
        if int(fields["source-seq"]) != source_seq + 1 or fields["prev"] != previous:
            message = f"source `{fields['source']}`: expected source-seq {source_seq + 1} after `{previous[:16]}`, "
            yield failed(6, "SOURCE_GAP", where, f"{message}got {fields['source-seq']} after `{fields['prev'][:16]}`")
        digest = hashlib.sha256(entry.text.encode("ascii")).hexdigest()
        sources[fields["source"]] = (int(fields["source-seq"]), digest)


def _check_frames(evidence: Evidence, entries: Sequence[LoggedHeader]) -> list[Step]:
    """Return step 7: every record of the period, re-hashed."""
    findings: list[Step] = []
    batches = records = 0
    for entry in entries[evidence.first : evidence.last]:
        if entry.header.kind != "batch":
            continue
        batches += 1
        records += int(entry.header.fields["records"])
        findings += _check_frame(evidence, entry.header)
    return _one_or(passed(7, f"{records} records in {batches} batches"), findings)


def _check_frame(evidence: Evidence, header: Header) -> list[Step]:
    """Return the findings on one batch; none when its records are the accepted ones."""
    where = f"#{header.seq}"
    try:
        stated = evidence.fingerprints(header)
        limit = min(int(header.fields["raw-bytes"]) * 2 + INSERTED_BYTES, MAX_PAYLOAD_BYTES)
        payload = read_frame(evidence.frame(header), limit)
    except LogError as err:
        return [_unread(7, where, err)]
    try:
        hashes = hash_records(payload, header.fields["kind"])
    except LogError as err:
        return [failed(7, "FILE_ALTERED", where, err.message)]
    found = [value[:FINGERPRINT_BYTES] for value in hashes]
    digest = hashlib.sha256(payload).hexdigest()
    expected = int(header.fields["records"])
    intact = build_root(hashes) == header.events_root and len(hashes) == expected
    if intact and digest == header.fields["raw-sha256"]:
        if stated == b"".join(found):
            return []
        return [failed(7, "FINGERPRINTS_ALTERED", where, "the records are intact, the index of their hashes is not")]
    known = [stated[at : at + FINGERPRINT_BYTES] for at in range(0, len(stated), FINGERPRINT_BYTES)]
    if len(known) != expected or known == found:
        return [failed(7, "FILE_ALTERED", where, f"{len(hashes)} records found, {expected} accepted")]
    return _name_records(where, known, found)


def _name_records(where: str, known: Sequence[bytes], found: Sequence[bytes]) -> list[Step]:
    """Return one finding that names the records that differ, identified by their fingerprints."""
    counts = f"{len(found)} records found, {len(known)} accepted"
    differing = [number for number, (old, new) in enumerate(zip(known, found, strict=False)) if old != new]
    first = differing[0] if differing else min(len(known), len(found))
    place = f"{where} record {first}"
    if len(found) < len(known):
        return [failed(7, "EVENT_DELETED", place, f"{counts}; the first difference is at record {first}")]
    if len(found) > len(known):
        return [failed(7, "EVENT_INSERTED", place, f"{counts}; the first difference is at record {first}")]
    listed = ", ".join(str(number) for number in differing[:20])
    if Counter(known) == Counter(found):
        return [failed(7, "EVENT_REORDERED", place, f"{counts}; records {listed} changed places")]
    return [failed(7, "EVENT_ALTERED", place, f"{counts}; records {listed} are not the accepted ones")]


def _check_objects(evidence: Evidence, entries: Sequence[LoggedHeader]) -> list[Step]:
    """Return step 8: the objects in force in the period have the digests stated in their leaves."""
    objects = list_objects([entry.header for entry in entries], evidence.first, evidence.last)
    findings = [step for digest, seq in objects.items() for step in _check_object(evidence, digest, f"#{seq}")]
    return _one_or(passed(8, f"{len(objects)} objects"), findings)


def _check_object(evidence: Evidence, digest: str, where: str) -> list[Step]:
    """Return the findings on one object; none when its content matches its digest."""
    try:
        data = read_frame(evidence.object_frame(digest))
    except LogError as err:
        return [_unread(8, where, err, "OBJECT_MISSING", "OBJECT_ALTERED")]
    if hashlib.sha256(data).hexdigest() != digest:
        return [failed(8, "OBJECT_ALTERED", where, f"object `{digest}` holds other bytes than its name says")]
    return []


def _check_database(evidence: ArchiveEvidence) -> list[Step]:
    """Return step 9: the database's leaves, batches, nodes and head agree with the headers."""
    try:
        return _compare_database(evidence)
    except LogError as err:
        return [_unread(9, "", err)]


def _compare_database(evidence: ArchiveEvidence) -> list[Step]:
    """Return step 9; raises if the database cannot be read."""
    findings: list[Step] = []
    tree, nodes = CompactRange(), dict[tuple[int, int], bytes]()
    for seq, kind, header, stored in evidence.rows(
        "leaf", "SELECT seq, kind, header, leaf_hash FROM leaf ORDER BY seq"
    ):
        where, leaf_hash = f"#{tree.size}", hash_leaf(header.encode())
        if leaf_hash != stored:
            findings.append(failed(9, "LEAF_ALTERED", where, "the stored leaf hash is not that of the entry"))
        if seq != tree.size or kind != _cut_kind(header):
            findings.append(failed(9, "LEAF_ALTERED", where, f"stored as leaf {seq} of kind `{str(kind)[:40]}`"))
        nodes.update({(node.level, node.position): node.hash for node in tree.append(leaf_hash)})
    findings += _compare_batches(evidence)
    stored_nodes = evidence.rows("node", "SELECT level, position, hash FROM node ORDER BY level, position")
    findings += _compare_nodes(nodes, [Node(*row) for row in stored_nodes])
    heads = list(evidence.rows("head", "SELECT size, frontier FROM head"))
    if heads != [(tree.size, b"".join(tree.frontier))]:
        message = f"head of size {heads[0][0] if heads else 'none'}, the entries give {tree.size}"
        findings.append(failed(9, "HEAD_ALTERED", "", message))
    return _one_or(passed(9, f"{tree.size} leaves, {len(nodes)} nodes and the head"), findings)


def _cut_kind(header: str) -> str:
    """Return the kind stated in the first line of a parsed header."""
    return header.partition("\n")[0].split("/")[-2]


def _compare_batches(evidence: ArchiveEvidence) -> Iterator[Step]:
    """Yield the rows of batches that differ from their entries; a missing row is reported by step 7."""
    query = (
        "SELECT batch.seq, leaf.header, batch_id, source, source_seq, records "
        "FROM batch LEFT JOIN leaf ON leaf.seq = batch.seq ORDER BY batch.seq"
    )
    for seq, text, *stored in evidence.rows("batch", query):
        header = None if text is None else parse_header(text)
        if header is None or header.kind != "batch":
            yield failed(9, "BATCH_ALTERED", f"#{seq}", "there is no such batch in the log")
            continue
        fields = header.fields
        if stored != [fields["batch-id"], fields["source"], int(fields["source-seq"]), int(fields["records"])]:
            yield failed(9, "BATCH_ALTERED", f"#{seq}", f"stored as {str(stored)[:200]}")


def _compare_nodes(nodes: dict[tuple[int, int], bytes], stored: Sequence[Node]) -> Iterator[Step]:
    """Yield the stored nodes that are wrong, superfluous or missing."""
    left = dict(nodes)
    for node in stored:
        if left.pop((node.level, node.position), None) != node.hash:
            where = f"node {node.position} of level {node.level}"
            yield failed(9, "NODE_ALTERED", where, "the stored hash is not that of its leaves")
    for level, position in left:
        yield failed(9, "NODE_MISSING", f"node {position} of level {level}", "is not stored")

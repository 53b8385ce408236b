"""Steps that compare a report with the log in its bundle: entry, checkpoint, totals, violations, and the records."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auditsvc.ground.errors import AuditError, LogError
from auditsvc.ledger.format.header import Header, parse_header
from auditsvc.ledger.format.note import Checkpoint
from auditsvc.ledger.format.tree import build_root, hash_leaf
from auditsvc.ledger.verify import verify_bundle
from auditsvc.ledger.verify.bundle import BundleEvidence
from auditsvc.ledger.verify.step import Step
from auditsvc.ledger.verify.trust import LogTrust
from auditsvc.reports.evidence import count_log, describe_log
from auditsvc.reports.verify.step import failed, not_done, passed, place_bundle_step

LOG_STEPS = (9, 10, 11, 12, 13)


def check_bundle(path: Path, trust: LogTrust) -> list[Step]:
    """Return the bundle's own checklist, numbered after the report's."""
    return [place_bundle_step(step) for step in verify_bundle(path, trust)]


def skip_log(code: str, detail: str) -> list[Step]:
    """Return the steps that compare with the log, as not done."""
    return [not_done(number, code, detail) for number in LOG_STEPS]


def check_against_log(path: Path, data: bytes, report: Mapping[str, Any], checkpoint: Checkpoint | None) -> list[Step]:
    """Return steps 9 to 13.

    Args:
        path: the bundle; its own integrity is checked by :func:`check_bundle`.
        data: the bytes of ``report.json``; ``report`` is its content.
        checkpoint: the report's own, its signature verified; None when that failed.
    """
    try:
        with BundleEvidence(path) as evidence:
            texts = list(evidence.headers())
            held = range(evidence.first, evidence.last)
        headers = [parse_header(text) for text in texts]
    except (AuditError, OSError) as err:
        return skip_log("BUNDLE_UNREADABLE", f"the bundle's entries cannot be read: {err}")
    return [
        _check_entry(headers, data, report),
        _check_root(texts, checkpoint),
        _check_totals(texts, report),
        _check_findings(headers, report),
        _check_range(headers, report, held),
    ]


def _check_entry(headers: Sequence[Header], data: bytes, report: Mapping[str, Any]) -> Step:
    """Return step 9: the log has a leaf with this report's id and digest."""
    digest = hashlib.sha256(data).hexdigest()
    own = [header for header in headers if header.kind == "report" and header.fields["report-id"] == report.get("id")]
    if not own:
        return failed(9, "REPORT_NOT_LOGGED", "", f"the log has no entry of report `{str(report.get('id'))[:64]}`")
    wrong = next((header for header in own if header.fields["sha256"] != digest), None)
    if wrong is not None:
        detail = f"the log says `{wrong.fields['sha256']}`, report.json hashes to `{digest}`"
        return failed(9, "REPORT_MISMATCH", f"#{wrong.seq}", detail)
    return passed(9, f"entry #{own[0].seq}, accepted {own[0].fields['accepted']}")


def _check_root(texts: Sequence[str], checkpoint: Checkpoint | None) -> Step:
    """Return step 10: the root hash computed from the headers is that of the report's checkpoint."""
    if checkpoint is None:
        return not_done(10, "CP_MISSING", "the report has no checkpoint whose signature holds")
    if checkpoint.size > len(texts):
        return failed(
            10, "TRUNCATED", "", f"the bundle has {len(texts)} entries, the report's checkpoint {checkpoint.size}"
        )
    root = build_root([hash_leaf(text.encode("ascii")) for text in texts[: checkpoint.size]])
    if root != checkpoint.root_hash:
        detail = f"signed root `{checkpoint.root_hash.hex()}`, calculated `{root.hex()}`"
        return failed(10, "ROOT_MISMATCH", f"size {checkpoint.size}", detail)
    return passed(10, f"{checkpoint.size} entries under root `{root.hex()}`")


def _check_totals(texts: Sequence[str], report: Mapping[str, Any]) -> Step:
    """Return step 11: the totals counted from the headers equal the report's."""
    stated = report.get("log")
    try:
        size = int(stated["size"]) if isinstance(stated, Mapping) else -1
        counted = describe_log(count_log(texts, size))
    except (LogError, KeyError, TypeError, ValueError) as err:
        return failed(11, "TOTALS_MISMATCH", "log", f"the report's range cannot be counted: {err}")
    difference = find_difference(stated, counted, "log")
    if difference is not None:
        return failed(11, "TOTALS_MISMATCH", difference, "the report's figure is not the one counted from the entries")
    return passed(11, f"{counted['records']} records of {len(counted['sources'])} sources, policy set and catalogue")


def find_difference(stated: Any, counted: Any, path: str) -> str | None:
    """Return where two documents first differ, with both values, or None."""
    if isinstance(stated, dict) and isinstance(counted, dict):
        for key in sorted({*stated, *counted}):
            found = find_difference(stated.get(key), counted.get(key), f"{path}.{key}")
            if found is not None:
                return found
        return None
    if isinstance(stated, list) and isinstance(counted, list) and len(stated) == len(counted):
        for place, pair in enumerate(zip(stated, counted, strict=True)):
            found = find_difference(*pair, f"{path}[{place}]")
            if found is not None:
                return found
        return None
    same = type(stated) is type(counted) and stated == counted
    return None if same else f"{path}: report {str(stated)[:80]}, counted {str(counted)[:80]}"


def _check_findings(headers: Sequence[Header], report: Mapping[str, Any]) -> Step:
    """Return step 12: every listed violation names a record in a batch of its source, within the report's range."""
    findings = report.get("findings")
    rows = findings.get("rows") if isinstance(findings, Mapping) else None
    if not isinstance(rows, list):
        return failed(12, "REPORT_MALFORMED", "findings", "the report has no list of violations")
    size = report["log"]["size"]
    for place, row in enumerate(rows):
        where = f"findings[{place}]"
        try:
            seq, record, source = int(row["seq"]), int(row["record"]), row["source"]
        except (KeyError, TypeError, ValueError):
            return failed(12, "REPORT_MALFORMED", where, "a violation without its place")
        header = headers[seq] if 0 <= seq < min(size, len(headers)) else None
        if header is None or header.kind != "batch":
            return failed(12, "FINDING_UNFOUNDED", where, f"entry #{seq} is no batch of the report's range")
        if header.fields["source"] != source or not 0 <= record < int(header.fields["records"]):
            detail = f"entry #{seq} is {header.fields['records']} records of `{header.fields['source']}`"
            return failed(12, "FINDING_UNFOUNDED", where, f"record {record} of `{source}`: {detail}")
    return passed(12, f"{len(rows)} violations listed")


def _check_range(headers: Sequence[Header], report: Mapping[str, Any], held: range) -> Step:
    """Return step 13: the bundle holds the records of every batch that the report states it has.

    The range stated by a bundle is not signed; the one stated by the report is. Reports of older versions state no
    range; their bundles must hold everything.
    """
    stated, size = report.get("bundle", {"first_seq": 0}), report["log"]["size"]
    first = stated.get("first_seq") if isinstance(stated, Mapping) else None
    if type(first) is not int or not 0 <= first <= size:
        return failed(13, "REPORT_MALFORMED", "bundle.first_seq", "the report does not say where its bundle begins")
    where = f"the report's events are in leaves [{first}, {size})"
    left_out = [header for header in headers[first:size] if header.kind == "batch" and header.seq not in held]
    if left_out:
        records = sum(int(header.fields["records"]) for header in left_out)
        detail = f"{where}; the bundle leaves out {len(left_out)} of their batches with {records} records"
        return not_done(13, "BUNDLE_SHORT", detail, f"#{left_out[0].seq}")
    return passed(13, f"{where}, the bundle holds the records of [{held.start}, {held.stop})")

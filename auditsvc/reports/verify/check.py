"""The checklist of a report: signatures, equality of its forms, and its place in the log.

Everything works offline, from the files given and the keys trusted beforehand. Low-level checks raise; this module turns
every result into a numbered step.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditsvc.auth.tokens import verify_jws
from auditsvc.ground.errors import AuditError, InputError, SigningError
from auditsvc.ledger.format.note import Checkpoint, verify_checkpoint
from auditsvc.ledger.verify import decide_exit_code, verify_archive
from auditsvc.ledger.verify.step import Step
from auditsvc.reports.document import FORMAT
from auditsvc.reports.render import ATTACHMENT, LANGUAGES, describe_tools, parse_report, render_pdf
from auditsvc.reports.sign import JWS_TYPE
from auditsvc.reports.trust import Trust
from auditsvc.reports.verify.files import DATABASE_FILE, Given, sort_files
from auditsvc.reports.verify.log import check_against_log, check_bundle, skip_log
from auditsvc.reports.verify.pdf import PdfContent, verify_pdf
from auditsvc.reports.verify.step import failed, not_done, passed

_NO_TRUST = "no keys to trust were given; use `--trust FILE`"
_NO_JSON = "there is no report.json to compare with"
_NO_BUNDLE = "no bundle was given; completeness of totals needs it"


@dataclass(frozen=True, slots=True)
class Verification:
    """A finished checklist.

    Attributes:
        steps: in order of their numbers; a step with several results is repeated.
        exit_code: 0 every step passed, 1 one failed, 2 one could not be done.
        report: the content of ``report.json`` when it could be read, to name what was verified.
        not_checked: names of entries of a folder that are of no known kind.
    """

    steps: tuple[Step, ...]
    exit_code: int
    report: Mapping[str, Any] | None
    not_checked: tuple[str, ...] = ()


def verify_files(paths: Sequence[Path], trust: Trust | None, trust_file: Path | None = None) -> Verification:
    """Return the checklist of a report's files, of a bundle alone, or of a data folder.

    Args:
        paths: files, or folders of files.
        trust: keys known beforehand; without them no signature can be checked.
        trust_file: where ``trust`` was read from, to detect that it is among the files.

    Raises:
        InputError: ``not_found`` or ``input_invalid`` when the files cannot be verified.
    """
    given = sort_files(paths)
    steps = [_check_trust(trust, trust_file, given)]
    report: Mapping[str, Any] | None = None
    if given.has_report:
        more, report = _check_report(given, trust)
        steps += more
    if given.bundle is not None and trust is not None:
        steps += check_bundle(given.bundle, trust.log)
    elif given.bundle is not None:
        steps.append(not_done(10, "NO_TRUST", _NO_TRUST, given.bundle.name))
    if given.data_dir is not None and trust is not None:
        steps += _check_data_dir(given.data_dir, trust)
    ordered = tuple(sorted(steps, key=lambda step: step.number))
    return Verification(ordered, decide_exit_code(ordered), report, tuple(given.unknown))


def _check_trust(trust: Trust | None, trust_file: Path | None, given: Given) -> Step:
    """Return step 1."""
    note = _describe_trust_files(given, trust_file)
    if trust is None:
        return not_done(1, "NO_TRUST", _NO_TRUST + note)
    return passed(1, f"log `{trust.log.origin}`, {len(trust.report_keys)} report key(s), one PDF certificate{note}")


def _describe_trust_files(given: Given, trust_file: Path | None) -> str:
    """Return a remark on trust files among the files that are verified; empty without any."""
    used = [path for path in given.trust_files if trust_file is not None and path.samefile(trust_file)]
    if used:
        return (
            f"; WARNING: `{used[0].name}` came along with the files it is to prove, so whoever made them may have made "
            "it too; get it another way"
        )
    return "; the trust file among the report's own files is not used" if given.trust_files else ""


def _check_data_dir(folder: Path, trust: Trust) -> list[Step]:
    """Return the checklist of a service's own archive."""
    return verify_archive(folder / DATABASE_FILE, folder / "archive", folder / "checkpoints.log", trust.log)


def _check_report(given: Given, trust: Trust | None) -> tuple[list[Step], Mapping[str, Any] | None]:
    """Return steps 2 to 13, and the report's content."""
    signed, payload = _check_jws(given, trust)
    pdf_steps, contents = _check_pdfs(given, trust)
    data = _choose_data(given, payload, contents)
    if data is None:
        missing = [not_done(number, "NO_JSON", _NO_JSON) for number in (2, 4, 6, 7, 8)]
        return [*signed, *pdf_steps, *missing, *skip_log("NO_JSON", _NO_JSON)], None
    form, report = _check_form(data)
    steps = [
        form,
        *signed,
        *pdf_steps,
        _compare_payload(given, payload, data),
        *_compare_attachments(given, contents, data),
    ]
    steps += _compare_pages(given, data, report)
    checked, checkpoint = _check_checkpoint(report, trust)
    steps.append(checked)
    if report is None:
        steps += skip_log("REPORT_MALFORMED", "report.json cannot be read")
    elif given.bundle is None:
        steps += skip_log("NO_BUNDLE", _NO_BUNDLE)
    else:
        steps += check_against_log(given.bundle, data, report, checkpoint)
    return steps, report


def _check_jws(given: Given, trust: Trust | None) -> tuple[list[Step], bytes | None]:
    """Return step 3, and the payload when the signature holds."""
    if given.jws is None:
        return [not_done(3, "NO_JWS", "report.jws was not given")], None
    name, data = given.jws
    if trust is None:
        return [not_done(3, "NO_TRUST", _NO_TRUST, name)], None
    try:
        payload = verify_jws(data.decode("ascii"), trust.report_keys, JWS_TYPE)
    except (SigningError, UnicodeDecodeError) as err:
        return [failed(3, "JWS_INVALID", name, str(err))], None
    return [passed(3, f"{len(payload)} bytes signed", name)], payload


def _check_pdfs(given: Given, trust: Trust | None) -> tuple[list[Step], dict[str, PdfContent]]:
    """Return step 5 of every PDF, and the content of those that passed."""
    if not given.pdfs:
        return [not_done(5, "NO_PDF", "no PDF was given")], {}
    if trust is None:
        return [not_done(5, "NO_TRUST", _NO_TRUST, name) for name, _ in given.pdfs], {}
    steps, contents = [], {}
    for name, data in given.pdfs:
        try:
            contents[name] = verify_pdf(data, trust.pdf_cert_sha256)
            steps.append(passed(5, "certified, no changes, the whole file", name))
        except SigningError as err:
            steps.append(failed(5, str(err.context["reason"]), name, err.message))
    return steps, contents


def _choose_data(given: Given, payload: bytes | None, contents: Mapping[str, PdfContent]) -> bytes | None:
    """Return the bytes everything is compared with: the JSON given, else the signed payload."""
    if given.json is not None:
        return given.json[1]
    if payload is not None:
        return payload
    for content in contents.values():
        for name, data in content.attachments:
            if name == ATTACHMENT:
                return data
    return None


def _check_form(data: bytes) -> tuple[Step, Mapping[str, Any] | None]:
    """Return step 2 and the content."""
    try:
        report = parse_report(data)
    except (
        InputError,
        UnicodeError,
        RecursionError,
    ) as err:  # no canonical form: a lone surrogate in a key, or too deeply nested
        return failed(2, "JSON_INVALID", ATTACHMENT, str(err)), None
    log = report.get("log")
    if report.get("format") != FORMAT or not isinstance(log, dict) or not _is_count(log.get("size")):
        return failed(2, "REPORT_MALFORMED", ATTACHMENT, f"expected format `{FORMAT}` with a range of the log"), None
    return passed(2, f"SHA-256 `{hashlib.sha256(data).hexdigest()}`", ATTACHMENT), report


def _is_count(value: object) -> bool:
    """Return whether a value of the report is a non-negative integer."""
    return type(value) is int and value >= 0


def _compare_payload(given: Given, payload: bytes | None, data: bytes) -> Step:
    """Return step 4."""
    if payload is None:
        return not_done(4, "NO_JWS", "there is no signed payload to compare with")
    if given.json is None:
        return not_done(4, "NO_JSON", "report.json was not given apart from report.jws")
    if payload != data:
        return failed(4, "REPORT_MISMATCH", ATTACHMENT, _describe_difference(payload, data, "the signed payload"))
    return passed(4, f"{len(data)} bytes")


def _compare_attachments(given: Given, contents: Mapping[str, PdfContent], data: bytes) -> list[Step]:
    """Return step 6 of every PDF."""
    if not given.pdfs:
        return [not_done(6, "NO_PDF", "no PDF was given")]
    steps = []
    for name, _ in given.pdfs:
        content = contents.get(name)
        if content is None:
            steps.append(not_done(6, "PDF_NOT_VERIFIED", "the PDF's signature does not hold", name))
        elif [file for file, _ in content.attachments] != [ATTACHMENT]:
            listed = ", ".join(file[:40] for file, _ in content.attachments) or "none"
            steps.append(failed(6, "PDF_ATTACHMENT", name, f"expected one attachment `{ATTACHMENT}`, got {listed}"))
        elif content.attachments[0][1] != data:
            detail = _describe_difference(content.attachments[0][1], data, "the attachment")
            steps.append(failed(6, "REPORT_MISMATCH", name, detail))
        else:
            steps.append(passed(6, f"{len(data)} bytes", name))
    return steps


def _describe_difference(expected: bytes, found: bytes, what: str) -> str:
    """Return where two texts first differ, with a few characters of each."""
    place = next((at for at, pair in enumerate(zip(expected, found, strict=False)) if pair[0] != pair[1]), None)
    if place is None:
        return f"{what} has {len(expected)} bytes, report.json {len(found)}"
    before = max(0, place - 30)
    there, here = (text[before : place + 20].decode("utf-8", "replace") for text in (expected, found))
    return f"differ at byte {place}: {what} has `…{there}…`, report.json `…{here}…`"


def _compare_pages(given: Given, data: bytes, report: Mapping[str, Any] | None) -> list[Step]:
    """Return step 7 of every PDF: rendering report.json again yields its unsigned bytes."""
    if not given.pdfs:
        return [not_done(7, "NO_PDF", "no PDF was given")]
    if report is None:
        return [not_done(7, "REPORT_MALFORMED", "report.json cannot be read", name) for name, _ in given.pdfs]
    try:
        tools = describe_tools()
    except AuditError as err:
        return [not_done(7, "TOOLS_MISSING", err.message, name) for name, _ in given.pdfs]
    stated = report.get("tools")
    other = sorted(key for key in tools if not isinstance(stated, dict) or stated.get(key) != tools[key])
    if other:
        detail = f"made with other versions of {', '.join(other)} than are installed here; use those to compare pages"
        return [not_done(7, "TOOLS_DIFFER", detail, name) for name, _ in given.pdfs]
    render = _layouts(data)
    return [_compare_layout(name, pdf, render) for name, pdf in given.pdfs]


def _layouts(data: bytes) -> Callable[[str], bytes]:
    """Return a function that renders ``data`` in a language, at most once for each."""
    made: dict[str, bytes] = {}

    def render(language: str) -> bytes:
        if language not in made:
            made[language] = render_pdf(data, language)
        return made[language]

    return render


def _compare_layout(name: str, pdf: bytes, render: Callable[[str], bytes]) -> Step:
    """Return step 7 of one PDF: it begins with the rendering in one of the languages."""
    try:
        for language in LANGUAGES:
            if pdf.startswith(render(language)):
                return passed(7, f"laid out again in `{language}`: the same bytes", name)
    except AuditError as err:
        return failed(7, "PDF_PAGES", name, f"report.json cannot be laid out: {err.message}")
    return failed(7, "PDF_PAGES", name, "report.json, laid out again, gives other pages in every language")


def _check_checkpoint(report: Mapping[str, Any] | None, trust: Trust | None) -> tuple[Step, Checkpoint | None]:
    """Return step 8 and the report's checkpoint, when its signature holds."""
    if report is None:
        return not_done(8, "REPORT_MALFORMED", "report.json cannot be read"), None
    if trust is None:
        return not_done(8, "NO_TRUST", _NO_TRUST), None
    try:
        checkpoint = verify_checkpoint(str(report.get("checkpoint")), trust.log.key)
    except SigningError as err:
        return failed(8, "CP_SIG_INVALID", "checkpoint", err.message), None
    except AuditError as err:
        return failed(8, "CP_INVALID", "checkpoint", err.message), None
    if report.get("origin") != checkpoint.origin or checkpoint.size < report["log"]["size"]:
        detail = f"of log `{checkpoint.origin}`, {checkpoint.size} entries; the report has {report['log']['size']}"
        return failed(8, "CP_INVALID", "checkpoint", detail), None
    return passed(8, f"{checkpoint.size} entries of `{checkpoint.origin}`"), checkpoint

"""Whatever is changed in a report's files, ``auditsvc verify`` says so, and names what and where."""

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from pyhanko.pdf_utils import embed, generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from auditsvc.auth.tokens import P256_ORDER
from auditsvc.ledger.format.header import list_objects, parse_header
from auditsvc.ledger.format.tar import END, build_member_header
from auditsvc.ledger.verify.bundle import build_description, name_frame, name_object
from auditsvc.ledger.verify.evidence import FINGERPRINT_BYTES
from auditsvc.reports import render
from auditsvc.reports.keys import load_or_create_report_keys
from auditsvc.reports.render import dump_report, render_pdf
from auditsvc.reports.sign import sign_pdf, sign_report
from auditsvc.reports.verify import Verification, verify_files
from tests.support.engine import NOW
from tests.support.issued import Issued, issue_reports

PDF = "report.en.pdf"


@pytest.fixture(scope="module")
def issued() -> Issued:
    return issue_reports()["compliance"]


def verify_with(issued: Issued, folder: Path, changed: dict[str, bytes | None]) -> Verification:
    """Verify a copy of the report with some files replaced, or left out where None."""
    for path in issued.copy(folder):
        if path.name in changed:
            data = changed[path.name]
            if data is None:
                path.unlink()
            else:
                path.write_bytes(data)
    return verify_files([folder], issued.trust)


def codes(verification: Verification) -> set[tuple[int, str, str]]:
    return {(step.number, step.code, step.where) for step in verification.steps if step.state == "fail"}


def test_an_untouched_report_verifies_in_every_step(issued: Issued, tmp_path: Path) -> None:
    verification = verify_with(issued, tmp_path, {})
    assert [step for step in verification.steps if step.state != "pass"] == []
    assert {step.number for step in verification.steps} == set(range(1, 22))
    assert verification.exit_code == 0


def test_a_project_report_verifies_too(tmp_path: Path) -> None:
    assert verify_with(issue_reports()["project"], tmp_path, {}).exit_code == 0


def test_one_figure_changed_in_the_json_is_named(issued: Issued, tmp_path: Path) -> None:
    content = json.loads(issued.read("report.json"))
    content["summary"]["violations"] += 1
    verification = verify_with(issued, tmp_path, {"report.json": dump_report(content)})
    assert verification.exit_code == 1
    assert {number for number, _, _ in codes(verification)} == {4, 6, 7, 9}
    detail = next(step.detail for step in verification.steps if step.number == 4)
    assert "violations" in detail


def test_json_spelled_in_another_way_is_refused(issued: Issued, tmp_path: Path) -> None:
    spelled = json.dumps(json.loads(issued.read("report.json")), ensure_ascii=False).encode()
    assert (2, "JSON_INVALID", "report.json") in codes(verify_with(issued, tmp_path, {"report.json": spelled}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[1]",
        b"[" * 200_000,
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b'{"\\ud800":1}',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
)
def test_whatever_stands_in_the_json_the_checklist_goes_on(data: bytes, issued: Issued, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(data)
    assert codes(verify_files([tmp_path], issued.trust)) == {(2, "JSON_INVALID", "report.json")}


def test_a_key_that_stands_twice_in_the_json_is_refused(issued: Issued, tmp_path: Path) -> None:
    doubled = issued.read("report.json")[:-1] + b',"zz":1,"zz":2}'
    assert (2, "JSON_INVALID", "report.json") in codes(verify_with(issued, tmp_path, {"report.json": doubled}))


def places_of(pdf: bytes) -> list[int]:
    """Return places all over a PDF: head, pages, fonts, attachment, signature object, padding, trailer."""
    start = pdf.rindex(b"/Contents <") + len(b"/Contents <")
    end = pdf.index(b">", start)
    spread = list(range(0, len(pdf), len(pdf) // 40))
    return [0, 5, *spread, start - 1, start, start + 4, start + 700, start + 1500, end - 1, end, end + 3, len(pdf) - 1]


def test_one_byte_changed_anywhere_in_the_pdf_is_tampering(issued: Issued) -> None:
    pdf, folder = issued.read(PDF), issued.world.folder / "flip"
    folder.mkdir(exist_ok=True)
    accepted = []
    for place in places_of(pdf):
        other = b"0" if pdf[place : place + 1] != b"0" else b"1"
        (folder / PDF).write_bytes(pdf[:place] + other + pdf[place + 1 :])
        verification = verify_files([folder / PDF], issued.trust)
        if verification.exit_code != 1:
            accepted.append(place)
    assert accepted == []


def rotate(pdf: bytes) -> bytes:
    """Return the PDF with a page turned in an incremental update."""
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page["/Rotate"] = generic.NumberObject(90)
    writer.update_container(page)
    return write(writer)


def attach(pdf: bytes) -> bytes:
    """Return the PDF with a second attachment in an incremental update."""
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    stream = embed.EmbeddedFileObject.from_file_data(writer, data=b"{}")
    embed.embed_file(writer, embed.FileSpec(file_spec_string="other.json", embedded_data=stream))
    return write(writer)


def write(writer: IncrementalPdfFileWriter) -> bytes:
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def strip(pdf: bytes) -> bytes:
    """Return the PDF as it was before it was signed."""
    return pdf[: pdf.index(b"%%EOF") + len(b"%%EOF")]


def pad(pdf: bytes) -> bytes:
    """Return the PDF with a byte in the zeros behind the signature."""
    end = pdf.index(b">", pdf.rindex(b"/Contents <"))
    return pdf[: end - 2] + b"01" + pdf[end:]


def lower(pdf: bytes) -> bytes:
    """Return the PDF with the signature in lower-case hex: another spelling of the same."""
    start = pdf.rindex(b"/Contents <")
    end = pdf.index(b">", start)
    return pdf[: start + 11] + pdf[start + 11 : end].lower() + pdf[end:]


def malleate(pdf: bytes) -> bytes:
    """Return the PDF with the other valid signature that anybody can make of its own."""
    start = pdf.rindex(b"/Contents <") + len(b"/Contents <")
    end = pdf.index(b">", start)
    content = cms.ContentInfo.load(bytes.fromhex(pdf[start:end].decode()))
    signer = content["content"]["signer_infos"][0]
    r, s = decode_dss_signature(signer["signature"].native)
    signer["signature"] = encode_dss_signature(r, P256_ORDER - s)
    return pdf[:start] + content.dump(force=True).hex().upper().encode().ljust(end - start, b"0") + pdf[end:]


CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a page rotated in an incremental update": (rotate, "PDF_APPENDED"),
    "an attachment added in an incremental update": (attach, "PDF_APPENDED"),
    "garbage after the end": (lambda pdf: pdf + b"garbage", "PDF_"),
    "a line feed after the end": (lambda pdf: pdf + b"\n", "PDF_APPENDED"),
    "a byte in the padding": (pad, "PDF_CONTENTS"),
    "another spelling of the signature": (lower, "PDF_CONTENTS"),
    "the other form of the signature": (malleate, "PDF_CONTENTS"),
    "the signature stripped": (strip, "PDF_UNSIGNED"),
    "cut in half": (lambda pdf: pdf[: len(pdf) // 2], "PDF_"),
    "empty": (lambda pdf: b"", "PDF_BROKEN"),
    "no PDF at all": (lambda pdf: b"<html></html>", "PDF_BROKEN"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_pdf_is_refused(name: str, issued: Issued, tmp_path: Path) -> None:
    change, code = CHANGES[name]
    verification = verify_with(issued, tmp_path, {PDF: change(issued.read(PDF))})
    assert verification.exit_code == 1
    (found,) = [step for step in verification.steps if step.number == 5 and step.state == "fail"]
    assert found.where == PDF
    assert found.code.startswith(code), found
    neighbour = [step for step in verification.steps if step.where == "report.zh.pdf"]
    assert [step.state for step in neighbour] == ["pass"] * 3


def test_a_pdf_signed_again_under_the_same_name_is_refused(issued: Issued, tmp_path: Path) -> None:
    world = issued.world
    forger = load_or_create_report_keys(tmp_path / "keys", world.clock, world.settings.origin)
    forged = sign_pdf(render_pdf(issued.read("report.json"), "en"), forger, instant=NOW)
    verification = verify_with(issued, tmp_path / "report", {PDF: forged})
    assert codes(verification) == {(5, "PDF_CERT_UNKNOWN", PDF)}


def change_total(issued: Issued) -> bytes:
    content = json.loads(issued.read("report.json"))
    content["log"]["records"] -= 1
    return dump_report(content)


def test_the_pages_of_other_figures_signed_by_the_right_key_do_not_pass(issued: Issued, tmp_path: Path) -> None:
    other = sign_pdf(render_pdf(change_total(issued), "en"), issued.keys, instant=NOW)
    verification = verify_with(issued, tmp_path, {PDF: other})
    assert codes(verification) == {(6, "REPORT_MISMATCH", PDF), (7, "PDF_PAGES", PDF)}


def test_a_report_made_anew_by_the_key_holder_is_not_the_one_in_the_log(issued: Issued, tmp_path: Path) -> None:
    data = change_total(issued)
    files: dict[str, bytes | None] = {"report.json": data, "report.jws": sign_report(data, issued.keys).encode()}
    for language in ("zh", "en"):
        pdf = render_pdf(data, language)
        files[f"report.{language}.pdf"] = sign_pdf(pdf, issued.keys, instant=NOW)
    verification = verify_with(issued, tmp_path, files)
    found = codes(verification)
    assert {number for number, _, _ in found} == {9, 11}
    assert any("log.records: report 11, counted 12" in where for _, _, where in found)


@pytest.fixture
def earlier(tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """The page templates of the version that did not count dead letters, until they are put back."""
    folder = tmp_path / "templates"
    shutil.copytree(render.TEMPLATES, folder)
    for path in (folder / "compliance.typ", folder / "project.typ"):
        path.write_text(path.read_text(encoding="utf-8").replace("dead-letter-line(report.dead_letters, tools)", ""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "TEMPLATES", folder)
        render.describe_tools.cache_clear()
        yield patch
    render.describe_tools.cache_clear()


def test_a_report_from_before_dead_letters_were_counted_verifies_as_one_of_another_version(
    issued: Issued, earlier: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = json.loads(issued.read("report.json"))
    del content["dead_letters"]
    data = dump_report({**content, "tools": render.describe_tools()})
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "report.json").write_bytes(data)
    (folder / "report.jws").write_text(sign_report(data, issued.keys))
    (folder / PDF).write_bytes(sign_pdf(render_pdf(data, "en"), issued.keys, instant=NOW))
    then = {step.number: step.state for step in verify_files([folder], issued.trust).steps if step.number < 9}
    assert set(then.values()) == {"pass"}
    earlier.undo()
    render.describe_tools.cache_clear()
    verification = verify_files([folder], issued.trust)
    now = {step.number: step.state for step in verification.steps if step.number < 9}
    assert now == {**then, 7: "not done"}
    assert "TOOLS_DIFFER" in {step.code for step in verification.steps}
    assert codes(verification) == set()


def test_a_violation_that_points_nowhere_is_unfounded(issued: Issued, tmp_path: Path) -> None:
    for change in ({"record": 10_000}, {"seq": 0}, {"seq": 10_000}, {"source": "another"}, {"record": -1}):
        content = json.loads(issued.read("report.json"))
        content["findings"]["rows"][0].update(change)
        folder = tmp_path / str(change)
        verification = verify_with(issued, folder, {"report.json": dump_report(content)})
        assert (12, "FINDING_UNFOUNDED", "findings[0]") in codes(verification)


def test_the_checkpoint_of_another_log_is_refused(issued: Issued, tmp_path: Path) -> None:
    content = json.loads(issued.read("report.json"))
    content["checkpoint"] = content["checkpoint"].replace("\n5\n", "\n6\n", 1)
    verification = verify_with(issued, tmp_path, {"report.json": dump_report(content)})
    assert (8, "CP_SIG_INVALID", "checkpoint") in codes(verification)


@pytest.mark.parametrize("change", ["flip", "other key", "text"])
def test_a_changed_jws_is_refused(change: str, issued: Issued, tmp_path: Path) -> None:
    token = issued.read("report.jws")
    forger = load_or_create_report_keys(tmp_path / "keys", issued.world.clock, "other")
    changed = {
        "flip": token[:400] + (b"A" if token[400:401] != b"A" else b"B") + token[401:],
        "other key": sign_report(issued.read("report.json"), forger).encode(),
        "text": "§".encode(),
    }[change]
    verification = verify_with(issued, tmp_path / "report", {"report.jws": changed})
    assert codes(verification) == {(3, "JWS_INVALID", "report.jws")}


def test_a_record_changed_in_the_bundle_is_named(issued: Issued, tmp_path: Path) -> None:
    bundle = issued.read("report.bundle.tar")
    place = bundle.index(b"frames/")
    payload = bundle.index(b"\x28\xb5\x2f\xfd", place) + 40
    changed = bundle[:payload] + bytes([bundle[payload] ^ 1]) + bundle[payload + 1 :]
    verification = verify_with(issued, tmp_path, {"report.bundle.tar": changed})
    assert verification.exit_code == 1
    assert any(number == 14 for number, _, _ in codes(verification))


def narrow(bundle: bytes, first: int, last: int) -> bytes:
    """Return a bundle in its right form that says it is of ``[first, last)`` only, as a forger would write it."""
    with tarfile.open(fileobj=BytesIO(bundle)) as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    said = json.loads(found["bundle.json"])
    headers = [parse_header(f"{text}\n") for text in found["headers.txt"].decode().split("\n\n")[:-1]]
    kept, place, fingerprints = set[str](), 0, b""
    for header in headers[said["first"] : said["last"]]:
        if header.kind == "batch":
            end = place + int(header.fields["records"]) * FINGERPRINT_BYTES
            if first <= header.seq < last:
                kept.add(name_frame(header.seq))
                fingerprints += found["fingerprints.bin"][place:end]
            place = end
    kept |= {name_object(digest) for digest in list_objects(headers, first, last)}
    found["bundle.json"] = build_description(said["origin"], first=first, last=last, size=said["size"])
    found["fingerprints.bin"] = fingerprints
    members = {name: data for name, data in found.items() if name != "MANIFEST" and ("/" not in name or name in kept)}
    lines = "".join(f"{hashlib.sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in members.items())
    out = b""
    for name, data in (*members.items(), ("MANIFEST", lines.encode())):
        out += build_member_header(name, len(data)) + data + bytes(-len(data) % 512)
    return out + END


def range_of(issued: Issued) -> tuple[int, int]:
    """Return the range the bundle says it is of."""
    with tarfile.open(issued.folder / "report.bundle.tar") as tar:
        said = json.loads(tar.extractfile("bundle.json").read())  # type: ignore[union-attr]
    return said["first"], said["last"]


def test_a_bundle_whose_records_were_taken_out_does_not_verify_the_report(issued: Issued, tmp_path: Path) -> None:
    first, last = range_of(issued)
    bundle = issued.read("report.bundle.tar")
    assert narrow(bundle, first, last) == bundle
    for number, (begin, end) in enumerate(
        ((last, last), (first, first), (0, 0), (first + 1, last), (first, first + 1))
    ):
        changed: dict[str, bytes | None] = {"report.bundle.tar": narrow(bundle, begin, end)}
        verification = verify_with(issued, tmp_path / str(number), changed)
        assert verification.exit_code == 2, (begin, end)
        undone = {(step.number, step.code) for step in verification.steps if step.state != "pass"}
        assert undone == {(13, "BUNDLE_SHORT")}
        alone = verify_files([tmp_path / str(number) / "report.bundle.tar"], issued.trust)
        assert f"records of leaves [{begin}, {end})" in alone.steps[1].detail


def test_the_bundle_of_another_report_that_holds_the_same_records_is_fine(issued: Issued, tmp_path: Path) -> None:
    other = issue_reports()["project"]
    assert range_of(other)[1] > range_of(issued)[1]
    verification = verify_with(issued, tmp_path / "a", {"report.bundle.tar": other.read("report.bundle.tar")})
    assert verification.exit_code == 0
    earlier = verify_with(other, tmp_path / "b", {"report.bundle.tar": issued.read("report.bundle.tar")})
    assert earlier.exit_code == 1
    assert {number for number, _, _ in codes(earlier)} >= {9}


def test_files_of_two_reports_do_not_pass_as_one(issued: Issued, tmp_path: Path) -> None:
    other = issue_reports()["project"]
    for name, numbers in (("report.json", {4, 6, 7, 9}), ("report.jws", {4}), (PDF, {6, 7})):
        verification = verify_with(issued, tmp_path / name, {name: other.read(name)})
        assert verification.exit_code == 1
        assert {number for number, _, _ in codes(verification)} == numbers


@pytest.mark.parametrize(
    ("missing", "steps"),
    [
        ("report.bundle.tar", {9, 10, 11, 12, 13}),
        ("report.jws", {3, 4}),
        ("report.json", {4}),
    ],
)
def test_what_is_missing_makes_steps_not_done_and_never_passed(
    missing: str, steps: set[int], issued: Issued, tmp_path: Path
) -> None:
    verification = verify_with(issued, tmp_path, {missing: None})
    assert verification.exit_code == 2
    assert {step.number for step in verification.steps if step.state == "not done"} == steps


def test_a_pdf_alone_proves_its_signature_and_leaves_the_rest_undone(issued: Issued, tmp_path: Path) -> None:
    shutil.copyfile(issued.folder / PDF, tmp_path / PDF)
    verification = verify_files([tmp_path / PDF], issued.trust)
    assert verification.exit_code == 2
    assert {step.number for step in verification.steps if step.state == "pass"} == {1, 2, 5, 6, 7, 8}


def test_without_trusted_keys_nothing_signed_passes(issued: Issued, tmp_path: Path) -> None:
    paths = issued.copy(tmp_path)
    shutil.copyfile(issued.trust_file, tmp_path / "trust.json")
    verification = verify_files([*paths, tmp_path / "trust.json"], None)
    assert verification.exit_code == 2
    undone = {step.number for step in verification.steps if step.state == "not done"}
    assert {1, 3, 5, 8} <= undone
    assert "not used" in verification.steps[0].detail

"""Whoever holds the PDF key alone cannot certify other pages, attachments or metadata than report.json gives."""

from collections.abc import Callable
from datetime import timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import tzlocal
from asn1crypto import keys as asn1_keys
from asn1crypto import pem, x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from pyhanko.pdf_utils import embed, generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko_certvalidator.registry import SimpleCertificateStore

from auditsvc.auth.tokens import P256_ORDER
from auditsvc.ground.errors import SigningError
from auditsvc.reports.keys import ReportKeys
from auditsvc.reports.render import render_pdf
from auditsvc.reports.sign import sign_pdf
from auditsvc.reports.verify import Verification, verify_files
from auditsvc.reports.verify.pdf import verify_pdf
from tests.support.engine import NOW
from tests.support.issued import Issued, issue_reports

PDF = "report.en.pdf"
Change = Callable[[IncrementalPdfFileWriter], None]


@pytest.fixture(scope="module")
def issued() -> Issued:
    return issue_reports()["compliance"]


@pytest.fixture(scope="module")
def layout(issued: Issued) -> bytes:
    return render_pdf(issued.read("report.json"), "en")


class LowSigner(signers.SimpleSigner):
    """Signs with the lower ``s``, as a forger must."""

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        r, s = decode_dss_signature(await super().async_sign_raw(data, digest_algorithm, dry_run))
        return encode_dss_signature(r, min(s, P256_ORDER - s))


class ClockedPdfSigner(signers.PdfSigner):
    """Signs at a fixed time."""

    def init_signing_session(self, *args: Any, **kwargs: Any) -> Any:
        session = super().init_signing_session(*args, **kwargs)
        session.system_time = NOW
        return session


def certify(writer: IncrementalPdfFileWriter, keys: ReportKeys, **fields: Any) -> bytes:
    """Sign what the writer holds as reports were signed at first, with nothing of the package's own signer."""
    said = {"field_name": "AuditReport", "reason": "auditsvc report", **fields}
    signer = LowSigner(
        signing_cert=x509.Certificate.load(pem.unarmor(keys.pdf_cert_pem.encode())[2]),
        signing_key=asn1_keys.PrivateKeyInfo.load(pem.unarmor(keys.pdf_key_pem.encode())[2]),
        cert_registry=SimpleCertificateStore(),
    )
    metadata = signers.PdfSignatureMetadata(
        md_algorithm="sha256",
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
        subfilter=SigSeedSubFilter.PADES,
        **said,
    )
    out = BytesIO()
    ClockedPdfSigner(metadata, signer=signer).sign_pdf(writer, output=out, bytes_reserved=16 * 1024)
    return out.getvalue()


def open_layout(layout: bytes) -> IncrementalPdfFileWriter:
    return IncrementalPdfFileWriter(BytesIO(layout))


def first_page(writer: IncrementalPdfFileWriter) -> Any:
    """Return the first page, to be written anew."""
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    writer.update_container(page)
    return page


def clean_page(writer: IncrementalPdfFileWriter) -> generic.StreamObject:
    """Return what a forger would like the first page to read."""
    return generic.StreamObject(stream_data=b"BT /f0 20 Tf 80 700 Td (violations: 0) Tj ET")


def replace_page_text(writer: IncrementalPdfFileWriter) -> None:
    first_page(writer)["/Contents"] = writer.add_object(clean_page(writer))


def redefine_content_stream(writer: IncrementalPdfFileWriter) -> None:
    reference = first_page(writer).raw_get("/Contents")
    writer.objects[(reference.generation, reference.idnum)] = clean_page(writer)


def replace_pages_tree(writer: IncrementalPdfFileWriter) -> None:
    page = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Page"),
            pdf_name("/MediaBox"): first_page(writer)["/MediaBox"],
            pdf_name("/Contents"): writer.add_object(clean_page(writer)),
        }
    )
    kid = writer.add_object(page)
    tree = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Pages"),
            pdf_name("/Kids"): generic.ArrayObject([kid]),
            pdf_name("/Count"): generic.NumberObject(1),
        }
    )
    page["/Parent"] = writer.root["/Pages"] = writer.add_object(tree)
    writer.update_root()


def stamp_page(writer: IncrementalPdfFileWriter) -> None:
    form = generic.StreamObject(
        {
            pdf_name("/Type"): pdf_name("/XObject"),
            pdf_name("/Subtype"): pdf_name("/Form"),
            pdf_name("/BBox"): generic.ArrayObject([generic.NumberObject(n) for n in (0, 0, 600, 800)]),
        },
        stream_data=b"1 g 0 0 600 800 re f",
    )
    note = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/Stamp"),
            pdf_name("/Rect"): generic.ArrayObject([generic.NumberObject(n) for n in (0, 0, 600, 800)]),
            pdf_name("/F"): generic.NumberObject(4),
            pdf_name("/AP"): generic.DictionaryObject({pdf_name("/N"): writer.add_object(form)}),
        }
    )
    first_page(writer)["/Annots"] = generic.ArrayObject([writer.add_object(note)])


def drop_page(writer: IncrementalPdfFileWriter) -> None:
    kids = writer.root["/Pages"]["/Kids"]
    kids.pop()
    writer.root["/Pages"]["/Count"] = generic.NumberObject(len(kids))
    writer.update_container(kids)
    writer.mark_update(writer.root.raw_get("/Pages"))


def attach(writer: IncrementalPdfFileWriter) -> None:
    stream = embed.EmbeddedFileObject.from_file_data(writer, data=b"{}")
    embed.embed_file(writer, embed.FileSpec(file_spec_string="other.json", embedded_data=stream))


def attach_out_of_the_name_tree(writer: IncrementalPdfFileWriter) -> None:
    stream = embed.EmbeddedFileObject.from_file_data(writer, data=b"{}")
    spec = embed.FileSpec(file_spec_string="other.json", embedded_data=stream).as_pdf_object()
    writer.root["/AF"].append(writer.add_object(spec))
    writer.update_root()


def add_form(writer: IncrementalPdfFileWriter) -> None:
    form = generic.DictionaryObject(
        {
            pdf_name("/Fields"): generic.ArrayObject(),
            pdf_name("/NeedAppearances"): generic.BooleanObject(True),
            pdf_name("/DA"): generic.TextStringObject("/f0 0 Tf"),
        }
    )
    writer.root["/AcroForm"] = writer.add_object(form)
    writer.update_root()


def open_with_script(writer: IncrementalPdfFileWriter) -> None:
    action = {pdf_name("/S"): pdf_name("/JavaScript"), pdf_name("/JS"): generic.TextStringObject("app.alert(1)")}
    writer.root["/OpenAction"] = generic.DictionaryObject(action)
    writer.update_root()


def rename(writer: IncrementalPdfFileWriter) -> None:
    writer.trailer["/Info"]["/Title"] = generic.TextStringObject("No violations")
    writer.mark_update(writer.trailer.raw_get("/Info"))


def add_unused_object(writer: IncrementalPdfFileWriter) -> None:
    writer.add_object(generic.TextStringObject("nobody refers to this"))


def change_language(writer: IncrementalPdfFileWriter) -> None:
    writer.root["/Lang"] = generic.TextStringObject("fr")
    writer.update_root()


CHANGES: dict[str, Change] = {
    "the first page's text": replace_page_text,
    "the first page's content stream in its own place": redefine_content_stream,
    "the page tree": replace_pages_tree,
    "a stamp over the first page": stamp_page,
    "the last page dropped": drop_page,
    "a second attachment": attach,
    "an attachment outside the name tree": attach_out_of_the_name_tree,
    "a form": add_form,
    "a script": open_with_script,
    "the title": rename,
    "an object nobody uses": add_unused_object,
    "the language": change_language,
}


def forge_apart(layout: bytes, change: Change, keys: ReportKeys) -> bytes:
    """Return the change as a revision of its own that ends like a layout, then certified by the package's signer."""
    writer = open_layout(layout)
    change(writer)
    out = BytesIO()
    writer.write(out)
    return sign_pdf(out.getvalue().rstrip(b"\n"), keys, instant=NOW)


def forge_along(layout: bytes, change: Change, keys: ReportKeys) -> bytes:
    """Return the change within the one revision that has the signature."""
    writer = open_layout(layout)
    change(writer)
    return certify(writer, keys)


def forge_along_after_a_line_end(layout: bytes, change: Change, keys: ReportKeys) -> bytes:
    """Return the change within the signature's revision, in the form that begins with a line end."""
    return forge_along(layout + b"\n", change, keys)


FORGERIES = (forge_apart, forge_along, forge_along_after_a_line_end)


def verify_with(issued: Issued, folder: Path, pdf: bytes) -> Verification:
    """Verify the report with another English PDF."""
    issued.copy(folder)
    (folder / PDF).write_bytes(pdf)
    return verify_files([folder], issued.trust)


def failures(verification: Verification) -> set[tuple[int, str, str]]:
    return {(step.number, step.code, step.where) for step in verification.steps if step.state == "fail"}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("forge", FORGERIES)
def test_a_change_certified_with_the_pdf_key_is_refused(
    name: str, forge: Callable[[bytes, Change, ReportKeys], bytes], issued: Issued, layout: bytes, tmp_path: Path
) -> None:
    forged = forge(layout, CHANGES[name], issued.keys)
    assert forged.startswith(layout)
    verification = verify_with(issued, tmp_path, forged)
    assert verification.exit_code == 1
    assert failures(verification) == {(5, "PDF_REVISION", PDF)}
    undone = {step.number for step in verification.steps if step.state == "not done" and step.where == PDF}
    assert undone == {6, 7}


def test_the_refusal_needs_no_tools_of_the_layout(
    issued: Issued, layout: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auditsvc.reports.verify.check.describe_tools", lambda: {"typst": "0"})
    for number, forge in enumerate(FORGERIES):
        verification = verify_with(issued, tmp_path / str(number), forge(layout, replace_page_text, issued.keys))
        assert (5, "PDF_REVISION", PDF) in failures(verification)


def test_pages_changed_in_the_layout_itself_are_other_pages(issued: Issued, layout: bytes, tmp_path: Path) -> None:
    changed = layout.replace(b"/Lang(en)", b"/Lang(fr)")
    assert changed != layout
    verification = verify_with(issued, tmp_path, sign_pdf(changed, issued.keys, instant=NOW))
    assert failures(verification) == {(7, "PDF_PAGES", PDF)}


@pytest.mark.parametrize("more", [b"\n", b"\n\n", b" ", b"\r", b"% a comment\n"])
def test_bytes_between_layout_and_revision_are_refused(more: bytes, issued: Issued, layout: bytes) -> None:
    forged = sign_pdf(layout + more, issued.keys, instant=NOW)
    with pytest.raises(SigningError) as caught:
        verify_pdf(forged, issued.trust.pdf_cert_sha256)
    assert caught.value.context["reason"] == "PDF_REVISION"


@pytest.mark.parametrize(
    "fields", [{"reason": "violations: 0"}, {"field_name": "Other"}, {"name": "Somebody"}, {"location": "Here"}]
)
def test_a_signature_that_says_something_else_is_refused(fields: dict[str, str], issued: Issued, layout: bytes) -> None:
    forged = certify(open_layout(layout), issued.keys, **fields)
    with pytest.raises(SigningError) as caught:
        verify_pdf(forged, issued.trust.pdf_cert_sha256)
    assert caught.value.context["reason"] == "PDF_REVISION"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/St_Johns"])
def test_a_report_signed_in_the_earlier_form_still_verifies(
    zone: str, issued: Issued, layout: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tzlocal, "get_localzone", lambda: ZoneInfo(zone))
    earlier = certify(open_layout(layout), issued.keys)
    assert earlier[len(layout) : len(layout) + 1].isdigit()
    assert verify_with(issued, tmp_path, earlier).exit_code == 0


def test_the_revision_depends_on_layout_and_time_only(layout: bytes, issued: Issued) -> None:
    def cut(pdf: bytes) -> tuple[bytes, bytes]:
        place = pdf.rindex(b"/Contents <")
        return pdf[:place], pdf[pdf.index(b">", place) :]

    first, second = (sign_pdf(layout, issued.keys, instant=NOW) for _ in range(2))
    assert cut(first) == cut(second)
    moved = NOW.astimezone(timezone(timedelta(hours=8)))
    assert cut(sign_pdf(layout, issued.keys, instant=moved)) == cut(first)
    assert cut(sign_pdf(layout, issued.keys, instant=NOW + timedelta(seconds=1))) != cut(first)

"""Checks of a signed PDF that go beyond "the signature is valid".

A valid signature alone is not enough. An incremental update leaves it valid; bytes after the end, in the padding of
/Contents and in the unsigned parts of the CMS object (further certificates, unsigned attributes, lists of algorithms)
are not covered by it; and anybody can sign with a certificate of the same name. So, in this order: the byte range covers
the whole file but one gap; the gap holds exactly one CMS object, in DER, in upper-case hex, padded with zeros only;
there is one signature of exactly the form we write, it certifies "no changes"; its certificate is the pinned one; it
is intact and valid. The pinned key could have signed more than a report's pages: so, last, the file is one layout and
one revision, and that revision, rebuilt from the layout, has the same bytes.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from asn1crypto import cms
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation import (
    EmbeddedPdfSignature,
    SignatureCoverageLevel,
    validate_pdf_signature,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext

from auditsvc.auth.tokens import P256_ORDER
from auditsvc.ground.errors import SigningError
from auditsvc.reports.revision import LINE_END, EarlierStamp, rebuild_revision

MAX_PDF_BYTES = 512 * 1024 * 1024
"""Larger files are refused before they are parsed."""
_SUBFILTER = "/ETSI.CAdES.detached"
_HEX = re.compile(rb"[0-9A-F]+\Z")
LAYOUT_AND_SIGNATURE = 2
"""Revisions of a signed report."""
_FILE_ID = re.compile(rb"/ID \[ <[0-9a-f]*> <([0-9a-f]{32})> \]")
_CHANGED = re.compile(rb"/ModDate \((D[^)]{1,40})\)")
_OCTAL = re.compile(r"\\([0-7]{3})")
_CHANGED_XMP = re.compile(rb'xmp:ModifyDate="([0-9T:+-]{25})"')


@dataclass(frozen=True, slots=True)
class PdfContent:
    """What a verified PDF holds.

    Attributes:
        attachments: their names and bytes.
        layout: the bytes that were signed with nothing but the signature's own revision added.
    """

    attachments: tuple[tuple[str, bytes], ...]
    layout: bytes


def verify_pdf(data: bytes, cert_sha256: bytes) -> PdfContent:
    """Return the attachments of a PDF signed as a whole by the pinned certificate.

    Raises:
        SigningError: ``signature_invalid``; the context's ``reason`` is a stable name of the failed check.
    """
    if len(data) > MAX_PDF_BYTES:
        raise _refuse("PDF_TOO_LARGE", f"larger than {MAX_PDF_BYTES} bytes")
    try:
        return _verify(data, cert_sha256)
    except SigningError:
        raise
    except (
        Exception
    ) as err:  # hostile bytes make the parser raise nearly any exception; all of them mean an invalid file
        raise _refuse("PDF_BROKEN", f"cannot be read as a signed PDF ({type(err).__name__})") from err


def _verify(data: bytes, cert_sha256: bytes) -> PdfContent:
    """Run the checks in the order of the module's docstring."""
    reader = PdfFileReader(BytesIO(data), strict=True)
    signatures = list(reader.embedded_signatures)
    if not signatures:
        raise _refuse("PDF_UNSIGNED", "has no signature")
    if len(signatures) > 1:
        raise _refuse("PDF_EXTRA_SIGNATURE", f"expected 1 signature, got {len(signatures)}")
    signature = signatures[0]
    _check_encoding(_cut_contents(data, [int(part) for part in signature.byte_range]))
    _check_kind(signature)
    _check_cms(signature)
    cert = signature.signer_cert
    found = hashlib.sha256(cert.dump()).digest()
    if found != cert_sha256:
        raise _refuse("PDF_CERT_UNKNOWN", f"signed by certificate `{found.hex()}`, expected `{cert_sha256.hex()}`")
    instant = _check_signature(signature, cert)
    layout = _cut_layout(data, reader)
    _check_revision(data, layout, signature, instant)
    return PdfContent(tuple(_list_attachments(reader)), layout)


def _cut_contents(data: bytes, byte_range: list[int]) -> bytes:
    """Return the CMS object, zero-padded, of a signature that covers every byte but its own hex string."""
    if len(byte_range) != 4 or byte_range[0] != 0:
        raise _refuse("PDF_RANGE", f"the signature covers the ranges {byte_range}, expected two from the start")
    _, first_length, second_start, second_length = byte_range
    if second_start + second_length != len(data):
        raise _refuse("PDF_APPENDED", f"the signature ends at byte {second_start + second_length} of {len(data)}")
    hole = data[first_length:second_start]
    if not (0 < first_length < second_start) or hole[:1] != b"<" or hole[-1:] != b">":
        raise _refuse("PDF_RANGE", "what the signature leaves out is not one hex string")
    text = hole[1:-1]
    if not _HEX.match(text) or len(text) % 2:
        raise _refuse("PDF_CONTENTS", "the signature's hex string is not upper-case hex")
    contents = bytes.fromhex(text.decode("ascii"))
    length = _measure_der(contents)
    if any(contents[length:]):
        raise _refuse("PDF_CONTENTS", "the padding behind the signature is not zero")
    return contents[:length]


def _check_encoding(contents: bytes) -> None:
    """Raise unless the object is DER in every part: encoding it again must yield the same bytes.

    Parses a copy of its own, because re-encoding modifies the parsed object.
    """
    if cms.ContentInfo.load(contents, strict=True).dump(force=True) != contents:
        raise _refuse("PDF_CONTENTS", "the signature is not in DER")


def _measure_der(data: bytes) -> int:
    """Return the length in bytes of the DER object at the start."""
    if len(data) < 2 or data[0] != 0x30:
        raise _refuse("PDF_CONTENTS", "the signature is not a DER sequence")
    if data[1] < 0x80:
        return 2 + data[1]
    width = data[1] & 0x7F
    if not 0 < width <= 4 or len(data) < 2 + width:
        raise _refuse("PDF_CONTENTS", "the signature has no definite length")
    length = 2 + width + int.from_bytes(data[2 : 2 + width], "big")
    if length > len(data):
        raise _refuse("PDF_CONTENTS", "the signature is cut short")
    return length


def _check_kind(signature: EmbeddedPdfSignature) -> None:
    """Raise unless it is a PAdES signature that certifies "no changes"."""
    subfilter = signature.sig_object.get("/SubFilter")
    if subfilter != _SUBFILTER:
        raise _refuse("PDF_KIND", f"expected a signature of kind {_SUBFILTER}, got `{str(subfilter)[:40]}`")
    if signature.docmdp_level is not MDPPerm.NO_CHANGES:
        raise _refuse("PDF_NOT_CERTIFIED", "the signature does not forbid every change")


def _check_cms(signature: EmbeddedPdfSignature) -> None:
    """Raise unless the CMS object holds the signer's certificate and one signature, and nothing unsigned."""
    signed = signature.signed_data
    parts = (
        signed["version"].native == "v1",
        [item["algorithm"].native for item in signed["digest_algorithms"]] == ["sha256"],
        signed["encap_content_info"]["content_type"].native == "data",
        signed["encap_content_info"]["content"].native is None,
        len(signed["certificates"]) == 1,
        signed["crls"].native is None,
        len(signed["signer_infos"]) == 1,
        signed["signer_infos"][0]["unsigned_attrs"].native is None,
        signed["signer_infos"][0]["version"].native == "v1",
    )
    if not all(parts):
        raise _refuse("PDF_CONTENTS", "the signature has parts that are not signed, or is not of the form we write")
    _, s = decode_dss_signature(signed["signer_infos"][0]["signature"].native)
    if s > P256_ORDER // 2:
        raise _refuse("PDF_CONTENTS", "the signature is not the one with the lower `s`")


def _check_signature(signature: EmbeddedPdfSignature, cert: Any) -> datetime:
    """Return the signing time of a signature that is intact, valid, by a certificate for signing, over the whole file.

    The pinned certificate is the only trust root and is validated at the signing time: once it is pinned, its later
    expiry does not invalidate an older signature.
    """
    moment = signature.self_reported_timestamp
    if moment is None or not cert.not_valid_before <= moment <= cert.not_valid_after:
        raise _refuse("PDF_TIME", "the signing time is missing or outside the certificate's validity")
    context = ValidationContext(trust_roots=[cert], allow_fetching=False, moment=moment)
    usage = KeyUsageConstraints(key_usage={"non_repudiation"})
    status = validate_pdf_signature(signature, context, key_usage_settings=usage)
    if not status.intact:
        raise _refuse("PDF_ALTERED", "the bytes are not those that were signed")
    if not status.valid:
        raise _refuse("PDF_SIG_INVALID", "the signature does not hold")
    if status.coverage is not SignatureCoverageLevel.ENTIRE_FILE:
        raise _refuse("PDF_APPENDED", f"the signature covers {status.coverage}, expected ENTIRE_FILE")
    if not (status.trusted and status.docmdp_ok and status.bottom_line):
        raise _refuse("PDF_SIG_INVALID", f"the signature is not accepted: {status.summary()}")
    return moment.astimezone(UTC)


def _cut_layout(data: bytes, reader: PdfFileReader) -> bytes:
    """Return the bytes of the first of exactly two revisions, up to its end-of-file marker."""
    revisions = reader.xrefs.total_revisions
    if revisions != LAYOUT_AND_SIGNATURE:
        raise _refuse("PDF_REVISION", f"expected one revision after the layout, got {revisions - 1}")
    start = int(reader.trailer["/Prev"])
    marker = b"startxref\n%d\n%%%%EOF" % start
    place = data.find(marker, start)
    if place < 0:
        raise _refuse("PDF_REVISION", "the layout has no end")
    return data[: place + len(marker)]


def _check_revision(data: bytes, layout: bytes, signature: EmbeddedPdfSignature, instant: datetime) -> None:
    """Raise unless the file is the layout with exactly the revision our signer adds to it, and a signature in it."""
    added = data[len(layout) :]
    earlier = None if added.startswith(LINE_END) else _read_earlier_stamp(added)
    expected = rebuild_revision(layout, signature.signer_cert, instant, earlier)
    _, first_length, second_start, _ = (int(part) for part in signature.byte_range)
    if (expected[:first_length], expected[second_start:]) != (data[:first_length], data[second_start:]):
        place = _find_difference(expected, data, range(first_length, second_start))
        raise _refuse("PDF_REVISION", f"byte {place} is not what signing adds to the layout")
    if len(expected) != len(data):
        raise _refuse("PDF_REVISION", f"expected {len(expected)} bytes, got {len(data)}")


def _find_difference(expected: bytes, data: bytes, hole: range) -> int:
    """Return the first place outside the hole where two texts differ."""
    pairs = enumerate(zip(expected, data, strict=False))
    shorter = min(len(expected), len(data))
    return next((place for place, (one, other) in pairs if one != other and place not in hole), shorter)


def _read_earlier_stamp(added: bytes) -> EarlierStamp:
    """Return the values of the earlier form that were the signing machine's, from the first place that has each.

    They need no trust: a wrong place gives another revision when it is rebuilt.
    """
    file_id, date, xmp_date = (pattern.search(added) for pattern in (_FILE_ID, _CHANGED, _CHANGED_XMP))
    if file_id is None or date is None or xmp_date is None:
        raise _refuse("PDF_REVISION", "what follows the layout is not the revision of a signature")
    written = _OCTAL.sub(lambda found: chr(int(found.group(1), 8)), date.group(1).decode("ascii"))
    changed = generic.parse_pdf_date(written, strict=True)
    return EarlierStamp(
        bytes.fromhex(file_id.group(1).decode()), changed, datetime.fromisoformat(xmp_date.group(1).decode())
    )


def _list_attachments(reader: PdfFileReader) -> list[tuple[str, bytes]]:
    """Return names and bytes of the files the catalogue's name tree attaches, one level deep as we write it."""
    names = reader.root["/Names"]["/EmbeddedFiles"]
    if "/Kids" in names:
        raise _refuse("PDF_ATTACHMENT", "attachments are not listed in one level")
    entries = list(names["/Names"])
    found = []
    for place in range(0, len(entries), 2):
        spec = entries[place + 1].get_object()
        stream = spec["/EF"]["/F"]
        found.append((str(spec.get("/UF", entries[place])), bytes(stream.data)))
    return found


def _refuse(reason: str, message: str) -> SigningError:
    """Return the error for an invalid PDF."""
    return SigningError("signature_invalid", f"PDF: {message}", reason=reason)

"""The revision with the signature has the same bytes wherever and whenever it is built."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asn1crypto import pem, x509

from auditsvc.ground.clock import FixedClock
from auditsvc.reports.keys import load_or_create_report_keys
from auditsvc.reports.revision import EarlierStamp, rebuild_revision

MOMENT = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/" pdf:PDFVersion="1.7"/></rdf:RDF></x:xmpmeta>'
)
OBJECTS = (
    "<</Type/Catalog/Pages 2 0 R/Metadata 5 0 R>>",
    "<</Type/Pages/Count 1/Kids[3 0 R]>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<<>>>>",
    "<</Title(A report)/ModDate(D:20261101040000Z)>>",
    f"<</Type/Metadata/Subtype/XML/Length {len(XMP)}>>\nstream\n{XMP}\nendstream",
)


def build_layout() -> bytes:
    """Return a small PDF of one empty page."""
    text, places = "%PDF-1.7\n", []
    for number, item in enumerate(OBJECTS, start=1):
        places.append(len(text))
        text += f"{number} 0 obj\n{item}\nendobj\n"
    rows = "".join(f"{place:010d} 00000 n\r\n" for place in places)
    return (
        f"{text}xref\n0 6\n0000000000 65535 f\r\n{rows}"
        f"trailer\n<</Size 6/Root 1 0 R/Info 4 0 R/ID[(one)(two)]>>\nstartxref\n{len(text)}\n%%EOF"
    ).encode()


@pytest.mark.parametrize(
    ("earlier", "digest"),
    [
        (None, "525799c6604e3bd22480bc6d0b8faaac0776345b3eec346ce39feffce8836c6e"),
        (
            EarlierStamp(bytes(range(16)), MOMENT, MOMENT),
            "dbc2eea9539f42c1c455f45e58ca0ef25f0f10dbd82dd30fe4979bc5ed0d24b1",
        ),
    ],
)
def test_the_bytes_are_those_of_the_version_that_signed(
    earlier: EarlierStamp | None, digest: str, tmp_path: Path
) -> None:
    keys = load_or_create_report_keys(tmp_path, FixedClock(MOMENT), "a")
    cert = x509.Certificate.load(pem.unarmor(keys.pdf_cert_pem.encode())[2])
    layout = build_layout()
    rebuilt = rebuild_revision(layout, cert, MOMENT, earlier)
    assert rebuilt.startswith(layout + (b"\n1 0 obj" if earlier is None else b"1 0 obj"))
    assert hashlib.sha256(rebuilt).hexdigest() == digest

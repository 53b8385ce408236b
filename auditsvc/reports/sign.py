"""Signatures on a report: JWS over the JSON bytes, certified PAdES B-B over the PDF.

The PDF is certified with "no changes": any later addition, even a well-formed incremental update, invalidates it.
Both signatures have the lower ``s``, the only form that verification accepts.
"""

from datetime import UTC, datetime
from io import BytesIO

from asn1crypto import keys as asn1_keys
from asn1crypto import pem
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign import signers
from pyhanko.sign.general import SigningError as PdfSigningError
from pyhanko_certvalidator.registry import SimpleCertificateStore

from auditsvc.auth.tokens import P256_ORDER, sign_jws
from auditsvc.ground.errors import SigningError
from auditsvc.reports.keys import ReportKeys
from auditsvc.reports.revision import SIGNATURE_BYTES, ClockedSigner, RevisionWriter

JWS_TYPE = "auditsvc-report+json"
"""``typ`` of a report's JWS."""


def sign_report(payload: bytes, keys: ReportKeys) -> str:
    """Return the compact JWS over the bytes of ``report.json``."""
    return sign_jws(payload, keys.jws_key_pem, keys.kid, JWS_TYPE)


class _LowSigner(signers.SimpleSigner):
    """A signer whose ECDSA signatures have the lower ``s``."""

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """Return the signature of ``data`` in DER."""
        r, s = decode_dss_signature(await super().async_sign_raw(data, digest_algorithm, dry_run))
        return encode_dss_signature(r, min(s, P256_ORDER - s))


def sign_pdf(pdf: bytes, keys: ReportKeys, *, instant: datetime) -> bytes:
    """Return ``pdf`` with one invisible certifying signature over the whole file, made at ``instant``.

    What is added is the one revision of :mod:`auditsvc.reports.revision`.

    Raises:
        SigningError: ``report_failed`` when the file cannot be signed.
    """
    signer = _LowSigner(
        signing_cert=_load_certificate(keys.pdf_cert_pem),
        signing_key=asn1_keys.PrivateKeyInfo.load(pem.unarmor(keys.pdf_key_pem.encode())[2]),
        cert_registry=SimpleCertificateStore(),  # only the signer's certificate, so that nothing in the CMS is unsigned
    )
    moment = instant.astimezone(UTC).replace(microsecond=0)
    out = BytesIO()
    try:
        writer = RevisionWriter(pdf, moment)
        ClockedSigner(signer, moment).sign_pdf(writer, output=out, bytes_reserved=SIGNATURE_BYTES)
    except (PdfError, PdfSigningError) as err:
        raise SigningError("report_failed", f"the report's PDF cannot be signed: {err}") from err
    return out.getvalue()


def _load_certificate(text: str) -> asn1_x509.Certificate:
    certificate: asn1_x509.Certificate = asn1_x509.Certificate.load(pem.unarmor(text.encode())[2])
    return certificate

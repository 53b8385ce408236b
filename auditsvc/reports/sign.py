"""Signatures on a report: JWS over the JSON bytes, certified PAdES B-B over the PDF.

The PDF is certified with "no changes": any later addition, even a well-formed incremental update, invalidates it.
Both signatures have the lower ``s``, the only form that verification accepts.
"""

from datetime import datetime
from io import BytesIO
from typing import Any

from asn1crypto import keys as asn1_keys
from asn1crypto import pem
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import SigningError as PdfSigningError
from pyhanko_certvalidator.registry import SimpleCertificateStore

from auditsvc.auth.tokens import P256_ORDER, sign_jws
from auditsvc.ground.errors import SigningError
from auditsvc.reports.keys import ReportKeys

JWS_TYPE = "auditsvc-report+json"
"""``typ`` of a report's JWS."""
FIELD_NAME = "AuditReport"
SIGNATURE_BYTES = 16 * 1024
"""Bytes reserved for the CMS object; fixed, so that its padding can be verified to be zero."""


def sign_report(payload: bytes, keys: ReportKeys) -> str:
    """Return the compact JWS over the bytes of ``report.json``."""
    return sign_jws(payload, keys.jws_key_pem, keys.kid, JWS_TYPE)


class _LowSigner(signers.SimpleSigner):
    """A signer whose ECDSA signatures have the lower ``s``."""

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """Return the signature of ``data`` in DER."""
        r, s = decode_dss_signature(await super().async_sign_raw(data, digest_algorithm, dry_run))
        return encode_dss_signature(r, min(s, P256_ORDER - s))


class _ClockedSigner(signers.PdfSigner):
    """A signer whose signatures state a given time instead of the machine's."""

    instant: datetime

    def init_signing_session(self, *args: Any, **kwargs: Any) -> Any:
        """Return a session with the given time as signing time."""
        session = super().init_signing_session(*args, **kwargs)
        session.system_time = self.instant
        return session


def sign_pdf(pdf: bytes, keys: ReportKeys, *, reason: str, instant: datetime) -> bytes:
    """Return ``pdf`` with one invisible certifying signature over the whole file, made at ``instant``.

    Raises:
        SigningError: ``report_failed`` when the file cannot be signed.
    """
    signer = _LowSigner(
        signing_cert=_load_certificate(keys.pdf_cert_pem),
        signing_key=asn1_keys.PrivateKeyInfo.load(pem.unarmor(keys.pdf_key_pem.encode())[2]),
        cert_registry=SimpleCertificateStore(),  # only the signer's certificate, so that nothing in the CMS is unsigned
    )
    metadata = signers.PdfSignatureMetadata(
        field_name=FIELD_NAME,
        md_algorithm="sha256",
        reason=reason,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
        subfilter=SigSeedSubFilter.PADES,
    )
    out = BytesIO()
    try:
        writer = IncrementalPdfFileWriter(BytesIO(pdf))
        pdf_signer = _ClockedSigner(metadata, signer=signer)
        pdf_signer.instant = instant.replace(microsecond=0)
        pdf_signer.sign_pdf(writer, output=out, bytes_reserved=SIGNATURE_BYTES)
    except (PdfError, PdfSigningError) as err:
        raise SigningError("report_failed", f"the report's PDF cannot be signed: {err}") from err
    return out.getvalue()


def _load_certificate(text: str) -> asn1_x509.Certificate:
    certificate: asn1_x509.Certificate = asn1_x509.Certificate.load(pem.unarmor(text.encode())[2])
    return certificate

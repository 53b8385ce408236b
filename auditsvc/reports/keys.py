"""The keys a report is signed with, and what a verifier is given to trust.

Two P-256 keys, never shared: one signs the JSON (JWS), one signs the PDF (X.509, non-repudiation). The certificate of
the PDF key is issued by a small authority of our own whose private key is thrown away at once: what a verifier pins is
the signer's certificate itself, by its SHA-256, because anybody can make a certificate with the same name.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from auditsvc.auth.tokens import build_jwk, build_thumbprint
from auditsvc.ground.clock import Clock
from auditsvc.ground.errors import SigningError
from auditsvc.ground.settings.model import Settings

JWS_KEY_FILE = "report-jws.pem"
PDF_KEY_FILE = "report-pdf.pem"
PDF_CERT_FILE = "report-pdf.crt.pem"
PDF_CA_FILE = "report-pdf-ca.crt.pem"
CERT_YEARS = 10
"""Validity of the self-made certificates: as long as reports are kept at least."""


@dataclass(frozen=True, slots=True)
class ReportKeys:
    """Everything needed to sign a report, and its public halves.

    Attributes:
        jws_key_pem: P-256 private key of the JWS; ``jws_public_pem`` is its public half.
        kid: RFC 7638 thumbprint of the JWS key.
        pdf_key_pem: P-256 private key of the PDF signature.
        pdf_cert_pem: its certificate, with non-repudiation; ``pdf_ca_pem`` issued it.
    """

    jws_key_pem: str
    jws_public_pem: str
    kid: str
    pdf_key_pem: str
    pdf_cert_pem: str
    pdf_ca_pem: str

    @property
    def pdf_cert_sha256(self) -> bytes:
        """SHA-256 of the DER form of the PDF signer's certificate, which verifiers pin."""
        return x509.load_pem_x509_certificate(self.pdf_cert_pem.encode()).fingerprint(hashes.SHA256())


def load_or_create_report_keys(key_dir: Path, clock: Clock, origin: str) -> ReportKeys:
    """Return the report keys of ``key_dir``, made on first use with files only their owner can read.

    Raises:
        SigningError: ``key_unusable`` when a file is missing beside the others, or is damaged.
    """
    names = (JWS_KEY_FILE, PDF_KEY_FILE, PDF_CERT_FILE, PDF_CA_FILE)
    present = [name for name in names if (key_dir / name).exists()]
    if not present:
        _create_keys(key_dir, clock, origin)
    elif len(present) < len(names):
        lost = ", ".join(sorted(set(names) - set(present)))
        raise SigningError("key_unusable", f"report keys: `{lost}` missing in `{key_dir}`; restore it from the backup")
    try:
        jws_key, pdf_key, cert, authority = ((key_dir / name).read_text(encoding="ascii") for name in names)
        private = serialization.load_pem_private_key(jws_key.encode(), password=None)
        x509.load_pem_x509_certificate(cert.encode())
    except (OSError, ValueError, TypeError) as err:
        raise SigningError("key_unusable", f"report keys: a file in `{key_dir}` cannot be read") from err
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    public_pem = public.decode("ascii")
    return ReportKeys(jws_key, public_pem, build_thumbprint(public_pem), pdf_key, cert, authority)


def build_trust(keys: ReportKeys, *, origin: str, log_vkey: str) -> dict[str, Any]:
    """Return what an offline verifier needs to trust; hand it over apart from the reports.

    Keys: ``origin`` and ``log_vkey`` of the checkpoints, ``report_jwks`` of the JWS, ``pdf_cert_sha256`` in hex.
    """
    jwk: Mapping[str, str] = {**build_jwk(keys.jws_public_pem), "kid": keys.kid, "alg": "ES256", "use": "sig"}
    return {
        "origin": origin,
        "log_vkey": log_vkey,
        "report_jwks": {"keys": [dict(jwk)]},
        "pdf_cert_sha256": keys.pdf_cert_sha256.hex(),
    }


def dump_trust(trust: Mapping[str, Any]) -> bytes:
    """Return the bytes of a ``trust.json``."""
    return (json.dumps(trust, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()


def load_report_keys(settings: Settings, clock: Clock) -> ReportKeys:
    """Return the report keys of this installation."""
    return load_or_create_report_keys(settings.key_path, clock, settings.origin)


def _create_keys(key_dir: Path, clock: Clock, origin: str) -> None:
    """Write fresh keys and certificates; the authority's private key is never written."""
    key_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    jws_key, pdf_key, ca_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    start = clock.now().astimezone(UTC).replace(microsecond=0) - timedelta(minutes=5)
    authority = _build_authority(ca_key, origin, start)
    cert = _build_certificate(pdf_key, ca_key, authority, origin, start)
    _write_private(key_dir / JWS_KEY_FILE, _dump_key(jws_key))
    _write_private(key_dir / PDF_KEY_FILE, _dump_key(pdf_key))
    _write_private(key_dir / PDF_CA_FILE, authority.public_bytes(serialization.Encoding.PEM))
    _write_private(key_dir / PDF_CERT_FILE, cert.public_bytes(serialization.Encoding.PEM))


def _build_name(common: str) -> x509.Name:
    """Return a subject with our organisation and a common name of at most 64 characters."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "auditsvc"),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        ]
    )


def _build_authority(key: ec.EllipticCurvePrivateKey, origin: str, start: datetime) -> x509.Certificate:
    """Return the self-signed certificate of our one-certificate authority."""
    name = _build_name(f"auditsvc report CA {origin}")
    return (
        _start_certificate(name, name, key.public_key(), start)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_build_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _build_certificate(
    key: ec.EllipticCurvePrivateKey,
    ca_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    origin: str,
    start: datetime,
) -> x509.Certificate:
    """Return the certificate of the PDF signer."""
    name = _build_name(f"auditsvc report {origin}")
    return (
        _start_certificate(name, authority.subject, key.public_key(), start)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_build_usage("digital_signature", "content_commitment"), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _start_certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime
) -> x509.CertificateBuilder:
    """Return a builder with names, key, serial number and validity."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365 * CERT_YEARS))
    )


def _build_usage(*allowed: str) -> x509.KeyUsage:
    """Return a key usage extension with only ``allowed`` set."""
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: name in allowed for name in names})


def _dump_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read; durable before it is used."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())

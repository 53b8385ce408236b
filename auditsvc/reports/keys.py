"""The keys that sign reports, and the trust file for verifiers.

Two P-256 keys, never shared: one signs the JSON (JWS), one signs the PDF (X.509, non-repudiation). The certificate of
the PDF key is issued by a one-off authority of our own whose private key is discarded at once: a verifier pins the
signer's certificate itself, by its SHA-256, because anybody can make a certificate with the same name.

The files form one set in a folder of their own, :data:`FOLDER`, which is written atomically. Older installations have
them in the key folder itself, from which they are still read.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from auditsvc.auth.tokens import build_jwk, build_thumbprint
from auditsvc.ground.clock import Clock
from auditsvc.ground.errors import SigningError
from auditsvc.ground.files import write_folder
from auditsvc.ground.settings.model import Settings

FOLDER = "report"
"""Subfolder of the key folder that holds the report keys."""
JWS_KEY_FILE = "report-jws.pem"
PDF_KEY_FILE = "report-pdf.pem"
PDF_CERT_FILE = "report-pdf.crt.pem"
PDF_CA_FILE = "report-pdf-ca.crt.pem"
_NAMES = (JWS_KEY_FILE, PDF_KEY_FILE, PDF_CERT_FILE, PDF_CA_FILE)
CERT_YEARS = 10
"""Validity of the certificates; at least as long as reports are kept."""


@dataclass(frozen=True, slots=True)
class ReportKeys:
    """Everything needed to sign a report, with the public keys.

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
    """Return the report keys of ``key_dir``, created on first use and readable by their owner only.

    Raises:
        SigningError: ``key_unusable`` when a file of the set is missing or damaged, or cannot be written.
    """
    folder = _find_folder(key_dir)
    if folder is None:
        folder = key_dir / FOLDER
        _create_keys(folder, clock, origin)
    lost = [name for name in _NAMES if not (folder / name).exists()]
    if lost:
        message = (
            f"report keys: `{', '.join(lost)}` missing in `{folder}`; restore it from the backup, or, if no report"
        )
        raise SigningError("key_unusable", f"{message} was ever made, delete the others: then new keys are made")
    return _load_keys(folder)


def build_trust(keys: ReportKeys, *, origin: str, log_vkey: str) -> dict[str, Any]:
    """Return the content of a trust file for offline verifiers; hand it over separately from the reports.

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


def _find_folder(key_dir: Path) -> Path | None:
    """Return the folder that holds at least one of the files, None when neither does.

    Raises:
        SigningError: ``key_unusable`` when both folders hold files, because one set would go unused.
    """
    folders = [key_dir / FOLDER, key_dir]
    used = [folder for folder in folders if any((folder / name).exists() for name in _NAMES)]
    if len(used) > 1:
        message = f"report keys are in `{used[0]}` and in `{used[1]}`; keep those that signed the reports"
        raise SigningError("key_unusable", f"{message}, and move the others away")
    return used[0] if used else None


def _load_keys(folder: Path) -> ReportKeys:
    """Read the four files of a folder, and check that they are keys and certificates that belong together."""
    jws_key = _load_private(folder / JWS_KEY_FILE)
    pdf_key = _load_private(folder / PDF_KEY_FILE)
    cert = _load_certificate(folder / PDF_CERT_FILE)
    authority = _load_certificate(folder / PDF_CA_FILE)
    if _dump_public(cert.public_key()) != _dump_public(pdf_key.public_key()):
        raise _refuse(folder / PDF_CERT_FILE, f"is not the certificate of `{PDF_KEY_FILE}`")
    public_pem = _dump_public(jws_key.public_key())
    return ReportKeys(
        jws_key_pem=_dump_key(jws_key).decode("ascii"),
        jws_public_pem=public_pem,
        kid=build_thumbprint(public_pem),
        pdf_key_pem=_dump_key(pdf_key).decode("ascii"),
        pdf_cert_pem=_dump_certificate(cert).decode("ascii"),
        pdf_ca_pem=_dump_certificate(authority).decode("ascii"),
    )


def _load_private(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError) as err:
        raise _refuse(path, "is not an unencrypted PEM private key") from err
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _refuse(path, "is not a P-256 key")
    return key


def _load_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError as err:
        raise _refuse(path, "is not a PEM certificate") from err


def _read(path: Path) -> bytes:
    """Return the bytes of a key file, which must not be empty."""
    try:
        data = path.read_bytes()
    except OSError as err:
        raise _refuse(path, f"cannot be read: {err.strerror}") from err
    if not data:
        raise _refuse(path, "is empty")
    return data


def _refuse(path: Path, reason: str) -> SigningError:
    return SigningError("key_unusable", f"report keys: `{path}` {reason}; restore it from the backup")


def _create_keys(folder: Path, clock: Clock, origin: str) -> None:
    """Write new keys and certificates unless another process just did; the authority's private key is never written.

    Raises:
        SigningError: ``key_unusable`` when they cannot be written.
    """
    try:
        with suppress(FileExistsError):
            write_folder(folder, _make_files(clock, origin))
    except OSError as err:
        raise SigningError("key_unusable", f"report keys: `{folder}` cannot be made: {err.strerror}") from err


def _make_files(clock: Clock, origin: str) -> dict[str, bytes]:
    """Return new keys and certificates by file name."""
    jws_key, pdf_key, ca_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    start = clock.now().astimezone(UTC).replace(microsecond=0) - timedelta(minutes=5)
    authority = _build_authority(ca_key, origin, start)
    cert = _build_certificate(pdf_key, ca_key, authority, origin, start)
    return {
        JWS_KEY_FILE: _dump_key(jws_key),
        PDF_KEY_FILE: _dump_key(pdf_key),
        PDF_CA_FILE: _dump_certificate(authority),
        PDF_CERT_FILE: _dump_certificate(cert),
    }


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


def _dump_public(key: CertificatePublicKeyTypes) -> str:
    """Return a public key as PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _dump_certificate(cert: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return cert.public_bytes(serialization.Encoding.PEM)

"""Certificates, users and roles of a secured test server; all made up for one run."""

import base64
import datetime
import hashlib
import ipaddress
import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from auditsvc.store.elasticsearch.role import build_role

ADMIN = "admin"
SERVICE = "auditsvc"
PREFIX = "gs"
"""Index prefix the service's role is for; the default of the setting ``elasticsearch_prefix``."""
SERVICE_ROLE = build_role(PREFIX, f"{PREFIX}-*")
"""The service's role, also for the prefixes of tests, which begin with the same letters."""
HASH_ROUNDS = 10_000
DAYS = 30


@dataclass(frozen=True, slots=True)
class Identity:
    """What the nodes of one secured cluster share.

    Attributes:
        ca_file: certificate that signed the nodes'.
        cert_file, key_file: one certificate for all nodes, on both layers.
        users: name to password.
    """

    ca_file: Path
    cert_file: Path
    key_file: Path
    users: Mapping[str, str]

    def install(self, config: Path) -> dict[str, str]:
        """Put certificates, users and roles into a node's configuration folder; return its lines of settings."""
        for path in (self.ca_file, self.cert_file, self.key_file):
            shutil.copy(path, config)
        (config / "roles.yml").write_text(f"{SERVICE}: {json.dumps(SERVICE_ROLE)}\n")
        (config / "users").write_text("".join(f"{name}:{_hash(word)}\n" for name, word in self.users.items()))
        (config / "users_roles").write_text(f"superuser:{ADMIN}\n{SERVICE}:{SERVICE}\n")
        lines = {"xpack.security.enabled": "true", "xpack.security.transport.ssl.verification_mode": "certificate"}
        for layer in ("http", "transport"):
            lines |= {
                f"xpack.security.{layer}.ssl.enabled": "true",
                f"xpack.security.{layer}.ssl.key": self.key_file.name,
                f"xpack.security.{layer}.ssl.certificate": self.cert_file.name,
                f"xpack.security.{layer}.ssl.certificate_authorities": self.ca_file.name,
            }
        return lines


def build_identity(folder: Path) -> Identity:
    """Return a new authority, one certificate for this machine signed by it, and users with random passwords."""
    folder.mkdir()
    ca_key, ca = build_authority("auditsvc test CA")
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    cert = (
        _certificate("localhost", "auditsvc test CA", key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    identity = Identity(
        folder / "ca.pem",
        folder / "node.pem",
        folder / "node.key",
        {name: secrets.token_urlsafe(24) for name in (ADMIN, SERVICE)},
    )
    identity.ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    identity.cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    identity.key_file.touch(mode=0o600)
    identity.key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return identity


def build_authority(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Return the key and the self-signed certificate of a new authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    cert = (
        _certificate(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, cert


def _certificate(subject: str, issuer: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    """Return a certificate for some days, not yet signed."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
    )


def _hash(password: str) -> str:
    """Return a password as the server's file of users keeps it (``elasticsearch-users`` writes the same, by a slow start of Java)."""
    salt = secrets.token_bytes(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ROUNDS, dklen=32)
    return f"{{PBKDF2}}{HASH_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"

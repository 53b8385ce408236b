"""Makes the certificates and passwords of ``docker/compose.yaml``, once: what is there stays.

    python docker/make_certificates.py FOLDER [--renew]

- ``ca.pem`` signs ``elasticsearch.pem`` and ``kibana.pem``; its key is never written, so nothing can be signed later.
  ``--renew`` makes all certificates anew, with a new authority, and keeps the passwords.
- Each secret is a file for one reader, who alone may read it. As root (in the image: ``--user 0``) the files are given
  to the users of the images, else they stay the caller's.
- The folder is closed to everybody but its owner.
"""

import argparse
import datetime
import ipaddress
import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 1095
"""A certificate's life: three years, after which ``--renew`` is due."""
ELASTIC_USER, AUDITSVC_USER = 1000, 10001
"""User ids inside the images: Elasticsearch's and Kibana's, ours."""
SERVERS = ("elasticsearch", "kibana")
PASSWORDS = ("elastic", "auditsvc", "kibana_system")
KIBANA_FILE = "kibana.yml"


def main() -> int:
    """Make what is missing and say what was made; the exit code."""
    parser = argparse.ArgumentParser(description="Make certificates and passwords for docker/compose.yaml.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--renew", action="store_true", help="make the certificates anew, keep the passwords")
    given = parser.parse_args()
    folder: Path = given.folder
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    made = make_certificates(folder) if given.renew or not _has_certificates(folder) else []
    made += make_passwords(folder)
    print("\n".join(made) if made else "nothing to make")  # noqa: T201
    if os.geteuid() != 0:
        print("not root: the files stay yours, and containers of other users cannot read them", file=sys.stderr)  # noqa: T201
    return 0


def _has_certificates(folder: Path) -> bool:
    """Say whether all certificates and keys are there."""
    return all((folder / name).exists() for name in ("ca.pem", *(f"{s}.{e}" for s in SERVERS for e in ("pem", "key"))))


def make_certificates(folder: Path) -> list[str]:
    """Write an authority's certificate, and one certificate and key for each server; return the files' names."""
    now = datetime.datetime.now(datetime.UTC)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("auditsvc compose authority")
    ca = (
        _build(ca_name, ca_name, ca_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(folder / "ca.pem", ca.public_bytes(serialization.Encoding.PEM), None)
    made = ["ca.pem"]
    for server in SERVERS:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _sign(server, key.public_key(), ca, ca_key, now)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        _write(folder / f"{server}.pem", certificate.public_bytes(serialization.Encoding.PEM), None)
        _write(folder / f"{server}.key", pem, ELASTIC_USER)
        made += [f"{server}.pem", f"{server}.key"]
    return made


def _sign(
    server: str,
    key: ec.EllipticCurvePublicKey,
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
) -> x509.Certificate:
    """Return a server's certificate, for its name among the containers and for this machine."""
    names: Iterable[x509.GeneralName] = [
        x509.DNSName(server),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]  # nodes are each other's clients
    ca_id = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _build(_name(server), ca.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _build(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime
) -> x509.CertificateBuilder:
    """Return a certificate that is not yet signed; it begins an hour ago, for clocks that are behind."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
    )


def _name(common: str) -> x509.Name:
    """Return a name of one part."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Return what a key may do: sign certificates, or handshakes."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def make_passwords(folder: Path) -> list[str]:
    """Write the passwords that are missing, one file for each reader of each; return the files' names."""
    made = []
    for name in PASSWORDS:
        file = folder / f"{name}.password"
        if not file.exists():
            _write(file, f"{secrets.token_urlsafe(24)}\n".encode(), AUDITSVC_USER)
            made.append(file.name)
    server_copy, kibana = folder / "elastic.bootstrap", folder / KIBANA_FILE
    if not server_copy.exists() or "elastic.password" in made:
        _write(server_copy, (folder / "elastic.password").read_bytes().strip(), ELASTIC_USER)
        made.append(server_copy.name)
    if not kibana.exists() or "kibana_system.password" in made:
        password = (folder / "kibana_system.password").read_text().strip()
        _write(kibana, build_kibana_settings(password).encode(), ELASTIC_USER)
        made.append(kibana.name)
    return made


def build_kibana_settings(password: str) -> str:
    """Return ``kibana.yml``; Kibana takes its password from there only."""
    lines = {
        "server.name": "kibana",
        "server.host": "0.0.0.0",  # noqa: S104 - inside its container; compose publishes it on loopback
        "server.publicBaseUrl": "https://localhost:5601",
        "server.ssl.enabled": "true",
        "server.ssl.certificate": "/run/secrets/kibana.pem",
        "server.ssl.key": "/run/secrets/kibana.key",
        "elasticsearch.hosts": '["https://elasticsearch:9200"]',
        "elasticsearch.ssl.certificateAuthorities": '["/run/secrets/ca.pem"]',
        "elasticsearch.username": "kibana_system",
        "elasticsearch.password": f'"{password}"',
        "telemetry.optIn": "false",
        "xpack.security.encryptionKey": f'"{secrets.token_hex(16)}"',
        "xpack.encryptedSavedObjects.encryptionKey": f'"{secrets.token_hex(16)}"',
        "xpack.reporting.encryptionKey": f'"{secrets.token_hex(16)}"',
    }
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


def _write(path: Path, data: bytes, reader: int | None) -> None:
    """Put a file in place whole: for one reader, or for everybody when ``reader`` is None."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_bytes(data)
    draft.chmod(0o444 if reader is None else 0o400)
    if reader is not None and os.geteuid() == 0:
        os.chown(draft, reader, reader)
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())

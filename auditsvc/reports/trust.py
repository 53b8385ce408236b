"""The keys a verifier trusts beforehand: the log's key, the report keys, and the PDF signer's certificate by its digest.

A trust file is handed over separately from the reports. Nothing in a report is ever a reason to trust it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditsvc.auth.tokens import build_thumbprint, parse_jwk
from auditsvc.ground.errors import InputError, SigningError
from auditsvc.ledger.verify.trust import LogTrust, parse_log_trust

MAX_TRUST_BYTES = 64 * 1024
"""A trust file holds a handful of keys."""
_HEX = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class ReportTrust:
    """A parsed trust file: the log, P-256 public keys in PEM by ``kid``, and SHA-256 of the signer's certificate (DER)."""

    log: LogTrust
    report_keys: Mapping[str, str]
    pdf_cert_sha256: bytes


def parse_trust(data: Mapping[str, Any]) -> ReportTrust:
    """Return a trust file's content.

    Raises:
        AuditError: ``input_invalid`` or ``key_unusable``, naming the part that is missing or malformed.
    """
    log = parse_log_trust(data)
    jwks = data.get("report_jwks")
    listed = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(listed, list) or not listed:
        raise InputError("input_invalid", "trust file: expected `report_jwks` with at least one key")
    keys: dict[str, str] = {}
    for jwk in listed:
        if not isinstance(jwk, Mapping):
            raise InputError("input_invalid", "trust file: a key of `report_jwks` is not an object")
        pem = parse_jwk(jwk)
        if jwk.get("kid") != build_thumbprint(pem):
            raise SigningError("key_unusable", "trust file: a `kid` of `report_jwks` is not its key's thumbprint")
        keys[str(jwk["kid"])] = pem
    digest = data.get("pdf_cert_sha256")
    if not isinstance(digest, str) or not _HEX.match(digest):
        raise InputError("input_invalid", "trust file: expected `pdf_cert_sha256` as 64 hex digits")
    return ReportTrust(log, keys, bytes.fromhex(digest))


def load_trust_file(path: Path) -> ReportTrust:
    """Return a trust file's content; see :func:`parse_trust` for errors."""
    try:
        data = path.read_bytes()
        content = json.loads(data) if len(data) <= MAX_TRUST_BYTES else None
    except OSError as err:
        raise InputError("not_found", f"trust file `{path}`: {err.strerror}") from err
    except (ValueError, RecursionError) as err:
        raise InputError("input_invalid", f"trust file `{path}`: not JSON") from err
    if not isinstance(content, dict):
        raise InputError(
            "input_invalid", f"trust file `{path}`: expected a JSON object of at most {MAX_TRUST_BYTES} bytes"
        )
    return parse_trust(content)

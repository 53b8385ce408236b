"""A verifier's trust anchors: the log's name and key, and optionally a checkpoint seen earlier."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditsvc.ground.errors import LogError
from auditsvc.ledger.format.note import Checkpoint, VerifierKey, parse_vkey, verify_checkpoint

TRUST_KEYS = ("origin", "log_vkey", "pinned_checkpoint", "report_jwks", "pdf_cert_sha256")
"""All keys of a trust file; the last two are read by the report's verifier."""


@dataclass(frozen=True, slots=True)
class LogTrust:
    """The log's key (its name is the origin) and the largest checkpoint known from elsewhere, if any."""

    key: VerifierKey
    pinned: Checkpoint | None = None

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.key.name


def parse_log_trust(data: Mapping[str, Any]) -> LogTrust:
    """Return the log's part of a trust file: ``origin``, ``log_vkey`` and optionally ``pinned_checkpoint`` (a note).

    Raises:
        LogError: ``input_invalid`` when a key is unknown (a misspelt pin would be silently ignored), a value is missing or not a text,
            or the origin is not the key's name.
        SigningError: ``key_unusable`` or ``signature_invalid`` for a malformed key or a pinned note it did not sign.
    """
    unknown = sorted(set(data) - set(TRUST_KEYS))
    if unknown:
        raise LogError(
            "input_invalid", f"trust file: unknown key `{unknown[0][:64]}`, expected {', '.join(TRUST_KEYS)}"
        )
    vkey, origin = data.get("log_vkey"), data.get("origin")
    if not isinstance(vkey, str) or not isinstance(origin, str):
        raise LogError("input_invalid", "trust file: expected texts `origin` and `log_vkey`")
    key = parse_vkey(vkey)
    if key.name != origin:
        raise LogError("input_invalid", f"trust file: origin `{origin}` is not the name of the log key, `{key.name}`")
    pinned = data.get("pinned_checkpoint")
    if pinned is None:
        return LogTrust(key)
    if not isinstance(pinned, str):
        raise LogError("input_invalid", "trust file: expected text `pinned_checkpoint`, a signed note")
    return LogTrust(key, verify_checkpoint(pinned, key))

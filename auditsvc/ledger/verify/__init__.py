"""The verifier: self-contained; uses only hashing, the parsers of the public formats and Ed25519 verification."""

from auditsvc.ledger.verify.check import verify_archive, verify_bundle
from auditsvc.ledger.verify.step import Step, decide_exit_code
from auditsvc.ledger.verify.trust import LogTrust, parse_log_trust

__all__ = ["LogTrust", "Step", "decide_exit_code", "parse_log_trust", "verify_archive", "verify_bundle"]

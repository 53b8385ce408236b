"""Offline verification of reports; every step is listed, and a skipped step is never reported as passed."""

from auditsvc.reports.verify.check import Verification, verify_files

__all__ = ["Verification", "verify_files"]

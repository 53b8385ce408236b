"""Offline verification of reports; every step is listed, and a step not done is never shown as passed."""

from auditsvc.reports.verify.check import Verification, verify_files

__all__ = ["Verification", "verify_files"]

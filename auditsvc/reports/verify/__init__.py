"""Offline verification of reports; every step is listed, and a step not done is never shown as passed."""

from auditsvc.reports.verify.check import Verification, verify_files
from auditsvc.reports.verify.step import EXIT_INCOMPLETE, EXIT_TAMPERED, EXIT_USAGE, EXIT_VERIFIED

__all__ = ["EXIT_INCOMPLETE", "EXIT_TAMPERED", "EXIT_USAGE", "EXIT_VERIFIED", "Verification", "verify_files"]

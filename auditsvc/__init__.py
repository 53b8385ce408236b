"""auditsvc: tamper-evident access logs, policy checks and signed audit reports for shared government data."""

__version__ = "0.2.0"

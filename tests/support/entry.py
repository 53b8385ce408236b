"""The installed ``auditsvc`` command, run as a shell or a supervisor runs it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SCRIPT = Path(sys.executable).with_name("auditsvc")
"""The entry point that installing the package makes, beside the interpreter."""
WITHIN_S = 120


def run_entry(
    *words: str | Path, environment: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command with settings from ``environment`` alone; return exit code and what it printed."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AUDITSVC_")}
    return subprocess.run(
        [SCRIPT, *words], env={**clean, **(environment or {})}, input=stdin,
        capture_output=True, text=True, check=False, timeout=WITHIN_S,
    )  # fmt: skip

"""A command whose reader went away says so by its exit code, not by the one that means a finding."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("arguments", [["--help"], ["verify", "--help"], ["doctor"]], ids=" ".join)
def test_a_closed_pipe_ends_with_141(arguments: list[str], tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [sys.executable, "-c", "from auditsvc.cli.main import main; main()", *arguments],
            stdout=write_end,
            stderr=subprocess.PIPE,
            env={**os.environ, "AUDITSVC_DATA_DIR": str(tmp_path)},
            check=False,
        )
    finally:
        os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")

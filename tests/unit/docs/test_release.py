"""The changelog's newest release, the package's version and its metadata are one."""

import re
import subprocess
import sys
from pathlib import Path

import auditsvc

ROOT = Path(__file__).parents[3]


def test_the_newest_release_is_the_version_of_the_program() -> None:
    releases = re.findall(
        r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert releases[0] == auditsvc.__version__
    assert releases == sorted(releases, key=lambda release: [int(part) for part in release.split(".")], reverse=True)


def test_the_package_is_built_with_the_version_of_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().splitlines()[-1] == auditsvc.__version__

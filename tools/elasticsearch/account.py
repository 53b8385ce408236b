"""The user servers run as: Elasticsearch refuses to run as root, so root starts it as a system user of its own."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from tools.elasticsearch.distribution import ToolError

USER = "auditsvc-elastic"


def command_prefix() -> list[str]:
    """Return what stands before a command so that it does not run as root; makes the system user when missing.

    Raises:
        ToolError: the user cannot be made.
    """
    if os.geteuid():
        return []
    entry = _system_user()
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups", "--"]


def hand_over(folder: Path) -> None:
    """Give a folder to the user servers run as.

    Raises:
        ToolError: that user cannot get into it, because a folder above is closed to others.
    """
    if os.geteuid():
        return
    entry = _system_user()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    check_reachable(folder)


def check_reachable(folder: Path) -> None:
    """Check that the user servers run as can get into ``folder``.

    Raises:
        ToolError: a folder above is closed to others.
    """
    if os.geteuid():
        return
    for parent in folder.resolve().parents:
        if not parent.stat().st_mode & 0o001:
            raise ToolError(f"{folder}: user {USER} cannot get in, because {parent} is closed to others")


def _system_user() -> pwd.struct_passwd:
    """Return the system user, made at the first call."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        pass
    program = shutil.which("useradd")
    if program is None:
        raise ToolError(f"as root the server needs a system user; please make one named {USER}")
    command = [program, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        raise ToolError(f"user {USER} cannot be made: {done.stderr.strip()}") from None

"""Exclusive claims of a process at start: the data folder and the addresses it listens on.

The web server shares its ports between worker processes (``SO_REUSEPORT``), so the operating system would also share
them between two services, and requests would go to either. A claim prevents that. Every claim ends with the process,
however it ends.
"""

import errno
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from auditsvc.ground.errors import AuditError, StorageError
from auditsvc.runtime.processes import GRACE_S

LOCK_FILE = "serve.lock"
"""Lock file in the data folder, with the process id and name of the process that works there."""
MAX_HOLDER = 100
_WAIT_S = GRACE_S + 5.0
_POLL_S = 0.2


@contextmanager
def claim_folder(folder: Path, name: str) -> Iterator[bool]:
    """Claim ``folder`` for this process alone; return whether the previous process was killed.

    Args:
        folder: the data folder, which must exist.
        name: name of this process in the error of another one, such as ``serve``.

    Raises:
        AuditError: ``folder_in_use`` when another process holds it.
        StorageError: ``storage_unavailable`` when the folder cannot be written.
    """
    path = folder / LOCK_FILE
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as err:
        raise StorageError("storage_unavailable", f"`{path.resolve()}` cannot be written: {err.strerror}") from err
    with file:
        file.seek(0)
        before = file.read(MAX_HOLDER)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            raise AuditError(
                "folder_in_use",
                f"`{folder.resolve()}` is in use by {before.strip() or 'another process'}; stop that first, or set "
                "`AUDITSVC_DATA_DIR` to another ledger",
            ) from err
        file.truncate(0)
        file.write(f"`auditsvc {name}`, process {os.getpid()}\n")
        file.flush()
        try:
            yield bool(before)
        finally:
            file.truncate(0)


@contextmanager
def claim_address(setting: str, host: str, port: int, *, after_kill: bool = False) -> Iterator[None]:
    """Ensure that no other program listens on an address, now or later; this process's children may.

    Args:
        setting: the setting the port comes from, for the message.
        host: an IP address of this machine.
        port: 1 to 65535.
        after_kill: the previous service was killed: wait for its processes, which notice and end within seconds.

    Raises:
        AuditError: ``address_unavailable``.
    """
    retrying = Retrying(
        retry=retry_if_exception(_is_in_use),
        stop=stop_after_delay(_WAIT_S if after_kill else 0.0),
        wait=wait_fixed(_POLL_S),
        reraise=True,
    )
    try:
        held = retrying(_hold, host, port)
    except OSError as err:
        raise AuditError("address_unavailable", _explain(setting, host, port, err)) from err
    with held:
        yield


def _is_in_use(err: BaseException) -> bool:
    """Return whether another program listens on the address."""
    return isinstance(err, OSError) and err.errno == errno.EADDRINUSE


def _hold(host: str, port: int) -> socket.socket:
    """Return a socket that reserves an address and accepts no connections itself.

    Listening without ``SO_REUSEPORT`` succeeds for only one program at a time; that is the check. The socket kept has the
    option, so that the web server's sockets, of the same user and also with the option, can bind, and a later check
    cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe, ExitStack() as opened:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # recently closed connections do not count
        probe.bind((host, port))
        probe.listen(1)
        held = opened.enter_context(socket.socket(family))
        if sys.platform == "linux":  # elsewhere the web server does not share its ports
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((host, port))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # otherwise another program could listen as well
        opened.pop_all()
        return held


def _explain(setting: str, host: str, port: int, err: OSError) -> str:
    """Return why an address cannot be claimed, and what to do."""
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    advice = {
        errno.EADDRINUSE: f"another program listens there (`ss -ltnp sport = :{port}` names it); stop it, or set another",
        errno.EADDRNOTAVAIL: f"this machine has no such address; set `{setting.replace('_PORT', '_HOST')}` to one it has",
        errno.EACCES: "this user may not use it; set a port above 1023",
    }
    known = advice.get(err.errno or 0, f"{err.strerror}; set another")
    return f"{setting}: cannot listen on `{shown}`: {known}"

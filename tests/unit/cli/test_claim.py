"""A folder and an address are claimed by one process at a time, and free again when it ends."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from auditsvc.ground.errors import AuditError, StorageError
from auditsvc.runtime import locks
from auditsvc.runtime.locks import LOCK_FILE, claim_address, claim_folder
from tools.ports import find_free_port

HOST = "127.0.0.1"
HOLDER = """
import sys, time
from pathlib import Path
from auditsvc.runtime import locks
from auditsvc.runtime.locks import claim_address, claim_folder
with claim_folder(Path(sys.argv[1]), "serve"), claim_address("X_PORT", "127.0.0.1", int(sys.argv[2])):
    print("held", flush=True)
    time.sleep(600)
"""


def listen(port: int, *options: int) -> socket.socket:
    made = socket.socket()
    for option in options:
        made.setsockopt(socket.SOL_SOCKET, option, 1)
    try:
        made.bind((HOST, port))
        made.listen(5)
    except OSError:
        made.close()
        raise
    return made


def refuse(port: int, host: str = HOST) -> str:
    with pytest.raises(AuditError) as caught, claim_address("AUDITSVC_CONSOLE_PORT", host, port):
        raise AssertionError("claimed")
    assert (caught.value.code, caught.value.exit_code) == ("address_unavailable", 3)
    return caught.value.message


def test_a_second_claim_of_a_folder_names_folder_and_holder(tmp_path: Path) -> None:
    with claim_folder(tmp_path, "serve") as was_killed:
        assert was_killed is False
        with pytest.raises(AuditError) as caught, claim_folder(tmp_path, "reindex"):
            raise AssertionError("claimed")
        assert caught.value.code == "folder_in_use"
        assert f"`{tmp_path}` is in use by `auditsvc serve`, process {os.getpid()}; stop that" in caught.value.message
    with claim_folder(tmp_path, "reindex") as was_killed:
        assert was_killed is False


def test_a_claim_ends_with_its_process_and_tells_that_it_was_killed(tmp_path: Path) -> None:
    port = find_free_port()
    command = [sys.executable, "-c", HOLDER, str(tmp_path), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert f"`{HOST}:{port}`" in refuse(port)
        with pytest.raises(AuditError, match=f"process {holder.pid};"), claim_folder(tmp_path, "serve"):
            raise AssertionError("claimed")
        holder.send_signal(signal.SIGKILL)
    with claim_folder(tmp_path, "serve") as was_killed, claim_address("X_PORT", HOST, port):
        assert was_killed is True


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).mkdir()
    with (
        pytest.raises(StorageError, match=f"{LOCK_FILE}` cannot be written: Is a directory"),
        claim_folder(tmp_path, "x"),
    ):
        raise AssertionError("claimed")


@pytest.mark.parametrize(
    "options", [(), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT)]
)
def test_an_address_somebody_listens_on_is_refused_however_it_is_shared(options: tuple[int, ...]) -> None:
    port = find_free_port()
    with listen(port, *options):
        message = refuse(port)
        assert message.startswith(f"AUDITSVC_CONSOLE_PORT: cannot listen on `{HOST}:{port}`: another program listens")
        assert f"sport = :{port}" in message
        assert "another program listens" in refuse(port, "0.0.0.0")  # noqa: S104
    with claim_address("X_PORT", HOST, port):
        pass


def test_only_sockets_that_share_the_port_get_in_beside_a_claim() -> None:
    port = find_free_port()
    with claim_address("X_PORT", HOST, port):
        for options in ((), (socket.SO_REUSEADDR,)):
            with pytest.raises(OSError, match="in use") as caught:
                listen(port, *options)
            assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, port))
        with listen(port, socket.SO_REUSEPORT) as server, socket.create_connection((HOST, port)):
            accepted, _ = server.accept()
            accepted.close()
        refuse(port)


def test_connections_that_ended_lately_do_not_keep_an_address() -> None:
    port = find_free_port()
    with listen(port, socket.SO_REUSEADDR) as server, socket.create_connection((HOST, port)):
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first waits a minute in TIME_WAIT
    with claim_address("X_PORT", HOST, port):
        pass


def test_after_a_kill_an_address_is_waited_for() -> None:
    port = find_free_port()
    leaving = listen(port)
    timer = threading.Timer(0.3, leaving.close)
    timer.start()
    with claim_address("X_PORT", HOST, port, after_kill=True):
        assert leaving.fileno() < 0
    timer.join()


def test_after_a_kill_an_address_is_not_waited_for_longer_than_its_processes_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "_WAIT_S", 0.3)
    port = find_free_port()
    claim = claim_address("X_PORT", HOST, port, after_kill=True)
    began = time.monotonic()
    with listen(port), pytest.raises(AuditError, match="another program listens there"), claim:
        raise AssertionError("claimed")
    assert 0.3 <= time.monotonic() - began < 5


def test_an_address_of_another_machine_is_refused_with_the_setting_to_change() -> None:
    message = refuse(find_free_port(), "192.0.2.1")
    assert "this machine has no such address; set `AUDITSVC_CONSOLE_HOST` to one it has" in message

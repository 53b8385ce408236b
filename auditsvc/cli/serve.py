"""``auditsvc serve``: supervises the ingest workers and the core process.

Everything is checked before anything is started, in this order: settings, ledger and key, the data folder (one service
at a time), the addresses.
"""

import importlib
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click
from granian.constants import Interfaces
from granian.server import Server

from auditsvc.cli.context import load_settings
from auditsvc.ground.errors import EXIT_DEPENDENCY, AuditError, StorageError
from auditsvc.ground.logs import configure_logs
from auditsvc.ground.settings.model import Settings
from auditsvc.runtime.installation import open_database, require_log_key
from auditsvc.runtime.locks import claim_address, claim_folder
from auditsvc.runtime.processes import Child, Start, stop_with_parent, supervise

CORE_THREADS = 8
"""Threads of the core process that answer requests; the engine has its own."""
STOP_S = 35
"""Seconds the web server waits for its workers before it kills them."""
ROLES = ("all", "core", "ingest")

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Ignores the environment's proxies, which cannot reach this machine's own addresses."""
_log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="all",
    show_default=True,
    help="Run everything, or one kind of process under a supervisor of your own.",
)
@click.option("--parent", type=int, hidden=True, help="Process to end with.")
@click.option("--start-file", type=click.Path(path_type=Path), hidden=True, help="Where to say how the start went.")
def command(role: str, parent: int | None, start_file: Path | None) -> None:
    """Run ingest workers and the core process (engine, console, API) until SIGTERM or Ctrl-C.

    Needs a ledger, made by `auditsvc init`. Exit 0 after a clean stop; 2 for a wrong setting; 3 when the service cannot
    start (no ledger, another service in the data folder, an address taken, a process that cannot run) or a process had
    to be killed.
    """
    settings = load_settings()
    configure_logs(settings.log_level)
    if parent is not None and start_file is not None:
        stop_with_parent(parent)
        failure = _serve_role(settings, role, Start(start_file))
        if failure is not None:
            sys.exit(failure.exit_code)  # the supervisor reports the reason
        return
    with ExitStack() as held:
        _claim(held, settings, role)
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="auditsvc-")))
        if role == "all":
            _supervise(settings, folder)
            return
        failure = _serve_role(settings, role, Start(folder / role))
        if failure is not None:
            raise failure


def _claim(held: ExitStack, settings: Settings, role: str) -> None:
    """Raise unless the service can start; reserve its folder and addresses while ``held`` is open."""
    open_database(settings).dispose()
    after_kill = False
    if role != "ingest":  # several groups of ingest workers may write one archive
        require_log_key(settings)
        after_kill = held.enter_context(claim_folder(settings.data_dir, "serve"))
    addresses = {
        "core": ("AUDITSVC_CONSOLE_PORT", settings.console_host, settings.console_port),
        "ingest": ("AUDITSVC_INGEST_PORT", settings.ingest_host, settings.ingest_port),
    }
    for name, address in addresses.items():
        if role in ("all", name):
            held.enter_context(claim_address(*address, after_kill=after_kill))


def _serve_role(settings: Settings, role: str, start: Start) -> AuditError | None:
    """Run the web server of one role until stopped; return the reason if it could not run."""
    code: Any = 0
    try:
        _build_server(settings, role).serve(
            target_loader=partial(load_app, role, start, os.getpid()), wrap_loader=False
        )
    except SystemExit as err:  # raised by the web server when a worker exits unexpectedly
        code = err.code
    except RuntimeError as err:  # raised when it cannot listen
        start.tell_failed(AuditError("address_unavailable", f"{role}: {str(err).splitlines()[0]}"))
    failure = start.find_failure()
    if failure is None and code:
        sys.exit(code)
    return failure


def load_app(role: str, start: Start, server: int) -> Callable[..., Any]:
    """Return the application for one worker of the web server; called in the worker.

    On failure, report the reason and stop the server (process id ``server``), which would only retry.
    """
    try:
        app: Callable[..., Any] = getattr(importlib.import_module("auditsvc.app"), f"create_{role}_app")()
    except Exception as err:
        failure = _translate(err)
        _log.error(
            "start_failed",
            extra={"role": role, "code": failure.code, "reason": failure.message},
            exc_info=failure.code == "internal",
        )
        start.tell_failed(failure)
        if os.getppid() == server:
            os.kill(server, signal.SIGTERM)
        sys.exit(failure.exit_code)
    start.tell_started()
    return app


def _translate(err: Exception) -> AuditError:
    """Return any failure at startup as one of our errors."""
    if isinstance(err, AuditError):
        return err
    if isinstance(err, OSError):
        return StorageError("storage_unavailable", f"`{err.filename}`: {err.strerror}")
    return AuditError("internal", f"the program failed: {type(err).__name__}: {err}")


def _build_server(settings: Settings, role: str) -> Any:
    """Return the web server of one role."""
    make_server: Any = Server  # an alias the library chooses by platform, not a type
    core = role == "core"
    return make_server(
        f"auditsvc.app:create_{role}_app",
        interface=Interfaces.WSGI,
        websockets=False,
        address=settings.console_host if core else settings.ingest_host,
        port=settings.console_port if core else settings.ingest_port,
        workers=1 if core else settings.ingest_workers,
        blocking_threads=CORE_THREADS if core else settings.ingest_threads,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=STOP_S,
        log_enabled=False,
    )


def _supervise(settings: Settings, folder: Path) -> None:
    """Run both roles as child processes until stopped; they report startup failures in ``folder``."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    children = [_build_child(role, folder / role) for role in ("core", "ingest")]
    if not supervise(children, stop, _announcer(settings)):
        sys.exit(EXIT_DEPENDENCY)


def _build_child(role: str, start_file: Path) -> Child:
    """Return the child process of one role."""
    command_line = [sys.executable, "-m", "auditsvc", "serve", "--role", role]
    command_line += ["--parent", str(os.getpid()), "--start-file", str(start_file)]
    return Child(role, command_line, os.environ, Start(start_file))


def _announcer(settings: Settings) -> Callable[[], None]:
    """Return a function that prints the addresses once, when everything is ready."""
    addresses = {"console and API": settings.console_url, "ingest": settings.ingest_url}
    waiting = dict(addresses)
    asked_at = [0.0]

    def announce() -> None:
        if not waiting or time.monotonic() - asked_at[0] < 1.0:
            return
        asked_at[0] = time.monotonic()
        for name, address in list(waiting.items()):
            if is_ready(address):
                del waiting[name]
        if not waiting:
            for name, address in addresses.items():
                click.echo(f"auditsvc: {name} at {address}", err=True)

    return announce


def is_ready(address: str) -> bool:
    """Return whether the process at ``address`` reports itself ready."""
    try:
        with _DIRECT.open(f"{address}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

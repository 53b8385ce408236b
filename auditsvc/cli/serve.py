"""``auditsvc serve``: supervises the ingest workers and the core process."""

import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import click
from granian.constants import Interfaces
from granian.server import Server

from auditsvc.cli.context import load_settings, open_database
from auditsvc.engine.process import Child, stop_with_parent, supervise
from auditsvc.errors import EXIT_DEPENDENCY
from auditsvc.ledger.keys import load_or_create_log_key
from auditsvc.logs import configure_logs
from auditsvc.settings import Settings

CORE_THREADS = 8
"""Threads of the core process that answer requests; the engine has its own."""
STOP_S = 35
"""Seconds the web server waits for its workers before it kills them."""
ROLES = ("all", "core", "ingest")


@click.command()
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="all",
    show_default=True,
    help="Run everything, or one kind of process under a supervisor of your own.",
)
@click.option("--parent", type=int, hidden=True, help="Process to end with.")
def command(role: str, parent: int | None) -> None:
    """Run ingest workers and the core process (engine, console, API) until SIGTERM or Ctrl-C.

    Exit 0 after a clean stop; 3 when a process had to be killed.
    """
    settings = load_settings()
    configure_logs(settings.log_level)
    if role == "all":
        _supervise(settings)
        return
    if parent is not None:
        stop_with_parent(parent)
    _build_server(settings, role).serve()


def _build_server(settings: Settings, role: str) -> Any:
    """Return the web server of one role."""
    make_server: Any = Server  # an alias the library chooses by platform, not a type
    core = role == "core"
    return make_server(
        f"auditsvc.app:create_{role}_app",
        factory=True,
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


def _supervise(settings: Settings) -> None:
    """Run both roles as child processes until told to stop."""
    open_database(settings).dispose()
    load_or_create_log_key(settings.key_path)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    children = [_build_child(role) for role in ("core", "ingest")]
    if not supervise(children, stop, _announcer(settings)):
        sys.exit(EXIT_DEPENDENCY)


def _build_child(role: str) -> Child:
    """Return the child process of one role."""
    command_line = [sys.executable, "-m", "auditsvc", "serve", "--role", role, "--parent", str(os.getpid())]
    return Child(role, command_line, os.environ)


def _announcer(settings: Settings) -> Callable[[], None]:
    """Return what prints the addresses once, when everything is ready."""
    addresses = {
        "console and API": f"http://{settings.console_host}:{settings.console_port}",
        "ingest": f"http://{settings.ingest_host}:{settings.ingest_port}",
    }
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
    """Tell whether the process at ``address`` says it is ready."""
    try:
        with urllib.request.urlopen(f"{address}/health/ready", timeout=2) as answer:  # noqa: S310  # our own http address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False

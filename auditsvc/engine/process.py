"""How a process of the service lives: it ends with its parent, and the parent restarts it when it ends by itself.

A supervisor killed with SIGKILL can tell its children nothing, and a child left behind would keep ports and the event
store's lock. So every child asks the kernel for SIGTERM on its parent's death (Linux), and also looks for itself.
"""

import ctypes
import logging
import multiprocessing.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

GRACE_S = 10.0
"""How long a process may take to stop after its parent is gone before it is killed."""
STOP_S = 45.0
"""How long a supervisor waits for a child that was told to stop."""
MAX_BACKOFF_S = 10.0
"""Longest wait before a child that keeps ending is started again."""
_SETTLED_S = 30.0
_POLL_S = 0.2
_PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


def stop_with_parent(parent: int | None = None) -> None:
    """Let this process be told to stop when its parent ends, also by SIGKILL.

    Args:
        parent: the parent's process id, where the starter knows it; a parent that is gone already counts as ended.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a forked worker has its parent's handler, which does nothing here
    expected = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    threading.Thread(target=_watch_parent, args=(expected,), name="parent-watch", daemon=True).start()


def at_exit(act: Callable[[], None]) -> None:
    """Run ``act`` when this process ends in order; also in a forked worker, where ``atexit`` does not."""
    multiprocessing.util.Finalize(None, act, exitpriority=10)


def _watch_parent(parent: int) -> None:
    """Stop this process when its parent is another one than ``parent``; kill it if it does not stop."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(slots=True)
class Child:
    """One supervised process and how it has fared."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    backoff_s: float = field(default=0.5)

    def start(self) -> None:
        """Start the process."""
        # its own session, so that Ctrl-C at the terminal reaches the supervisor only, which stops children in order
        self.process = subprocess.Popen(self.command, env=dict(self.environ), start_new_session=True)  # noqa: S603
        self.started_at = time.monotonic()
        log.info("child_started", extra={"child": self.name, "pid": self.process.pid})

    def tend(self) -> None:
        """Notice that the process ended, and start it again when its wait is over."""
        now = time.monotonic()
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                return
            settled = now - self.started_at > _SETTLED_S
            self.backoff_s = 0.5 if settled else min(self.backoff_s * 2, MAX_BACKOFF_S)
            self.start_at = now + self.backoff_s
            self.process = None
            log.error("child_ended", extra={"child": self.name, "exit_code": code, "restart_in_s": self.backoff_s})
        if now >= self.start_at:
            self.start()


def supervise(children: Sequence[Child], stop: threading.Event, on_turn: Callable[[], None]) -> bool:
    """Run ``children`` until ``stop`` is set, then stop the last started first; call ``on_turn`` a few times a second.

    Returns:
        Whether every child stopped by itself within :data:`STOP_S`.
    """
    for child in children:
        child.start()
    while not stop.wait(_POLL_S):
        for child in children:
            child.tend()
        on_turn()
    stopped = [_stop_child(child) for child in reversed(children)]
    return all(stopped)


def _stop_child(child: Child) -> bool:
    """Stop one child; kill it when it does not stop."""
    if child.process is None:
        return True
    child.process.terminate()
    try:
        code = child.process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        log.error("child_killed", extra={"child": child.name, "waited_s": STOP_S})
        child.process.kill()
        child.process.wait()
        return False
    log.info("child_stopped", extra={"child": child.name, "exit_code": code})
    return True

"""The life cycle of the service's processes: a child ends with its parent, and is restarted when it ends by itself.

A supervisor killed with SIGKILL cannot notify its children, and an orphaned child would keep ports and the event store's
lock. So every child asks the kernel for SIGTERM on its parent's death (Linux), and also polls its parent's id.

A child that cannot start reports this in a file named by its parent (:class:`Start`). Restarting it repeatedly would
hide the reason, so the supervisor gives up; a child that was killed, or crashed later, is restarted.
"""

import contextlib
import ctypes
import json
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
from pathlib import Path
from typing import Any

from auditsvc.ground.errors import CODES, AuditError
from auditsvc.ground.files import replace_file

GRACE_S = 10.0
"""How long a process may take to stop after its parent is gone before it is killed."""
STOP_S = 45.0
"""How long a supervisor waits for a child to stop."""
MAX_BACKOFF_S = 10.0
"""Longest delay before a child that keeps ending is restarted."""
PATIENCE_S = GRACE_S
"""How long a child that never ran may fail to start, three times at least: the remains of a killed service disappear in this time."""
LONG_PATIENCE_S = 300.0
"""The same for a child that did run: its dependencies may recover, such as a database that is restarted."""
LEAST_FAILURES = 3
MOST_EARLY_ENDS = 20
"""Consecutive times a child may end soon after its start, without a report, before the supervisor gives up."""
_SETTLED_S = 30.0
_POLL_S = 0.2
_PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


def stop_with_parent(parent: int | None = None) -> None:
    """Arrange for this process to be stopped when its parent ends, also by SIGKILL.

    Args:
        parent: the parent's process id, if known to the caller; a parent that is already gone counts as ended.
    """
    signal.signal(
        signal.SIGTERM, signal.SIG_DFL
    )  # a forked worker inherits its parent's handler, which does nothing here
    expected = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    threading.Thread(target=_watch_parent, args=(expected,), name="parent-watch", daemon=True).start()


def at_exit(act: Callable[[], None]) -> None:
    """Run ``act`` when this process exits normally; also in a forked worker, where ``atexit`` does not work."""
    multiprocessing.util.Finalize(None, act, exitpriority=10)


def _watch_parent(parent: int) -> None:
    """Stop this process when its parent is no longer ``parent``; kill it if it does not stop."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Start:
    """A file in which a process reports the outcome of its start; readable at any time.

    ``path`` is in a folder owned by the parent; a missing file means that the process has not reported yet.
    """

    path: Path

    def clear(self) -> None:
        """Remove the report of the previous process."""
        self.path.unlink(missing_ok=True)

    def tell_started(self) -> None:
        """Report a successful start, unless another process of the group has reported a failure."""
        if self.find_failure() is None:
            self._write({})

    def tell_failed(self, error: AuditError) -> None:
        """Report why the process cannot run."""
        self._write({"code": error.code, "message": error.message})

    def has_started(self) -> bool:
        """Return whether the process has reported a successful start."""
        return self._read() == {}

    def find_failure(self) -> AuditError | None:
        """Return why the process cannot run, None unless it has reported so."""
        said = self._read() or {}
        code, message = said.get("code"), said.get("message")
        known = isinstance(code, str) and isinstance(message, str) and code in CODES
        return AuditError(str(code), str(message)) if known else None

    def _write(self, said: Mapping[str, str]) -> None:
        """Write atomically; on a full disk the file stays missing."""
        with contextlib.suppress(OSError):
            replace_file(self.path, json.dumps(said).encode())

    def _read(self) -> dict[str, Any] | None:
        """Return the report, None when there is none."""
        try:
            said = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return said if isinstance(said, dict) else None


@dataclass(slots=True)
class Child:
    """One supervised process and its history.

    Attributes:
        failing_since: when the first of the current series of failed starts was noticed; 0 if there is none.
        failures: consecutive failed starts.
        early_ends: consecutive times it ended soon after its start, without a report.
        is_settled: the current process has run for a while.
        was_settled: one of its earlier processes did.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    start_file: Start
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    backoff_s: float = field(default=0.5)
    failing_since: float = 0.0
    failures: int = 0
    early_ends: int = 0
    is_settled: bool = False
    was_settled: bool = False

    def start(self) -> None:
        """Start the process."""
        self.start_file.clear()
        # its own session, so that Ctrl-C at the terminal reaches the supervisor only, which stops children in order
        self.process = subprocess.Popen(self.command, env=dict(self.environ), start_new_session=True)  # noqa: S603
        self.started_at, self.is_settled = time.monotonic(), False
        log.info("child_started", extra={"child": self.name, "pid": self.process.pid})

    def tend(self) -> None:
        """Check whether the process has ended, and restart it after its delay.

        Raises:
            AuditError: it cannot be started; with the reason it reported.
        """
        now = time.monotonic()
        if self.process is not None:
            code = self.process.poll()
            if code is None:
                if not self.is_settled and now - self.started_at > _SETTLED_S and self.start_file.has_started():
                    self._note_settled()
                return
            self.process = None
            self.backoff_s = 0.5 if self.is_settled else min(self.backoff_s * 2, MAX_BACKOFF_S)
            self.start_at = now + self.backoff_s
            self._note_end(code, now)
        if now >= self.start_at:
            self.start()

    def _note_settled(self) -> None:
        """Reset the failure counts once the process has run for a while."""
        self.is_settled, self.was_settled = True, True
        self.failures, self.early_ends, self.failing_since = 0, 0, 0.0

    def _note_end(self, code: int, now: float) -> None:
        """Log and count an exit, and give up on a process that cannot run."""
        failure = self.start_file.find_failure()
        reason = None if failure is None else failure.message
        log.error(
            "child_ended",
            extra={"child": self.name, "exit_code": code, "reason": reason, "restart_in_s": self.backoff_s},
        )
        if failure is None:
            self.failures, self.failing_since = 0, 0.0
            self.early_ends = 0 if self.is_settled else self.early_ends + 1
            if self.early_ends >= MOST_EARLY_ENDS:
                message = (
                    f"the {self.name} process ended {self.early_ends} times soon after it began, "
                    f"the last time with exit code {code}; its own messages above say why"
                )
                raise AuditError("internal", message)
            return
        self.failures += 1
        self.failing_since = self.failing_since or now
        patience = LONG_PATIENCE_S if self.was_settled else PATIENCE_S
        if self.failures >= LEAST_FAILURES and now - self.failing_since >= patience:
            message = f"the {self.name} process cannot start, tried {self.failures} times: {failure.message}"
            raise AuditError(failure.code, message)


def supervise(children: Sequence[Child], stop: threading.Event, on_turn: Callable[[], None]) -> bool:
    """Run ``children`` until ``stop`` is set, then stop them in reverse order; call ``on_turn`` a few times a second.

    Returns:
        Whether every child stopped by itself within :data:`STOP_S`.

    Raises:
        AuditError: a child cannot be started, with its reason; the others have been stopped.
    """
    try:
        for child in children:
            child.start()
        while not stop.wait(_POLL_S):
            for child in children:
                child.tend()
            on_turn()
    finally:
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

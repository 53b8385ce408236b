"""The thread that runs the engine in the core process, and the status it reports to the health endpoint."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from auditsvc.ground.errors import AuditError

RETRY_S = 5.0
"""Delay after a failure before the engine continues from its durable position."""
SETTLED_S = 15.0
"""After this long without another failure the last one is no longer reported, provided that the engine has completed turns."""
LONGEST_TURNS = 8
"""After this multiple of :data:`SETTLED_S` the last failure is no longer reported in any case: a faulty store fails sooner."""
SETTLED_TURNS = 2
"""Complete turns that show that the engine works: the second waits until the chunk of the first is stored."""

log = logging.getLogger(__name__)


class Runnable(Protocol):
    """Interface of what the thread runs, the engine."""

    def run(self, stop_event: threading.Event, on_turn: Callable[[], None]) -> None:
        """Run until ``stop_event`` is set; call ``on_turn`` after each whole turn."""


class EngineWorker:
    """Keeps the engine running and records why it last failed."""

    def __init__(self, engine: Runnable) -> None:
        """Prepare the thread for ``engine``; :meth:`start` starts it."""
        self._engine = engine
        self._stop = threading.Event()
        self._turns = 0
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._failure: str | None = None
        self._failed_at = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Ask the engine to stop after its current chunk, and wait for it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def find_failure(self) -> str | None:
        """Return why the engine is currently failing, or None."""
        if self._failure is not None and time.monotonic() - self._failed_at < self._find_quiet_s():
            return self._failure
        if not self._thread.is_alive():
            return "the engine's thread is not running"
        return None

    def _find_quiet_s(self) -> float:
        """Return how long a failure is still reported after it occurred, in seconds."""
        return SETTLED_S if self._turns >= SETTLED_TURNS else SETTLED_S * LONGEST_TURNS

    def _count_turn(self) -> None:
        self._turns += 1

    def _work(self) -> None:
        """Run the engine; after a failure, wait and run it again."""
        while not self._stop.is_set():
            try:
                self._engine.run(self._stop, self._count_turn)
            except Exception as err:  # the outermost loop of the thread: nothing else would report the error
                self._turns = 0
                self._failure = f"the engine failed: {err}"
                self._failed_at = time.monotonic()
                is_told = isinstance(err, AuditError)  # a known failure; anything else is a bug and needs its traceback
                log.error("engine_failed", extra={"reason": str(err)}, exc_info=not is_told)
                self._stop.wait(RETRY_S)

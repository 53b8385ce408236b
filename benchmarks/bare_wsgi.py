"""The limit of durable ingest: a bare WSGI callable whose only work is one write and fdatasync per group of requests."""

import os
import threading
from typing import Any


class GroupWriter:
    """Appends bodies to a file; everything that waits is written and synced together."""

    def __init__(self, path: str) -> None:
        """Open the file and start the writing thread."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._wake = threading.Condition(threading.Lock())
        self._waiting: list[tuple[bytes, threading.Lock]] = []
        threading.Thread(target=self._run, daemon=True).start()

    def write(self, body: bytes) -> None:
        """Return when ``body`` is on disk."""
        done = threading.Lock()
        done.acquire()
        with self._wake:
            self._waiting.append((body, done))
            self._wake.notify()
        done.acquire()

    def _run(self) -> None:
        """Write group after group."""
        while True:
            with self._wake:
                while not self._waiting:
                    self._wake.wait()
                group, self._waiting = self._waiting, []
            os.write(self._file, b"".join(body for body, _ in group))
            os.fdatasync(self._file)
            for _, done in group:
                done.release()


writer = GroupWriter(f"{os.environ['BENCH_DIR']}/bare-{os.getpid()}")


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Keep the body and answer 201."""
    writer.write(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    start_response("201 Created", [("Content-Type", "application/json")])
    return [b'{"accepted":1}']

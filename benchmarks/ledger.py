"""Durable single events and durable batches through the ledger, each as a ratio to a limit measured in the same run.

    python -m benchmarks.ledger [--seconds 3] [--threads 64]

Singles: threads that each submit one event and wait for its receipt; limit: the same threads and the same group commit
in plain Python that only appends to a file and calls fdatasync. Batches: 5,000 events a delivery; limit: zstd and
fdatasync of the same bytes without hashing, tree and database. One process, no HTTP.
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from auditsvc.ground.clock import SystemClock
from auditsvc.ground.database import migrate, open_engine
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.archive import compress_frame
from auditsvc.ledger.format.tree import build_root, hash_lines
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.write.committer import Committer, Delivery

BATCH_RECORDS = 5_000


def build_line(number: int) -> bytes:
    """Return one event of about 570 bytes, as the native format has it."""
    return (
        b'{"id":"%032x","time":"2026-10-01T08:%02d:%02d.%03dZ","action":"query","outcome":"success",'
        b'"interface":{"id":"social-security/person/query"},"consumer":{"org":"11370000MB%08d","system":"portal-%d"},'
        b'"user":{"id":"u%06d","department":"dept-%d"},"purpose":"eligibility-check","matter":"37-%06d",'
        b'"resource":{"code":"370100-%04d","fields":["name","status","period"],"rows":%d},'
        b'"client":{"ip":"10.%d.%d.%d"},"duration_ms":%d,"bytes":%d,"trace":"%032x","subject":{"hash":"k1:%032x"}}\n'
    ) % (
        number * 0x9E3779B97F4A7C15 % (1 << 128), number // 60 % 60, number % 60, number % 1000, number % 40, number % 7,
        number % 5000, number % 30, number % 100000, number % 300, number % 90, number % 4, number % 250, number % 251,
        number % 900, number % 65536, number * 0xC2B2AE3D27D4EB4F % (1 << 128), number * 0x165667B19E3779F9 % (1 << 128),
    )  # fmt: skip


def measure_threads(threads: int, seconds: float, act: Callable[[int], None]) -> tuple[float, float, float]:
    """Return acts per second and their median and 99th percentile in milliseconds, ``threads`` at once."""
    latencies: list[list[float]] = [[] for _ in range(threads)]
    end = time.perf_counter() + seconds

    def work(thread: int) -> None:
        number = thread
        while (begin := time.perf_counter()) < end:
            act(number)
            latencies[thread].append(time.perf_counter() - begin)
            number += threads

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    begin = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    taken = time.perf_counter() - begin
    all_ms = sorted(value * 1000 for part in latencies for value in part)
    return len(all_ms) / taken, statistics.median(all_ms), all_ms[int(len(all_ms) * 0.99)]


class BareGroupCommit:
    """The limit: the same hand-over between threads, but a group is only appended to a file and synced."""

    def __init__(self, path: Path) -> None:
        """Append to ``path``."""
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._wake = threading.Condition(threading.Lock())
        self._pending: list[tuple[bytes, threading.Lock]] = []
        threading.Thread(target=self._run, daemon=True).start()

    def submit(self, data: bytes) -> None:
        """Return when ``data`` is durable."""
        done = threading.Lock()
        done.acquire()
        with self._wake:
            self._pending.append((data, done))
            self._wake.notify()
        done.acquire()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._pending:
                    self._wake.wait()
                group, self._pending = self._pending, []
            os.write(self._descriptor, b"".join([data for data, _ in group]))
            os.fdatasync(self._descriptor)
            for _, done in group:
                done.release()


def measure_raw_sync(folder: Path, data: bytes) -> float:
    """Return the median milliseconds of one append with fdatasync."""
    descriptor = os.open(folder / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    times = []
    for _ in range(200):
        begin = time.perf_counter()
        os.write(descriptor, data)
        os.fdatasync(descriptor)
        times.append((time.perf_counter() - begin) * 1000)
    os.close(descriptor)
    return statistics.median(times)


def run_singles(folder: Path, committer: Committer, threads: int, seconds: float) -> None:
    """Print durable singles."""
    bare = BareGroupCommit(folder / "bare")
    lines = [build_line(number) for number in range(200_000)]
    limit, limit_p50, limit_p99 = measure_threads(threads, seconds, lambda number: bare.submit(lines[number]))

    def send(number: int) -> None:
        body = lines[number]
        source = f"source-{number % 10}"
        digest = hashlib.sha256(body).digest()
        committer.submit(Delivery(source, "lines", body, 1, f"{source}-{number}-{threads}", digest, 1, 0))

    rate, p50, p99 = measure_threads(threads, seconds, send)
    print(
        f"durable singles, {threads} threads: {rate:,.0f}/s, p50 {p50:.2f} ms, p99 {p99:.1f} ms; "
        f"bare group commit {limit:,.0f}/s, p50 {limit_p50:.2f} ms, p99 {limit_p99:.1f} ms; ratio {rate / limit:.2f}"
    )


def run_batches(folder: Path, committer: Committer, seconds: float) -> None:
    """Print durable batches."""
    bodies = [
        b"".join([build_line(part * BATCH_RECORDS + number) for number in range(BATCH_RECORDS)]) for part in range(8)
    ]
    descriptor = os.open(folder / "limit", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write_bare(number: int) -> None:
        os.write(descriptor, compress_frame(bodies[number % len(bodies)]))
        os.fdatasync(descriptor)

    def send(number: int) -> None:
        body = bodies[number % len(bodies)]
        digest = hashlib.sha256(body).digest()
        committer.submit(Delivery("bulk", "lines", body, BATCH_RECORDS, f"b-{number}", digest, BATCH_RECORDS, 0))

    for threads in (1, 2):
        limit, _, _ = measure_threads(threads, seconds, write_bare)
        numbers = iter(range(threads * 10_000_000, (threads + 1) * 10_000_000))
        rate, p50, _ = measure_threads(threads, seconds, lambda _, source=numbers: send(next(source)))
        print(
            f"durable batches of {BATCH_RECORDS:,} events ({len(bodies[0]) / BATCH_RECORDS:.0f} B each), {threads} threads: "
            f"{rate * BATCH_RECORDS:,.0f} events/s, p50 {p50:.1f} ms; zstd + fdatasync alone "
            f"{limit * BATCH_RECORDS:,.0f} events/s; ratio {rate / limit:.2f}"
        )
    hashes = []
    for body in bodies:
        begin = time.perf_counter()
        build_root(hash_lines(body))
        hashes.append((time.perf_counter() - begin) / BATCH_RECORDS * 1e6)
    bare = []
    for body in bodies:
        records = body.split(b"\n")[:-1]
        begin = time.perf_counter()
        for record in records:
            hashlib.sha256(record).digest()
        bare.append((time.perf_counter() - begin) / BATCH_RECORDS * 1e6)
    tree, plain = statistics.median(hashes), statistics.median(bare)
    print(
        f"leaf hashes and events root: {tree:.2f} us/event; SHA-256 of each record alone {plain:.2f}; ratio {tree / plain:.2f}"
    )
    frame = compress_frame(bodies[0])
    print(f"archive: {len(frame) / BATCH_RECORDS:.0f} B/event")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=64)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        settings = Settings(data_dir=folder)
        engine = open_engine(settings.database)
        migrate(engine)
        committer = Committer(Ledger.open(engine, settings, SystemClock()), settings)
        raw = measure_raw_sync(folder, build_line(0))
        print(f"one append with fdatasync: {raw:.2f} ms")
        run_singles(folder, committer, 1, arguments.seconds)
        run_singles(folder, committer, arguments.threads, arguments.seconds)
        run_batches(folder, committer, arguments.seconds)
        committer.close()
        engine.dispose()


if __name__ == "__main__":
    main()

# ruff: noqa: S608 - the statements are written here, nothing in them comes from outside
"""A month's report figures over ten million events: the store's aggregates beside the same figures in plain DuckDB SQL.

``python -m benchmarks.report [--events N] [--repeats N]`` fills a store with made-up events of October 2026 (straight
into its table, as loading is not what is measured), asks the aggregate queries a compliance and a project report ask,
and prints each one's median time, that of hand-written SQL on the same table, and the ratio, from one run.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from auditsvc.condition.parse import parse_query
from auditsvc.event.time import NS, parse_time_ns
from auditsvc.ground.settings.model import Settings
from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.query import COUNT, By, EventQuery, Measure, MeasureKind, TimeBucket, TimeUnit

FIRST, LAST = parse_time_ns("2026-10-01T00:00:00+08:00"), parse_time_ns("2026-11-01T00:00:00+08:00")
ZONE = ZoneInfo("Asia/Shanghai")
OFFSET = 8 * 3600 * NS

FILL = """
INSERT INTO event (uid, counted, "time", "id", "action", "outcome", "side", "traffic", "user.id", "consumer.org",
    "provider.org", "interface.id", "resource.code", "project.id", "rows", "bytes", "duration_ms", "subject.hash",
    "agreement.id", "purpose", "verdict", "violations", "seq", "record", "item", "source_id")
SELECT CAST(md5(CAST(i AS VARCHAR)) AS UUID), i % 50 <> 0, $first + CAST(i * ($span / $events) AS BIGINT),
    'e' || i, ['query', 'verify', 'download'][1 + i % 3], CASE WHEN i % 97 = 0 THEN 'failure' ELSE 'success' END,
    'gateway', CASE WHEN i % 20 = 0 THEN 'probe' ELSE 'business' END, 'u' || (hash(i) % 3000),
    'org-' || CAST(floor(40 * power((hash(i * 7) % 1000) / 1000, 2)) AS INTEGER), 'org-' || (hash(i * 3) % 12),
    'if-' || (hash(i * 11) % 40), ['res-' || (hash(i * 11) % 40)], 'P-' || (hash(i * 11) % 20), hash(i * 5) % 200,
    hash(i * 13) % 20000, (hash(i * 17) % 100000) / 100, ['k1:' || (hash(i * 19) % 1000000)], 'AG-' || (hash(i) % 60),
    'purpose-' || (i % 6), CASE WHEN hash(i * 23) % 200 = 0 THEN 'violated' ELSE 'permitted' END,
    CASE WHEN hash(i * 23) % 200 = 0 THEN ['GDS-00' || (i % 9)] END, i // 5000, i % 5000, 0, 'gateway'
FROM range($events) r(i) ORDER BY i
"""
WHERE = 'WHERE "time" >= ? AND "time" < ? AND counted'


@dataclass(frozen=True, slots=True)
class Case:
    """One figure of the report, as the store is asked and as SQL by hand."""

    name: str
    query: EventQuery
    by: tuple[By, ...]
    sql: str
    measures: tuple[Measure, ...] = (COUNT,)


def build_cases() -> list[Case]:
    """Return the month's questions."""
    business = parse_query("traffic:business outcome:success")
    day, minute = TimeBucket(TimeUnit.DAY, ZONE), TimeBucket(TimeUnit.MINUTE, ZONE)
    rows, p95 = Measure(MeasureKind.SUM, "rows"), Measure(MeasureKind.QUANTILE, "duration_ms", 0.95)
    users = Measure(MeasureKind.DISTINCT, "user.id")
    local_day = f'("time" + {OFFSET}) // {86_400 * NS}'
    return [
        Case(
            "verdicts",
            EventQuery(None, FIRST, LAST),
            ("verdict",),
            f"SELECT verdict, count(*) FROM event {WHERE} GROUP BY 1",
        ),
        Case(
            "consumer x interface: calls, rows",
            EventQuery(None, FIRST, LAST),
            ("consumer.org", "interface.id"),
            f'SELECT "consumer.org", "interface.id", count(*), sum("rows") FROM event {WHERE} GROUP BY 1, 2',
            (COUNT, rows),
        ),
        Case(
            "consumer x interface: calls, rows, users, p95",
            EventQuery(None, FIRST, LAST),
            ("consumer.org", "interface.id"),
            'SELECT "consumer.org", "interface.id", count(*), sum("rows"), count(DISTINCT "user.id"), '
            f'quantile_disc("duration_ms", 0.95) FROM event {WHERE} GROUP BY 1, 2',
            (COUNT, rows, users, p95),
        ),
        Case(
            "interface x day: successful business calls",
            EventQuery(business, FIRST, LAST),
            ("interface.id", day),
            f'SELECT "interface.id", {local_day}, count(*) FROM event {WHERE} '
            "AND traffic = 'business' AND outcome = 'success' GROUP BY 1, 2",
        ),
        Case(
            "interface x minute: availability",
            EventQuery(parse_query("interface.id:if-1"), FIRST, LAST),
            ("outcome", minute),
            f'SELECT outcome, "time" // {60 * NS}, count(*) FROM event {WHERE} AND "interface.id" = \'if-1\' GROUP BY 1, 2',
        ),
        Case(
            "violations by policy",
            EventQuery(parse_query("verdict:violated"), FIRST, LAST),
            ("violations",),
            f"SELECT v, count(*) FROM event, unnest(violations) u(v) {WHERE} AND verdict = 'violated' GROUP BY 1",
        ),
    ]


def measure(repeats: int, act: Callable[[], Any]) -> tuple[float, int]:
    """Return the median seconds of ``act`` and how many rows it gave."""
    times, rows = [], 0
    for _ in range(repeats):
        begin = time.perf_counter()
        rows = len(act())
        times.append(time.perf_counter() - begin)
    return statistics.median(times), rows


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = DuckStore(Path(folder) / "events.duckdb", Settings())
        connection = store._connection
        begin = time.perf_counter()
        connection.execute(FILL, {"first": FIRST, "span": LAST - FIRST, "events": given.events})
        connection.execute("CHECKPOINT")
        size = (Path(folder) / "events.duckdb").stat().st_size
        print(
            f"events {given.events:,}, filled in {time.perf_counter() - begin:.1f} s, {size / given.events:.0f} bytes each"
        )
        print(f"{'figure':48}{'store ms':>10}{'SQL ms':>10}{'ratio':>8}{'rows':>8}")
        total, limit = 0.0, 0.0
        for case in build_cases():
            took, rows = measure(given.repeats, lambda case=case: store.aggregate(case.query, case.by, case.measures))
            cursor = connection.cursor()
            bare, bare_rows = measure(
                given.repeats, lambda case=case, cursor=cursor: cursor.execute(case.sql, [FIRST, LAST]).fetchall()
            )
            if rows != bare_rows:
                raise SystemExit(f"{case.name}: the store gave {rows} rows, SQL {bare_rows}")
            total, limit = total + took, limit + bare
            print(f"{case.name:48}{took * 1000:10.0f}{bare * 1000:10.0f}{took / bare:8.2f}{rows:8}")
        print(f"{'all':48}{total * 1000:10.0f}{limit * 1000:10.0f}{total / limit:8.2f}")
        store.close()


if __name__ == "__main__":
    main()

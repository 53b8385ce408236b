"""The engine killed at any point goes on without loss or duplicate, alerts included."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditsvc.alerts.service import list_alerts, list_evidence
from auditsvc.ground.database import read_session
from auditsvc.store.query import FindingQuery
from auditsvc.store.summary import count_rows
from tests.support.engine import EVERY_ROW, EVERYTHING, World, build_policy, build_record

ROOT = Path(__file__).parents[3]
RECORDS = 60
CHILD = """
import os, signal, sys
from pathlib import Path
from auditsvc.store.duckdb.store import DuckStore
from tests.support.engine import World

folder, point, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
left = times

def reach(name):
    global left
    if name == point:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

class Store(DuckStore):
    def _insert_chunk(self, cursor, chunk):
        done = super()._insert_chunk(cursor, chunk)
        reach("inserted")
        return done

world = World(folder, chunk_events=10)
store = Store(world.settings.duckdb_path, world.settings)
world.build_engine(store, on_point=reach).catch_up()
store.close()
"""
POINTS = ("chunk_built", "write_begun", "inserted", "chunk_stored", "alerts_made")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, chunk_events=10)
    world.activate_small(build_policy("P-ROWS"))
    lines = [
        build_record(f"e{n % 50}", rows=101 if n % 3 == 0 else 1, time=f"2026-11-22T{n % 24:02d}:00:00+08:00")
        for n in range(RECORDS)
    ]
    world.deliver_all([("gateway", "lines", b"".join(lines[start : start + 7])) for start in range(0, RECORDS, 7)])
    yield world
    world.close()


def run_child(folder: Path, point: str, times: int) -> int:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), point, str(times)], cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}
    )
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_it_goes_on_without_loss_or_duplicate(world: World, point: str) -> None:
    killed = [run_child(world.folder, point, times) for times in (1, 2)]
    assert killed == [-signal.SIGKILL, -signal.SIGKILL]
    with world.judged() as store:
        assert count_rows(store, EVERY_ROW) == RECORDS
        stats = store.batch_stats(*EVERYTHING)[0]
        assert (stats.records, stats.events, stats.duplicates + stats.conflicts) == (RECORDS, RECORDS, 10)
        found = {finding.key for finding in store.list_findings(FindingQuery(*EVERYTHING))}
    with read_session(world.engine_db) as session:
        alerts = list_alerts(session, limit=500).alerts
        evidence = [item.key for alert in alerts for item in list_evidence(session, alert.id)]
    assert len(found) == len(evidence) == sum(alert.count for alert in alerts)
    assert found == set(evidence)


@pytest.mark.slow
def test_a_second_process_cannot_own_the_store(world: World) -> None:
    with world.open_store():
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(world.folder), "never", "1"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert "another process owns it; stop the service" in done.stderr

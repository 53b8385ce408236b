"""The worked city through ledger, engine and store: findings equal the truth, in any split, and again after a rebuild."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditsvc.alerts.service import list_alerts
from auditsvc.ground.database import read_session
from auditsvc.ground.document import load_bundle
from auditsvc.pipeline.rebuild import reindex
from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.query import EventQuery, FindingQuery
from examples.laiwu.traffic import CATALOG_DIR, Traffic, generate
from tests.support.engine import EVERYTHING, World
from tests.support.laiwu import POLICIES, Violation, name_planted, name_violation

EVENTS = 4_000


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    return generate(tmp_path_factory.mktemp("logs"), events=EVENTS)


@pytest.fixture(params=[(100_000, 10_000), (97, 501)], ids=["one batch a source", "small batches and chunks"])
def world(request: pytest.FixtureRequest, tmp_path: Path, traffic: Traffic) -> Iterator[World]:
    batch, chunk = request.param
    world = World(tmp_path, chunk_events=chunk)
    world.activate("catalog", load_bundle(CATALOG_DIR))
    world.activate("policy", load_bundle(POLICIES))
    bodies = []
    for source, path in traffic.files.items():
        lines = path.read_bytes().splitlines(keepends=True)
        bodies += [(source, "lines", b"".join(lines[at : at + batch])) for at in range(0, len(lines), batch)]
    world.deliver_all(bodies)
    yield world
    world.close()


def name_findings(store: DuckStore) -> list[Violation]:
    query = FindingQuery(*EVERYTHING, {"kind": ["violation"], "status": ["active"]})
    found = store.list_findings(query, limit=100_000)
    return [
        name_violation(finding.source_id, store.get_event(finding.uid).event, finding.policy_id) for finding in found
    ]


@pytest.mark.slow
def test_findings_equal_the_truth_and_again_after_a_rebuild(world: World, traffic: Traffic) -> None:
    with world.judged() as store:
        named = name_findings(store)
        before = store.digest()
        assert len(named) == len(set(named)) == len(traffic.violations)
        assert set(named) == set(name_planted(traffic.violations))
        stats = {stat.source: stat for stat in store.batch_stats(*EVERYTHING)}
        assert sum(stat.records for stat in stats.values()) == traffic.records
        assert sum(stat.events for stat in stats.values()) == traffic.events
        assert {source: stat.duplicates for source, stat in stats.items() if stat.duplicates} == {
            source: len(lines) for source, lines in traffic.resent.items() if lines
        }
        quarantined = Counter({source: number for (source, _), number in store.count_quarantine(*EVERYTHING).items()})
        assert set(quarantined) == {source for source, lines in traffic.quarantined.items() if lines}
        counted = store.aggregate(EventQuery(None, *EVERYTHING))[0].values[0]
        assert counted == traffic.events - sum(stat.duplicates + stat.paired for stat in stats.values())
    with read_session(world.engine_db) as session:
        alerts = list_alerts(session, limit=500).alerts
    assert sum(alert.count for alert in alerts) == len(named)
    assert all("{" not in alert.title_zh + alert.title_en for alert in alerts)
    done = reindex(world.ledger, world.settings)
    assert done.is_identical is True
    assert done.digest == before
    with world.judged() as store:
        assert sorted(name_findings(store)) == sorted(named)

"""A chunk is bounded by the bytes of its records too; where it ends changes nothing of what is stored."""

from pathlib import Path

import pytest

from auditsvc.pipeline import loop
from tests.support.engine import World, build_policy, build_record


def test_large_records_make_small_chunks_and_the_same_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    world.activate_small(build_policy("P-ROWS"))
    records = [build_record(f"e{number}", rows=number * 100) for number in range(12)]
    world.deliver("gateway", *records)
    with world.judged() as store:
        expected = store.digest()
    world.settings.duckdb_path.unlink()
    monkeypatch.setattr(loop, "CHUNK_BYTES", len(records[0]) * 3)
    with world.open_store() as store:
        taken = []
        engine = world.build_engine(store)
        while not (progress := engine.step()).is_idle:
            taken.append(progress.records)
        assert max(taken) <= 4
        assert (sum(taken), store.digest()) == (12, expected)
    world.close()

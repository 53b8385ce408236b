"""Any split into batches and chunks gives the same events, flags and findings."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from auditsvc.store.query import FindingQuery, Order
from tests.support.engine import EVERY_ROW, EVERYTHING, World, build_policy, build_record, split_lines_into
from tests.support.examples import one_in

POLICIES = (build_policy("P-ROWS"), build_policy("P-SHADOW", status="shadow", body="forbid: {rows|gt: 50}"))

records = st.builds(
    lambda name, side, call, rows, second: build_record(
        f"e{name}",
        side=side,
        correlation=f"c{call}" if call else ...,
        rows=rows,
        time=f"2026-11-22T10:{second // 60:02d}:{second % 60:02d}+08:00",
    ),
    st.integers(0, 12),
    st.sampled_from(["consumer", "provider", "gateway"]),
    st.integers(0, 4),
    st.sampled_from([1, 60, 101]),
    st.integers(0, 200),
)
PLACES = {"seq", "record", "item", "ingested"}


def judge(lines: list[bytes], sizes: list[int], chunk_events: int) -> tuple[list[Any], list[Any], Any]:
    """Return events and findings without their places, and the alerts' figures."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), chunk_events=chunk_events)
        world.activate_small(*POLICIES)
        world.deliver_all([("gateway", "lines", body) for body in split_lines_into(lines, sizes)])
        with world.judged() as store:
            page = store.search(EVERY_ROW, limit=500, order=Order.OLDEST)
            rows = sorted(page.events, key=lambda row: (row.event["seq"], row.event["record"]))
            events = [
                ({name: value for name, value in row.event.items() if name not in PLACES}, row.uid, row.partner)
                for row in rows
            ]
            found = store.list_findings(FindingQuery(*EVERYTHING))
            findings = sorted((item.key, item.kind.value, item.policy_id, item.uid, item.reason) for item in found)
            stats = store.batch_stats(*EVERYTHING)[0]
        world.close()
        return events, findings, (stats.records, stats.duplicates, stats.conflicts, stats.paired)


@settings(max_examples=one_in(6))  # each makes two installations with their own databases
@given(
    lines=st.lists(records, min_size=2, max_size=30),
    sizes=st.lists(st.integers(1, 9), max_size=6),
    chunk_events=st.sampled_from([1, 2, 5, 13]),
)
def test_any_split_gives_the_same_findings(lines: list[bytes], sizes: list[int], chunk_events: int) -> None:
    assert judge(lines, sizes, chunk_events) == judge(lines, [], 10_000)

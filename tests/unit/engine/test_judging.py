"""What the engine makes of records: identity, pairing, flags, verdicts, quarantine."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.query import FindingQuery, Order
from auditsvc.store.rows import FindingKind, StoredEvent
from tests.support.engine import CIVIL, EVERY_ROW, EVERYTHING, TOWN, World, build_policy, build_record


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def rows_of(store: DuckStore) -> list[StoredEvent]:
    page = store.search(EVERY_ROW, limit=500, order=Order.OLDEST)
    return sorted(page.events, key=lambda row: (row.event["seq"], row.event["record"], row.event["item"]))


def flags_of(row: StoredEvent) -> set[str]:
    quality = row.event.get("quality")
    return set(quality if isinstance(quality, list) else [])


def find_violations(store: DuckStore) -> list[tuple[str, int]]:
    found = store.list_findings(FindingQuery(*EVERYTHING, {"kind": ("violation",)}))
    return [(finding.policy_id, finding.record) for finding in found]


def test_an_event_is_stored_enriched_judged_and_with_its_place_in_the_ledger(world: World) -> None:
    world.activate_small()
    receipt = world.deliver("gateway", build_record("a", rows=101), build_record("b", rows=100))
    with world.judged() as store:
        first, second = rows_of(store)
        assert first.event["verdict"] == "violated"
        assert first.event["violations"] == ["P-ROWS"]
        assert second.event["verdict"] == "permitted"
        assert (second.event["seq"], second.event["record"], second.event["item"]) == (receipt.seq, 1, 0)
        assert first.event["interface.name"] == "人口查询"
        assert first.event["source_id"] == "gateway"
        assert find_violations(store) == [("P-ROWS", 0)]
        finding = store.list_findings(FindingQuery(*EVERYTHING))[0]
        assert finding.group == {"consumer.org": CIVIL}
        assert finding.uid == first.uid


def test_the_same_record_again_is_a_duplicate_and_is_not_judged(world: World) -> None:
    world.activate_small()
    record = build_record("a", rows=101)
    world.deliver("gateway", record, record)
    world.deliver("gateway", record)
    with world.judged() as store:
        rows = rows_of(store)
        assert ["duplicate" in flags_of(row) for row in rows] == [False, True, True]
        assert "verdict" not in rows[1].event
        assert find_violations(store) == [("P-ROWS", 0)]
        assert len(store.list_rows(rows[0].uid)) == 3


def test_another_record_under_the_same_id_is_a_conflict_and_is_judged(world: World) -> None:
    world.activate_small()
    world.deliver("gateway", build_record("a", rows=101), build_record("a", rows=102), build_record("a", rows=102))
    with world.judged() as store:
        rows = rows_of(store)
        assert [flags_of(row) & {"duplicate", "id_conflict"} for row in rows] == [set(), {"id_conflict"}, {"duplicate"}]
        assert find_violations(store) == [("P-ROWS", 0), ("P-ROWS", 1)]


def test_both_sides_of_a_call_are_one_access_with_one_finding(world: World) -> None:
    world.activate_small()
    call = {"correlation": "c-1", "rows": 101}
    world.deliver("gateway", build_record("a", side="consumer", **call))
    world.deliver("gateway", build_record("b", side="provider", time="2026-11-22T10:01:00+08:00", **call))
    with world.judged() as store:
        first, second = rows_of(store)
        assert "paired" not in flags_of(first)
        assert "paired" in flags_of(second)
        assert second.partner == first.uid
        assert second.event["verdict"] == "violated"
        assert find_violations(store) == [("P-ROWS", 0)]
        assert store.list_partners(first.access_key or b"") == [first, second]


def test_a_side_more_than_sixty_seconds_away_is_another_access(world: World) -> None:
    world.activate_small()
    call = {"correlation": "c-1", "rows": 101}
    world.deliver("gateway", build_record("a", side="consumer", **call))
    world.deliver("gateway", build_record("b", side="provider", time="2026-11-22T10:01:00.000000001+08:00", **call))
    with world.judged() as store:
        assert all("paired" not in flags_of(row) for row in rows_of(store))
        assert len(find_violations(store)) == 2


def test_a_correlation_id_used_for_every_call_hides_no_finding(world: World) -> None:
    world.activate_small()
    world.deliver("gateway", *(build_record(f"e-{n}", correlation="0", side="consumer", rows=101) for n in range(5)))
    world.deliver("gateway", *(build_record(f"p-{n}", correlation="0", side="provider", rows=101) for n in range(2)))
    with world.judged() as store:
        assert sum("paired" in flags_of(row) for row in rows_of(store)) == 2
        assert find_violations(store) == [("P-ROWS", n) for n in range(5)]


def test_a_second_half_that_violates_where_the_first_does_not_is_a_finding(world: World) -> None:
    world.activate_small()
    world.deliver("gateway", build_record("a", side="consumer", correlation="c", rows=1))
    world.deliver("gateway", build_record("b", side="provider", correlation="c", rows=101))
    with world.judged() as store:
        assert len(find_violations(store)) == 1


def test_times_far_from_the_acceptance_are_flagged(world: World) -> None:
    world.activate_small()
    world.deliver(
        "gateway",
        build_record("ahead", time="2026-11-22T12:05:00.001Z"),
        build_record("just", time="2026-11-22T12:05:00Z"),
        build_record("old", time="2026-11-15T11:59:59.999Z"),
        build_record("week", time="2026-11-15T12:00:00Z"),
    )
    with world.judged() as store:
        flags = [flags_of(row) & {"clock_skew", "late"} for row in rows_of(store)]
        assert flags == [{"clock_skew"}, set(), {"late"}, set()]


def test_unreadable_records_and_unknown_sources_are_quarantined_and_counted(world: World) -> None:
    world.activate_small()
    world.deliver("gateway", b"{broken\n", build_record("a"), build_record("b", interface__id="elsewhere"))
    world.deliver("stranger", build_record("x"), build_record("y"))
    with world.judged() as store:
        counts = store.count_quarantine(*EVERYTHING)
        assert counts == {
            ("gateway", "foreign_interface"): 1,
            ("gateway", "json_invalid"): 1,
            ("stranger", "source_unknown"): 2,
        }
        stats = {stat.source: (stat.records, stat.events, stat.quarantined) for stat in store.batch_stats(*EVERYTHING)}
        assert stats == {"gateway": (3, 1, 2), "stranger": (2, 0, 2)}
        assert store.list_quarantine(*EVERYTHING, source="gateway")[0].record == 2


def test_an_altered_batch_gives_no_events_and_the_next_ones_do(world: World) -> None:
    world.activate_small()
    world.deliver("gateway", build_record("a"), build_record("b"))
    world.deliver("gateway", build_record("c"))
    segment = min(world.archive.segments.glob("*.seg"))
    data = bytearray(segment.read_bytes())
    data[30] ^= 1
    segment.write_bytes(data)
    with world.judged() as store:
        assert [row.event["id"] for row in rows_of(store)] == ["c"]
        assert store.count_quarantine(*EVERYTHING) == {("gateway", "frame_corrupt"): 2}


def test_policies_and_catalogue_are_those_in_force_at_the_batch(world: World) -> None:
    world.deliver("gateway", build_record("before", rows=101))
    world.activate_small(build_policy("P-A"))
    world.deliver("gateway", build_record("first", rows=101))
    world.activate_small(build_policy("P-B", body="forbid: {rows|gt: 500}"))
    world.deliver("gateway", build_record("second", rows=501), build_record("third", rows=101))
    with world.judged() as store:
        rows = {row.event["id"]: row.event for row in rows_of(store)}
        assert "before" not in rows  # no catalogue, so the source was unknown
        assert rows["first"]["violations"] == ["P-A"]
        assert rows["second"]["violations"] == ["P-B"]
        assert rows["third"]["verdict"] == "permitted"
        assert rows["first"]["policy_version"] != rows["second"]["policy_version"]


def test_a_shadow_policy_gives_findings_but_no_verdict(world: World) -> None:
    world.activate_small(build_policy("P-S", status="shadow"))
    world.deliver("gateway", build_record("a", rows=101))
    with world.judged() as store:
        (row,) = rows_of(store)
        assert row.event["verdict"] != "violated"
        assert "violations" not in row.event
        (finding,) = store.list_findings(FindingQuery(*EVERYTHING))
        assert (finding.kind, finding.status) == (FindingKind.VIOLATION, "shadow")


def test_undecided_policies_are_counted_by_policy(world: World) -> None:
    world.activate_small(build_policy("P-U", body="forbid: {bytes|gt: 100}"))
    world.deliver("gateway", build_record("a"), build_record("b", consumer__org=TOWN), build_record("c", bytes=1))
    with world.judged() as store:
        assert store.count_indeterminate(*EVERYTHING) == {"P-U": 2}
        assert [row.event["verdict"] for row in rows_of(store)] == ["indeterminate", "indeterminate", "permitted"]


def test_items_of_one_record_are_told_apart_and_recognised_in_another_body(world: World) -> None:
    world.activate_small()
    one, two, three = (build_record(name).strip() for name in "abc")
    world.deliver("gateway", b"[" + one + b"," + two + b"]", kind="blob")
    world.deliver("gateway", b"[" + two + b"," + three + b"]", kind="blob")
    with world.judged() as store:
        rows = rows_of(store)
        assert [row.event["id"] for row in rows] == ["a", "b", "b", "c"]
        assert ["duplicate" in flags_of(row) for row in rows] == [False, False, True, False]
        assert [row.event["item"] for row in rows] == [0, 1, 0, 1]


def test_an_event_from_2099_is_stored_and_flagged(world: World) -> None:
    world.activate_small()
    world.deliver("gateway", build_record("a", time="2099-01-01T00:00:00Z"))
    with world.judged() as store:
        (row,) = rows_of(store)
        assert "clock_skew" in flags_of(row)


def test_each_turn_of_a_running_engine_is_told(world: World) -> None:
    world.activate_small()
    world.deliver("gateway", build_record("a", rows=101))
    stop, turns = threading.Event(), list[int]()

    def count() -> None:
        turns.append(len(turns))
        if len(turns) == 3:
            stop.set()

    timer = threading.Timer(20, stop.set)
    timer.start()
    with world.open_store() as store:
        world.build_engine(store).run(stop, count)
        timer.cancel()
        assert len(rows_of(store)) == 1
    assert turns == [0, 1, 2]

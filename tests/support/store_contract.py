"""What every event store must do. A store's test module makes a subclass that opens it."""

import math
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from auditsvc.condition.ast import All, AnyOf, InList, Node, Not, build_equals
from auditsvc.condition.evaluate import Context, Truth, evaluate
from auditsvc.condition.parse import parse_query
from auditsvc.event.fields import get_field
from auditsvc.event.model import Event
from auditsvc.event.native import MAX_NUMBER
from auditsvc.event.time import MAX_TIME_NS, NS, count_ns, parse_time_ns, to_datetime
from auditsvc.ground.errors import AuditError, InputError, StorageError
from auditsvc.ground.ids import EventUid, FindingKey, build_access_key, build_event_uid
from auditsvc.store.duckdb import search as duck_search
from auditsvc.store.elasticsearch import scan
from auditsvc.store.elasticsearch.accumulator import Figures
from auditsvc.store.elasticsearch.document import round_number
from auditsvc.store.elasticsearch.scan_aggregate import find_bucket, tally
from auditsvc.store.measure import SUM_SCALE, check_measure
from auditsvc.store.port import EventStore
from auditsvc.store.query import (
    COUNT,
    FINDING_FIELDS,
    By,
    Cursor,
    EventQuery,
    FindingQuery,
    Measure,
    MeasureKind,
    NoValue,
    Order,
    RowSet,
    TimeBucket,
    TimeUnit,
)
from auditsvc.store.rows import (
    BatchStat,
    Chunk,
    EventDigest,
    Finding,
    FindingKind,
    Half,
    IndeterminateCount,
    LedgerPlace,
    NewEvent,
    Position,
    QuarantineRecord,
)
from auditsvc.store.summary import count_by_time, count_rows, rank_values

START = parse_time_ns("2026-10-25T00:00:00Z")
OCTOBER, NOVEMBER = parse_time_ns("2026-10-01T00:00:00Z"), parse_time_ns("2026-11-01T00:00:00Z")
ALL = (0, 2**62)
EVERY_ROW = EventQuery(None, *ALL, rows=RowSet.ALL)
EARLIEST = (0, 1, 59 * NS, 3599 * NS, 3 * 3600 * NS + 30 * 60 * NS, 12 * 3600 * NS - 1, 12 * 3600 * NS)
IDS = ["e0", "e1", "e2", "e3", "e4"]
LATEST = (MAX_TIME_NS - 16 * 3600 * NS - 1, MAX_TIME_NS - 8 * 3600 * NS - 1, MAX_TIME_NS - 1)
SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")

MEASURES = (
    COUNT,
    Measure(MeasureKind.COUNT, "user.roles"),
    Measure(MeasureKind.SUM, "rows"),
    Measure(MeasureKind.SUM, "duration_ms"),
    Measure(MeasureKind.DISTINCT, "purpose"),
    Measure(MeasureKind.DISTINCT, "user.roles"),
    Measure(MeasureKind.MIN, "time"),
    Measure(MeasureKind.MAX, "rows"),
    Measure(MeasureKind.MIN, "source.ip"),
    Measure(MeasureKind.MAX, "resource.personal"),
    Measure(MeasureKind.QUANTILE, "duration_ms", 0.5),
    Measure(MeasureKind.QUANTILE, "time", 0.0),
)
GROUPINGS: tuple[tuple[By, ...], ...] = (
    (),
    ("purpose",),
    ("user.roles", "resource.personal"),
    ("labels.x", "purpose", "consumer.org"),
    (TimeBucket(TimeUnit.DAY, BERLIN), "purpose"),
    (TimeBucket(TimeUnit.MONTH, SHANGHAI), TimeBucket(TimeUnit.HOUR, BERLIN)),
    ("rows", "duration_ms"),
)


def build_row(
    number: int, *, seq: int = 0, access: str | None = None, partner: bytes | None = None, **changes: Any
) -> NewEvent:
    """Return a row; ``name__member`` stands for ``name.member``, ``...`` leaves a field out."""
    event: Event = {
        "time": START + number * 60 * NS,
        "id": f"e{number}",
        "action": "query",
        "outcome": "success",
        "side": "gateway",
        "interface.id": "pop-query",
        "consumer.org": "C",
        "seq": seq,
        "record": number,
        "item": 0,
        "leaf_hash": f"{number:064x}",
        "source_id": "gateway",
    }
    for key, value in changes.items():
        name = key.replace("__", ".")
        if value is ...:
            event.pop(name, None)
        else:
            event[name] = value
    uid = build_event_uid("gateway", str(event["id"]), "gateway")
    key = build_access_key(access) if access else None
    return NewEvent(event, uid, EventDigest(f"{number:064x}"), key, None if partner is None else EventUid(partner))


def build_finding(number: int, **changes: Any) -> Finding:
    """Return a finding on event ``number``."""
    values: dict[str, Any] = {
        "key": FindingKey(number.to_bytes(16, "big")),
        "kind": FindingKind.VIOLATION,
        "policy_id": "P-1",
        "policy_version": "1",
        "severity": "high",
        "status": "active",
        "reason": "rows 101 > 100",
        "exception_id": None,
        "uid": build_event_uid("gateway", f"e{number}", "gateway"),
        "access_key": None,
        "time": START + number * 60 * NS,
        "seq": 0,
        "record": number,
        "item": 0,
        "source_id": "gateway",
        "consumer": "C",
        "interface": "pop-query",
        "provider": None,
        "project": None,
        "outcome": "success",
        "group": {"consumer.org": "C"},
    }
    return Finding(**{**values, **changes})


def write(store: EventStore, rows: list[NewEvent], **more: Any) -> None:
    """Store one chunk that follows what is there."""
    at = store.position()
    store.write(Chunk(at.next, Position(LedgerPlace(at.next.seq + 1)), rows, **more))


def build_mixture(count: int, seed: int) -> list[NewEvent]:
    """Return rows with every kind of value, missing, null and empty ones among them."""
    chance = Random(seed)
    rows = []
    for number in range(count):
        rows.append(
            build_row(
                number,
                time=START + chance.randrange(60 * 24 * 40) * 60 * NS,
                consumer__org=chance.choice(["A", "B", "", ...]),
                rows=chance.choice([0, 1, 7, 2**53, None, ...]),
                duration_ms=chance.choice([0.1, 0.2, 1e6, ...]),
                user__roles=chance.choice([[], ["x"], ["x", "y"], None, ...]),
                purpose=chance.choice(["p", "q", None, ...]),
                source__ip=chance.choice(["10.1.2.3", "10.9.0.1", "2001:db8::1", ...]),
                resource__personal=chance.choice([True, False, ...]),
                quality=chance.choice([["late"], ["duplicate"], ["paired", "late"], ...]),
                labels__x=chance.choice(["1", "2", ...]),
            )
        )
    return rows


def is_counted(row: NewEvent) -> bool:
    """Say whether indicators count the row."""
    quality = row.event.get("quality")
    return not isinstance(quality, list) or not {"duplicate", "paired"} & set(quality)


class StoreContract:
    """The shared tests; ``store`` gives an empty one."""

    @pytest.fixture
    def store(self) -> EventStore:
        raise NotImplementedError

    # --- writing

    def test_a_new_store_stands_before_the_first_leaf(self, store: EventStore) -> None:
        assert store.position() == Position(LedgerPlace(0), None, None)

    def test_a_chunk_and_its_position_are_stored_together(self, store: EventStore) -> None:
        store.write(Chunk(LedgerPlace(0), Position(LedgerPlace(3, 7), 1, 2), [build_row(0)]))
        assert store.position() == Position(LedgerPlace(3, 7), 1, 2)
        assert count_rows(store, EVERY_ROW) == 1

    def test_a_chunk_that_leaves_a_gap_or_comes_again_is_refused(self, store: EventStore) -> None:
        chunk = Chunk(LedgerPlace(0), Position(LedgerPlace(1)), [build_row(0)])
        store.write(chunk)
        for first in (LedgerPlace(0), LedgerPlace(2)):
            with pytest.raises(StorageError) as caught:
                store.write(Chunk(first, Position(LedgerPlace(3)), [build_row(1)]))
            assert caught.value.code == "conflict"
            said = f"expected a chunk from leaf 1, record 0, got one from leaf {first.seq}, record 0"
            assert caught.value.message == f"event store: {said}"
        assert count_rows(store, EVERY_ROW) == 1

    def test_of_a_chunk_that_fails_nothing_is_stored(self, store: EventStore) -> None:
        broken = Chunk(
            LedgerPlace(0), Position(LedgerPlace(1)), [build_row(0)], [build_finding(0, time="not a number")]
        )
        with pytest.raises((AuditError, TypeError)):
            store.write(broken)
        assert store.position() == Position(LedgerPlace(0))
        assert count_rows(store, EVERY_ROW) == 0
        write(store, [build_row(0)])
        assert count_rows(store, EVERY_ROW) == 1

    # --- events as they were

    def test_missing_null_and_empty_come_back_as_three_states(self, store: EventStore) -> None:
        rows = [
            build_row(0, purpose=..., user__roles=...),
            build_row(1, purpose=None, user__roles=None),
            build_row(2, purpose="", user__roles=[]),
        ]
        write(store, rows)
        back = [store.get_event(row.uid) for row in rows]
        assert [stored.event for stored in back] == [row.event for row in rows]

    def test_every_value_comes_back(self, store: EventStore) -> None:
        rows = build_mixture(200, 1)
        write(store, rows)
        page = store.search(EVERY_ROW, limit=500)
        assert {stored.uid: stored.event for stored in page.events} == {row.uid: row.event for row in rows}

    def test_an_unknown_uid_is_not_found(self, store: EventStore) -> None:
        with pytest.raises(StorageError) as caught:
            store.get_event(EventUid(bytes(16)))
        assert caught.value.code == "not_found"

    # --- search

    @pytest.mark.parametrize("order", list(Order))
    def test_pages_hold_every_event_once_in_order(self, store: EventStore, order: Order) -> None:
        rows = [build_row(number, time=START + number // 7 * NS) for number in range(50)]
        write(store, rows)
        seen: list[tuple[int, int]] = []
        after = None
        while True:
            page = store.search(EVERY_ROW, limit=8, after=after, order=order)
            seen += [(int(str(row.event["time"])), int(str(row.event["record"]))) for row in page.events]
            after = page.after
            if after is None:
                break
        assert seen == sorted(seen, reverse=order is Order.NEWEST)
        assert len(set(seen)) == len(seen) == 50

    def test_an_interval_includes_its_first_and_excludes_its_last_instant(self, store: EventStore) -> None:
        write(store, [build_row(0), build_row(1), build_row(2)])
        page = store.search(EventQuery(None, START, START + 2 * 60 * NS), order=Order.OLDEST)
        assert [row.event["id"] for row in page.events] == ["e0", "e1"]

    @pytest.mark.parametrize(
        "text",
        [
            "consumer.org:A",
            "-consumer.org:A",
            "rows>1",
            "-(rows>1)",
            "user.roles:x",
            "source.ip:10.1.0.0/16",
            "purpose:p OR rows>=7",
            "labels.x:1 resource.personal:true",
            "time>=2026-11-01T00:00:00Z",
        ],
    )
    def test_search_finds_what_the_reference_says(self, store: EventStore, text: str) -> None:
        rows = build_mixture(150, 2)
        write(store, rows)
        node: Node = parse_query(text)
        expected = {row.uid for row in rows if evaluate(node, row.event, Context()) is Truth.TRUE}
        query = EVERY_ROW.narrowed(node)
        assert {row.uid for row in store.search(query, limit=500).events} == expected
        assert count_rows(store, query) == len(expected)

    # --- export of a period

    @pytest.mark.parametrize("text", ["", "rows>=0 OR -(consumer.org:A)", "labels.x:1"])
    def test_an_export_gives_every_event_of_the_period_oldest_first(self, store: EventStore, text: str) -> None:
        rows = build_mixture(200, 8) + [build_row(number, time=START + 86_400 * NS) for number in range(200, 240)]
        write(store, rows)
        node = parse_query(text) if text else None
        first, last = START + 3600 * NS, START + 20 * 86_400 * NS
        found = [
            row
            for row in rows
            if first <= _time(row) < last and (node is None or evaluate(node, row.event, Context()) is Truth.TRUE)
        ]
        expected = sorted(found, key=lambda row: (_time(row), row.event["record"]))
        got = list(store.iter_events(EventQuery(node, first, last, rows=RowSet.ALL)))
        assert [(one.uid, one.event) for one in got] == [(row.uid, row.event) for row in expected]
        assert 40 < len(got) < 240

    def test_an_export_in_many_small_pages_misses_nothing_and_repeats_nothing(
        self, store: EventStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(duck_search, "EXPORT_PAGE", 7)
        monkeypatch.setattr(scan, "PAGE", 7)
        rows = build_mixture(50, 9)
        write(store, rows)
        got = [one.uid for one in store.iter_events(EVERY_ROW)]
        assert got == [row.uid for row in store.search(EVERY_ROW, limit=50, order=Order.OLDEST).events]

    def test_an_export_includes_its_first_and_excludes_its_last_instant(self, store: EventStore) -> None:
        write(store, [build_row(0), build_row(1), build_row(2)])
        found = store.iter_events(EventQuery(None, START, START + 2 * 60 * NS))
        assert [one.event["id"] for one in found] == ["e0", "e1"]
        assert list(store.iter_events(EventQuery(None, START, START))) == []

    def test_an_export_holds_what_was_there_when_it_began(
        self, store: EventStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(duck_search, "EXPORT_PAGE", 2)
        monkeypatch.setattr(scan, "PAGE", 2)
        write(store, [build_row(number) for number in range(5)])
        export = store.iter_events(EVERY_ROW)
        first = next(export)
        write(store, [build_row(9)])
        assert [first.event["id"], *(one.event["id"] for one in export)] == ["e0", "e1", "e2", "e3", "e4"]

    def test_an_export_that_is_given_up_leaves_the_store_usable(self, store: EventStore) -> None:
        write(store, [build_row(number) for number in range(5)])
        export = store.iter_events(EVERY_ROW)
        next(export)
        export.close()  # type: ignore[attr-defined]
        write(store, [build_row(9)])
        assert count_rows(store, EVERY_ROW) == 6

    # --- figures

    @pytest.mark.parametrize("seed", range(3))
    def test_measures_equal_a_count_by_hand(self, store: EventStore, seed: int) -> None:
        rows = build_mixture(300, seed)
        write(store, rows)
        kinds = (
            COUNT,
            Measure(MeasureKind.COUNT, "rows"),
            Measure(MeasureKind.SUM, "rows"),
            Measure(MeasureKind.SUM, "duration_ms"),
            Measure(MeasureKind.DISTINCT, "purpose"),
            Measure(MeasureKind.DISTINCT, "user.roles"),
            Measure(MeasureKind.MIN, "time"),
            Measure(MeasureKind.MAX, "rows"),
            Measure(MeasureKind.QUANTILE, "rows", 0.95),
        )
        groups: dict[Any, list[Event]] = defaultdict(list)
        for row in rows:
            if is_counted(row):
                groups[row.event.get("consumer.org", NoValue.MISSING)].append(row.event)
        got = {row.key[0]: row.values for row in store.aggregate(EventQuery(None, *ALL), ("consumer.org",), kinds)}
        assert got == {key: _measure(events) for key, events in groups.items()}

    @pytest.mark.parametrize("by", GROUPINGS)
    def test_figures_equal_those_tallied_event_by_event(self, store: EventStore, by: tuple[By, ...]) -> None:
        rows = build_mixture(250, 7)
        write(store, rows)
        first, last = START, START + 50 * 86_400 * NS
        node = parse_query("rows>=0 OR purpose:p OR -(consumer.org:A)")
        found = [row.event for row in rows if evaluate(node, row.event, Context()) is Truth.TRUE and is_counted(row)]
        figures = Figures(MEASURES, [check_measure(measure) for measure in MEASURES])
        tally(found, by, figures)
        assert store.aggregate(EventQuery(node, first, last), by, MEASURES) == figures.build_rows()

    def test_sums_beyond_64_bits_are_exact(self, store: EventStore) -> None:
        write(store, [build_row(number, bytes=2**63 - 1) for number in range(4)])
        (row,) = store.aggregate(EventQuery(None, *ALL), (), (Measure(MeasureKind.SUM, "bytes"),))
        assert row.values == (4 * (2**63 - 1),)

    def test_sums_of_the_largest_numbers_are_the_same_in_every_store(self, store: EventStore) -> None:
        chance = Random(5)
        numbers = [MAX_NUMBER, MAX_NUMBER, -MAX_NUMBER, 9e12, 0.1, *(chance.uniform(-1, 1) * 2**53 for _ in range(40))]
        write(store, [build_row(n, duration_ms=number) for n, number in enumerate(numbers)])
        (row,) = store.aggregate(EventQuery(None, *ALL), (), (Measure(MeasureKind.SUM, "duration_ms"),))
        assert row.values == (Decimal(sum(map(round_number, numbers))).scaleb(-SUM_SCALE),)

    def test_a_list_field_puts_an_event_in_the_group_of_each_element(self, store: EventStore) -> None:
        write(store, [build_row(0, user__roles=["a", "b"]), build_row(1, user__roles=["b"]), build_row(2)])
        rows = store.aggregate(EventQuery(None, *ALL), ("user.roles",))
        assert {row.key: row.values for row in rows} == {("a",): (1,), ("b",): (2,), (NoValue.MISSING,): (1,)}

    def test_an_element_that_comes_twice_puts_its_event_in_one_group_once(self, store: EventStore) -> None:
        write(store, [build_row(0, user__roles=["a", "a", "b"])])
        rows = store.aggregate(EventQuery(None, *ALL), ("user.roles",))
        assert [(row.key, row.values) for row in rows] == [(("a",), (1,)), (("b",), (1,))]

    def test_missing_null_and_empty_text_are_three_groups(self, store: EventStore) -> None:
        write(store, [build_row(0), build_row(1, purpose=None), build_row(2, purpose="")])
        rows = store.aggregate(EventQuery(None, *ALL), ("purpose",))
        assert {row.key[0]: row.values[0] for row in rows} == {NoValue.MISSING: 1, NoValue.NULL: 1, "": 1}

    @pytest.mark.parametrize("text", ["", "action:query"])
    def test_every_read_leaves_duplicates_and_second_halves_out_unless_asked_for_all_rows(
        self, store: EventStore, text: str
    ) -> None:
        write(
            store,
            [
                build_row(0, quality=[]),
                build_row(1, quality=["duplicate"]),
                build_row(2, quality=["late", "paired"]),
                build_row(3, quality=["late", "id_conflict"]),
                build_row(4),
            ],
        )
        counted = EventQuery(parse_query(text) if text else None, *ALL)
        assert counted.rows is RowSet.COUNTED
        for query, expected in ((counted, ["e0", "e3", "e4"]), (replace(counted, rows=RowSet.ALL), IDS)):
            assert [row.event["id"] for row in store.search(query, order=Order.OLDEST).events] == expected
            assert [row.event["id"] for row in store.iter_events(query)] == expected
            assert [row.values for row in store.aggregate(query)] == [(len(expected),)]
            assert count_rows(store, query) == len(expected)
            assert rank_values(store, query, "action") == [("query", len(expected))]
            hour = TimeBucket(TimeUnit.HOUR, SHANGHAI)
            assert count_by_time(store, query, hour) == [(START, len(expected))]

    def test_a_page_of_counted_rows_ends_where_they_end(self, store: EventStore) -> None:
        write(store, [build_row(n, quality=["duplicate"] if n % 2 else ["late"]) for n in range(8)])
        query = EventQuery(None, *ALL)
        page = store.search(query, limit=3, order=Order.OLDEST)
        assert ([row.event["id"] for row in page.events], page.after) == (
            ["e0", "e2", "e4"],
            Cursor(_minute(4), 0, 4, 0),
        )
        rest = store.search(query, limit=1, order=Order.OLDEST, after=page.after)
        assert ([row.event["id"] for row in rest.events], rest.after) == (["e6"], None)

    def test_a_query_is_narrowed_by_another_condition(self, store: EventStore) -> None:
        write(store, [build_row(n, purpose="pq"[n % 2], rows=n) for n in range(6)])
        query = EventQuery(parse_query("purpose:p"), *ALL)
        assert count_rows(store, query) == 3
        assert count_rows(store, query.narrowed(parse_query("rows>=2"))) == 2
        assert count_rows(store, EventQuery(None, *ALL).narrowed(parse_query("rows>=2"))) == 4

    @pytest.mark.parametrize("unit", list(TimeUnit))
    @pytest.mark.parametrize("zone", [SHANGHAI, BERLIN])
    def test_time_buckets_are_those_of_the_zone(self, store: EventStore, unit: TimeUnit, zone: ZoneInfo) -> None:
        rows = build_mixture(400, 5)
        write(store, rows)
        expected: dict[int, int] = defaultdict(int)
        for row in rows:
            expected[_bucket_start(int(str(row.event["time"])), unit, zone)] += 1
        got = count_by_time(
            store, EventQuery(None, START, START + 60 * 86_400 * NS, rows=RowSet.ALL), TimeBucket(unit, zone)
        )
        assert got == sorted(expected.items())

    def test_the_hour_that_comes_twice_is_two_buckets(self, store: EventStore) -> None:
        first = parse_time_ns("2026-10-25T02:30:00+02:00")
        write(store, [build_row(0, time=first), build_row(1, time=first + 3600 * NS)])
        buckets = count_by_time(
            store, EventQuery(None, first - 86_400 * NS, first + 86_400 * NS), TimeBucket(TimeUnit.HOUR, BERLIN)
        )
        assert buckets == [(first - 1800 * NS, 1), (first + 1800 * NS, 1)]

    @pytest.mark.parametrize("unit", list(TimeUnit))
    @pytest.mark.parametrize("name", ["America/St_Johns", "America/Sao_Paulo", "Etc/GMT+12", "Asia/Shanghai"])
    def test_buckets_at_the_first_and_the_last_instants(self, store: EventStore, unit: TimeUnit, name: str) -> None:
        zone, ends = ZoneInfo(name), (0, MAX_TIME_NS)
        for number, times in enumerate((EARLIEST, LATEST)):
            write(store, [build_row(10 * number + n, time=time) for n, time in enumerate(times)])
        expected: dict[int, int] = defaultdict(int)
        for time in (*EARLIEST, *LATEST):
            expected[find_bucket(TimeBucket(unit, zone), time)] += 1
        assert count_by_time(store, EventQuery(None, *ends), TimeBucket(unit, zone)) == sorted(expected.items())

    @pytest.mark.parametrize(
        ("last", "month"),
        [
            ("2026-10-31T15:59:59.999999500Z", "2026-10-01T00:00:00+08:00"),
            ("2026-12-31T15:59:59.999999999Z", "2026-12-01T00:00:00+08:00"),
            ("2199-12-31T15:59:59.999999999Z", "2199-12-01T00:00:00+08:00"),
        ],
    )
    def test_the_last_nanoseconds_of_a_month_are_in_it(self, store: EventStore, last: str, month: str) -> None:
        write(store, [build_row(0, time=parse_time_ns(last))])
        bucket = TimeBucket(TimeUnit.MONTH, SHANGHAI)
        assert count_by_time(store, EventQuery(None, 0, MAX_TIME_NS), bucket) == [(parse_time_ns(month), 1)]

    def test_measures_of_a_label(self, store: EventStore) -> None:
        texts = ("b", "é", "B", "b", ...)
        write(store, [build_row(n, labels__x=text, purpose="pq"[n % 2]) for n, text in enumerate(texts)])
        kinds = (MeasureKind.COUNT, MeasureKind.DISTINCT, MeasureKind.MIN, MeasureKind.MAX)
        measures = tuple(Measure(kind, f"labels.{name}") for name in ("x", "y") for kind in kinds)
        none = (0, 0, None, None)
        (whole,) = store.aggregate(EventQuery(None, *ALL), (), measures)
        assert whole.values == (4, 3, "B", "é", *none)
        rows = store.aggregate(EventQuery(parse_query("action:query"), *ALL), ("labels.x", "purpose"), measures)
        assert [(row.key, row.values) for row in rows] == [
            ((NoValue.MISSING, "p"), (0, 0, None, None, *none)),
            (("B", "p"), (1, 1, "B", "B", *none)),
            (("b", "p"), (1, 1, "b", "b", *none)),
            (("b", "q"), (1, 1, "b", "b", *none)),
            (("é", "q"), (1, 1, "é", "é", *none)),
        ]

    def test_a_measure_its_field_does_not_have_is_refused(self, store: EventStore) -> None:
        for measure in (
            Measure(MeasureKind.SUM, "purpose"),
            Measure(MeasureKind.SUM, "labels.x"),
            Measure(MeasureKind.QUANTILE, "rows", 1.5),
        ):
            with pytest.raises(InputError, match=measure.kind.value):
                store.aggregate(EventQuery(None, *ALL), (), (measure,))
        with pytest.raises(InputError, match="unknown field `nonsense`"):
            store.aggregate(EventQuery(None, *ALL), ("nonsense",))

    def test_facets_are_the_most_frequent_values_first(self, store: EventStore) -> None:
        write(store, [build_row(number, purpose="often" if number else "seldom") for number in range(3)])
        assert rank_values(store, EventQuery(None, *ALL), "purpose") == [("often", 2), ("seldom", 1)]

    def test_of_equally_frequent_values_the_first_ones_are_facets(self, store: EventStore) -> None:
        values = ["c", "b", "c", "a", "b", "a", "d", None, None, ..., ...]
        write(store, [build_row(number, purpose=value) for number, value in enumerate(values)])
        expected = [(NoValue.MISSING, 2), (NoValue.NULL, 2), ("a", 2), ("b", 2), ("c", 2), ("d", 1)]
        for limit in range(1, 8):
            assert rank_values(store, EventQuery(None, *ALL), "purpose", limit) == expected[:limit]

    def test_text_no_event_can_have_is_not_found(self, store: EventStore) -> None:
        write(store, [build_row(0, reason="a"), build_row(1)])
        context = Context({"odd": frozenset({"a", "\ud800"})})
        for text, found in (
            ('reason:"\ud800"', []),
            ('reason:"a\ud800" action:query', []),
            ('-reason:"\ud800"', ["e0"]),
            ('reason:"\ud800" OR reason:a', ["e0"]),
        ):
            node = parse_query(text)
            assert [row.event["id"] for row in store.search(EventQuery(node, *ALL)).events] == found, ascii(text)
            assert count_rows(store, EventQuery(node, *ALL)) == len(found), ascii(text)
        node = InList(get_field("reason"), ("odd",))
        assert count_rows(store, EventQuery(node, *ALL, context)) == 1

    # --- what the engine asks

    def test_digests_are_found_by_uid(self, store: EventStore) -> None:
        row, other = build_row(0), build_row(1)
        write(store, [row])
        write(store, [NewEvent({**row.event, "seq": 1}, row.uid, EventDigest("ff" * 32))])
        assert store.find_uids([row.uid, other.uid]) == {row.uid: frozenset({row.digest, EventDigest("ff" * 32)})}
        assert [stored.event["seq"] for stored in store.list_rows(row.uid)] == [0, 1]

    def test_halves_are_found_by_access_key_and_time(self, store: EventStore) -> None:
        one = build_row(0, access="c", side="consumer")
        two = build_row(1, access="c", side="provider", partner=one.uid, quality=["paired"])
        again = build_row(2, access="c", side="consumer", quality=["duplicate"])
        far = build_row(90, access="c", side="provider")
        write(store, [one, two, again, far, build_row(3, access="d", side="consumer")])
        key = build_access_key("c")
        assert store.find_halves([key], START, START + 3600 * NS) == [
            Half(key, one.uid, "consumer", START, None, 0, 0, 0),
            Half(key, two.uid, "provider", START + 60 * NS, one.uid, 0, 1, 0),
        ]
        assert len(store.list_partners(key)) == 4

    # --- findings, quarantine, batches

    def test_findings_come_back_whole_and_by_place(self, store: EventStore) -> None:
        found = [build_finding(n, record=n, group={"user.id": "甲"}) for n in range(5)]
        write(store, [build_row(0)], findings=found)
        assert store.list_findings(FindingQuery(*ALL)) == found
        assert list(store.iter_findings(LedgerPlace(0, 1), LedgerPlace(0, 3))) == found[1:3]
        assert store.get_findings([found[3].key]) == [found[3]]
        assert store.find_finding_uids([found[2].key, FindingKey(b"x" * 16)]) == {found[2].key: found[2].uid}

    def test_an_empty_choice_finds_nothing_and_no_choice_everything(self, store: EventStore) -> None:
        write(store, [build_row(0), build_row(1)], findings=[build_finding(0), build_finding(1)])
        for query, number in ((FindingQuery(*ALL), 2), (FindingQuery(*ALL, {"interface.id": ()}), 0)):
            assert len(store.list_findings(query)) == number
            assert sum(int(str(row.values[0])) for row in store.count_findings(query, ())) == number
        both = FindingQuery(*ALL, {"interface.id": (), "status": ("active",)})
        assert store.list_findings(both) == []

    @pytest.mark.parametrize(
        ("node", "number"),
        [
            (None, 2), (All(()), 2), (AnyOf(()), 0), (build_equals("interface.id"), 0),
            (Not(build_equals("interface.id")), 2), (All((All(()), AnyOf(()))), 0), (AnyOf((All(()), AnyOf(()))), 2),
        ],
    )  # fmt: skip
    def test_a_condition_without_parts_or_values_is_not_dropped(
        self, store: EventStore, node: Node | None, number: int
    ) -> None:
        write(store, [build_row(0), build_row(1)])
        assert count_rows(store, EventQuery(node, *ALL)) == number
        assert len(store.search(EventQuery(node, *ALL), limit=5).events) == number
        assert sum(row.count for row in store.aggregate(EventQuery(node, *ALL))) == number
        buckets = count_by_time(store, EventQuery(node, *ALL), TimeBucket(TimeUnit.DAY, SHANGHAI))
        assert sum(count for _, count in buckets) == number

    @pytest.mark.parametrize(
        ("limit", "offset", "expected"),
        [
            (2, 0, [0, 1]),
            (2, 2, [2, 3]),
            (2, 4, [4]),
            (5, 0, [0, 1, 2, 3, 4]),
            (4, 1, [1, 2, 3, 4]),
            (2, 5, []),
            (1, 4, [4]),
        ],
    )
    def test_findings_come_page_by_page_in_order_of_time_and_place(
        self, store: EventStore, limit: int, offset: int, expected: list[int]
    ) -> None:
        found = [build_finding(n, record=n, time=START + n // 2 * NS) for n in range(5)]
        write(store, [build_row(0)], findings=[found[n] for n in (3, 0, 4, 2, 1)])
        page = store.list_findings(FindingQuery(*ALL), limit=limit, offset=offset)
        assert page == [found[n] for n in expected]

    def test_findings_come_a_hundred_at_a_time_unless_another_number_is_asked_for(self, store: EventStore) -> None:
        write(store, [build_row(0)], findings=[build_finding(n, record=n) for n in range(101)])
        assert len(store.list_findings(FindingQuery(*ALL))) == 100
        assert [one.record for one in store.list_findings(FindingQuery(*ALL), offset=100)] == [100]

    def test_findings_are_counted_by_their_fields_and_by_day(self, store: EventStore) -> None:
        found = [build_finding(n, policy_id=f"P-{n % 2}", status="shadow" if n == 4 else "active") for n in range(5)]
        write(store, [build_row(0)], findings=found)
        query = FindingQuery(*ALL, {"status": ["active"]})
        assert [(row.key, row.values) for row in store.count_findings(query, ("policy_id",))] == [
            (("P-0",), (2,)),
            (("P-1",), (2,)),
        ]
        (day,) = store.count_findings(FindingQuery(START, START + NS * 86_400), (TimeBucket(TimeUnit.DAY, SHANGHAI),))
        assert day.values == (5,)
        with pytest.raises(InputError, match="findings have no field `rows`"):
            store.count_findings(query, ("rows",))

    def test_pages_of_findings_begin_and_end_where_they_say(
        self, store: EventStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scan, "LARGEST_PAGE", 2)
        monkeypatch.setattr(scan, "PAGE", 2)
        found = [build_finding(n, status="shadow" if n == 0 else "active") for n in range(6)]
        bad = [QuarantineRecord(0, n, 0, "gateway", "json_invalid", "not valid JSON", "{", START) for n in range(5)]
        write(store, [build_row(0)], findings=found, quarantine=bad)
        query, newest = FindingQuery(*ALL, {"status": ["active"]}), bad[::-1]
        for offset in range(7):
            for limit in (0, 1, 4, 5, 6):
                page = slice(offset, offset + limit)
                assert store.list_findings(query, limit=limit, offset=offset) == found[1:][page], page
                assert store.list_quarantine(*ALL, limit=limit, offset=offset) == newest[page], page

    def test_without_a_value_for_a_field_no_finding_is_found(self, store: EventStore) -> None:
        write(store, [build_row(0)], findings=[build_finding(n) for n in range(3)])
        for name in FINDING_FIELDS:
            query = FindingQuery(*ALL, {"status": ["active"], name: []})
            assert store.list_findings(query) == []
            assert store.count_findings(query, ("policy_id",)) == []
            assert [row.count for row in store.count_findings(query)] == [0]
        assert len(store.list_findings(FindingQuery(*ALL, {}))) == 3

    def test_quarantine_batches_and_undecided_events_are_counted(self, store: EventStore) -> None:
        bad = QuarantineRecord(0, 1, 0, "gateway", "json_invalid", "not valid JSON", "{", START)
        stat = BatchStat(0, 0, "gateway", START, 3, 2, 0, 0, 0, 1, 4)
        undecided = IndeterminateCount(0, START, "P-1", "1", "active", "gateway", None, 2)
        write(store, [build_row(0)], quarantine=[bad], batches=[stat], indeterminate=[undecided])
        write(store, [], batches=[BatchStat(1, 0, "gateway", START + 1, 1, 1, 1, 0, 0, 0, 0)])
        assert store.count_quarantine(START, START + 1) == {("gateway", "json_invalid"): 1}
        assert store.count_quarantine(START + 1, START + 2) == {}
        assert store.list_quarantine(*ALL) == [bad]
        assert store.batch_stats(*ALL) == [BatchStat(1, 0, "gateway", START + 1, 4, 3, 1, 0, 0, 1, 4)]
        assert store.count_indeterminate(START, START + 1) == {"P-1": 2}

    def test_undecided_events_are_counted_by_interface(self, store: EventStore) -> None:
        def undecided(time: int, interface: str | None, number: int) -> IndeterminateCount:
            return IndeterminateCount(0, time, "P-1", "1", "active", "gateway", interface, number)

        counts = [
            undecided(START, "a", 1),
            undecided(START, "b", 2),
            undecided(START, None, 4),
            undecided(START + 9, "a", 8),
        ]
        write(store, [build_row(0)], indeterminate=counts)
        assert store.count_indeterminate(START, START + 10) == {"P-1": 15}
        assert store.count_indeterminate(START, START + 9, ["a"]) == {"P-1": 1}
        assert store.count_indeterminate(START, START + 10, ["a", "b"]) == {"P-1": 11}
        assert store.count_indeterminate(START, START + 10, ["c"]) == {}
        assert store.count_indeterminate(START, START + 10, []) == {}

    def test_a_store_that_took_everything_has_no_dead_letters(self, store: EventStore) -> None:
        write(store, [build_row(0)], findings=[build_finding(0)])
        assert store.count_dead_letters() == 0
        assert store.list_dead_letters(limit=10, offset=0) == []

    # --- months

    def test_the_inventory_has_the_events_of_each_month_in_order_of_time(self, store: EventStore) -> None:
        times = [2**40, OCTOBER, OCTOBER + NS, NOVEMBER - 1, NOVEMBER, parse_time_ns("2077-01-01T00:00:00Z")]
        rows = [build_row(number, time=time) for number, time in enumerate(times)]
        bad = QuarantineRecord(0, 9, 0, "gateway", "json_invalid", "not valid JSON", "{", START)
        write(store, rows, findings=[build_finding(0)], quarantine=[bad])
        held = store.inventory()
        assert [(one.month, one.events) for one in held.months] == [
            ("old", 1), ("2026.10", 3), ("2026.11", 1), ("far", 1),
        ]  # fmt: skip
        assert (held.removed, held.findings, held.quarantine, held.dead_letters) == ((), 1, 1, 0)
        assert held.size_bytes > 0

    def test_a_removed_month_takes_its_events_and_nothing_else(self, store: EventStore) -> None:
        rows = [build_row(n, time=time) for n, time in enumerate((OCTOBER - 1, OCTOBER, NOVEMBER - 1, NOVEMBER))]
        bad = QuarantineRecord(0, 9, 0, "gateway", "json_invalid", "not valid JSON", "{", OCTOBER)
        stat = BatchStat(0, 0, "gateway", OCTOBER, 5, 4, 0, 0, 0, 1, 0)
        findings = [build_finding(n, time=row.event["time"], uid=row.uid) for n, row in enumerate(rows)]
        write(store, rows, findings=findings, quarantine=[bad], batches=[stat])
        position = store.position()
        assert store.delete_month("2026.10", NOVEMBER) == 2
        assert [found.uid for found in store.iter_events(EVERY_ROW)] == [rows[0].uid, rows[3].uid]
        assert count_rows(store, EVERY_ROW) == 2
        assert store.aggregate(EventQuery(None, *ALL))[0].values == (2,)
        assert store.find_uids([row.uid for row in rows]).keys() == {rows[0].uid, rows[3].uid}
        assert store.list_rows(rows[1].uid) == []
        assert store.list_findings(FindingQuery(*ALL)) == findings
        assert (store.list_quarantine(*ALL), store.batch_stats(*ALL), store.position()) == ([bad], [stat], position)
        held = store.inventory()
        assert ([one.month for one in held.months], held.removed) == (["2026.09", "2026.11"], ("2026.10",))
        assert store.delete_month("2026.10", NOVEMBER) == 0

    def test_what_comes_later_for_a_removed_month_is_not_stored_and_the_rest_is(self, store: EventStore) -> None:
        gone, kept = build_row(0, time=OCTOBER), build_row(1, time=NOVEMBER)
        write(store, [gone, kept])
        store.delete_month("2026.10", NOVEMBER)
        store.prepare()
        late, new = build_row(2, time=NOVEMBER - 1, seq=1), build_row(3, time=NOVEMBER + 1, seq=1)
        findings = [build_finding(2, time=NOVEMBER - 1, seq=1), build_finding(3, time=NOVEMBER + 1, seq=1)]
        write(store, [NewEvent({**gone.event, "seq": 1}, gone.uid, gone.digest), late, new], findings=findings)
        assert store.position().next == LedgerPlace(2)
        assert {found.uid for found in store.iter_events(EVERY_ROW)} == {kept.uid, new.uid}
        assert store.list_findings(FindingQuery(*ALL)) == findings[1:]
        assert [one.month for one in store.inventory().months] == ["2026.11"]

    def test_a_store_without_a_month_has_the_digest_of_one_that_never_had_it(self, store: EventStore) -> None:
        write(store, [build_row(0, time=NOVEMBER, purpose=None)])
        before = store.digest()
        write(store, [build_row(1, time=OCTOBER, seq=1)])
        assert store.digest() != before
        store.delete_month("2026.10", NOVEMBER)
        assert store.digest() == before

    @pytest.mark.parametrize(
        ("month", "said"),
        [
            ("2026.11", "month `2026.11` is not over: expected one before `2026.11`"),
            ("2026.12", "not over"),
            ("far", "not over"),
            ("2026.13", "expected a month such as `2026.11`, or `old`, got `2026.13`"),
            ("2026-10", "expected a month"),
            ("2014.12", "expected a month"),
            ("*", "expected a month"),
            ("", "expected a month"),
        ],
    )
    def test_a_month_that_is_none_or_not_over_is_not_removed(self, store: EventStore, month: str, said: str) -> None:
        write(store, [build_row(0, time=NOVEMBER)])
        with pytest.raises(InputError) as caught:
            store.delete_month(month, NOVEMBER)
        assert said in caught.value.message
        assert (count_rows(store, EVERY_ROW), store.inventory().removed) == (1, ())

    def test_the_digest_depends_on_every_value_and_not_on_order(self, store: EventStore) -> None:
        write(store, [build_row(0), build_row(1)])
        write(store, [build_row(2, rows=1)])
        before = store.digest()
        assert (before.events, before.findings, before.quarantine) == (3, 0, 0)
        assert store.digest() == before
        write(store, [build_row(0, seq=2)])
        assert store.digest() != before


def _minute(number: int) -> int:
    """Return the time of the row with this number."""
    return START + number * 60 * NS


def _time(row: NewEvent) -> int:
    """Return a row's time."""
    return int(str(row.event["time"]))


def _measure(events: list[Event]) -> tuple[Any, ...]:
    """Return what the measures of the test above come to, by hand."""
    rows = sorted(int(str(event["rows"])) for event in events if event.get("rows") is not None)
    durations = [Decimal(str(event["duration_ms"])) for event in events if "duration_ms" in event]
    roles = [event.get("user.roles") for event in events]
    return (
        len(events),
        len(rows),
        sum(rows),
        sum(durations, Decimal(0)),
        len({event["purpose"] for event in events if event.get("purpose") is not None}),
        len({role for some in roles if isinstance(some, list) for role in some}),
        min(int(str(event["time"])) for event in events),
        rows[-1],
        rows[max(0, math.ceil(0.95 * len(rows)) - 1)],
    )


def _bucket_start(instant: int, unit: TimeUnit, zone: ZoneInfo) -> int:
    """Return the first instant of the bucket an instant is in."""
    local = to_datetime(instant).astimezone(zone)
    if unit is TimeUnit.MINUTE:
        return instant // (60 * NS) * 60 * NS
    if unit is TimeUnit.HOUR:
        return instant - (local.minute * 60 + local.second) * NS
    day = 1 if unit is TimeUnit.MONTH else local.day
    return count_ns(datetime(local.year, local.month, day, tzinfo=zone).astimezone(ZoneInfo("UTC")))

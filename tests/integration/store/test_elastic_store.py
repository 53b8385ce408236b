"""What only the Elasticsearch store must do, on a real server."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import nullcontext
from itertools import product
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from auditsvc.condition.compile.elasticsearch.compiler import ElasticQuery
from auditsvc.condition.parse import parse_query
from auditsvc.event.time import MAX_TIME_NS, NS, parse_time_ns
from auditsvc.ground.errors import StorageError
from auditsvc.ground.ids import FindingKey
from auditsvc.store.elasticsearch import aggregate as figures
from auditsvc.store.elasticsearch import confirm, retry, scan, table, view, writer
from auditsvc.store.elasticsearch import findings as finding
from auditsvc.store.elasticsearch.confirm import confirm_stored
from auditsvc.store.elasticsearch.mapping import VERSION, Names
from auditsvc.store.elasticsearch.retry import Sleep
from auditsvc.store.elasticsearch.state import read_state, remove_month, replace_state
from auditsvc.store.elasticsearch.store import ElasticStore
from auditsvc.store.query import EventQuery, FindingQuery, Measure, MeasureKind, NoValue, Order, RowSet
from auditsvc.store.rows import BatchStat, Chunk, IndeterminateCount, LedgerPlace, NewEvent, Position
from auditsvc.store.summary import count_rows
from tests.support.elastic_store import Given, given_store
from tests.support.store_contract import (
    ALL,
    EVERY_ROW,
    GROUPINGS,
    MEASURES,
    NOVEMBER,
    OCTOBER,
    START,
    build_finding,
    build_mixture,
    build_row,
    write,
)


@pytest.fixture
def pair() -> Iterator[tuple[Given, ElasticStore]]:
    with given_store() as pair:
        yield pair


@pytest.fixture
def given(pair: tuple[Given, ElasticStore]) -> Given:
    return pair[0]


@pytest.fixture
def store(pair: tuple[Given, ElasticStore]) -> ElasticStore:
    return pair[1]


def build_chunk(first: int, last: int, rows: list[NewEvent]) -> Chunk:
    """Return a chunk of the records ``[first, last)`` of the batch at leaf 0, with everything a chunk has."""
    undecided = IndeterminateCount(0, START, "P-1", "1", "active", "gateway", None, last - first)
    return Chunk(
        LedgerPlace(0, first),
        Position(LedgerPlace(0, last)),
        rows[first:last],
        [build_finding(number) for number in range(first, last)],
        batches=[BatchStat(0, first, "gateway", START, last - first, last - first, 0, 0, 0, 0, 0)],
        indeterminate=[undecided],
    )


def test_a_chunk_whose_position_was_not_stored_is_not_there_and_may_come_again_cut_otherwise(
    store: ElasticStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [build_row(number, access="c", side="consumer") for number in range(6)]

    def refuse(*_: object) -> None:
        raise StorageError("storage_unavailable", "the power went away")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "replace_state", refuse)
        with pytest.raises(StorageError, match="power"):
            store.write(build_chunk(0, 6, rows))
    assert store.position() == Position()
    assert count_rows(store, EVERY_ROW) == store.digest().events == store.digest().findings == 0
    assert store.search(EVERY_ROW).events == ()
    assert store.find_uids([row.uid for row in rows]) == {}
    assert store.find_halves([rows[0].access_key or b""], *ALL) == []
    keys = [FindingKey(number.to_bytes(16, "big")) for number in range(6)]
    assert store.find_finding_uids(keys) == {}
    assert store.batch_stats(*ALL) == []
    assert store.count_indeterminate(*ALL) == {}
    for first, last in ((0, 4), (4, 6)):
        store.write(build_chunk(first, last, rows))
        assert count_rows(store, EVERY_ROW) == last
        assert len(store.find_uids([row.uid for row in rows])) == last
        assert store.batch_stats(*ALL)[0].events == last
        assert store.count_indeterminate(*ALL) == {"P-1": last}
        assert len(store.find_finding_uids(keys)) == last
    assert store.list_dead_letters() == []


@pytest.mark.parametrize("kind", ["events-1-2026.10", "findings-1", "undecided-1"])
def test_a_document_that_was_there_and_is_lost_is_missed_and_sent_again(
    given: Given, store: ElasticStore, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What was taken by a first copy that then went, before the others had it; here somebody removes it."""
    rows = [build_row(number) for number in range(6)]
    index = f"{given.settings.elasticsearch_prefix}-{kind}"
    fill_behind_the_position(store, rows, monkeypatch)
    refresh = writer.Writer._refresh

    def lose_one(self: writer.Writer, indices: Iterable[str]) -> None:
        refresh(self, indices)
        name = given.admin.search(index=index, size=1)["hits"]["hits"][0]["_id"]
        given.admin.delete(index=index, id=name, refresh=True)

    with monkeypatch.context() as patch:
        patch.setattr(writer.Writer, "_refresh", lose_one)
        number = 1 if kind.startswith("undecided") else 6
        with pytest.raises(StorageError, match=f"index `{index}` does not hold 1 of {number} documents it took"):
            store.write(build_chunk(0, 6, rows))
    assert store.position() == Position()
    store.write(build_chunk(0, 6, rows))
    assert store.digest().events == store.digest().findings == 6
    assert store.count_indeterminate(*ALL) == {"P-1": 6}


@pytest.mark.parametrize(("kind", "changed"), [("events-1-2026.10", "event.action"), ("findings-1", "severity")])
def test_a_document_somebody_put_under_our_id_is_told_and_not_taken_for_ours(
    given: Given, store: ElasticStore, monkeypatch: pytest.MonkeyPatch, kind: str, changed: str
) -> None:
    rows = [build_row(number) for number in range(6)]
    index = f"{given.settings.elasticsearch_prefix}-{kind}"
    fill_behind_the_position(store, rows, monkeypatch)
    found = given.admin.search(index=index, size=1)["hits"]["hits"][0]
    assert changed in found["_source"]
    planted = {**found["_source"], changed: "other"}
    given.admin.index(index=index, id=found["_id"], document=planted, refresh=True)
    told = f"`{index}` holds another document under `{found['_id']}`.*auditsvc reindex"
    with pytest.raises(StorageError, match=told):
        store.write(build_chunk(0, 6, rows))
    assert store.position() == Position()
    assert store.digest().events == store.digest().findings == 0


def fill_behind_the_position(store: ElasticStore, rows: list[NewEvent], monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a chunk and lose the connection before its position is stored."""

    def refuse(*_: object) -> None:
        raise StorageError("storage_unavailable", "the power went away")

    with monkeypatch.context() as patch:
        patch.setattr(writer, "replace_state", refuse)
        with pytest.raises(StorageError, match="power"):
            store.write(build_chunk(0, len(rows), rows))


def test_rows_of_another_cut_duplicates_and_dead_letters_do_not_confuse_the_count(
    store: ElasticStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [build_row(number) for number in range(4)] + [build_row(4, rows=2**63), build_row(5)]
    again = build_row(5)
    again.event.update({"record": 6, "quality": ["duplicate"]})
    rows.append(again)
    fill_behind_the_position(store, rows, monkeypatch)
    confirmed: list[int] = []

    def look(client: Elasticsearch, keys: Collection[tuple[str, str]], sleep: Sleep) -> None:
        confirm_stored(client, keys, sleep)
        confirmed.append(len(keys))

    monkeypatch.setattr(writer, "confirm_stored", look)
    for first, last in ((0, 3), (3, 7)):
        store.write(build_chunk(first, last, rows))
    assert confirmed == [
        8,
        10,
    ]  # events, findings, a batch and the undecided; of the second, one event is a dead letter
    assert count_rows(store, EVERY_ROW) == 6
    assert store.count_dead_letters() == 1


def test_a_chunk_that_meets_nothing_is_not_counted(store: ElasticStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(writer, "confirm_stored")
    store.write(build_chunk(0, 6, [build_row(number) for number in range(6)]))
    assert count_rows(store, EVERY_ROW) == 6


def test_a_write_that_has_not_reached_every_copy_is_waited_for_and_then_told(
    given: Given, store: ElasticStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [build_row(number) for number in range(2)]
    fill_behind_the_position(store, rows, monkeypatch)
    monkeypatch.setattr(confirm, "find_uncopied", lambda _stats, indices: indices[0])
    given.pauses.clear()
    with pytest.raises(
        StorageError, match=r"`.*` has writes that have not reached all its copies; the chunk is sent again"
    ):
        store.write(build_chunk(0, 2, rows))
    assert len(given.pauses) == confirm.LOOKS - 1
    assert store.position() == Position()


@pytest.mark.parametrize(("code", "status", "repeated"), [("storage_unavailable", 429, 2), ("conflict", 429, 0)])
def test_a_position_the_server_has_no_room_for_is_tried_again_without_the_rows(
    given: Given, store: ElasticStore, monkeypatch: pytest.MonkeyPatch, code: str, status: int, repeated: int
) -> None:
    refusals = [StorageError(code, "no room", status=status)] * 2

    def replace_later(*given_: Any) -> None:
        if refusals:
            raise refusals.pop()
        replace_state(*given_)

    monkeypatch.setattr(writer, "replace_state", replace_later)
    monkeypatch.delattr(writer, "confirm_stored")  # nothing is sent twice
    given.pauses.clear()
    with nullcontext() if repeated else pytest.raises(StorageError, match="no room"):
        store.write(build_chunk(0, 2, [build_row(0), build_row(1)]))
    assert len(given.pauses) == repeated
    assert count_rows(store, EVERY_ROW) == repeated


def test_a_position_without_its_second_copy_is_not_moved_and_the_server_says_why(
    given: Given, store: ElasticStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = f"{given.settings.elasticsearch_prefix}-state"
    lonely = {"index.number_of_replicas": 1, "index.write.wait_for_active_shards": "2"}
    given.admin.indices.put_settings(index=index, settings=lonely)
    monkeypatch.setattr(retry, "GIVE_UP_S", 0.0)
    with pytest.raises(StorageError, match=rf"\[{index}\]\[0\] Not enough active copies"):
        write(store, [build_row(0)])
    given.open().prepare()  # reads only
    assert store.position() == Position()


ASKED: list[tuple[str, Callable[[ElasticStore], object]]] = [
    ("events-1-2026.10", lambda store: count_rows(store, EVERY_ROW)),
    ("events-1-2026.10", lambda store: store.search(EVERY_ROW)),
    ("events-1-2026.10", lambda store: store.aggregate(EventQuery(None, *ALL), ("purpose",))),
    ("events-1-2026.10", lambda store: store.find_uids([build_row(0).uid])),
    ("events-1-2026.10", lambda store: store.digest()),
    ("findings-1", lambda store: store.list_findings(FindingQuery(*ALL))),
    ("findings-1", lambda store: store.count_findings(FindingQuery(*ALL))),
    ("quarantine-1", lambda store: store.count_quarantine(*ALL)),
    ("batches-1", lambda store: store.batch_stats(*ALL)),
    ("undecided-1", lambda store: store.count_indeterminate(*ALL)),
    ("dead-1", lambda store: store.count_dead_letters()),
]


def test_no_answer_is_given_from_a_store_with_an_index_gone_or_closed(given: Given, store: ElasticStore) -> None:
    month = 40 * 86_400 * NS
    store.write(build_chunk(0, 2, [build_row(0), build_row(1, time=START + month)]))
    for kind, ask in ASKED:
        index = f"{given.settings.elasticsearch_prefix}-{kind}"
        if given.admin.indices.exists(index=index):
            given.admin.indices.close(index=index)
            with pytest.raises(StorageError, match="index_closed_exception"):
                ask(store)
            given.admin.indices.delete(index=index)
        with pytest.raises(StorageError) as caught:
            ask(store)
        assert caught.value.message == f"event store: index `{index}` held rows and is gone; run `auditsvc reindex`"
        assert caught.value.code == "storage_unavailable"
    assert count_rows(store, EventQuery(None, START + month, START + 2 * month)) == 1  # of the months that are there


@pytest.mark.parametrize(
    "changed", [{"govshare.uid": "zz"}, {"govshare.uid": None}, {"govshare.time": "1792886400000000000"}]
)
def test_a_document_that_is_no_row_is_told_as_such(
    given: Given, store: ElasticStore, changed: dict[str, str | None]
) -> None:
    write(store, [build_row(0)])
    index = f"{given.settings.elasticsearch_prefix}-events-1-2026.10"
    row = given.admin.search(index=index)["hits"]["hits"][0]["_source"] | changed
    planted = {key: value for key, value in row.items() if value is not None}
    given.admin.index(index=index, id="planted", document=planted, refresh=True)
    for ask in (lambda: store.search(EVERY_ROW), lambda: list(store.iter_events(EVERY_ROW))):
        with pytest.raises(StorageError, match=r"none of its rows .*auditsvc reindex"):
            ask()


def test_a_position_that_another_writer_moved_is_a_conflict(given: Given, store: ElasticStore) -> None:
    names = Names(given.settings.elasticsearch_prefix)
    old = read_state(given.admin, names)
    write(store, [build_row(0)])
    with pytest.raises(StorageError, match="another process writes") as caught:
        replace_state(given.admin, names, old, old)
    assert caught.value.code == "conflict"
    assert store.position().next == LedgerPlace(1)


def test_what_the_server_refuses_is_kept_as_a_dead_letter_and_known_by_its_uid(store: ElasticStore) -> None:
    bad = build_row(1, rows=2**63)
    write(store, [build_row(0), bad])
    assert count_rows(store, EVERY_ROW) == 1
    (letter,) = store.list_dead_letters()
    assert (letter.table, letter.seq, letter.record, letter.item) == ("events", 0, 1, 0)
    assert "rows" in letter.reason
    assert str(2**63) in letter.document
    assert store.find_uids([bad.uid]) == {bad.uid: frozenset({bad.digest})}
    assert store.count_dead_letters() == store.statistics().dead_letters == 1
    assert store.list_dead_letters(offset=1) == []


def test_an_export_holds_one_search_context_and_none_when_it_ends_or_is_given_up(
    given: Given, store: ElasticStore
) -> None:
    write(store, [build_row(number) for number in range(5)])
    index = Names(given.settings.elasticsearch_prefix).events("2026.10")

    def count_contexts() -> int:
        number: int = given.admin.indices.stats(index=index, metric="search").body["_all"]["total"]["search"][
            "open_contexts"
        ]
        return number

    export = store.iter_events(EVERY_ROW)
    assert count_contexts() == 0
    next(export)
    assert count_contexts() == 1
    export.close()  # type: ignore[attr-defined]
    assert count_contexts() == 0
    assert len(list(store.iter_events(EVERY_ROW))) == 5
    assert count_contexts() == 0


def test_an_interrupted_removal_shows_nothing_of_the_month_and_is_finished_by_the_next(
    given: Given, store: ElasticStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, [build_row(0, time=OCTOBER), build_row(1, time=NOVEMBER)])
    names = Names(given.settings.elasticsearch_prefix)
    remove_month(given.admin, names, read_state(given.admin, names), "2026.10")
    for most in (view.MAX_NAMED_BYTES, 0):  # months named one by one, and all at once
        monkeypatch.setattr(view, "MAX_NAMED_BYTES", most)
        assert [found.event["id"] for found in store.iter_events(EVERY_ROW)] == ["e1"]
        assert count_rows(store, EVERY_ROW) == 1
    write(store, [build_row(2, time=OCTOBER + 1, seq=1)])
    assert given.admin.indices.exists(index=names.events("2026.10"))
    assert store.delete_month("2026.10", NOVEMBER) == 0
    assert not given.admin.indices.exists(index=names.events("2026.10"))
    assert count_rows(store, EVERY_ROW) == 1


def test_a_removal_in_the_moment_a_chunk_is_written_changes_nothing(given: Given, store: ElasticStore) -> None:
    write(store, [build_row(0, time=OCTOBER)])
    names = Names(given.settings.elasticsearch_prefix)
    old = read_state(given.admin, names)
    write(store, [build_row(1, time=NOVEMBER, seq=1)])
    with pytest.raises(StorageError) as caught:
        remove_month(given.admin, names, old, "2026.10")
    assert caught.value.code == "conflict"
    assert (count_rows(store, EVERY_ROW), store.inventory().removed) == (2, ())


def test_everything_is_there_after_opening_again(given: Given, store: ElasticStore) -> None:
    write(store, build_mixture(50, 3))
    again = given.open()
    again.prepare()
    assert (again.digest(), again.position()) == (store.digest(), store.position())
    events = [one for one in again.statistics().indices if "-events-" in one.name]
    assert sum(one.documents for one in events) == 50
    assert given.admin.count(index=f"{given.settings.elasticsearch_prefix}-events")["count"] == 50


def test_another_generation_is_filled_beside_the_one_in_use(given: Given, store: ElasticStore) -> None:
    write(store, [build_row(0)])
    other = given.open("2")
    other.prepare()
    assert (other.position(), count_rows(other, EVERY_ROW)) == (Position(), 0)
    write(other, [build_row(0), build_row(1)])
    assert (count_rows(store, EVERY_ROW), count_rows(other, EVERY_ROW)) == (1, 2)
    assert given.admin.count(index=f"{given.settings.elasticsearch_prefix}-events")["count"] == 1
    assert count_rows(given.open(), EVERY_ROW) == 1


def test_a_closed_store_refuses(given: Given, store: ElasticStore) -> None:
    store.close()
    for call in (store.position, lambda: write(store, [])):
        with pytest.raises(StorageError, match="it is closed"):
            call()


def test_events_of_any_time_find_their_index(store: ElasticStore) -> None:
    texts = ["1970-01-01T00:00:00Z", "2014-12-31T23:59:59.999999999Z", "2015-01-01T00:00:00Z", "2199-12-31T00:00:00Z"]
    times = [parse_time_ns(text) for text in texts]
    write(store, [build_row(number, time=time) for number, time in enumerate(times)])
    assert [
        row.event["time"] for row in store.search(EventQuery(None, 0, MAX_TIME_NS), order=Order.OLDEST).events
    ] == times
    for time in times:
        assert count_rows(store, EventQuery(None, time, time + 1)) == 1
    names = {
        one.name.rpartition("-")[2] for one in store.statistics().indices if one.documents and "-events-" in one.name
    }
    assert names == {"old", "2015.01", "far"}


def test_text_too_long_for_a_term_is_found_grouped_and_counted(store: ElasticStore) -> None:
    long = "\U00020000" * 8192
    rows = [build_row(0, url__path=long), build_row(1, url__path="/a"), build_row(2), build_row(3, url__path=long)]
    write(store, [*rows, build_row(4, user__roles=["x", long, "x"])])
    assert store.get_event(rows[0].uid).event == rows[0].event
    for text, found in ((f"url.path:*{chr(0x20000)}", 2), ("url.path:*", 3), ("-url.path:/a", 2), ("user.roles:x", 1)):
        assert count_rows(store, EventQuery(parse_query(text), *ALL)) == found, text
    grouped = store.aggregate(EventQuery(None, *ALL), ("url.path",))
    assert {row.key[0]: row.values[0] for row in grouped} == {long: 2, "/a": 1, NoValue.MISSING: 2}
    measures = tuple(Measure(kind, "url.path") for kind in (MeasureKind.DISTINCT, MeasureKind.COUNT, MeasureKind.MAX))
    assert store.aggregate(EventQuery(None, *ALL), (), measures)[0].values == (2, 3, long)


def test_labels_of_any_name_are_found(store: ElasticStore) -> None:
    names = ["a", "a.b", ".", "a.", " ", "*", "a*", "é", '"']
    row = build_row(0)
    row.event.update({f"labels.{name}": name for name in names} | {"labels.null": None})
    write(store, [row, build_row(1)])
    assert store.get_event(row.uid).event == row.event
    for name in names:
        grouped = store.aggregate(EventQuery(None, *ALL), (f"labels.{name}",))
        assert [(one.key, one.values) for one in grouped] == [((NoValue.MISSING,), (1,)), ((name,), (1,))], name


def test_figures_are_those_counted_by_hand_however_they_are_paged(
    store: ElasticStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, build_mixture(200, 7))
    node = parse_query("rows>=0 OR purpose:p OR -(consumer.org:A)")
    first, last = START, START + 50 * 86_400 * NS
    counted, every = (EventQuery(node, first, last, rows=rows) for rows in RowSet)
    questions = [(query, by, MEASURES) for query, by in product((counted, every), GROUPINGS)]
    monkeypatch.setattr(figures, "PAGE", 7)
    asked = [store.aggregate(*question) for question in questions]
    monkeypatch.setattr(figures, "SLICE_ROWS", 30)
    assert [store.aggregate(*question) for question in questions] == asked
    count, page = count_rows(store, counted), store.search(counted, limit=30)
    monkeypatch.setattr(view, "split_for_elastic", lambda one, *_, **__: ElasticQuery({"match_all": {}}, one))
    monkeypatch.setattr(scan, "PAGE", 13)
    for question, rows in zip(questions, asked, strict=True):
        assert store.aggregate(*question) == rows
    assert count_rows(store, counted) == count
    assert store.search(counted, limit=30) == page


def test_sums_that_doubles_would_round_are_exact(store: ElasticStore) -> None:
    numbers = [2**53 + 1, 2**53 + 1, -(2**53) - 3, 1]
    durations = [9e15, 0.000001, 1e300, 2.5]
    rows = [
        build_row(n, rows=number, duration_ms=ms) for n, (number, ms) in enumerate(zip(numbers, durations, strict=True))
    ]
    write(store, rows[:2] + rows[3:])
    sums = (Measure(MeasureKind.SUM, "rows"), Measure(MeasureKind.SUM, "duration_ms"))
    (row,) = store.aggregate(EventQuery(None, *ALL), (), sums)
    assert (row.values[0], str(row.values[1])) == (2**54 + 3, "9000000000000002.500001")
    write(store, [build_row(9, rows=numbers[2])])
    (row,) = store.aggregate(EventQuery(None, *ALL), (), sums[:1])
    assert row.values == (sum(numbers),)


def test_lists_of_findings_are_read_page_by_page(store: ElasticStore, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [build_finding(number, time=START + number % 3) for number in range(20)]
    write(store, [build_row(0)], findings=found)
    monkeypatch.setattr(scan, "PAGE", 3)
    monkeypatch.setattr(scan, "LARGEST_PAGE", 4)
    monkeypatch.setattr(finding, "ASKED_AT_ONCE", 6)
    ordered = sorted(found, key=lambda one: (one.time, one.record))
    query = FindingQuery(*ALL)
    assert store.list_findings(query, limit=100) == ordered
    for offset in (0, 1, 4, 11, 19, 20, 50):
        assert store.list_findings(query, limit=5, offset=offset) == ordered[offset : offset + 5]
    assert store.get_findings([one.key for one in found]) == ordered
    assert list(store.iter_findings(LedgerPlace(0, 2), LedgerPlace(0, 15))) == found[2:15]
    assert store.find_finding_uids([one.key for one in found]) == {one.key: one.uid for one in found}


def test_more_undecided_counts_than_a_document_may_nest_are_all_counted(
    store: ElasticStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MAX_NESTED", 2)
    counts = [IndeterminateCount(0, START + n, f"P-{n % 2}", "1", "active", "s", None, n) for n in range(6)]
    write(store, [], indeterminate=counts)
    assert store.count_indeterminate(*ALL) == {"P-0": 6, "P-1": 9}
    assert store.count_indeterminate(START, START + 4) == {"P-0": 2, "P-1": 4}


def test_an_index_that_may_lose_what_it_acknowledged_is_refused(given: Given, store: ElasticStore) -> None:
    write(store, [build_row(0)])
    name = Names(given.settings.elasticsearch_prefix).events("2026.10")
    given.admin.indices.put_settings(index=name, settings={"index.translog.durability": "async"})
    with pytest.raises(StorageError, match="durability `async`; what it acknowledges can be lost"):
        given.open().prepare()


def test_an_index_of_another_version_is_refused_with_what_to_do(given: Given, store: ElasticStore) -> None:
    index = f"{given.settings.elasticsearch_prefix}-events-1-2027.01"
    given.admin.indices.create(index=index, mappings={"_meta": {"auditsvc": VERSION + 1}})
    told = f"index `{index}`: expected version {VERSION} of our templates, got {VERSION + 1}; an administrator runs"
    with pytest.raises(StorageError, match=told):
        write(store, [build_row(0, time=parse_time_ns("2027-01-05T00:00:00Z"))])


def test_a_store_without_its_templates_is_refused(given: Given, store: ElasticStore) -> None:
    prefix = given.settings.elasticsearch_prefix
    given.admin.indices.delete_index_template(name=f"{prefix}-findings")
    with pytest.raises(StorageError, match=f"`{prefix}-findings` of version 1, there is none; an administrator"):
        given.open().prepare()


def test_a_store_that_was_never_prepared_says_so(given: Given) -> None:
    with pytest.raises(StorageError, match="it was never prepared"):
        given.open("9").position()

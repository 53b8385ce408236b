"""Findings, quarantined records, batch figures and dead letters: lists and counts."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any

from auditsvc.ground.errors import InputError
from auditsvc.ground.ids import EventUid, FindingKey
from auditsvc.store.elasticsearch import scan
from auditsvc.store.elasticsearch.accumulator import Figures
from auditsvc.store.elasticsearch.aggregate import GroupField, RowSource, plain_key, run
from auditsvc.store.elasticsearch.mapping import PLACE, RECORD, SEQ
from auditsvc.store.elasticsearch.search import ASKED_AT_ONCE
from auditsvc.store.elasticsearch.state import build_before
from auditsvc.store.elasticsearch.table import read_dead_letter, read_finding, read_quarantine
from auditsvc.store.elasticsearch.view import View
from auditsvc.store.query import COUNT, FINDING_FIELDS, AggregateRow, By, FindingQuery, TimeBucket
from auditsvc.store.rows import BatchStat, DeadLetter, Finding, LedgerPlace, QuarantineRecord

_LEDGER_ORDER = [{name: "asc"} for name in ("seq", "record", "item", "policy_id", "kind", "key")]
_TIME_ORDER = [{"time": "asc"}, *_LEDGER_ORDER]
_NEWEST_FIRST = [{name: "desc"} for name in ("seq", "record", "item")]
_SOURCE = "hits.hits._source,hits.hits.sort"
_COUNTS = ("records", "events", "duplicates", "conflicts", "paired", "quarantined", "untargetable")
_MOST_NAMES = 10_000
"""Maximum sources or policies of one response; there are some hundred."""


def build_finding_query(view: View, query: FindingQuery) -> dict[str, Any]:
    """Return the Elasticsearch query for findings.

    Raises:
        InputError: ``field_unknown`` for a field that findings do not have.
    """
    equal = [{"terms": {_check_field(name): sorted(values)}} for name, values in sorted(query.equal.items())]
    return scan.both(scan.within("time", query.first_ns, query.last_ns), _visible(view), *equal)


def _visible(view: View) -> dict[str, Any]:
    """Return the query of rows before the position."""
    return view.state.build_visible("seq", "record")


def _check_field(name: str) -> str:
    """Return a field of findings, which is also its path."""
    if name not in FINDING_FIELDS:
        raise InputError("field_unknown", f"findings have no field `{name}`", field=name)
    return name


def count_findings(view: View, query: FindingQuery, by: tuple[By, ...]) -> list[AggregateRow]:
    """Return the number of findings in each group, ordered by key."""
    asked = [part if isinstance(part, TimeBucket) else GroupField(_check_field(part), plain_key) for part in by]
    figures = Figures([COUNT], [None])
    interval = (query.first_ns, query.last_ns)
    run(
        RowSource(view.client, _table(view, "findings"), build_finding_query(view, query), "time", interval),
        asked,
        figures,
    )
    return figures.build_rows()


def list_findings(view: View, query: FindingQuery, limit: int, offset: int) -> list[Finding]:
    """Return findings in order of time and place."""
    return [
        read_finding(hit["_source"])
        for hit in _iter_slice(view, "findings", build_finding_query(view, query), _TIME_ORDER, limit, offset)
    ]


def get_findings(view: View, keys: Collection[FindingKey]) -> list[Finding]:
    """Return the findings with these keys, in order of time and place."""
    found = [read_finding(hit["_source"]) for hit in _iter_keys(view, keys, filter_path=_SOURCE)]
    return sorted(
        found,
        key=lambda one: (one.time, one.seq, one.record, one.item, one.policy_id, one.kind.value),
    )


def find_finding_uids(view: View, keys: Collection[FindingKey]) -> dict[FindingKey, EventUid]:
    """Return the event of each finding, for those of ``keys`` that are stored."""
    hits = _iter_keys(
        view, keys, source=False, docvalue_fields=["key", "uid"], filter_path="hits.hits.fields,hits.hits.sort"
    )
    pairs = ((hit["fields"]["key"][0], hit["fields"]["uid"][0]) for hit in hits)
    return {FindingKey(bytes.fromhex(key)): EventUid(bytes.fromhex(uid)) for key, uid in pairs}


def _iter_keys(view: View, keys: Collection[FindingKey], **options: Any) -> Iterator[scan.Hit]:
    """Yield the visible findings with these keys."""
    wanted = sorted(key.hex() for key in keys)
    for first in range(0, len(wanted), ASKED_AT_ONCE):
        some: dict[str, Any] = {"terms": {"key": wanted[first : first + ASKED_AT_ONCE]}}
        query = scan.both(some, _visible(view))
        yield from scan.iter_sorted(view.client, _table(view, "findings"), query, [{"key": "asc"}], **options)


def iter_findings(view: View, first: LedgerPlace, last: LedgerPlace) -> Iterator[Finding]:
    """Yield the findings at the places ``[first, last)``, in ledger order."""
    behind = {"bool": {"must_not": [build_before(first, "seq", "record")]}}
    query = scan.both(behind, build_before(last, "seq", "record"), _visible(view))
    hits = scan.iter_sorted(view.client, _table(view, "findings"), query, _LEDGER_ORDER, filter_path=_SOURCE)
    return (read_finding(hit["_source"]) for hit in hits)


def count_indeterminate(view: View, first_ns: int, last_ns: int, interfaces: Collection[str] | None) -> dict[str, int]:
    """Return numbers of undecided events in the interval by policy id, of some interfaces or of all."""
    by_policy = {
        "terms": {"field": "counts.policy_id", "size": _MOST_NAMES},
        "aggs": {"number": {"sum": {"field": "counts.number"}}},
    }
    chosen = scan.within("counts.time", first_ns, last_ns)
    if interfaces is not None:
        chosen = scan.both(chosen, {"terms": {"counts.interface": sorted(interfaces)}})
    inside = {"filter": chosen, "aggs": {"policy": by_policy}}
    aggs = {"all": {"nested": {"path": "counts"}, "aggs": {"inside": inside}}}
    answer = scan.search(view.client, _table(view, "undecided"), _visible(view), size=0, aggs=aggs)
    numbers: dict[str, int] = defaultdict(int)
    for bucket in answer["aggregations"]["all"]["inside"]["policy"]["buckets"]:
        numbers[bucket["key"]] += int(bucket["number"]["value"])
    large = scan.both({"term": {"has_more": True}}, _visible(view))
    for source in scan.iter_all(view.client, _table(view, "undecided"), large, ["more"]):
        for row in source["more"]:
            if first_ns <= row["time"] < last_ns and (interfaces is None or row["interface"] in interfaces):
                numbers[row["policy_id"]] += row["number"]
    return dict(sorted(numbers.items()))


def count_quarantine(view: View, first_ns: int, last_ns: int) -> dict[tuple[str, str], int]:
    """Return numbers of quarantined records by (source, code)."""
    figures = Figures([COUNT], [None])
    query = scan.both(scan.within("accepted", first_ns, last_ns), _visible(view))
    columns = [GroupField("source", plain_key), GroupField("code", plain_key)]
    run(RowSource(view.client, _table(view, "quarantine"), query, "accepted", (first_ns, last_ns)), columns, figures)
    return {(str(key[0]), str(key[1])): cells[0].number for key, cells in sorted(figures.groups.items(), key=repr)}


def list_quarantine(
    view: View, interval: tuple[int, int], source: str | None, limit: int, offset: int
) -> list[QuarantineRecord]:
    """Return quarantined records accepted in the interval, newest first."""
    equal = [] if source is None else [{"term": {"source": source}}]
    query = scan.both(scan.within("accepted", *interval), _visible(view), *equal)
    hits = _iter_slice(view, "quarantine", query, _NEWEST_FIRST, limit, offset)
    return [read_quarantine(hit["_source"]) for hit in hits]


def sum_batches(view: View, first_ns: int, last_ns: int) -> list[BatchStat]:
    """Return sums over the batches accepted in the interval, one row per source."""
    query = scan.both(scan.within("accepted", first_ns, last_ns), _visible(view))
    aggs = {name: {"sum": {"field": name}} for name in _COUNTS} | {"seq": {"max": {"field": "seq"}}}
    last = {"top_hits": {"size": 1, "_source": False, "sort": [{"accepted": "desc"}]}}
    groups = {"terms": {"field": "source", "size": _MOST_NAMES}, "aggs": {**aggs, "last": last}}
    answer = scan.search(view.client, _table(view, "batches"), query, size=0, aggs={"source": groups})
    stats = []
    for bucket in answer["aggregations"]["source"]["buckets"]:
        (accepted,) = bucket["last"]["hits"]["hits"][0]["sort"]
        counts = [int(bucket[name]["value"]) for name in _COUNTS]
        stats.append(BatchStat(int(bucket["seq"]["value"]), 0, bucket["key"], accepted, *counts))
    return sorted(stats, key=lambda stat: stat.source)


def list_dead_letters(view: View, limit: int, offset: int) -> list[DeadLetter]:
    """Return the documents the server refused to store, in ledger order."""
    order = [*({path: "asc"} for path in PLACE), {"table": "asc"}]
    query = scan.both(view.state.build_visible(SEQ, RECORD))
    return [read_dead_letter(hit["_source"]) for hit in _iter_slice(view, "dead", query, order, limit, offset)]


def count_dead_letters(view: View) -> int:
    """Return the number of documents the server refused to store."""
    return scan.count(view.client, _table(view, "dead"), view.state.build_visible(SEQ, RECORD))


def _table(view: View, kind: str) -> Sequence[str]:
    """Return the index of a table, as a list of one."""
    return [view.names.table(kind)]


def _iter_slice(
    view: View, kind: str, query: dict[str, Any], sort: scan.Sort, limit: int, offset: int
) -> Iterator[scan.Hit]:
    """Yield rows ``[offset, offset + limit)`` in order; of skipped rows only the sort keys are read."""
    after = None
    if offset > 0:
        skipped = scan.iter_sorted(
            view.client,
            _table(view, kind),
            query,
            sort,
            page=min(offset, scan.LARGEST_PAGE),
            source=False,
            filter_path="hits.hits.sort",
        )
        last = next(islice(skipped, offset - 1, offset), None)
        if last is None:
            return
        after = last["sort"]
    page = max(1, min(limit, scan.PAGE))
    hits = scan.iter_sorted(view.client, _table(view, kind), query, sort, page=page, after=after, filter_path=_SOURCE)
    yield from islice(hits, limit)

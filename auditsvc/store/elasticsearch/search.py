"""Events: pages in order of time, single events, and the engine's look-ups while it builds a chunk."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from auditsvc.condition.ast import collect_fields
from auditsvc.condition.evaluate import Truth, evaluate
from auditsvc.event.model import Event
from auditsvc.ground.errors import StorageError
from auditsvc.ground.ids import EventUid
from auditsvc.store.elasticsearch import scan
from auditsvc.store.elasticsearch.document import list_paths, read_document, read_row
from auditsvc.store.elasticsearch.mapping import ACCESS_KEY, DIGEST, PARTNER, PLACE, TIME, UID
from auditsvc.store.elasticsearch.view import Selection, View
from auditsvc.store.query import Cursor, Order, Page
from auditsvc.store.rows import EventDigest, Half, StoredEvent

MAX_PAGE = 1_000
"""Maximum events of one page; more is an export, read page by page."""
ASKED_AT_ONCE = 20_000
"""Maximum ids of one request; a server accepts 65,536."""
_ORDERS = {Order.NEWEST: "desc", Order.OLDEST: "asc"}
_SIDE, _QUALITY, _LEAF = "govshare.side", "govshare.quality", "event.hash"
_BY_PLACE = [{path: "asc"} for path in PLACE]
_HITS = "hits.hits._source,hits.hits.sort"


def holds(selection: Selection, event: Event) -> bool:
    """Return whether the remaining condition of the query is true for an event it found."""
    residual = selection.residual
    return residual is None or evaluate(residual, event, selection.context) is Truth.TRUE


def read_page(view: View, selection: Selection, limit: int, after: Cursor | None, order: Order) -> Page:
    """Return a page of the selected events."""
    wanted = max(1, min(limit, MAX_PAGE))
    sort = [{path: _ORDERS[order]} for path in (TIME, *PLACE)]
    start = None if after is None else [after.time, after.seq, after.record, after.item]
    page = wanted + 1 if selection.residual is None else scan.PAGE
    hits = scan.iter_sorted(
        view.client, selection.indices, selection.query, sort, page=page, after=start, filter_path=_HITS
    )
    found = ((hit, read_row(hit["_source"])) for hit in hits)
    rows = list(islice((pair for pair in found if holds(selection, pair[1].event)), wanted + 1))
    events = tuple(stored for _, stored in rows[:wanted])
    return Page(events, Cursor(*rows[wanted - 1][0]["sort"]) if len(rows) > wanted else None)


def iter_in_order(view: View, selection: Selection) -> Iterator[StoredEvent]:
    """Yield the selected events with all fields, oldest first, ties by place, from one point in time."""
    sort = [{path: "asc"} for path in (TIME, *PLACE)]
    for source in scan.iter_point(view.client, selection.indices, selection.query, sort):
        stored = read_row(source)
        if holds(selection, stored.event):
            yield stored


def iter_events(view: View, selection: Selection, names: Collection[str]) -> Iterator[Event]:
    """Yield the selected events in no order, with the named fields only."""
    wanted = set(names)
    if selection.residual is not None:
        wanted |= {field.name for field in collect_fields(selection.residual)}
    for source in scan.iter_all(view.client, selection.indices, selection.query, list_paths(wanted)):
        event = read_document(source).event
        if holds(selection, event):
            yield event


def list_rows(view: View, path: str, value: bytes) -> list[StoredEvent]:
    """Return the events with one id, in ledger order; ``path`` is that of the uid or the access key."""
    query = scan.both({"term": {path: value.hex()}}, view.state.build_visible())
    hits = scan.iter_sorted(view.client, view.list_events(), query, _BY_PLACE, filter_path=_HITS)
    return [read_row(hit["_source"]) for hit in hits]


def get_event(view: View, uid: EventUid) -> StoredEvent:
    """Return the first event under ``uid``."""
    rows = list_rows(view, UID, uid)
    if not rows:
        raise StorageError("not_found", f"no event `{uid.hex()}`", uid=uid.hex())
    return rows[0]


@scan.refuse_foreign()
def find_uids(view: View, uids: Collection[EventUid]) -> dict[EventUid, frozenset[EventDigest]]:
    """Return the stored uids among ``uids`` with their digests, those of dead letters included."""
    found: dict[EventUid, set[EventDigest]] = {}
    indices = [*view.list_events(), view.names.table("dead")]
    for fields in _iter_fields(view, indices, UID, uids, [UID, DIGEST, _LEAF]):
        digest = EventDigest(fields.get(DIGEST) or fields[_LEAF])
        found.setdefault(EventUid(bytes.fromhex(fields[UID])), set()).add(digest)
    return {uid: frozenset(digests) for uid, digests in found.items()}


@scan.refuse_foreign()
def find_halves(view: View, keys: Collection[bytes], first_ns: int, last_ns: int) -> list[Half]:
    """Return stored sides of calls, in ledger order; duplicates and conflicting events are not sides."""
    paths = [ACCESS_KEY, UID, _SIDE, TIME, PARTNER, *PLACE]
    flags: dict[str, Any] = {"terms": {_QUALITY: ["duplicate", "id_conflict"]}}
    extra = [
        scan.within(TIME, first_ns, last_ns),
        {"bool": {"filter": [{"exists": {"field": _SIDE}}], "must_not": [flags]}},
    ]
    halves = []
    for fields in _iter_fields(view, view.list_events(first_ns, last_ns), ACCESS_KEY, keys, paths, *extra):
        key, uid, side, time, partner, *place = (fields.get(path) for path in paths)
        half = Half(
            bytes.fromhex(str(key)),
            EventUid(bytes.fromhex(str(uid))),
            str(side),
            _read_whole(time),
            None if partner is None else EventUid(bytes.fromhex(str(partner))),
            *(_read_whole(number) for number in place),
        )
        halves.append(half)
    return sorted(halves, key=lambda half: (half.seq, half.record, half.item))


def _read_whole(value: Any) -> int:
    """Return a document's integer; raise ``TypeError`` for anything else."""
    if not isinstance(value, int):
        raise TypeError(f"expected a whole number, got `{value!r:.64}`")
    return value


def _iter_fields(
    view: View,
    indices: Sequence[str],
    path: str,
    ids: Collection[bytes],
    paths: Sequence[str],
    *extra: Mapping[str, Any],
) -> Iterator[Mapping[str, Any]]:
    """Yield the values at ``paths`` of the visible rows whose ``path`` is one of ``ids``."""
    wanted = sorted(value.hex() for value in ids)
    for first in range(0, len(wanted), ASKED_AT_ONCE):
        some: dict[str, Any] = {"terms": {path: wanted[first : first + ASKED_AT_ONCE]}}
        query = scan.both(some, view.state.build_visible(), *extra)
        hits = scan.iter_sorted(
            view.client,
            indices,
            query,
            _BY_PLACE,
            page=scan.LARGEST_PAGE,
            source={"includes": list(paths)},
            filter_path=_HITS,
        )
        for hit in hits:
            yield hit["_source"]

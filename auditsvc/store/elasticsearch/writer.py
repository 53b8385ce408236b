"""Writing a chunk: converted to documents, sent, refreshed, and only then made visible through the position.

Documents of events are built while earlier ones are being sent, since building them takes a good part of the time the
server takes to store them. A value that cannot be stored is therefore detected after others of its chunk have been
stored; these are invisible past the position, like those of any chunk that failed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import msgspec
from elasticsearch import Elasticsearch
from tenacity import retry_if_exception

from auditsvc.ground.errors import StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch.bulk import Action, Sender
from auditsvc.store.elasticsearch.confirm import DocumentKey, confirm_stored
from auditsvc.store.elasticsearch.document import build_document
from auditsvc.store.elasticsearch.failure import CODE, get_reason, storage_errors
from auditsvc.store.elasticsearch.mapping import LONG, NULLS, PLACE, Names
from auditsvc.store.elasticsearch.retry import Sleep, build_retrying
from auditsvc.store.elasticsearch.setup import Indices
from auditsvc.store.elasticsearch.state import read_state, replace_state
from auditsvc.store.elasticsearch.table import (
    build_batch,
    build_dead_letter,
    build_finding,
    build_place_id,
    build_quarantine,
    build_undecided,
    encode,
)
from auditsvc.store.month import drop_removed, name_month
from auditsvc.store.rows import Chunk, LedgerPlace, NewEvent

_AGAIN = frozenset({"duplicate", "id_conflict"})
"""Flags of rows that are not the first under their uid."""
_FINAL = frozenset({401, 403, 404})
"""Response statuses for which a retry is pointless: no privilege, or no such index."""


class Writer:
    """Writes chunks; one process, one thread at a time."""

    def __init__(self, client: Elasticsearch, names: Names, settings: Settings, indices: Indices, sleep: Sleep) -> None:
        """Write to the indices of ``names``."""
        self._client = client
        self._names = names
        self._indices = indices
        self._sleep = sleep
        timeout_s = settings.elasticsearch_timeout_s
        self._sender = Sender(client, settings.elasticsearch_bulk_bytes, timeout_s, sleep)

    def write(self, chunk: Chunk) -> None:
        """Store a chunk, then its position.

        Documents left by a failure are past the position, where no query sees them, and are recognised when the chunk
        is rewritten.

        Raises:
            StorageError: ``conflict`` when the chunk does not start at the position, or another process writes;
                ``storage_unavailable`` when not everything is known to be stored.
        """
        state = read_state(self._client, self._names)
        at = state.position.next
        if chunk.first != at:
            raise StorageError("conflict", f"event store: expected a chunk from {at}, got one from {chunk.first}")
        chunk = drop_removed(chunk, state.removed)
        self._indices.check_held(state)
        rows = _Rows(self._names, chunk)
        months = sorted(rows.months)
        self._indices.make_months(months)
        stored = self._store(rows)
        self._insist(lambda: self._refresh({index for index, _ in stored.keys}))
        if stored.is_unsure:
            confirm_stored(self._client, stored.keys, self._sleep)
        new = replace(
            state,
            position=chunk.position,
            nulls=state.nulls | rows.nulls,
            overlong=state.overlong | rows.overlong,
            months=tuple(sorted({*state.months, *months})),
        )
        self._insist(lambda: replace_state(self._client, self._names, state, new))

    def _store(self, rows: "_Rows") -> "_Stored":
        """Send documents until each is stored or a dead letter; return their indices and ids."""
        outcome = self._sender.send(rows.iter_actions())
        moved = self._find_strangers(outcome.existing)
        again = self._sender.send(moved)
        refused = [*outcome.refused, *again.refused]
        dead = [build_dead_letter(self._names, refusal) for refusal in refused]
        last = self._sender.send(dead)
        if last.refused:
            raise StorageError("storage_unavailable", f"event store: a document was refused twice: {refused[0].reason}")
        absent = {(one.action.index, one.action.id) for one in refused}
        keys = {*rows.keys, *((action.index, action.id) for action in (*moved, *dead))} - absent
        sent = (outcome, again, last)
        return _Stored(keys, any(one.existing or one.was_repeated for one in sent))

    def _find_strangers(self, existing: Sequence[Action]) -> list[Action]:
        """Return events whose uid is taken by a row of another place, each with a new id.

        Every other existing document equals the one that was sent: a rewritten chunk has the same rows.

        Raises:
            StorageError: ``storage_unavailable`` when one has foreign content.
        """
        moved = []
        for first in range(0, len(existing), 1000):
            some = existing[first : first + 1000]
            with storage_errors():
                answer = self._client.mget(docs=[{"_index": action.index, "_id": action.id} for action in some]).body
            for action, found in zip(some, answer["docs"], strict=True):
                if "_source" not in found:
                    message = f"event store: index `{action.index}` does not give a document it says it has"
                    raise StorageError("storage_unavailable", f"{message}: {found.get('error', 'not found')}")
                if found["_source"] == msgspec.json.decode(action.body):
                    continue
                place = tuple(found["_source"].get(path) for path in PLACE)
                if place == (action.place.seq, action.place.record, action.item) or not _is_first(self._names, action):
                    raise StorageError(CODE, _describe_stranger(action))
                moved.append(_rename(action))
        return moved

    def _refresh(self, indices: Iterable[str]) -> None:
        """Make stored documents searchable on every copy; automatic refreshes are off."""
        with storage_errors():
            shards = self._client.indices.refresh(index=sorted(indices)).body["_shards"]
        if shards["failed"]:
            reasons = [get_reason({"error": one.get("reason")}) for one in shards.get("failures", ())[:1]]
            message = f"elasticsearch did not refresh {shards['failed']} of {shards['total']} copies"
            raise StorageError(CODE, ": ".join([message, *reasons]))

    def _insist(self, step: Callable[[], None]) -> None:
        """Retry an idempotent step until it succeeds."""
        build_retrying(self._sleep, retry_if_exception(_may_pass))(step)


@dataclass(frozen=True, slots=True)
class _Stored:
    """Index and id of each stored document of a chunk; ``unsure`` when one existed already or was sent twice."""

    keys: Collection[DocumentKey]
    is_unsure: bool


class _Rows:
    """A chunk as documents; ``keys``, ``nulls`` and ``overlong`` are known when all of them have been consumed."""

    def __init__(self, names: Names, chunk: Chunk) -> None:
        """Find the months, and build the documents of all tables other than events.

        Raises:
            StorageError: ``storage_unavailable`` for a value that cannot be stored.
        """
        self._names = names
        self._events = chunk.events
        self.months = {name_month(_get_number(row.event.get("time"))) for row in chunk.events}
        self.keys: set[DocumentKey] = set()
        self.nulls: set[str] = set()
        self.overlong: set[str] = set()
        self._tables = [build_finding(names, finding) for finding in chunk.findings]
        self._tables += [build_quarantine(names, record) for record in chunk.quarantine]
        self._tables += [build_batch(names, stat) for stat in chunk.batches]
        self._tables.append(build_undecided(names, chunk.first, chunk.indeterminate))

    def iter_actions(self) -> Iterator[Action]:
        """Yield all documents, building those of events lazily; raises as the constructor does."""
        for action in chain(map(self._build_event, self._events), self._tables):
            self.keys.add((action.index, action.id))
            yield action

    def _build_event(self, row: NewEvent) -> Action:
        event = row.event
        document = build_document(row)
        self.nulls.update(document.get(NULLS, ()))
        self.overlong.update(document.get(LONG, ()))
        time, seq, record, item = (_get_number(event.get(name)) for name in ("time", "seq", "record", "item"))
        quality = event.get("quality")
        is_again = isinstance(quality, list) and not _AGAIN.isdisjoint(quality)
        place = LedgerPlace(seq, record)
        action = Action(self._names.events(name_month(time)), row.uid.hex(), encode(document), place, item)
        return _rename(action) if is_again else action


def _may_pass(err: BaseException) -> bool:
    """Return whether a retry of the request may succeed."""
    return isinstance(err, StorageError) and err.code == CODE and err.context.get("status") not in _FINAL


def _get_number(value: object) -> int:
    """Return an integer field that every event has."""
    if type(value) is not int:
        raise StorageError("storage_unavailable", f"event store: event: expected a whole number, got `{value}`")
    return value


def _describe_stranger(action: Action) -> str:
    """Return what to do about a foreign document under one of our ids."""
    row = f"record {action.place.record} of leaf {action.place.seq}"
    return (
        f"event store: index `{action.index}` holds another document under `{action.id}` than the one of {row}; somebody else "
        "wrote it, or another version of this program did; run `auditsvc reindex`"
    )


def _rename(action: Action) -> Action:
    """Return a row under an id of uid and place."""
    name = f"{action.id}-{build_place_id(action.place, action.item)}"
    return Action(action.index, name, action.body, action.place, action.item)


def _is_first(names: Names, action: Action) -> bool:
    """Return whether a row is an event stored under its uid alone."""
    return action.index.startswith(names.events("")) and "-" not in action.id

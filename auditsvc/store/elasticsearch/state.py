"""The state of a store: one small document per generation, read before every query.

It records the position in the ledger, which determines what is visible: rows at or after the position belong to a chunk
that is being written or was interrupted, and no query returns them. So a chunk becomes visible atomically, when this
document is replaced.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
from elasticsearch import ConflictError, Elasticsearch, NotFoundError

from auditsvc.ground.errors import StorageError
from auditsvc.store.elasticsearch.failure import CODE, storage_errors
from auditsvc.store.elasticsearch.mapping import RECORD, SEQ, TABLES, VERSION, Names
from auditsvc.store.rows import LedgerPlace, Position

_ACTIVE = "active"
DAMAGED = "is_damaged"
"""Key in an error's context: the document exists and is not one of ours; only a rebuild replaces it."""
_WAIT = "3s"
"""How long a server waits for the copies of the state before it reports them missing; its default is a minute."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """A store's state, and the version of its document for optimistic concurrency control.

    Attributes:
        position: the place in the ledger up to which the store is complete.
        nulls: names of the fields that are null in some event.
        overlong: names of the fields of which some event has a text too long for a term.
        months: months that hold events, sorted.
        removed: months that retention removed, sorted; none of their events are stored any more.
        stand: sequence number and primary term of the document.
    """

    position: Position
    nulls: frozenset[str]
    overlong: frozenset[str]
    months: tuple[str, ...]
    removed: tuple[str, ...] = ()
    stand: tuple[int, int] = (0, 0)

    def is_same_as(self, other: "StoreState") -> bool:
        """Return whether both are equal, apart from the versions of their documents."""
        return _dump(self) == _dump(other)

    def build_visible(self, seq: str = SEQ, record: str = RECORD) -> dict[str, Any]:
        """Return the query of rows at places before the position; the paths are those of a row's place."""
        return build_before(self.position.next, seq, record)


def build_before(place: LedgerPlace, seq: str, record: str) -> dict[str, Any]:
    """Return the query of rows at places before ``place``."""
    earlier = {"range": {seq: {"lt": place.seq}}}
    if place.record == 0:
        return earlier
    same = {"bool": {"filter": [{"term": {seq: place.seq}}, {"range": {record: {"lt": place.record}}}]}}
    return {"bool": {"should": [earlier, same]}}


EMPTY_STATE = StoreState(Position(), frozenset(), frozenset(), ())


def _dump(state: StoreState) -> dict[str, Any]:
    """Return the document of a state."""
    place = state.position.next
    return {
        "version": VERSION,
        "seq": place.seq,
        "record": place.record,
        "catalog_seq": state.position.catalog_seq,
        "policy_seq": state.position.policy_seq,
        "leaf": state.position.leaf,
        "nulls": sorted(state.nulls),
        "overlong": sorted(state.overlong),
        "months": list(state.months),
        "removed": list(state.removed),
    }


class _Document(msgspec.Struct):
    """The stored document of a state; documents of earlier versions lack the fields that have a default."""

    seq: int
    record: int
    catalog_seq: int | None
    policy_seq: int | None
    nulls: frozenset[str]
    overlong: frozenset[str]
    months: tuple[str, ...]
    removed: tuple[str, ...] = ()
    leaf: str | None = None


class _Active(msgspec.Struct):
    """The document that names the generation in use."""

    generation: Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]{0,8}$")]


def _load(source: Mapping[str, Any], stand: tuple[int, int]) -> StoreState:
    """Return the state in a document; raise ``msgspec.ValidationError`` when it is malformed."""
    found = msgspec.convert(source, _Document)
    position = Position(LedgerPlace(found.seq, found.record), found.catalog_seq, found.policy_seq, found.leaf)
    return StoreState(position, found.nulls, found.overlong, found.months, found.removed, stand)


def _refuse_damaged(names: Names, name: str, err: msgspec.ValidationError) -> StorageError:
    """Return the error for a damaged document."""
    message = f"event store `{names.prefix}`: document `{name}` of index `{names.state}` is damaged: {err}"
    return StorageError(CODE, f"{message}; run `auditsvc reindex`", **{DAMAGED: True})


def _name(names: Names) -> str:
    """Return the id of a generation's document."""
    return f"position-{names.generation}"


def read_state(client: Elasticsearch, names: Names) -> StoreState:
    """Return the current state.

    Raises:
        StorageError: ``storage_unavailable`` when it cannot be read, is missing or has another version.
    """
    state = find_state(client, names)
    if state is None:
        message = f"event store `{names.prefix}`: it was never prepared; start the service, or run `auditsvc reindex`"
        raise StorageError(CODE, message)
    return state


def find_state(client: Elasticsearch, names: Names) -> StoreState | None:
    """Return the current state, None when there is none.

    Raises:
        StorageError: ``storage_unavailable`` when it cannot be read or has another version.
    """
    with storage_errors():
        try:
            answer = client.get(index=names.state, id=_name(names)).body
        except NotFoundError:
            return None
    source = answer["_source"]
    if source.get("version") != VERSION:
        message = f"event store `{names.prefix}`: expected version {VERSION}, got {source.get('version')}"
        raise StorageError(CODE, f"{message}; run `auditsvc reindex`")
    try:
        return _load(source, (answer["_seq_no"], answer["_primary_term"]))
    except msgspec.ValidationError as err:
        raise _refuse_damaged(names, _name(names), err) from err


def create_state(client: Elasticsearch, names: Names) -> None:
    """Create the state of a new generation, before the first leaf, unless it exists."""
    with storage_errors():
        try:
            client.create(index=names.state, id=_name(names), document=_dump(EMPTY_STATE), timeout=_WAIT)
        except ConflictError:
            return


def replace_state(client: Elasticsearch, names: Names, old: StoreState, new: StoreState) -> None:
    """Replace ``old``, which must be the stored state, with ``new``.

    If the response is lost, the outcome is determined by reading the state again.

    Raises:
        StorageError: ``conflict`` when another writer was first; ``storage_unavailable``.
    """
    seq_no, primary_term = old.stand
    try:
        with storage_errors():
            client.index(
                index=names.state,
                id=_name(names),
                document=_dump(new),
                if_seq_no=seq_no,
                if_primary_term=primary_term,
                timeout=_WAIT,
            )
    except StorageError as err:
        if err.context.get("status") in (401, 403):
            raise
        now = read_state(client, names)
        if now.is_same_as(new):
            return
        if now.stand != old.stand:
            message = f"event store `{names.prefix}`: another process writes to it; only one service may"
            raise StorageError("conflict", message) from err
        raise


def remove_month(client: Elasticsearch, names: Names, state: StoreState, month: str) -> None:
    """Record a month as removed, replacing ``state``; raises as :func:`replace_state`."""
    months = tuple(held for held in state.months if held != month)
    replace_state(client, names, state, replace(state, months=months, removed=tuple(sorted({*state.removed, month}))))


def find_active(client: Elasticsearch, prefix: str) -> str | None:
    """Return the generation in use, None for a new store.

    Raises:
        StorageError: ``storage_unavailable`` when it cannot be read.
    """
    names = Names(prefix)
    with storage_errors():
        try:
            answer = client.get(index=names.state, id=_ACTIVE).body
        except NotFoundError:
            return None
    try:
        return msgspec.convert(answer["_source"], _Active).generation
    except msgspec.ValidationError as err:
        raise _refuse_damaged(names, _ACTIVE, err) from err


def create_active(client: Elasticsearch, names: Names) -> None:
    """Record ``names.generation`` as the one in use if there is none yet."""
    with storage_errors(), suppress(ConflictError):
        client.create(index=names.state, id=_ACTIVE, document={"generation": names.generation}, timeout=_WAIT)


def list_generations(client: Elasticsearch, prefix: str) -> list[str]:
    """Return the generations that have an index or a position: the one in use and those of interrupted rebuilds."""
    kinds = "|".join(("events", *TABLES))
    with storage_errors():
        names = list(client.indices.get(index=f"{prefix}-*", features="aliases").body)
    found = [re.fullmatch(rf"{re.escape(prefix)}-(?:{kinds})-([0-9]+)(?:-.*)?", name) for name in names]
    state = Names(prefix).state
    if state in names:
        with storage_errors():
            client.indices.refresh(index=state)
            hits = client.search(index=state, size=1000, source=False).body["hits"]["hits"]
        found += [re.fullmatch(rf"{_name(Names(prefix, ''))}([0-9]+)", hit["_id"]) for hit in hits]
    return sorted({match[1] for match in found if match is not None})


def move_active(client: Elasticsearch, names: Names) -> None:
    """Record ``names.generation`` as the one in use."""
    with storage_errors():
        client.index(index=names.state, id=_ACTIVE, document={"generation": names.generation})


def remove_state(client: Elasticsearch, names: Names) -> None:
    """Remove a generation's position, so that it is no longer written or read."""
    with storage_errors(), suppress(NotFoundError):
        client.delete(index=names.state, id=_name(names))

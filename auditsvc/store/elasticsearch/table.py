"""Findings, quarantined records, batch figures, counts of undecided events and dead letters as documents and back.

Ids are derived from the ledger, so rewriting a chunk is idempotent. Batch figures and counts of undecided events depend
on where chunks end, which may differ on a retry: their ids are derived from where their part or chunk begins, and a
retry overwrites them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from auditsvc.event.time import MAX_TIME_NS, format_time_ns
from auditsvc.ground.errors import StorageError
from auditsvc.ground.ids import EventUid, FindingKey
from auditsvc.store.elasticsearch.bulk import Action, Refusal
from auditsvc.store.elasticsearch.failure import CODE
from auditsvc.store.elasticsearch.mapping import DIGEST, ITEM, RECORD, SEQ, TIMESTAMP, UID, Names
from auditsvc.store.elasticsearch.scan import refuse_foreign
from auditsvc.store.rows import (
    BatchStat,
    DeadLetter,
    Finding,
    FindingKind,
    IndeterminateCount,
    LedgerPlace,
    QuarantineRecord,
)

MAX_NESTED = 9_000
"""Maximum number of individually indexed counts in a document; a server allows 10,000. Others are summed by reading."""
_TEXTS = (
    "policy_id", "policy_version", "severity", "status", "reason", "exception_id", "source_id", "outcome",
)  # fmt: skip
_NUMBERS = ("time", "seq", "record", "item")
_ATTRIBUTES = {
    "consumer.org": "consumer", "interface.id": "interface", "provider.org": "provider", "project.id": "project",
}  # fmt: skip
_QUARANTINE = ("seq", "record", "item", "source", "code", "message", "raw", "accepted")
_COUNTS = ("records", "events", "duplicates", "conflicts", "paired", "quarantined", "untargetable")
_UNDECIDED = ("seq", "time", "policy_id", "policy_version", "status", "source_id", "interface", "number")


def encode(document: Mapping[str, Any]) -> bytes:
    """Return a document's JSON; raise ``StorageError`` for a value that JSON cannot represent."""
    try:
        return msgspec.json.encode(document)
    except (TypeError, ValueError) as err:
        raise StorageError(CODE, f"event store: a value cannot be stored: {err}") from err


def build_place_id(place: LedgerPlace, item: int = 0) -> str:
    """Return the id of a row, derived from its place."""
    return f"{place.seq}-{place.record}-{item}"


def _check_numbers(row: object, names: Sequence[str]) -> None:
    """Refuse a row with NaN or infinite numbers, before anything of its chunk is sent."""
    for name in names:
        if type(getattr(row, name)) is not int:
            kind = type(row).__name__.lower()
            raise StorageError(
                CODE, f"event store: {kind}: expected a whole number as {name}, got `{getattr(row, name)}`"
            )


def build_finding(names: Names, finding: Finding) -> Action:
    """Return the document of a finding."""
    _check_numbers(finding, _NUMBERS)
    document: dict[str, Any] = {
        "key": finding.key.hex(),
        "kind": finding.kind.value,
        "uid": finding.uid.hex(),
        "access_key": None if finding.access_key is None else finding.access_key.hex(),
        "group": json.dumps(dict(finding.group), ensure_ascii=False, sort_keys=True, separators=(",", ":")),
        **{name: getattr(finding, name) for name in (*_TEXTS, *_NUMBERS)},
        **{name: getattr(finding, attribute) for name, attribute in _ATTRIBUTES.items()},
    }
    if 0 <= finding.time < MAX_TIME_NS:
        document[TIMESTAMP] = format_time_ns(finding.time)
    present = {name: value for name, value in document.items() if value is not None}
    place = LedgerPlace(finding.seq, finding.record)
    return Action(names.table("findings"), finding.key.hex(), encode(present), place, finding.item)


@refuse_foreign()
def read_finding(source: Mapping[str, Any]) -> Finding:
    """Return the finding of a document."""
    access_key = source.get("access_key")
    plain: dict[str, Any] = {name: source.get(name) for name in (*_TEXTS, *_NUMBERS)}
    plain |= {attribute: source.get(name) for name, attribute in _ATTRIBUTES.items()}
    return Finding(
        key=FindingKey(bytes.fromhex(source["key"])),
        kind=FindingKind(source["kind"]),
        uid=EventUid(bytes.fromhex(source["uid"])),
        access_key=None if access_key is None else bytes.fromhex(access_key),
        group=json.loads(source["group"]),
        **plain,
    )


def build_quarantine(names: Names, row: QuarantineRecord) -> Action:
    """Return the document of a quarantined record."""
    _check_numbers(row, ("seq", "record", "item", "accepted"))
    place = LedgerPlace(row.seq, row.record)
    body = encode({name: getattr(row, name) for name in _QUARANTINE})
    return Action(names.table("quarantine"), build_place_id(place, row.item), body, place, row.item)


@refuse_foreign()
def read_quarantine(source: Mapping[str, Any]) -> QuarantineRecord:
    """Return the quarantined record of a document."""
    return QuarantineRecord(**{name: source[name] for name in _QUARANTINE})


def build_batch(names: Names, stat: BatchStat) -> Action:
    """Return the document of a batch part's figures."""
    _check_numbers(stat, ("seq", "first_record", "accepted", *_COUNTS))
    place = LedgerPlace(stat.seq, stat.first_record)
    document = {"seq": stat.seq, "record": stat.first_record, "source": stat.source, "accepted": stat.accepted}
    counts = {name: getattr(stat, name) for name in _COUNTS}
    return Action(names.table("batches"), build_place_id(place), encode({**document, **counts}), place, overwrites=True)


def build_undecided(names: Names, first: LedgerPlace, counts: Sequence[IndeterminateCount]) -> Action:
    """Return the document of all a chunk's counts of undecided events; if there are none, a document without counts."""
    for count in counts:
        _check_numbers(count, ("seq", "time", "number"))
    rows = [{name: getattr(count, name) for name in _UNDECIDED} for count in counts]
    document = {"seq": first.seq, "record": first.record, "counts": rows[:MAX_NESTED]}
    if len(rows) > MAX_NESTED:
        document |= {"has_more": True, "more": rows[MAX_NESTED:]}
    return Action(names.table("undecided"), build_place_id(first), encode(document), first, overwrites=True)


def build_dead_letter(names: Names, refusal: Refusal) -> Action:
    """Return the dead letter of a refused document; an event keeps its uid and digest, so that it can be recognised."""
    action = refusal.action
    table = action.index.removeprefix(f"{names.prefix}-").partition("-")[0]
    source = msgspec.json.decode(action.body)
    document = {
        SEQ: action.place.seq,
        RECORD: action.place.record,
        ITEM: action.item,
        "table": table,
        "reason": refusal.reason,
        "document": action.body.decode(),
    }
    if table == "events":
        document |= {UID: source[UID], DIGEST: source.get(DIGEST, source.get("event.hash", ""))}
    return Action(names.table("dead"), f"{table}-{action.id}", encode(document), action.place, action.item)


@refuse_foreign()
def read_dead_letter(source: Mapping[str, Any]) -> DeadLetter:
    """Return the dead letter of a document."""
    return DeadLetter(source[SEQ], source[RECORD], source[ITEM], source["table"], source["reason"], source["document"])

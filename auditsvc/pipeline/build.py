"""Building a chunk from records: identity, enrichment, pairing, verdicts and findings, in ledger order.

The result depends on the places of the ledger before and in the chunk, never on chunk boundaries: the contents of
earlier chunks are looked up in the store (and in the chunk that is being written concurrently).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from auditsvc.event.fields import SCHEMA_VERSION
from auditsvc.event.model import Event, Value
from auditsvc.event.time import NS
from auditsvc.ground.errors import InputError
from auditsvc.ground.ids import EventUid, FindingKey, build_access_key, build_event_uid, build_finding_key
from auditsvc.inforce.versions import CatalogVersion, PolicyVersion
from auditsvc.ingest.readers.model import Scanned, build_excerpt
from auditsvc.pipeline.pairing import OPPOSITE, WINDOW_NS, Pairs
from auditsvc.pipeline.source import Batch
from auditsvc.policy.model import Verdict, Violation
from auditsvc.store.port import EventStore
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

SKEW_NS = 5 * 60 * NS
"""An event later than its acceptance by more than this has a wrong clock; it is flagged, not refused."""
LATE_NS = 7 * 86_400 * NS
"""An event accepted more than this after it happened is late."""
QUARTER_NS = 15 * 60 * NS
"""Undecided events are counted by quarters of an hour, the finest offset between time zones."""
_LEAF_PREFIX = b"\x00"

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(slots=True)
class Part:
    """The part of one batch in a chunk, and what is in force for it."""

    batch: Batch
    catalog: CatalogVersion | None
    policies: PolicyVersion | None
    first_record: int
    last_record: int = 0
    events: int = 0
    duplicates: int = 0
    conflicts: int = 0
    paired: int = 0
    quarantined: int = 0
    untargetable: int = 0
    constants: Event = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Precompute the values shared by all events of the part."""
        self.constants = {
            "ingested": self.batch.accepted,
            "source_id": self.batch.source,
            "seq": self.batch.seq,
            "schema": SCHEMA_VERSION,
        }
        if self.policies is not None:
            self.constants["policy_version"] = self.policies.version


@dataclass(slots=True)
class Draft:
    """One event between reading and judging."""

    event: Event
    part: Part
    uid: EventUid
    digest: EventDigest
    access_key: bytes | None
    time: int


@dataclass(frozen=True, slots=True)
class Recent:
    """The data of a chunk that the next one needs while it is being written."""

    digests: dict[EventUid, set[EventDigest]] = field(default_factory=dict)
    halves: tuple[Half, ...] = ()
    finding_uids: dict[FindingKey, EventUid] = field(default_factory=dict)


class ChunkBuilder:
    """Collects records, then builds a chunk from them."""

    def __init__(self, store: EventStore, recent: Recent) -> None:
        """Look up earlier data in ``store`` and in ``recent``, the previous chunk, which may not be stored yet."""
        self._store = store
        self._recent = recent
        self._drafts: list[Draft] = []
        self._quarantine: list[QuarantineRecord] = []
        self._parts: list[Part] = []
        self._findings: list[Finding] = []
        self._finding_uids: dict[FindingKey, EventUid] = {}
        self._candidates: list[_Candidate] = []
        self.raw_bytes = 0
        self._undecided: dict[tuple[int, int, str, str, str, str, str | None], int] = {}
        self.result = Recent()

    @property
    def size(self) -> int:
        """Events and quarantined records collected so far."""
        return len(self._drafts) + len(self._quarantine)

    def add_part(self, part: Part, scanned: Iterable[Scanned]) -> None:
        """Collect whole records of a batch."""
        self._parts.append(part)
        pending: list[tuple[int, Event]] = []
        current, raw = -1, b""
        for record, item, found, data in scanned:
            if record != current:
                self._add_events(part, current, raw, pending)
                pending, current, raw = [], record, data
                self.raw_bytes += len(data)
            if isinstance(found, InputError):
                self._add_reject(part, record, item, found, data)
            else:
                pending.append((item, found))
        self._add_events(part, current, raw, pending)
        part.last_record = max(part.last_record, current + 1)

    def _add_reject(self, part: Part, record: int, item: int, error: InputError, raw: bytes) -> None:
        """Collect a record or item that could not be read as an event."""
        part.quarantined += 1
        batch = part.batch
        self._quarantine.append(
            QuarantineRecord(
                batch.seq, record, item, batch.source, error.code, error.message, build_excerpt(raw), batch.accepted
            )
        )

    def _add_events(self, part: Part, record: int, raw: bytes, items: list[tuple[int, Event]]) -> None:
        """Collect the events of one record; alone in its record, an event's digest is the record's leaf hash."""
        if not items:
            return
        leaf_hash = hashlib.sha256(_LEAF_PREFIX + raw).hexdigest()
        is_alone = len(items) == 1 and part.batch.kind == "lines"
        source = part.batch.source
        for item, event in items:
            digest = leaf_hash if is_alone else hashlib.sha256(_encode(event)).hexdigest()
            uid = build_event_uid(source, str(event["id"]), str(event["side"]))
            correlation = event.get("correlation")
            key = build_access_key(correlation) if isinstance(correlation, str) and correlation else None
            event.update(part.constants)
            event["record"], event["item"], event["leaf_hash"] = record, item, leaf_hash
            time = event["time"]
            self._drafts.append(Draft(event, part, uid, EventDigest(digest), key, time if isinstance(time, int) else 0))
        part.events += len(items)

    # --- building the chunk

    def build(self, first: LedgerPlace, position: Position) -> Chunk:
        """Return the chunk of the collected records, at the places ``[first, position.next)``."""
        known = self._find_digests()
        pairs = self._find_pairs()
        rows = [self._finish(draft, known, pairs) for draft in self._drafts]
        self._name_findings()
        self.result = Recent(
            digests=known,
            halves=tuple(
                _build_half(row, draft.time) for row, draft in zip(rows, self._drafts, strict=True) if _is_half(row)
            ),
            finding_uids=self._finding_uids,
        )
        return Chunk(
            first=first,
            position=position,
            events=rows,
            findings=self._findings,
            quarantine=self._quarantine,
            batches=[_build_stat(part) for part in self._parts],
            indeterminate=[IndeterminateCount(*key, number) for key, number in self._undecided.items()],
        )

    def _find_digests(self) -> dict[EventUid, set[EventDigest]]:
        """Return the digests stored under the chunk's uids before this chunk."""
        wanted = {draft.uid for draft in self._drafts}
        known = {uid: set(digests) for uid, digests in self._store.find_uids(wanted).items()}
        recent = self._recent.digests
        for uid in wanted & recent.keys():
            known.setdefault(uid, set()).update(recent[uid])
        return known

    def _find_pairs(self) -> Pairs:
        """Return the halves stored near those of the chunk."""
        halves = [draft for draft in self._drafts if draft.access_key is not None and draft.event["side"] in OPPOSITE]
        if not halves:
            return Pairs(())
        keys = {draft.access_key for draft in halves if draft.access_key is not None}
        first = min(draft.time for draft in halves) - WINDOW_NS
        last = max(draft.time for draft in halves) + WINDOW_NS
        stored = self._store.find_halves(keys, first, last)
        return Pairs([*stored, *(half for half in self._recent.halves if half.access_key in keys)])

    def _finish(self, draft: Draft, known: dict[EventUid, set[EventDigest]], pairs: Pairs) -> NewEvent:
        """Flag, enrich and judge one event."""
        event, part = draft.event, draft.part
        flags: list[str] = []
        digests = known.get(draft.uid)
        is_duplicate = digests is not None and draft.digest in digests
        if is_duplicate:
            flags.append("duplicate")
            part.duplicates += 1
        elif digests is not None:
            flags.append("id_conflict")
            part.conflicts += 1
            digests.add(draft.digest)
        else:
            known[draft.uid] = {draft.digest}
        partner = self._pair(draft, pairs) if digests is None else None
        if partner is not None:
            flags.append("paired")
            part.paired += 1
        lateness = part.batch.accepted - draft.time
        if lateness < -SKEW_NS:
            flags.append("clock_skew")
        elif lateness > LATE_NS:
            flags.append("late")
        if flags:
            quality = event.get("quality")
            event["quality"] = [*quality, *flags] if isinstance(quality, list) else flags
        if part.catalog is not None:
            part.catalog.enricher.enrich(event)
        if not is_duplicate:
            self._judge(draft, partner)
        return NewEvent(event, draft.uid, draft.digest, draft.access_key, partner)

    def _pair(self, draft: Draft, pairs: Pairs) -> EventUid | None:
        """Return the uid of the first half, when the event is a call's second half."""
        side = draft.event["side"]
        if draft.access_key is None or not isinstance(side, str) or side not in OPPOSITE:
            return None
        return pairs.add(draft.access_key, side, draft.time, draft.uid)

    def _judge(self, draft: Draft, partner: EventUid | None) -> None:
        """Set the event's verdict and collect its findings."""
        policies = draft.part.policies
        if policies is None:
            draft.event["verdict"] = "not_covered"
            return
        verdict = policies.judge.judge(draft.event)
        draft.event["verdict"] = verdict.verdict
        draft.part.untargetable += verdict.untargetable
        if verdict.violations or verdict.excepted or verdict.indeterminate:
            self._collect(draft, partner, policies, verdict)

    def _collect(self, draft: Draft, partner: EventUid | None, policies: PolicyVersion, verdict: Verdict) -> None:
        """Collect the violations, exceptions and indeterminate policies of a verdict."""
        violated = [violation.policy_id for violation in verdict.violations if violation.status == "active"]
        if violated:
            draft.event["violations"] = violated
        for kind, items in ((FindingKind.VIOLATION, verdict.violations), (FindingKind.EXCEPTED, verdict.excepted)):
            self._candidates += [_Candidate(draft, partner, policies, kind, item) for item in items]
        batch, interface = draft.part.batch, _text(draft.event.get("interface.id"))
        for item in verdict.indeterminate:
            quarter = draft.time // QUARTER_NS * QUARTER_NS
            group = (batch.seq, quarter, item.policy_id, str(item.version), item.status, batch.source, interface)
            self._undecided[group] = self._undecided.get(group, 0) + 1

    def _name_findings(self) -> None:
        """Assign keys to the collected candidates, in ledger order, and keep those that are new findings."""
        keys = [candidate.build_keys() for candidate in self._candidates]
        others = {key for candidate in self._candidates for key in candidate.build_partner_keys()}
        taken = self._store.find_finding_uids(others.union(*keys))
        taken.update(self._recent.finding_uids)
        for candidate, own in zip(self._candidates, keys, strict=True):
            if candidate.partner in {taken.get(key) for key in candidate.build_partner_keys()} - {None}:
                continue
            key = next((key for key in own if key not in taken), None)
            if key is not None:
                taken[key] = self._finding_uids[key] = candidate.draft.uid
                self._findings.append(candidate.build_finding(key))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A violation by one event, not yet known to be a new finding."""

    draft: Draft
    partner: EventUid | None
    policies: PolicyVersion
    kind: FindingKind
    item: Violation

    def build_keys(self) -> list[FindingKey]:
        """Return the possible keys of the finding, of which the first free one is used.

        The access key comes first, so that both halves of a call yield one finding, whichever arrives first. When that
        key is taken by another access (a correlation id used twice), the event's own uid is used, then its content:
        so no finding is lost to a key collision.
        """
        draft = self.draft
        anchors = [draft.uid, draft.uid + bytes.fromhex(draft.digest)]
        if draft.access_key is not None:
            anchors.insert(0, draft.access_key)
        return [build_finding_key(self._name, anchor) for anchor in anchors]

    def build_partner_keys(self) -> list[FindingKey]:
        """Return the keys under which the call's other half may already have the finding; none without a partner."""
        anchors = (self.draft.access_key, self.partner) if self.partner is not None else ()
        return [build_finding_key(self._name, anchor) for anchor in anchors if anchor is not None]

    @property
    def _name(self) -> str:
        """The policy's part of the key; an exception and a violation are different findings."""
        return self.item.policy_id if self.kind is FindingKind.VIOLATION else f"{self.item.policy_id}#{self.kind.value}"

    def build_finding(self, key: FindingKey) -> Finding:
        """Return the finding under ``key``."""
        return _build_finding(key, self.kind, self.item, self.draft, self.policies)


def _build_finding(
    key: FindingKey, kind: FindingKind, item: Violation, draft: Draft, policies: PolicyVersion
) -> Finding:
    """Return the finding of one policy on one event."""
    event = draft.event
    by = policies.get_alert_rule(item.policy_id, item.version).by
    return Finding(
        key=key,
        kind=kind,
        policy_id=item.policy_id,
        policy_version=str(item.version),
        severity=item.severity,
        status=item.status,
        reason=item.reason,
        exception_id=item.exception_id,
        uid=draft.uid,
        access_key=draft.access_key,
        time=draft.time,
        seq=draft.part.batch.seq,
        record=_number(event["record"]),
        item=_number(event["item"]),
        source_id=draft.part.batch.source,
        consumer=_text(event.get("consumer.org")),
        interface=_text(event.get("interface.id")),
        provider=_text(event.get("provider.org")),
        project=_text(event.get("project.id")),
        outcome=_text(event.get("outcome")),
        group={name: _format_group_value(event[name]) for name in by if event.get(name) is not None},
    )


def _format_group_value(value: Value) -> str:
    """Return a value as part of a group; a list is one value, with its elements sorted as text."""
    return ",".join(sorted(value)) if isinstance(value, list) else str(value)


def _text(value: Value) -> str | None:
    """Return a text value, None for anything else."""
    return value if isinstance(value, str) else None


def _number(value: Value) -> int:
    """Return an integer value, 0 for anything else."""
    return value if isinstance(value, int) else 0


def _is_half(row: NewEvent) -> bool:
    """Return whether the row is one side of a call that a later row may complete or belong to."""
    if row.access_key is None or row.event["side"] not in OPPOSITE:
        return False
    quality = row.event.get("quality")
    return not isinstance(quality, list) or ("duplicate" not in quality and "id_conflict" not in quality)


def _build_half(row: NewEvent, time: int) -> Half:
    """Return the row as the store would return it."""
    event = row.event
    place = (_number(event["seq"]), _number(event["record"]), _number(event["item"]))
    return Half(row.access_key or b"", row.uid, str(event["side"]), time, row.partner, *place)


def _build_stat(part: Part) -> BatchStat:
    return BatchStat(
        seq=part.batch.seq,
        first_record=part.first_record,
        source=part.batch.source,
        accepted=part.batch.accepted,
        records=part.last_record - part.first_record,
        events=part.events,
        duplicates=part.duplicates,
        conflicts=part.conflicts,
        paired=part.paired,
        quarantined=part.quarantined,
        untargetable=part.untargetable,
    )

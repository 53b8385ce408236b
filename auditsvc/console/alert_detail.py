"""One alert as shown on its page: facts, text of the policy of its time, events with reasons, time line."""

from dataclasses import dataclass

from auditsvc.alerts.model import Alert, Transition
from auditsvc.alerts.service import get_alert, list_evidence, list_transitions
from auditsvc.console.event_search import Hit, build_hit, name_code
from auditsvc.console.text import current_language
from auditsvc.event.fields import find_field
from auditsvc.event.model import Event
from auditsvc.ground.database import read_session
from auditsvc.ground.ids import EventUid
from auditsvc.policy.model import Policy
from auditsvc.runtime.services import Services
from auditsvc.store.port import EventStore
from auditsvc.store.rows import Finding

EVENTS_PER_PAGE = 25


@dataclass(frozen=True, slots=True)
class GroupValue:
    """One field its findings share: name, meaning, value and the value's name in the catalogue."""

    field: str
    meaning: str
    value: str
    known_as: str


@dataclass(frozen=True, slots=True)
class Cause:
    """One event of the alert with the reason of its finding."""

    hit: Hit
    reason: str


@dataclass(frozen=True, slots=True)
class AlertDetail:
    """All data of the page.

    Attributes:
        policy: the version that was violated, from the policy set then in force; None when it cannot be read.
    """

    alert: Alert
    group: tuple[GroupValue, ...]
    policy: Policy | None
    causes: tuple[Cause, ...]
    transitions: tuple[Transition, ...]
    has_more: bool


def build_detail(services: Services, alert_id: str, page: int) -> AlertDetail:
    """Return the detail of an alert with the ``page``-th page of its events, counted from 1.

    Raises:
        StorageError: ``not_found``.
    """
    offset = (page - 1) * EVENTS_PER_PAGE
    with read_session(services.ledger.database) as session:
        alert = get_alert(session, alert_id)
        evidence = list_evidence(session, alert_id, limit=EVENTS_PER_PAGE, offset=offset)
        transitions = list_transitions(session, alert_id)
    catalog = services.versions.find().find_catalog()
    store = services.store
    findings = store.get_findings([item.key for item in evidence])
    by_key = {finding.key: finding for finding in findings}
    causes = tuple(
        Cause(build_hit(item.uid, _find_event(store, item.uid, by_key.get(item.key)), catalog), reason)
        for item in evidence
        for reason in [by_key[item.key].reason if item.key in by_key else ""]
    )
    language = current_language()
    return AlertDetail(
        alert=alert,
        group=tuple(
            GroupValue(field, _mean(field), value, name_code(field, value, catalog, language))
            for field, value in alert.group.items()
        ),
        policy=_find_policy(services, alert, evidence[0].seq if evidence else None),
        causes=causes,
        transitions=tuple(transitions),
        has_more=alert.count > offset + len(evidence),
    )


def _find_event(store: EventStore, uid: EventUid, finding: Finding | None) -> Event:
    """Return the event of a finding; if its month was removed, the data that the finding has of it.

    Raises:
        StorageError: ``not_found`` when neither exists.
    """
    if finding is None:
        return store.get_event(uid).event
    rows = store.list_rows(uid)
    if rows:
        return rows[0].event
    known = {
        "time": finding.time,
        "outcome": finding.outcome,
        "consumer.org": finding.consumer,
        "interface.id": finding.interface,
        "provider.org": finding.provider,
        "project.id": finding.project,
        "source_id": finding.source_id,
        "seq": finding.seq,
        "record": finding.record,
        "item": finding.item,
    }
    return {name: value for name, value in known.items() if value is not None}


def _find_policy(services: Services, alert: Alert, seq: int | None) -> Policy | None:
    """Return the policy version in force when the alert's events were recorded."""
    policy_set = services.versions.find(seq).find_policy_set()
    version = int(alert.policy_version) if alert.policy_version.isdecimal() else None
    return None if policy_set is None else policy_set.find_policy(alert.policy_id, version)


def _mean(field: str) -> str:
    """Return a field's meaning in the page's language."""
    known = find_field(field)
    if known is None:
        return field
    return known.meaning_zh if current_language() == "zh" else known.meaning

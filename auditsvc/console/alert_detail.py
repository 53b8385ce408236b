"""One alert as shown on its page: facts, text of the policy of its time, events with reasons, time line."""

from dataclasses import dataclass

from auditsvc.alerts.model import Alert, Transition
from auditsvc.alerts.service import get_alert, list_evidence, list_transitions
from auditsvc.console.event_search import Hit, build_hit, name_code
from auditsvc.console.text import current_language
from auditsvc.event.fields import find_field
from auditsvc.ground.database import read_session
from auditsvc.policy.model import Policy
from auditsvc.runtime.services import Services

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
    judged = services.events.list_judged([(item.key, item.uid) for item in evidence])
    causes = tuple(Cause(build_hit(one.uid, one.event, catalog), one.reason) for one in judged)
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

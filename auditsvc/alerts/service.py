"""Operations on alerts for the engine, the API and the console. Every transition is a ledger leaf in the same transaction."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, insert, select
from sqlalchemy.orm import Session

from auditsvc.alerts.group import OpenAlert, build_group_key, find_nearest, format_group
from auditsvc.alerts.model import (
    MAX_NOTE,
    Alert,
    AlertEvidence,
    AlertFilter,
    AlertPage,
    AlertState,
    AlertTemplate,
    CloseReason,
    Transition,
)
from auditsvc.alerts.tables import AlertFindingRow, AlertRow, AlertTransitionRow, EnginePositionRow
from auditsvc.ground.clock import Clock
from auditsvc.ground.errors import InputError, StorageError
from auditsvc.ground.ids import EventUid, FindingKey, new_uuid7
from auditsvc.ledger.ledger import Ledger
from auditsvc.store.rows import Finding, FindingKind, LedgerPlace

STAGE = "alerts"
"""The stage's name in ``engine_position``."""
ENGINE_ACTOR = "engine"
"""Actor of the program's own acts."""
_KEYS_AT_ONCE = 500
MAX_PAGE = 500


TemplateOf = Callable[[Finding], AlertTemplate]
"""Returns the alert template of a finding's policy."""


# --- raising


def get_position(session: Session) -> LedgerPlace:
    """Return the first place of the ledger whose findings have not been turned into alerts."""
    row = session.get(EnginePositionRow, STAGE)
    return LedgerPlace(0) if row is None else LedgerPlace(row.seq, row.record)


def set_position(session: Session, place: LedgerPlace) -> None:
    """Set the stage's position to ``place``, in the caller's transaction."""
    row = session.get(EnginePositionRow, STAGE)
    if row is None:
        session.add(EnginePositionRow(stage=STAGE, seq=place.seq, record=place.record))
    else:
        row.seq, row.record = place.seq, place.record


def apply_findings(session: Session, ledger: Ledger, findings: Sequence[Finding], template_of: TemplateOf) -> int:
    """Group findings into alerts, in their order; return how many alerts were opened.

    Only violations of active policies raise alerts. A finding that is already in an alert is ignored, so the
    operation is idempotent. All alerts opened are recorded in one ledger leaf.
    """
    raising = _drop_known(session, [item for item in findings if _raises(item)])
    opened: list[AlertRow] = []
    groups: dict[bytes, list[OpenAlert]] = {}
    for finding in raising:
        group_key = build_group_key(finding.policy_id, finding.group)
        if group_key not in groups:
            groups[group_key] = _load_open(session, finding.policy_id, group_key)
        template = template_of(finding)
        alert = find_nearest(groups[group_key], finding.time, template.suppress_s)
        if alert is None:
            row = _open_alert(session, ledger.clock, finding, group_key, template)
            opened.append(row)
            alert = OpenAlert(row.id, finding.time, True)
            groups[group_key].append(alert)
        alert.joined.append(finding)
    session.flush()
    joined = [alert for alerts in groups.values() for alert in alerts if alert.joined]
    for alert in joined:
        _extend(session.get_one(AlertRow, alert.id), alert)
    evidence = [_build_evidence(alert.id, finding) for alert in joined for finding in alert.joined]
    if evidence:
        session.execute(insert(AlertFindingRow), evidence)
    if opened:
        _record_opening(session, ledger, opened)
    return len(opened)


def _raises(finding: Finding) -> bool:
    """Return whether the finding raises an alert."""
    return finding.kind is FindingKind.VIOLATION and finding.status == "active"


def _drop_known(session: Session, findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are not in an alert yet, without duplicate keys."""
    by_key: dict[bytes, Finding] = {}
    for finding in findings:
        by_key.setdefault(finding.key, finding)
    keys = list(by_key)
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        part = keys[start : start + _KEYS_AT_ONCE]
        for key in session.scalars(select(AlertFindingRow.key).where(AlertFindingRow.key.in_(part))):
            del by_key[key]
    return list(by_key.values())


def _load_open(session: Session, policy_id: str, group_key: bytes) -> list[OpenAlert]:
    """Return the alerts of a group that are not closed."""
    query = select(AlertRow.id, AlertRow.anchor_ns).where(
        AlertRow.policy_id == policy_id,
        AlertRow.group_key == group_key,
        AlertRow.state != AlertState.CLOSED.value,
    )
    return [OpenAlert(id, anchor_ns, False) for id, anchor_ns in session.execute(query)]


def _open_alert(
    session: Session, clock: Clock, finding: Finding, group_key: bytes, template: AlertTemplate
) -> AlertRow:
    """Add a new alert for a finding; its counts are filled in when its findings join."""
    row = AlertRow(
        id=str(new_uuid7(clock)),
        policy_id=finding.policy_id,
        policy_version=finding.policy_version,
        severity=finding.severity,
        state=AlertState.NEW.value,
        title_zh=template.title_zh,
        title_en=template.title_en,
        group_key=group_key,
        group_json=format_group(finding.group),
        consumer=finding.group.get("consumer.org"),
        anchor_ns=finding.time,
        first_ns=finding.time,
        last_ns=finding.time,
        count=1,
        opened_at=clock.now(),
        close_note="",
    )
    session.add(row)
    return row


def _extend(row: AlertRow, alert: OpenAlert) -> None:
    """Update an alert's count and time span with the findings that joined it."""
    times = [finding.time for finding in alert.joined]
    row.count = len(times) + (0 if alert.is_opened_here else row.count)
    row.first_ns, row.last_ns = min(row.first_ns, *times), max(row.last_ns, *times)


def _build_evidence(alert_id: str, finding: Finding) -> dict[str, Any]:
    return {
        "key": finding.key,
        "alert_id": alert_id,
        "uid": finding.uid,
        "time": finding.time,
        "seq": finding.seq,
        "record": finding.record,
        "item": finding.item,
    }


def _record_opening(session: Session, ledger: Ledger, opened: Sequence[AlertRow]) -> None:
    """Append the leaf of newly opened alerts and add their first transitions."""
    detail = {"alerts": [{"id": row.id, "policy": row.policy_id, "group": row.group_json} for row in opened]}
    leaf = ledger.record_act(
        session.connection(),
        actor=ENGINE_ACTOR,
        act="alert.open",
        subject=opened[0].id if len(opened) == 1 else f"{len(opened)}-alerts",
        detail=detail,
    )
    session.add_all(
        AlertTransitionRow(
            alert_id=row.id,
            number=0,
            at=row.opened_at,
            actor=ENGINE_ACTOR,
            from_state=None,
            to_state=AlertState.NEW.value,
            reason=None,
            note="",
            leaf_seq=leaf.seq,
        )
        for row in opened
    )


# --- transitions


def acknowledge(session: Session, ledger: Ledger, alert_id: str, *, actor: str, note: str = "") -> Alert:
    """Acknowledge an alert; return it as updated.

    Raises:
        StorageError: ``not_found``; ``conflict`` when it is not new.
        InputError: ``input_invalid`` for a note that is too long.
    """
    row = _lock_alert(session, alert_id)
    _expect_state(row, (AlertState.NEW,))
    row.acknowledged_at, row.acknowledged_by = ledger.clock.now(), actor
    _move(session, ledger, row, AlertState.ACKNOWLEDGED, actor=actor, reason=None, note=note)
    return _build_alert(row)


def close(session: Session, ledger: Ledger, alert_id: str, *, actor: str, reason: CloseReason, note: str = "") -> Alert:
    """Close an alert with a reason; return it as updated. A new one may be closed without being acknowledged.

    Raises:
        StorageError: ``not_found``; ``conflict`` when it is already closed.
        InputError: ``input_invalid`` for a note that is too long.
    """
    row = _lock_alert(session, alert_id)
    _expect_state(row, (AlertState.NEW, AlertState.ACKNOWLEDGED))
    row.closed_at, row.closed_by = ledger.clock.now(), actor
    row.close_reason, row.close_note = reason.value, note
    _move(session, ledger, row, AlertState.CLOSED, actor=actor, reason=reason, note=note)
    return _build_alert(row)


def _lock_alert(session: Session, alert_id: str) -> AlertRow:
    """Return the alert's row, locked where the database has row locks."""
    row = session.get(AlertRow, alert_id, with_for_update=True)
    if row is None:
        raise StorageError("not_found", f"no alert `{alert_id[:64]}`")
    return row


def _expect_state(row: AlertRow, states: tuple[AlertState, ...]) -> None:
    """Refuse a transition from a state that does not allow it."""
    if AlertState(row.state) not in states:
        wanted = " or ".join(state.value for state in states)
        raise StorageError("conflict", f"alert `{row.id}`: expected state {wanted}, got {row.state}", state=row.state)


def _move(
    session: Session,
    ledger: Ledger,
    row: AlertRow,
    state: AlertState,
    *,
    actor: str,
    reason: CloseReason | None,
    note: str,
) -> None:
    """Change the state, and add its leaf and its row in the timeline."""
    if len(note) > MAX_NOTE:
        raise InputError("input_invalid", f"note: longer than {MAX_NOTE} characters", field="note")
    before, row.state = row.state, state.value
    detail = {"from": before, "to": state.value, "reason": reason.value if reason else None, "note": note}
    leaf = ledger.record_act(
        session.connection(),
        actor=actor,
        act="alert.acknowledge" if state is AlertState.ACKNOWLEDGED else "alert.close",
        subject=row.id,
        detail=detail,
    )
    number = session.scalar(select(func.count()).where(AlertTransitionRow.alert_id == row.id)) or 0
    session.add(
        AlertTransitionRow(
            alert_id=row.id,
            number=number,
            at=ledger.clock.now(),
            actor=actor,
            from_state=before,
            to_state=state.value,
            reason=reason.value if reason else None,
            note=note,
            leaf_seq=leaf.seq,
        )
    )
    session.flush()


# --- reading


def get_alert(session: Session, alert_id: str) -> Alert:
    """Return one alert.

    Raises:
        StorageError: ``not_found``.
    """
    row = session.get(AlertRow, alert_id)
    if row is None:
        raise StorageError("not_found", f"no alert `{alert_id[:64]}`")
    return _build_alert(row)


def list_alerts(
    session: Session, chosen: AlertFilter | None = None, *, limit: int = 50, after: str | None = None
) -> AlertPage:
    """Return a page of alerts, newest opened first; ``after`` is the cursor of the previous page."""
    query = _select_alerts(chosen or AlertFilter()).order_by(AlertRow.id.desc())
    if after is not None:
        query = query.where(AlertRow.id < after)
    wanted = max(1, min(limit, MAX_PAGE))
    rows = session.scalars(query.limit(wanted + 1)).all()
    alerts = tuple(_build_alert(row) for row in rows[:wanted])
    return AlertPage(alerts, alerts[-1].id if len(rows) > wanted else None)


def count_alerts(session: Session, chosen: AlertFilter | None = None) -> dict[tuple[str, AlertState], int]:
    """Return the number of alerts by (severity, state)."""
    inner = _select_alerts(chosen or AlertFilter()).subquery()
    query = select(inner.c.severity, inner.c.state, func.count()).group_by(inner.c.severity, inner.c.state)
    return {(severity, AlertState(state)): number for severity, state, number in session.execute(query)}


def list_transitions(session: Session, alert_id: str) -> list[Transition]:
    """Return the timeline of an alert, oldest first."""
    query = select(AlertTransitionRow).where(AlertTransitionRow.alert_id == alert_id)
    return [_build_transition(row) for row in session.scalars(query.order_by(AlertTransitionRow.number))]


def list_evidence(session: Session, alert_id: str, *, limit: int = 100, offset: int = 0) -> list[AlertEvidence]:
    """Return the findings of an alert in order of event time."""
    query = (
        select(AlertFindingRow)
        .where(AlertFindingRow.alert_id == alert_id)
        .order_by(AlertFindingRow.time, AlertFindingRow.seq, AlertFindingRow.record, AlertFindingRow.item)
    )
    rows = session.scalars(query.limit(limit).offset(offset))
    return [
        AlertEvidence(FindingKey(row.key), EventUid(row.uid), row.time, row.seq, row.record, row.item) for row in rows
    ]


def _select_alerts(chosen: AlertFilter) -> Select[Any]:
    limits: list[ColumnElement[bool]] = []
    if chosen.states:
        limits.append(AlertRow.state.in_([state.value for state in chosen.states]))
    if chosen.severities:
        limits.append(AlertRow.severity.in_(chosen.severities))
    if chosen.policies:
        limits.append(AlertRow.policy_id.in_(chosen.policies))
    if chosen.opened_from is not None:
        limits.append(AlertRow.opened_at >= chosen.opened_from)
    if chosen.opened_until is not None:
        limits.append(AlertRow.opened_at < chosen.opened_until)
    if chosen.consumer is not None:
        limits.append(AlertRow.consumer == chosen.consumer)
    return select(AlertRow).where(*limits)


def _build_alert(row: AlertRow) -> Alert:
    group: dict[str, Any] = json.loads(row.group_json)
    return Alert(
        id=row.id,
        policy_id=row.policy_id,
        policy_version=row.policy_version,
        severity=row.severity,
        state=AlertState(row.state),
        title_zh=row.title_zh,
        title_en=row.title_en,
        group=group,
        anchor_ns=row.anchor_ns,
        first_ns=row.first_ns,
        last_ns=row.last_ns,
        count=row.count,
        opened_at=row.opened_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        close_reason=None if row.close_reason is None else CloseReason(row.close_reason),
        close_note=row.close_note,
    )


def _build_transition(row: AlertTransitionRow) -> Transition:
    at: datetime = row.at
    return Transition(
        at=at,
        actor=row.actor,
        from_state=None if row.from_state is None else AlertState(row.from_state),
        to_state=AlertState(row.to_state),
        reason=row.reason,
        note=row.note,
        leaf_seq=row.leaf_seq,
    )

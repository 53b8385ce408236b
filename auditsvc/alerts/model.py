"""Alerts as values: the grouping of findings, the states, and the allowed transitions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from auditsvc.ground.ids import EventUid, FindingKey


class AlertState(Enum):
    """The state of an alert."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class CloseReason(Enum):
    """Why an alert was closed; the closed set of reasons to choose from."""

    TRUE_VIOLATION = "true_violation"
    AUTHORISED = "authorised"
    FALSE_POLICY = "false_policy"
    FALSE_DATA = "false_data"
    DUPLICATE = "duplicate"
    TEST = "test"


CLOSE_REASON_TITLES: Mapping[CloseReason, tuple[str, str]] = {
    CloseReason.TRUE_VIOLATION: ("确属违规", "true violation"),
    CloseReason.AUTHORISED: ("已获授权、手续缺失", "authorised, paper missing"),
    CloseReason.FALSE_POLICY: ("误报：策略问题", "false positive: policy"),
    CloseReason.FALSE_DATA: ("误报：数据问题", "false positive: data"),
    CloseReason.DUPLICATE: ("重复告警", "duplicate"),
    CloseReason.TEST: ("测试", "test"),
}
"""Titles of the reasons, Chinese then English."""

MAX_NOTE = 4000
"""Longest note in characters."""


@dataclass(frozen=True, slots=True)
class AlertTemplate:
    """A policy's settings for its alerts: quiet time after an alert of one group, and the titles."""

    suppress_s: int
    title_zh: str
    title_en: str


@dataclass(frozen=True, slots=True)
class Transition:
    """One state transition of an alert; ``leaf_seq`` is the ledger leaf that records it."""

    at: datetime
    actor: str
    from_state: AlertState | None
    to_state: AlertState
    reason: str | None
    note: str
    leaf_seq: int


@dataclass(frozen=True, slots=True)
class AlertEvidence:
    """One finding of an alert, and its event's place in the ledger."""

    key: FindingKey
    uid: EventUid
    time: int
    seq: int
    record: int
    item: int


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as presented to a person.

    Attributes:
        group: the common values of the policy's ``alert.by`` fields; a missing field is absent.
        anchor_ns: event time of the finding that opened it; findings less than the policy's quiet time away join it.
        first_ns, last_ns: earliest and latest event time of its findings, both inclusive.
        count: exact number of its findings.
        opened_at: when the engine opened it; ``acknowledged_at`` and ``closed_at`` are None until then.
    """

    id: str
    policy_id: str
    policy_version: str
    severity: str
    state: AlertState
    title_zh: str
    title_en: str
    group: Mapping[str, str]
    anchor_ns: int
    first_ns: int
    last_ns: int
    count: int
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    closed_by: str | None
    close_reason: CloseReason | None
    close_note: str


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Some alerts, newest opened first; ``after`` is the cursor of the next page, None on the last one."""

    alerts: tuple[Alert, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts to select; an empty tuple or None does not restrict.

    Attributes:
        opened_from, opened_until: opened in ``[opened_from, opened_until)``.
        consumer: only alerts whose group names this organisation.
    """

    states: tuple[AlertState, ...] = ()
    severities: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    opened_from: datetime | None = None
    opened_until: datetime | None = None
    consumer: str | None = None

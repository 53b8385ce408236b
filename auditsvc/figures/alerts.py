"""Alerts: how many are open, and how fast those of a period were handled."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from auditsvc.alerts.model import AlertState
from auditsvc.alerts.service import count_alerts
from auditsvc.alerts.tables import AlertRow
from auditsvc.figures.rounding import quotient
from auditsvc.figures.violations import SEVERITIES

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class OpenAlerts:
    """Alerts that are not closed: by severity, most severe first, zeros included; and those not acknowledged."""

    by_severity: Mapping[str, int]
    unacknowledged: int

    @property
    def total(self) -> int:
        """Number of open alerts."""
        return sum(self.by_severity.values())


@dataclass(frozen=True, slots=True)
class AlertTimes:
    """One alert: severity, state (``new``, ``acknowledged``, ``closed``), number of findings, and the times of its transitions."""

    severity: str
    state: str
    findings: int
    raised: datetime
    acknowledged: datetime | None
    closed: datetime | None
    close_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Durations:
    """Durations in hours, two decimals: number, median and 90th percentile by nearest rank; None if there are none."""

    count: int
    median: Decimal | None
    p90: Decimal | None


@dataclass(frozen=True, slots=True)
class AlertHandling:
    """How the alerts of a period were handled.

    Attributes:
        raised: number of alerts.
        findings: number of findings in them.
        by_severity: severity, most severe first, to number by state; severities without alerts are omitted.
        close_reasons: reason to number, in order of the reason.
    """

    raised: int
    findings: int
    by_severity: Mapping[str, Mapping[str, int]]
    close_reasons: Mapping[str, int]
    acknowledging: Durations
    closing: Durations


def count_open_alerts(session: Session) -> OpenAlerts:
    """Return the alerts that are not closed."""
    counts = count_alerts(session)
    by_severity = dict.fromkeys(SEVERITIES, 0)
    for (severity, state), count in counts.items():
        if state is not AlertState.CLOSED:
            by_severity[severity] = by_severity.get(severity, 0) + count
    return OpenAlerts(by_severity, sum(count for (_, state), count in counts.items() if state is AlertState.NEW))


def list_alert_times(session: Session, first_ns: int, last_ns: int) -> list[AlertTimes]:
    """Return the times of the alerts whose first event lies in ``[first_ns, last_ns)``."""
    query = select(AlertRow).where(AlertRow.first_ns >= first_ns, AlertRow.first_ns < last_ns)
    return [
        AlertTimes(
            severity=row.severity,
            state=row.state,
            findings=row.count,
            raised=row.opened_at,
            acknowledged=row.acknowledged_at,
            closed=row.closed_at,
            close_reason=row.close_reason,
        )
        for row in session.scalars(query)
    ]


def measure_handling(alerts: Iterable[AlertTimes]) -> AlertHandling:
    """Return how alerts were handled, computed from their times alone."""
    listed = list(alerts)
    by_severity: dict[str, Counter[str]] = {}
    for alert in listed:
        by_severity.setdefault(alert.severity, Counter())[alert.state] += 1
    reasons = Counter(alert.close_reason for alert in listed if alert.close_reason)
    return AlertHandling(
        raised=len(listed),
        findings=sum(alert.findings for alert in listed),
        by_severity={severity: by_severity[severity] for severity in SEVERITIES if severity in by_severity},
        close_reasons=dict(sorted(reasons.items())),
        acknowledging=_measure_durations([(alert.raised, alert.acknowledged) for alert in listed]),
        closing=_measure_durations([(alert.raised, alert.closed) for alert in listed]),
    )


def _measure_durations(spans: Sequence[tuple[datetime, datetime | None]]) -> Durations:
    """Return the figures of the durations that have ended."""
    hours = sorted(
        quotient(int((end - start).total_seconds()), SECONDS_AN_HOUR) for start, end in spans if end is not None
    )
    return Durations(len(hours), _find_rank(hours, 50), _find_rank(hours, 90))


def _find_rank(ordered: Sequence[Decimal], percentile: int) -> Decimal | None:
    """Return the value at the nearest rank; None without values."""
    if not ordered:
        return None
    return ordered[max(0, -(-percentile * len(ordered) // 100) - 1)]

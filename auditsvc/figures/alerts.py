"""Figures on the handling of alerts, from their times alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from auditsvc.reports.indicators.model import quotient

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class AlertTimes:
    """One alert: severity, state (``new``, ``acknowledged``, ``closed``), number of findings, and when it was handled."""

    severity: str
    state: str
    findings: int
    raised: datetime
    acknowledged: datetime | None
    closed: datetime | None
    close_reason: str | None = None


def describe_alerts(alerts: Iterable[AlertTimes]) -> dict[str, Any]:
    """Return numbers by state and severity, and the time to acknowledge and to close (median, 90th percentile)."""
    listed = list(alerts)
    by_severity: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    for alert in listed:
        by_severity.setdefault(alert.severity, Counter())[alert.state] += 1
        if alert.close_reason:
            reasons[alert.close_reason] += 1
    return {
        "raised": len(listed),
        "findings": sum(alert.findings for alert in listed),
        "by_severity": [
            {
                "severity": severity,
                **{state: by_severity[severity][state] for state in ("new", "acknowledged", "closed")},
            }
            for severity in ("critical", "high", "medium", "low")
            if severity in by_severity
        ],
        "close_reasons": [{"reason": reason, "count": count} for reason, count in sorted(reasons.items())],
        "hours_to_acknowledge": _describe([(alert.raised, alert.acknowledged) for alert in listed]),
        "hours_to_close": _describe([(alert.raised, alert.closed) for alert in listed]),
    }


def _describe(spans: Sequence[tuple[datetime, datetime | None]]) -> dict[str, Any]:
    """Return the number of finished spans, their median and 90th percentile in hours; None without any."""
    hours = sorted(
        quotient(int((end - start).total_seconds()), SECONDS_AN_HOUR) for start, end in spans if end is not None
    )
    return {"count": len(hours), "median": _rank(hours, 50), "p90": _rank(hours, 90)}


def _rank(ordered: Sequence[Decimal], percentile: int) -> str | None:
    """Return the value at a nearest rank."""
    if not ordered:
        return None
    return str(ordered[max(0, -(-percentile * len(ordered) // 100) - 1)])

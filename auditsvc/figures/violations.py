"""Violations: an active policy against an access that is neither excepted nor indeterminate."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from auditsvc.figures.scope import MISSING, Scope, name_values
from auditsvc.store.query import FindingQuery, TimeBucket
from auditsvc.store.rows import Finding, FindingKind

VIOLATIONS: Mapping[str, Collection[str]] = {"kind": (FindingKind.VIOLATION.value,), "status": ("active",)}
"""Findings that count as violations."""
SEVERITIES = ("critical", "high", "medium", "low")
"""Most severe first."""

Within: TypeAlias = Mapping[str, Collection[str]]
"""Values that fields of a finding may have, by field; no field: every finding; no value: none."""
EVERYWHERE: Within = {}


@dataclass(frozen=True, slots=True)
class PolicyFindings:
    """The findings of one policy.

    Attributes:
        severity: of its findings; the highest, if it changed in the period.
        violations, excepted: findings while the policy was active.
        shadow: findings while the policy was in shadow mode.
    """

    policy_id: str
    severity: str
    violations: int = 0
    excepted: int = 0
    shadow: int = 0


def count_by_policy(scope: Scope, within: Within = EVERYWHERE) -> dict[str, PolicyFindings]:
    """Return the findings of each policy by policy id; policies without findings are omitted."""
    found: dict[str, PolicyFindings] = {}
    chosen = {"status": ("active", "shadow"), **within}
    for row in scope.count_findings(chosen, "policy_id", "severity", "kind", "status"):
        policy, severity, kind, status = (row.text(part) or MISSING for part in range(4))
        known = found.get(policy, PolicyFindings(policy, severity))
        found[policy] = _add(replace(known, severity=_gravest(known.severity, severity)), kind, status, row.count)
    return found


def _add(known: PolicyFindings, kind: str, status: str, count: int) -> PolicyFindings:
    if status != "active":
        return replace(known, shadow=known.shadow + count)
    if kind == FindingKind.EXCEPTED.value:
        return replace(known, excepted=known.excepted + count)
    return replace(known, violations=known.violations + count)


def _gravest(one: str, other: str) -> str:
    """Return the higher of two severities; an unknown one is the lowest."""
    rank = {severity: place for place, severity in enumerate(SEVERITIES)}
    return min(one, other, key=lambda severity: rank.get(severity, len(rank)))


@dataclass(frozen=True, slots=True)
class ListedViolation:
    """One violation for display: who violated which policy, when, and by which event.

    Attributes:
        uid: of the event, hex.
        time_ns: of the event.
    """

    policy_id: str
    severity: str
    uid: str
    time_ns: int
    consumer: str | None
    interface: str | None
    outcome: str | None


def count_undecided(scope: Scope, interfaces: Collection[str] | None = None) -> dict[str, int]:
    """Return the number of judged events that each policy could not decide, by policy id, second halves included.

    Args:
        scope: begins and ends on quarters of an hour.
        interfaces: only these, none when empty; None for all.
    """
    return scope.store.count_indeterminate(scope.first_ns, scope.last_ns, interfaces)


def count_violations(scope: Scope, within: Within = EVERYWHERE) -> int:
    """Return the number of violations."""
    return sum(row.count for row in scope.count_findings({**VIOLATIONS, **within}))


def count_by_value(scope: Scope, field: str, within: Within = EVERYWHERE) -> dict[str, int]:
    """Return violations by the value of a field of findings."""
    return name_values(scope.count_findings({**VIOLATIONS, **within}, field))


def count_by_time(scope: Scope, bucket: TimeBucket, within: Within = EVERYWHERE) -> dict[int, int]:
    """Return violations by time: first instant of a bucket to its count."""
    return {row.instant(): row.count for row in scope.count_findings({**VIOLATIONS, **within}, bucket)}


def list_violations(scope: Scope, within: Within = EVERYWHERE, *, limit: int, offset: int = 0) -> list[ListedViolation]:
    """Return violations in order of time and place."""
    return [
        ListedViolation(
            finding.policy_id,
            finding.severity,
            finding.uid.hex(),
            finding.time,
            finding.consumer,
            finding.interface,
            finding.outcome,
        )
        for finding in _list_findings(scope, within, limit=limit, offset=offset)
    ]


def list_gravest(scope: Scope, within: Within = EVERYWHERE, *, limit: int) -> list[Finding]:
    """Return the first violations, by severity from highest to lowest, then in order of time and place."""
    chosen: list[Finding] = []
    for severity in SEVERITIES:
        room = limit - len(chosen)
        if room:
            chosen += _list_findings(scope, {**within, "severity": (severity,)}, limit=room)
    return chosen


def _list_findings(scope: Scope, within: Within, *, limit: int, offset: int = 0) -> list[Finding]:
    """Return violations as findings of the store, in order of time and place."""
    query = FindingQuery(scope.first_ns, scope.last_ns, {**VIOLATIONS, **within})
    return scope.store.list_findings(query, limit=limit, offset=offset)

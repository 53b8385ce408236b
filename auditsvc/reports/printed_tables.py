"""Sections that both kinds of report have, as plain data: names of things, violations, coverage, quarantine, quality.

Figures are ints, or decimals as text with fixed digits; every text people read stands in both languages.
"""

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any

from auditsvc.catalog.coverage import HOUR_NS, Cell, expect_cells
from auditsvc.event.time import format_time_ns
from auditsvc.figures.project_use import (
    NO_VALUE,
    VIOLATIONS,
    Scope,
    counts,
    find_local_day,
    list_covered_cells,
    text_of,
)
from auditsvc.ground.clock import format_instant
from auditsvc.policy.model import Policy, PolicySet
from auditsvc.reports.indicators.model import percent
from auditsvc.reports.period import bounds
from auditsvc.store.query import AggregateRow, FindingQuery, RowSet, TimeUnit
from auditsvc.store.rows import Finding

TOP = 15
"""Rows of a ranking; the rest is one row, so that totals still add up."""
GAP_ROWS = 20
FINDING_ROWS = 40
SEVERITIES = ("critical", "high", "medium", "low")


def describe_period(scope: Scope) -> dict[str, Any]:
    """Return the period's days, zone and instants."""
    start, end = bounds(scope.period, scope.zone)
    return {
        "first": scope.period.first.isoformat(),
        "last": scope.period.last.isoformat(),
        "days": scope.period.days,
        "zone": scope.zone.key,
        "start": format_instant(start),
        "end": format_instant(end),
    }


def name_org(scope: Scope, uscc: str) -> dict[str, Any]:
    """Return an organisation's code and names; no names when it is not in the catalogue."""
    org = scope.catalog.orgs.get(uscc)
    return {"id": uscc, "name": None if org is None else {"zh": org.name.zh, "en": org.name.en}}


def name_interface(scope: Scope, interface: str) -> dict[str, Any]:
    """Return an interface's id and names."""
    known = scope.catalog.interfaces.get(interface)
    return {"id": interface, "name": None if known is None else {"zh": known.name.zh, "en": known.name.en}}


def name_source(scope: Scope, source: str) -> dict[str, Any]:
    """Return a source's id and titles."""
    known = scope.catalog.sources.get(source)
    return {"id": source, "name": None if known is None else {"zh": known.title.zh, "en": known.title.en}}


def latest_policies(policy_set: PolicySet) -> dict[str, Policy]:
    """Return the latest version of every policy by id."""
    return {policy.id: policy for policy in sorted(policy_set.policies, key=lambda policy: (policy.id, policy.version))}


def describe_violations(
    scope: Scope, policy_set: PolicySet, within: Mapping[str, Collection[str]]
) -> list[dict[str, Any]]:
    """Return every policy with its numbers of violations, exceptions and indeterminate findings; most first."""
    rows = scope.count_findings({"status": ("active", "shadow"), **within}, "policy_id", "kind", "status")
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        policy, kind, status = (text_of(row, part) for part in range(3))
        name = kind if status == "active" else "shadow"
        table = found.setdefault(policy, {})
        table[name] = table.get(name, 0) + row.count
    policies = latest_policies(policy_set)
    listed = [_describe_policy(policies.get(name), name, found.get(name, {})) for name in {*policies, *found}]
    return sorted(listed, key=lambda row: (-row["violations"], row["id"]))


def _describe_policy(policy: Policy | None, name: str, found: Mapping[str, int]) -> dict[str, Any]:
    """Return one policy's row."""
    basis = (
        [] if policy is None else [_describe_basis(item.act.id, item.article, policy) for item in policy.legal_basis]
    )
    return {
        "id": name,
        "title": None if policy is None else {"zh": policy.title.zh, "en": policy.title.en},
        "severity": None if policy is None else policy.severity.value,
        "status": None if policy is None else policy.status.value,
        "legal_basis": basis,
        "violations": found.get("violation", 0),
        "excepted": found.get("excepted", 0),
        "indeterminate": found.get("indeterminate", 0),
        "shadow": found.get("shadow", 0),
    }


def _describe_basis(act_id: str, article: str, policy: Policy) -> dict[str, Any]:
    """Return an article of an act, as a policy rests on it."""
    basis = next(item for item in policy.legal_basis if (item.act.id, item.article) == (act_id, article))
    act, text = basis.act, basis.text
    return {
        "act": act_id,
        "title": {"zh": act.title.zh, "en": act.title.en},
        "article": article,
        "text": {"zh": text.zh, "en": text.en},
        "verified": act.verified,
    }


def describe_articles(policies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return violations by legal article; a violation counts under each article its policy rests on."""
    table: dict[tuple[str, str], dict[str, Any]] = {}
    for policy in policies:
        for basis in policy["legal_basis"]:
            row = table.setdefault((basis["act"], basis["article"]), {**basis, "policies": [], "violations": 0})
            row["policies"].append(policy["id"])
            row["violations"] += policy["violations"]
    return sorted(table.values(), key=lambda row: (-row["violations"], row["act"], row["article"]))


def rank(figures: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """Return the first rows by ``key`` and the sum of the rest under ``rest``; zero rows are left out."""
    ordered = sorted((row for row in figures if row[key]), key=lambda row: (-row[key], row["id"]))
    rest = ordered[TOP:]
    return {
        "rows": ordered[:TOP],
        "total": sum(row[key] for row in ordered),
        "rest": {"count": len(rest), key: sum(row[key] for row in rest)} if rest else None,
    }


def describe_days(scope: Scope, where: Any, within: Mapping[str, Collection[str]]) -> list[dict[str, Any]]:
    """Return accesses and violations of every local day of the period, days without any included."""
    events = _by_day(scope, scope.aggregate(where, scope.bucket(TimeUnit.DAY)))
    violations = _by_day(scope, scope.count_findings({**VIOLATIONS, **within}, scope.bucket(TimeUnit.DAY)))
    days = [scope.period.first + timedelta(days=offset) for offset in range(scope.period.days)]
    return [
        {"day": day.isoformat(), "events": events.get(day, 0), "violations": violations.get(day, 0)} for day in days
    ]


def _by_day(scope: Scope, rows: list[AggregateRow]) -> dict[date, int]:
    """Return counts by local day."""
    return {find_local_day(scope, row.instant()): row.count for row in rows}


def describe_coverage(scope: Scope, interfaces: Collection[str] | None = None) -> dict[str, Any]:
    """Return due and covered (interface, hour) cells, interfaces with gaps, and the longest silences."""
    expected = sorted(expect_cells(scope.catalog, *scope.bounds_ns, interfaces))
    covered = list_covered_cells(scope)
    due: dict[str, int] = {}
    silent: dict[str, list[int]] = {}
    for cell in expected:
        due[cell.interface] = due.get(cell.interface, 0) + 1
        if cell not in covered:
            silent.setdefault(cell.interface, []).append(cell.hour_ns)
    rows = [
        {
            **name_interface(scope, name),
            "expected": due[name],
            "missing": len(hours),
            "percent": str(percent(due[name] - len(hours), due[name])),
        }
        for name, hours in silent.items()
    ]
    missing = sum(len(hours) for hours in silent.values())
    return {
        "interfaces": len(due),
        "expected": len(expected),
        "covered": len(expected) - missing,
        "percent": str(percent(len(expected) - missing, len(expected))) if expected else None,
        "incomplete": rank(rows, "missing"),
        "gaps": _list_gaps(scope, silent, {cell for cell in expected if cell not in covered})[:GAP_ROWS],
    }


def _list_gaps(scope: Scope, silent: Mapping[str, list[int]], missing: set[Cell]) -> list[dict[str, Any]]:
    """Return runs of missing hours, longest first; hours in which no log is due do not end a run's count."""
    gaps = []
    for name, hours in silent.items():
        for hour in sorted(hours):
            if Cell(name, hour - HOUR_NS) in missing:
                continue
            end = hour
            while Cell(name, end) in missing:
                end += HOUR_NS
            gaps.append((-(end - hour) // HOUR_NS, name, hour, end))
    return [
        {**name_interface(scope, name), "from": format_time_ns(start), "to": format_time_ns(end), "hours": -length}
        for length, name, start, end in sorted(gaps)
    ]


def describe_quarantine(scope: Scope) -> dict[str, Any]:
    """Return the quarantined records of the log as far as it is judged, by source and code.

    An unreadable record has no time of its own, so it cannot be told from which period it is.
    """
    found = scope.store.count_quarantine(*scope.whole_log_ns)
    rows = [
        {**name_source(scope, source), "code": code, "records": count}
        for (source, code), count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return {"records": sum(found.values()), "rows": rows}


def describe_quality(scope: Scope, where: Any) -> list[dict[str, Any]]:
    """Return quality flags with the number of events that carry each, duplicates and second halves included."""
    found = counts(scope.aggregate(where, "quality", rows=RowSet.ALL))
    return [
        {"flag": flag, "events": found[flag]}
        for flag in sorted(found, key=lambda key: (-found[key], key))
        if flag != NO_VALUE
    ]


def describe_findings(scope: Scope, policy_set: PolicySet, within: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """Return the first violations of the period, most severe policies first, each with its place in the log."""
    first, last = scope.bounds_ns
    chosen: list[Finding] = []
    for severity in SEVERITIES:
        room = FINDING_ROWS - len(chosen)
        if room:
            query = FindingQuery(first, last, {**VIOLATIONS, "severity": (severity,), **within})
            chosen += scope.store.list_findings(query, limit=room)
    total = sum(row.count for row in scope.count_findings({**VIOLATIONS, **within}))
    return {"total": total, "rows": [_describe_finding(scope, finding) for finding in chosen]}


def _describe_finding(scope: Scope, finding: Finding) -> dict[str, Any]:
    """Return one finding's row; ``seq``, ``record`` and ``item`` name the raw record in the archive."""
    return {
        "policy": finding.policy_id,
        "severity": finding.severity,
        "time": format_time_ns(finding.time),
        "consumer": None if finding.consumer is None else name_org(scope, finding.consumer),
        "interface": None if finding.interface is None else name_interface(scope, finding.interface),
        "source": finding.source_id,
        "seq": finding.seq,
        "record": finding.record,
        "item": finding.item,
        "uid": finding.uid.hex(),
    }


def count_by(scope: Scope, where: Any, name: str) -> dict[str, int]:
    """Return counted events by a field's value; missing is ``-``."""
    return counts([row for row in scope.aggregate(where, name) if row.text() is not None])

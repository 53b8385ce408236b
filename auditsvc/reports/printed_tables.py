"""Tables shared by both kinds of report, as plain data: names of things, violations, coverage, quarantine, quality.

Figures are ints, or decimals as text with fixed digits; every text for people is given in both languages. The
figures themselves are computed in :mod:`auditsvc.figures`.
"""

from typing import Any

from auditsvc.condition.ast import Node
from auditsvc.event.time import format_time_ns
from auditsvc.figures import traffic, violations
from auditsvc.figures.alerts import AlertHandling, Durations
from auditsvc.figures.coverage import Coverage, Gap, InterfaceCoverage
from auditsvc.figures.deliveries import count_quarantined
from auditsvc.figures.period import bounds
from auditsvc.figures.rounding import percent
from auditsvc.figures.violations import EVERYWHERE, PolicyFindings, Within
from auditsvc.ground.clock import format_instant
from auditsvc.policy.model import Policy, PolicySet
from auditsvc.reports.scope import ReportScope
from auditsvc.store.query import TimeUnit
from auditsvc.store.rows import Finding

TOP = 15
"""Maximum rows of a ranking; the rest are summed in one row, so that totals still add up."""
GAP_ROWS = 20
FINDING_ROWS = 40


def describe_period(scope: ReportScope) -> dict[str, Any]:
    """Return the period's days, zone and instants."""
    start, end = bounds(scope.period, scope.figures.zone)
    return {
        "first": scope.period.first.isoformat(),
        "last": scope.period.last.isoformat(),
        "days": scope.period.days,
        "zone": scope.figures.zone.key,
        "start": format_instant(start),
        "end": format_instant(end),
    }


def name_org(scope: ReportScope, uscc: str) -> dict[str, Any]:
    """Return an organisation's code and names; no names when it is not in the catalogue."""
    org = scope.catalog.orgs.get(uscc)
    return {"id": uscc, "name": None if org is None else {"zh": org.name.zh, "en": org.name.en}}


def name_interface(scope: ReportScope, interface: str) -> dict[str, Any]:
    """Return an interface's id and names."""
    known = scope.catalog.interfaces.get(interface)
    return {"id": interface, "name": None if known is None else {"zh": known.name.zh, "en": known.name.en}}


def name_source(scope: ReportScope, source: str) -> dict[str, Any]:
    """Return a source's id and titles."""
    known = scope.catalog.sources.get(source)
    return {"id": source, "name": None if known is None else {"zh": known.title.zh, "en": known.title.en}}


def latest_policies(policy_set: PolicySet) -> dict[str, Policy]:
    """Return the latest version of every policy by id."""
    return {policy.id: policy for policy in sorted(policy_set.policies, key=lambda policy: (policy.id, policy.version))}


def describe_violations(scope: ReportScope, policy_set: PolicySet, within: Within = EVERYWHERE) -> list[dict[str, Any]]:
    """Return every policy with its numbers of violations, exceptions and shadow findings, and of indeterminate events."""
    found = violations.count_by_policy(scope.figures, within)
    undecided = violations.count_undecided(scope.figures, within.get("interface.id"))
    policies = latest_policies(policy_set)
    listed = [
        _describe_policy(policies.get(name), name, found.get(name), undecided.get(name, 0))
        for name in {*policies, *found, *undecided}
    ]
    return sorted(listed, key=lambda row: (-row["violations"], row["id"]))


def _describe_policy(policy: Policy | None, name: str, found: PolicyFindings | None, undecided: int) -> dict[str, Any]:
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
        "violations": 0 if found is None else found.violations,
        "excepted": 0 if found is None else found.excepted,
        "indeterminate": undecided,
        "shadow": 0 if found is None else found.shadow,
    }


def _describe_basis(act_id: str, article: str, policy: Policy) -> dict[str, Any]:
    """Return the article of an act that a policy is based on."""
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
    """Return violations by legal article; a violation counts under each article its policy is based on."""
    table: dict[tuple[str, str], dict[str, Any]] = {}
    for policy in policies:
        for basis in policy["legal_basis"]:
            row = table.setdefault((basis["act"], basis["article"]), {**basis, "policies": [], "violations": 0})
            row["policies"].append(policy["id"])
            row["violations"] += policy["violations"]
    return sorted(table.values(), key=lambda row: (-row["violations"], row["act"], row["article"]))


def rank(figures: list[dict[str, Any]], key: str) -> dict[str, Any]:
    """Return the first rows by ``key`` and the sum of the rest under ``rest``; rows of zero are omitted."""
    ordered = sorted((row for row in figures if row[key]), key=lambda row: (-row[key], row["id"]))
    rest = ordered[TOP:]
    return {
        "rows": ordered[:TOP],
        "total": sum(row[key] for row in ordered),
        "rest": {"count": len(rest), key: sum(row[key] for row in rest)} if rest else None,
    }


def describe_days(scope: ReportScope, where: Node, within: Within = EVERYWHERE) -> list[dict[str, Any]]:
    """Return accesses and violations of every local day of the period, including days without any."""
    day = scope.figures.bucket(TimeUnit.DAY)
    accesses = traffic.count_by_time(scope.figures, day, where)
    found = violations.count_by_time(scope.figures, day, within)
    by_day = {scope.figures.local_day(start): count.accesses for start, count in accesses.items()}
    violated = {scope.figures.local_day(start): count for start, count in found.items()}
    return [
        {"day": one.isoformat(), "events": by_day.get(one, 0), "violations": violated.get(one, 0)}
        for one in scope.figures.local_days()
    ]


def describe_coverage(scope: ReportScope, coverage: Coverage) -> dict[str, Any]:
    """Return expected and covered (interface, hour) cells, interfaces with gaps, and the longest silences."""
    return {
        "interfaces": len(coverage.interfaces),
        "expected": coverage.due,
        "covered": coverage.covered,
        "percent": None if coverage.percent is None else str(coverage.percent),
        "incomplete": rank([_describe_incomplete(scope, one) for one in coverage.list_incomplete()], "missing"),
        "gaps": [_describe_gap(scope, gap) for gap in coverage.list_gaps()[:GAP_ROWS]],
    }


def _describe_incomplete(scope: ReportScope, one: InterfaceCoverage) -> dict[str, Any]:
    """Return the row of an interface with missing hours."""
    return {
        **name_interface(scope, one.interface),
        "expected": one.due,
        "missing": one.missing,
        "percent": str(percent(one.due - one.missing, one.due)),
    }


def _describe_gap(scope: ReportScope, gap: Gap) -> dict[str, Any]:
    """Return the row of a run of missing hours."""
    return {
        **name_interface(scope, gap.interface),
        "from": format_time_ns(gap.first_ns),
        "to": format_time_ns(gap.last_ns),
        "hours": gap.hours,
    }


def describe_quarantine(scope: ReportScope) -> dict[str, Any]:
    """Return the quarantined records in the judged part of the log, by source and code.

    An unreadable record has no time, so it cannot be assigned to a period.
    """
    found = count_quarantined(scope.figures.store)
    rows = [
        {**name_source(scope, source), "code": code, "records": count}
        for (source, code), count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return {"records": sum(found.values()), "rows": rows}


def describe_quality(scope: ReportScope) -> list[dict[str, Any]]:
    """Return the number of events with each quality flag, including duplicates and second halves of calls."""
    found = traffic.count_quality_flags(scope.figures)
    return [{"flag": flag, "events": found[flag]} for flag in sorted(found, key=lambda key: (-found[key], key))]


def describe_findings(scope: ReportScope, within: Within = EVERYWHERE) -> dict[str, Any]:
    """Return the first violations of the period, highest severity first, each with its place in the log."""
    chosen = violations.list_gravest(scope.figures, within, limit=FINDING_ROWS)
    total = violations.count_violations(scope.figures, within)
    return {"total": total, "rows": [_describe_finding(scope, finding) for finding in chosen]}


def _describe_finding(scope: ReportScope, finding: Finding) -> dict[str, Any]:
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


def describe_alerts(handling: AlertHandling) -> dict[str, Any]:
    """Return how the alerts of the period were handled."""
    return {
        "raised": handling.raised,
        "findings": handling.findings,
        "by_severity": [
            {"severity": severity, **{state: states.get(state, 0) for state in ("new", "acknowledged", "closed")}}
            for severity, states in handling.by_severity.items()
        ],
        "close_reasons": [{"reason": reason, "count": count} for reason, count in handling.close_reasons.items()],
        "hours_to_acknowledge": _describe_durations(handling.acknowledging),
        "hours_to_close": _describe_durations(handling.closing),
    }


def _describe_durations(durations: Durations) -> dict[str, Any]:
    """Return the number, median and 90th percentile of finished spans, in hours."""
    return {
        "count": durations.count,
        "median": None if durations.median is None else str(durations.median),
        "p90": None if durations.p90 is None else str(durations.p90),
    }

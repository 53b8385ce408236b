"""The content of reports as plain data: what becomes ``report.json`` and, through the template, the pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from auditsvc.catalog.model import Project
from auditsvc.condition.ast import All, build_equals
from auditsvc.figures import traffic, violations
from auditsvc.figures.alerts import AlertHandling
from auditsvc.figures.coverage import measure_coverage
from auditsvc.figures.deliveries import measure_deliveries
from auditsvc.figures.project_use import (
    ProjectUse,
    find_log_begin,
    list_first_seen,
    list_project_interfaces,
    measure_project_use,
)
from auditsvc.figures.rounding import percent
from auditsvc.figures.traffic import ACCESS, BUSINESS, measure_traffic
from auditsvc.ground.clock import format_instant
from auditsvc.policy.model import PolicySet
from auditsvc.reports.evidence import LogRange, describe_log
from auditsvc.reports.indicators.compliance import EVALUATED
from auditsvc.reports.indicators.compute import compute_indicators, judge_target
from auditsvc.reports.indicators.gaming import list_signals
from auditsvc.reports.indicators.milestone import judge_milestones
from auditsvc.reports.indicators.model import FULL_COVERAGE, IndicatorValue
from auditsvc.reports.indicators.reach import find_target
from auditsvc.reports.printed_tables import (
    describe_alerts,
    describe_articles,
    describe_coverage,
    describe_days,
    describe_findings,
    describe_period,
    describe_quality,
    describe_quarantine,
    describe_violations,
    name_interface,
    name_org,
    name_source,
    rank,
)
from auditsvc.reports.scope import ReportScope

FORMAT = "auditsvc/report/v1"


@dataclass(frozen=True, slots=True)
class Frame:
    """The metadata of a report.

    Attributes:
        id: the report's id.
        origin: the log's name.
        created: when it was made.
        log: counts over leaves ``[0, size)``, which all figures are computed from.
        bundle_first: first leaf with an event of the period; the bundle holds the records from there on.
        checkpoint: signed note over at least those leaves.
        settled: whether the store did not change while the figures were computed.
        tools: versions and digests of the programs and files the report was made with, by name.
    """

    id: str
    origin: str
    created: datetime
    log: LogRange
    bundle_first: int
    checkpoint: str
    settled: bool
    tools: Mapping[str, str]


def build_compliance(scope: ReportScope, frame: Frame, policy_set: PolicySet, alerts: AlertHandling) -> dict[str, Any]:
    """Return the compliance report of a period: how the policies judged every counted access."""
    accesses = measure_traffic(scope.figures)
    coverage = describe_coverage(scope, measure_coverage(scope.figures, scope.catalog))
    policies = describe_violations(scope, policy_set)
    total = sum(policy["violations"] for policy in policies)
    dead_letters = scope.figures.store.count_dead_letters()
    rate = _build_rate(accesses.by_verdict)
    reserves = accesses.by_verdict.get("indeterminate", 0) + dead_letters
    return {
        **_build_head(scope, frame, "compliance"),
        "summary": {
            "verdict": _judge_compliance(total, reserves, coverage["percent"], rate["judged"]),
            "events": accesses.accesses,
            "traffic": accesses.by_class,
            "probes": accesses.probes,
            "verdicts": accesses.by_verdict,
            "rate": rate,
            "violations": total,
            "coverage": coverage["percent"],
        },
        "policies": policies,
        "articles": describe_articles(policies),
        "consumers": rank(_rank_rows(scope, "consumer.org"), "violations"),
        "interfaces": rank(_rank_rows(scope, "interface.id"), "violations"),
        "days": describe_days(scope, ACCESS),
        "alerts": describe_alerts(alerts),
        "quarantine": describe_quarantine(scope),
        "quality": describe_quality(scope),
        "coverage": coverage,
        "findings": describe_findings(scope),
        "deliveries": _describe_deliveries(scope),
        "dead_letters": dead_letters,
    }


def build_project(scope: ReportScope, frame: Frame, policy_set: PolicySet, project: Project) -> dict[str, Any]:
    """Return the performance report of one project: indicators, milestones, and the figures behind them."""
    use = measure_project_use(scope.figures, scope.catalog, project)
    interfaces = list_project_interfaces(scope.catalog, project)
    within = {"interface.id": interfaces}
    values = compute_indicators(project, use, scope.period)
    described = [_describe_indicator(project, value) for value in values]
    own = All((BUSINESS, build_equals("interface.id", *interfaces)))
    policies = [row for row in describe_violations(scope, policy_set, within) if row["violations"]]
    dead_letters = scope.figures.store.count_dead_letters()
    return {
        **_build_head(scope, frame, "project"),
        "project": _describe_project(scope, project),
        "summary": {
            "verdict": _judge_project(described, dead_letters),
            "targets": _count_values(described, "target_state"),
            "states": _count_values(described, "state"),
            "events": use.events,
            "successes": use.successes,
            "violations": sum(row["violations"] for row in policies),
            "coverage": None if use.coverage is None else str(use.coverage),
        },
        "indicators": described,
        "milestones": _describe_milestones(scope, project),
        "signals": [
            {
                "id": signal.id,
                "share": str(signal.share),
                "limit": str(signal.limit),
                "count": signal.count,
                "of": signal.of,
                "subject": name_org(scope, signal.subject) if signal.subject else None,
                "raised": signal.raised,
            }
            for signal in list_signals(use)
        ],
        "use": _describe_use(scope, project, use, interfaces),
        "reach": _describe_reach(scope, project, use),
        "days": describe_days(scope, own, within),
        "policies": policies,
        "articles": describe_articles(policies),
        "coverage": describe_coverage(scope, measure_coverage(scope.figures, scope.catalog, interfaces)),
        "findings": describe_findings(scope, within),
        "deliveries": _describe_deliveries(scope),
        "dead_letters": dead_letters,
    }


def _build_head(scope: ReportScope, frame: Frame, kind: str) -> dict[str, Any]:
    """Return the sections that open both kinds of report."""
    return {
        "format": FORMAT,
        "id": frame.id,
        "kind": kind,
        "origin": frame.origin,
        "created": format_instant(frame.created),
        "city": {"zh": scope.catalog.city.name.zh, "en": scope.catalog.city.name.en},
        "period": describe_period(scope),
        "log": describe_log(frame.log),
        "bundle": {"first_seq": frame.bundle_first},
        "checkpoint": frame.checkpoint,
        "settled": frame.settled,
        "tools": dict(frame.tools),
    }


def _build_rate(verdicts: Mapping[str, int]) -> dict[str, Any]:
    """Return the share of judged accesses without a violation."""
    judged = sum(verdicts.get(name, 0) for name in EVALUATED)
    lawful = judged - verdicts.get("violated", 0)
    return {"lawful": lawful, "judged": judged, "percent": str(percent(lawful, judged)) if judged else None}


def _judge_compliance(violations: int, reserves: int, coverage: str | None, judged: int) -> str:
    """Return the verdict: any violation decides it; a verdict of none needs full coverage and no reserves.

    If no access was judged and none is indeterminate, the verdict is "not assessed".

    Args:
        violations: number of violations.
        reserves: indeterminate accesses, and rows the event store rejected.
        coverage: of the log, percent; None when no log is due.
        judged: accesses that a policy permits, excepts or finds in violation.
    """
    if violations:
        return "violations"
    if not judged and not reserves:
        return "not_assessed"
    if coverage is None or Decimal(coverage) < FULL_COVERAGE or reserves:
        return "qualified"
    return "clean"


def _judge_project(indicators: list[dict[str, Any]], dead_letters: int) -> str:
    """Return the verdict on a project: a missed target decides it, else all must be computable from complete data.

    Without any target the verdict is "not assessed", never "met".
    """
    assessed = [row for row in indicators if row["target_state"] != "no_target"]
    if not assessed:
        return "not_assessed"
    if any(row["target_state"] == "missed" for row in assessed):
        return "missed"
    if dead_letters or any(row["state"] != "computed" for row in assessed):
        return "qualified"
    return "met"


def _rank_rows(scope: ReportScope, field: str) -> list[dict[str, Any]]:
    """Return accesses and violations by consumer or interface."""
    accesses = traffic.count_by_value(scope.figures, field)
    found = violations.count_by_value(scope.figures, field)
    describe = name_org if field == "consumer.org" else name_interface
    return [
        {**describe(scope, key), "events": accesses.get(key, 0), "violations": found.get(key, 0)}
        for key in sorted({*accesses, *found})
    ]


def _describe_deliveries(scope: ReportScope) -> list[dict[str, Any]]:
    """Return, by source, the outcome of every record in the judged part of the log; each row adds up."""
    return [
        {
            **name_source(scope, stat.source),
            "records": stat.records,
            "events": stat.events,
            "quarantined": stat.quarantined,
            "duplicates": stat.duplicates,
            "conflicts": stat.conflicts,
            "paired": stat.paired,
            "untargetable": stat.untargetable,
        }
        for stat in measure_deliveries(scope.figures.store).sources
    ]


def _describe_indicator(project: Project, value: IndicatorValue) -> dict[str, Any]:
    target = find_target(project, value.id)
    return {
        "id": value.id,
        "value": None if value.value is None else str(value.value),
        "unit": value.unit,
        "numerator": None if value.numerator is None else str(value.numerator),
        "denominator": None if value.denominator is None else str(value.denominator),
        "coverage": None if value.coverage is None else str(value.coverage),
        "state": value.state.value,
        "reason": value.reason,
        "formula_version": value.formula_version,
        "detail": {name: str(figure) for name, figure in value.detail.items()},
        "target": None
        if target is None
        else {"op": target.op, "value": f"{target.value:f}", "unit": target.unit, "by": target.by.isoformat()},
        "target_state": judge_target(project, value),
    }


def _count_values(rows: list[dict[str, Any]], key: str) -> dict[str, int]:
    """Return how often each value of ``key`` occurs."""
    found: dict[str, int] = {}
    for row in rows:
        found[row[key]] = found.get(row[key], 0) + 1
    return dict(sorted(found.items()))


def _describe_project(scope: ReportScope, project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": {"zh": project.name.zh, "en": project.name.en},
        "system": {"zh": project.system.zh, "en": project.system.en},
        "owner": name_org(scope, project.owner),
        "builder": name_org(scope, project.builder),
        "approval_no": project.approval_no,
        "budget": f"{project.budget:.2f}",
        "contract": f"{project.contract:.2f}",
        "spent": f"{project.spent:.2f}",
        "life_years": project.life_years,
        "opex": [
            {"year": str(year), "amount": f"{amount:.2f}"} for year, amount in sorted(project.opex_by_year.items())
        ],
        "start": project.start.isoformat(),
        "go_live_plan": project.go_live_plan.isoformat(),
        "go_live_actual": None if project.go_live_actual is None else project.go_live_actual.isoformat(),
        "accepted_at": None if project.accepted_at is None else project.accepted_at.isoformat(),
    }


def _describe_milestones(scope: ReportScope, project: Project) -> list[dict[str, Any]]:
    """Return each milestone of the plan as met, late or not computable."""
    results = judge_milestones(
        project,
        first_seen=list_first_seen(scope.figures, scope.catalog, project),
        log_begins=find_log_begin(scope.figures),
        end=scope.period.last,
    )
    return [
        {
            "id": result.milestone.id,
            "title": {"zh": result.milestone.title.zh, "en": result.milestone.title.en},
            "due": result.milestone.due.isoformat(),
            "actual": None if result.milestone.actual is None else result.milestone.actual.isoformat(),
            "progress": result.progress.value,
            "days_late": result.days_late,
            "reason": result.reason,
            "seen": result.seen,
            "expected": result.expected,
        }
        for result in results
    ]


def _describe_use(
    scope: ReportScope, project: Project, use: ProjectUse, interfaces: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Return each interface of the project with its successes and active days."""
    rows = []
    for name in interfaces:
        found = use.interfaces.get(name)
        rows.append(
            {
                **name_interface(scope, name),
                "promised": name in project.interfaces,
                "delivered": name in use.delivered,
                "successes": 0 if found is None else found.successes,
                "active_days": 0 if found is None else found.active_days,
            }
        )
    return rows


def _describe_reach(scope: ReportScope, project: Project, use: ProjectUse) -> dict[str, Any]:
    """Return each promised consumer with its successes, and the other consumers by successes, descending."""
    extra = [
        {**name_org(scope, uscc), "successes": count}
        for uscc, count in use.cross.items()
        if uscc not in project.consumers
    ]
    return {
        "promised": [{**name_org(scope, uscc), "successes": use.cross.get(uscc, 0)} for uscc in project.consumers],
        "extra": rank(extra, "successes"),
    }

"""The JSON Schema of ``report.json``, closed: a member the schema does not name is an error.

It describes what :mod:`auditsvc.reports.document` builds, and takes closed sets of values from the code that defines
them. ``python tools/schemas.py`` writes it to ``docs/schemas/report.schema.json``.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from auditsvc.alerts.model import CloseReason
from auditsvc.catalog.model import TARGET_OPERATORS
from auditsvc.event.fields import TRAFFIC, VERDICTS
from auditsvc.event.model import QUALITY_FLAGS
from auditsvc.ledger.format.header import FIELDS as LEAF_FIELDS
from auditsvc.policy.model import PolicyStatus, Severity
from auditsvc.reports.document import FORMAT
from auditsvc.reports.indicators.milestone import MilestoneProgress
from auditsvc.reports.indicators.model import IndicatorState

SCHEMA_ID = "https://auditsvc.example/schema/report-1.json"
COMPLIANCE_VERDICTS = ("violations", "qualified", "clean", "not_assessed")
PROJECT_VERDICTS = ("missed", "qualified", "met", "not_assessed")
MISSING = "-"
"""Key that counts the events without a value."""
TARGET_STATES = ("met", "missed", "not_computable", "no_target")
DETAILS = (
    "consumer_faults",
    "denied",
    "extra_consumers",
    "faulty_minutes",
    "indeterminate",
    "not_covered",
    "unknown_minutes",
    *(f"per_10000_{severity.value}" for severity in Severity),
)
"""Names of the further figures of indicators."""

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_INTEGER: Schema = {"type": "integer"}
_DECIMAL: Schema = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
_MONEY: Schema = {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2}$"}
_DAY: Schema = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_INSTANT: Schema = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$",
}
_DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def build_report_schema() -> Schema:
    """Return the schema of one report of either kind."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "auditsvc report",
        "oneOf": [_ref("compliance"), _ref("project_report")],
        "$defs": {
            "text": _object({"zh": _TEXT, "en": _TEXT}),
            "named": _object(_named()),
            "policy": _object(_policy()),
            "article": _object({**_basis(), "policies": _list(_TEXT), "violations": _COUNT}),
            "day": _object({"day": _DAY, "events": _COUNT, "violations": _COUNT}),
            "coverage": _object(_coverage()),
            "findings": _object({"total": _COUNT, "rows": _list(_object(_finding()))}),
            "delivery": _object(_delivery()),
            "log": _object(_log()),
            "compliance": _object({**_head("compliance"), **_compliance(), **_shared()}),
            "project_report": _object({**_head("project"), **_project(), **_shared()}),
        },
    }


def _object(members: Mapping[str, Schema], optional: Iterable[str] = ()) -> Schema:
    """Return the schema of an object with exactly these members, the optional ones excepted."""
    required = [name for name in members if name not in set(optional)]
    return {"type": "object", "properties": dict(members), "required": required, "additionalProperties": False}


def _counts(names: Iterable[str]) -> Schema:
    """Return the schema of counts by name; names with a count of zero may be omitted."""
    members = dict.fromkeys(names, _COUNT)
    return _object(members, members)


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _enum(values: type[Enum] | Iterable[str]) -> Schema:
    return {"enum": [value.value if isinstance(value, Enum) else value for value in values]}


def _ranking(row: Mapping[str, Schema], key: str) -> Schema:
    """Return the schema of a ranking by ``key``."""
    rest = _object({"count": _COUNT, key: _COUNT})
    return _object({"rows": _list(_object(row)), "total": _COUNT, "rest": _or_null(rest)})


def _head(kind: str) -> dict[str, Schema]:
    """Return the members of a report's metadata."""
    period = {"first": _DAY, "last": _DAY, "days": _COUNT, "zone": _TEXT, "start": _INSTANT, "end": _INSTANT}
    tools = {"auditsvc": _TEXT, "typst": _TEXT, "templates-sha256": _DIGEST, "fonts-sha256": _DIGEST}
    return {
        "format": {"const": FORMAT},
        "id": _TEXT,
        "kind": {"const": kind},
        "origin": _TEXT,
        "created": _INSTANT,
        "city": _ref("text"),
        "period": _object(period),
        "log": _ref("log"),
        "bundle": _object({"first_seq": _COUNT}),
        "checkpoint": _TEXT,
        "settled": _BOOLEAN,
        "tools": _object(tools),
    }


def _shared() -> dict[str, Schema]:
    """Return the sections of both kinds."""
    return {
        "policies": _list(_ref("policy")),
        "articles": _list(_ref("article")),
        "days": _list(_ref("day")),
        "coverage": _ref("coverage"),
        "findings": _ref("findings"),
        "deliveries": _list(_ref("delivery")),
        "dead_letters": _COUNT,
    }


def _compliance() -> dict[str, Schema]:
    """Return the sections that only a compliance report has."""
    summary = {
        "verdict": _enum(COMPLIANCE_VERDICTS),
        "events": _COUNT,
        "traffic": _counts((*TRAFFIC, MISSING)),
        "probes": _COUNT,
        "verdicts": _counts((*VERDICTS, MISSING)),
        "rate": _object({"lawful": _COUNT, "judged": _COUNT, "percent": _or_null(_DECIMAL)}),
        "violations": _COUNT,
        "coverage": _or_null(_DECIMAL),
    }
    ranked = {**_named(), "events": _COUNT, "violations": _COUNT}
    return {
        "summary": _object(summary),
        "consumers": _ranking(ranked, "violations"),
        "interfaces": _ranking(ranked, "violations"),
        "alerts": _alerts(),
        "quarantine": _object(
            {"records": _COUNT, "rows": _list(_object({**_named(), "code": _TEXT, "records": _COUNT}))}
        ),
        "quality": _list(_object({"flag": _enum(QUALITY_FLAGS), "events": _COUNT})),
    }


def _alerts() -> Schema:
    """Return the schema of figures on the handling of alerts."""
    hours = _object({"count": _COUNT, "median": _or_null(_DECIMAL), "p90": _or_null(_DECIMAL)})
    states = {"severity": _enum(Severity), "new": _COUNT, "acknowledged": _COUNT, "closed": _COUNT}
    return _object(
        {
            "raised": _COUNT,
            "findings": _COUNT,
            "by_severity": _list(_object(states)),
            "close_reasons": _list(_object({"reason": _enum(CloseReason), "count": _COUNT})),
            "hours_to_acknowledge": hours,
            "hours_to_close": hours,
        }
    )


def _project() -> dict[str, Schema]:
    """Return the sections that only a project report has."""
    summary = {
        "verdict": _enum(PROJECT_VERDICTS),
        "targets": _counts(TARGET_STATES),
        "states": _counts(state.value for state in IndicatorState),
        "events": _COUNT,
        "successes": _COUNT,
        "violations": _COUNT,
        "coverage": _or_null(_DECIMAL),
    }
    reached = {**_named(), "successes": _COUNT}
    used = {**reached, "promised": _BOOLEAN, "delivered": _BOOLEAN, "active_days": _COUNT}
    return {
        "project": _object(_registry_entry()),
        "summary": _object(summary),
        "indicators": _list(_object(_indicator())),
        "milestones": _list(_object(_milestone())),
        "signals": _list(_object(_signal())),
        "use": _list(_object(used)),
        "reach": _object({"promised": _list(_object(reached)), "extra": _ranking(reached, "successes")}),
    }


def _registry_entry() -> dict[str, Schema]:
    return {
        "id": _TEXT,
        "name": _ref("text"),
        "system": _ref("text"),
        "owner": _ref("named"),
        "builder": _ref("named"),
        "approval_no": _TEXT,
        "budget": _MONEY,
        "contract": _MONEY,
        "spent": _MONEY,
        "life_years": _COUNT,
        "opex": _list(_object({"year": {"type": "string", "pattern": "^[0-9]{4}$"}, "amount": _MONEY})),
        "start": _DAY,
        "go_live_plan": _DAY,
        "go_live_actual": _or_null(_DAY),
        "accepted_at": _or_null(_DAY),
    }


def _indicator() -> dict[str, Schema]:
    details = dict.fromkeys(DETAILS, _DECIMAL)
    target = {"op": _enum(TARGET_OPERATORS), "value": _DECIMAL, "unit": _TEXT, "by": _DAY}
    return {
        "id": {"type": "string", "pattern": "^I-[0-9]{2}$"},
        "value": _or_null(_DECIMAL),
        "unit": _TEXT,
        "numerator": _or_null(_DECIMAL),
        "denominator": _or_null(_DECIMAL),
        "coverage": _or_null(_DECIMAL),
        "state": _enum(IndicatorState),
        "reason": _TEXT,
        "formula_version": {"type": "integer", "minimum": 1},
        "detail": _object(details, details),
        "target": _or_null(_object(target)),
        "target_state": _enum(TARGET_STATES),
    }


def _milestone() -> dict[str, Schema]:
    return {
        "id": _TEXT,
        "title": _ref("text"),
        "due": _DAY,
        "actual": _or_null(_DAY),
        "progress": _enum(MilestoneProgress),
        "days_late": _or_null(_COUNT),
        "reason": _TEXT,
        "seen": _COUNT,
        "expected": _COUNT,
    }


def _signal() -> dict[str, Schema]:
    """Return the members of a sign of inflated use."""
    return {
        "id": _TEXT,
        "share": _DECIMAL,
        "limit": _DECIMAL,
        "count": _COUNT,
        "of": _COUNT,
        "subject": _or_null(_ref("named")),
        "raised": _BOOLEAN,
    }


def _named() -> dict[str, Schema]:
    """Return the members of an entry with an id, and with names when the catalogue has it."""
    return {"id": _TEXT, "name": _or_null(_ref("text"))}


def _basis() -> dict[str, Schema]:
    """Return the members of an article that a policy is based on."""
    return {"act": _TEXT, "title": _ref("text"), "article": _TEXT, "text": _ref("text"), "verified": _BOOLEAN}


def _policy() -> dict[str, Schema]:
    """Return the members of a policy's row; title, severity and status are null when it is no longer in the set."""
    return {
        "id": _TEXT,
        "title": _or_null(_ref("text")),
        "severity": _or_null(_enum(Severity)),
        "status": _or_null(_enum(PolicyStatus)),
        "legal_basis": _list(_object(_basis())),
        "violations": _COUNT,
        "excepted": _COUNT,
        "indeterminate": _COUNT,
        "shadow": _COUNT,
    }


def _coverage() -> dict[str, Schema]:
    """Return the members of the log's completeness."""
    incomplete = {**_named(), "expected": _COUNT, "missing": _COUNT, "percent": _DECIMAL}
    gap = {**_named(), "from": _INSTANT, "to": _INSTANT, "hours": _COUNT}
    return {
        "interfaces": _COUNT,
        "expected": _COUNT,
        "covered": _COUNT,
        "percent": _or_null(_DECIMAL),
        "incomplete": _ranking(incomplete, "missing"),
        "gaps": _list(_object(gap)),
    }


def _finding() -> dict[str, Schema]:
    """Return the members of a violation in detail."""
    return {
        "policy": _TEXT,
        "severity": _enum(Severity),
        "time": _INSTANT,
        "consumer": _or_null(_ref("named")),
        "interface": _or_null(_ref("named")),
        "source": _TEXT,
        "seq": _COUNT,
        "record": _COUNT,
        "item": _COUNT,
        "uid": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    }


def _delivery() -> dict[str, Schema]:
    """Return the members of the outcomes of a source's records."""
    names = ("records", "events", "quarantined", "duplicates", "conflicts", "paired", "untargetable")
    return {**_named(), **dict.fromkeys(names, _COUNT)}


def _log() -> dict[str, Schema]:
    """Return the members that a verifier recomputes from the headers."""
    in_force = _or_null(_object({"seq": _COUNT, "sha256": _DIGEST}))
    names = ("batches", "records", "raw_bytes", "first_source_seq", "last_source_seq")
    return {
        "first_seq": {"const": 0},
        "size": _COUNT,
        "leaves": _counts(LEAF_FIELDS),
        "records": _COUNT,
        "policy_set": in_force,
        "catalog": in_force,
        "sources": _list(_object({"id": _TEXT, **dict.fromkeys(names, _COUNT)})),
    }

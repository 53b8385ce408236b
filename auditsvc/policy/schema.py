"""The JSON Schema of policy documents, for editors; derived from the field catalogue and the grammar's own tables.

Editors use it to check keys, modifiers and enumerations as an author types. It accepts everything the loader accepts;
what only the loader can check (that a list exists, that a modifier fits a field) is left to ``auditsvc policy lint``.
"""

from typing import Any

from auditsvc.condition.parse import MODIFIERS
from auditsvc.event.fields import FIELDS
from auditsvc.policy.model import Effect, OnMissing, Severity, Status

SCHEMA_ID = "https://auditsvc.example/schema/policy-1.json"
_DATE = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}([Tt ].+)?$"}
_TEXT: dict[str, Any] = {"type": ["string", "number"]}


def build_schema() -> dict[str, Any]:
    """Return the schema of one document: a policy, list, calendar or legal act."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "auditsvc policy document",
        "oneOf": [
            _object({kind: {"$ref": f"#/$defs/{kind}"}}, [kind]) for kind in ("policy", "list", "calendar", "legal")
        ],
        "$defs": {
            "bilingual": {"anyOf": [_TEXT, _object({"zh": _TEXT, "en": _TEXT}, ["zh", "en"])]},
            "condition": _condition(),
            "policy": _policy(),
            "list": _object({"id": _TEXT, "title": _ref("bilingual"), "values": _list(_TEXT)}, ["id"]),
            "calendar": _calendar(),
            "legal": _legal(),
        },
    }


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """Return the schema of a mapping without other keys."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _ref(name: str) -> dict[str, Any]:
    """Return a reference to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def _enum(kind: type[Effect] | type[OnMissing] | type[Severity] | type[Status]) -> dict[str, Any]:
    """Return the schema of an enumeration's values."""
    return {"enum": [member.value for member in kind]}


def _condition() -> dict[str, Any]:
    """Return the schema of a condition: field names with modifiers, and ``all``, ``any``, ``not``."""
    names = "|".join(known.name.replace(".", r"\.") for known in FIELDS)
    modifiers = "|".join(sorted(MODIFIERS))
    scalar = {"type": ["string", "number", "boolean"]}
    named = _object({"not_in": {"anyOf": [_TEXT, _list(_TEXT)]}}, ["not_in"])
    conditions = {"type": "array", "minItems": 1, "items": _ref("condition")}
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {"all": conditions, "any": conditions, "not": _ref("condition")},
        "patternProperties": {
            rf"^({names}|labels\.[^|]+)(\|({modifiers}))*$": {
                "anyOf": [scalar, {"type": "array", "minItems": 1, "items": scalar}, named]
            }
        },
        "additionalProperties": False,
    }


def _policy() -> dict[str, Any]:
    basis = _object({"act": _TEXT, "article": _TEXT}, ["act", "article"])
    exception = _object(
        {
            "id": _TEXT, "match": _ref("condition"), "from": _DATE, "until": _DATE, "approved_by": _TEXT,
            "basis": _TEXT, "reason": _TEXT,
        },
        ["id", "match", "from", "until", "approved_by", "basis", "reason"],
    )  # fmt: skip
    alert = _object(
        {
            "by": _list({"type": "string"}),
            "suppress": {"type": "string", "pattern": "^[1-9][0-9]{0,5}[smhd]$"},
            "title": _ref("bilingual"),
        },
        [],
    )
    count = {"type": "integer", "minimum": 0}
    expect = {
        "anyOf": [
            {"enum": ["none", "indeterminate"]},
            _object({"violations": count, "excepted": count, "indeterminate": count}, []),
        ]
    }
    test = _object(
        {
            "name": _TEXT, "given": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            "lists": {"type": "object", "additionalProperties": _list(_TEXT)}, "now": _DATE, "expect": expect,
        },
        ["name", "given", "expect"],
    )  # fmt: skip
    effects: dict[str, Any] = {effect.value: _ref("condition") for effect in Effect}
    schema = _object(
        {
            "id": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"},
            "version": {"type": "integer", "minimum": 1},
            "title": _ref("bilingual"), "description": _ref("bilingual"), "status": _enum(Status),
            "severity": _enum(Severity), "owner": _TEXT, "approved_by": _list(_TEXT), "legal_basis": _list(basis),
            "zone": _TEXT, "valid": _object({"from": _DATE, "until": _DATE}, ["from"]), "target": _ref("condition"),
            **effects, "exceptions": _list(exception), "alert": alert, "on_missing": _enum(OnMissing),
            "tests": _list(test),
        },
        ["id", "version", "title", "status", "severity", "owner", "valid"],
    )  # fmt: skip
    return {**schema, "oneOf": [{"required": [effect.value]} for effect in Effect]}


def _calendar() -> dict[str, Any]:
    hours = _list({"type": "string", "pattern": r"^\d{2}:\d{2}-\d{2}:\d{2}$"})
    day = {"date": _DATE, "name": _ref("bilingual")}
    dated = _object({**day, "hours": hours}, ["date"])
    weekly = _object(dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), hours), [])
    return _object(
        {
            "id": _TEXT, "title": _ref("bilingual"), "source": _TEXT, "verified": {"type": "boolean"}, "zone": _TEXT,
            "from": _DATE, "until": _DATE, "weekly": weekly, "holidays": _list(_object(day, ["date"])),
            "workdays": _list(dated), "half_days": _list(dated),
        },
        ["id", "source", "verified", "zone", "from", "until"],
    )  # fmt: skip


def _legal() -> dict[str, Any]:
    article = _object({"article": _TEXT, "text": _ref("bilingual")}, ["article", "text"])
    return _object(
        {
            "id": _TEXT, "title": _ref("bilingual"), "issued_by": _TEXT, "effective_from": _DATE, "source": _TEXT,
            "verified": {"type": "boolean"}, "articles": _list(article),
        },
        ["id", "title", "issued_by", "effective_from", "source", "verified"],
    )  # fmt: skip

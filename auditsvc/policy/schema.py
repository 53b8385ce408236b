"""The JSON Schema of policy documents, for editors; made from the model, the field catalogue and the grammar's own tables.

The keys of a mapping are the fields of its dataclass, under these rules: ``from_ns`` is written ``from`` and is an
instant, ``suppress_s`` is ``suppress`` and a duration; what differs beyond that is named where the schema is built.

An editor checks keys, modifiers and enumerations by it as an author types. It accepts everything the loader accepts;
what only the loader can know (that a list exists, that a modifier fits a field) it leaves to ``auditsvc policy lint``.
A test holds the two to the same keys.
"""

from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import date
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from auditsvc.condition.ast import Node
from auditsvc.condition.calendar import Calendar
from auditsvc.condition.parse import MODIFIERS
from auditsvc.event.fields import FIELDS
from auditsvc.event.model import Event
from auditsvc.ground.bilingual import Text
from auditsvc.policy.load import KINDS, POLICY_ID
from auditsvc.policy.model import (
    AlertRule,
    Effect,
    Expectation,
    InlineTest,
    LegalAct,
    LegalBasis,
    Policy,
    PolicyException,
    PolicyStatus,
)
from auditsvc.policy.resource import DAYS
from auditsvc.policy.scalars import DURATION, MAX_COUNT

SCHEMA_ID = "https://auditsvc.example/schema/policy-1.json"

Schema = dict[str, Any]

_TEXT: Schema = {"type": ["string", "number", "boolean"], "pattern": r"\S"}
_DAY: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
_TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}[Tt ].+$"}
_INSTANT: Schema = {"anyOf": [_DAY, _TIME]}
_DURATION: Schema = {"type": "string", "pattern": f"^{DURATION}$"}
_ID: Schema = {"type": ["string", "number", "boolean"], "pattern": f"^{POLICY_ID}$"}
_BOOLEAN: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_COUNT}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_NAMES = "|".join(known.name.replace(".", r"\.") for known in FIELDS) + r"|labels\.[^|]+"
_UNITS = {"_ns": _INSTANT, "_s": _DURATION}
"""End of a field's name to what a document writes."""


def build_schema() -> Schema:
    """Return the schema of one document: a policy, list, calendar or legal act."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "auditsvc policy document",
        "oneOf": [_object({kind: _ref(kind)}, [kind]) for kind in KINDS],
        "$defs": {
            "bilingual": {"anyOf": [_TEXT, _object({"zh": _TEXT, "en": _TEXT}, ["zh", "en"])]},
            "condition": _condition(),
            "event": _event(),
            "policy": _policy(),
            "list": _object({"id": _TEXT, "title": _ref("bilingual"), "values": _list(_TEXT)}, ["id"]),
            "calendar": _calendar(),
            "legal": _legal(),
        },
    }


def _object(properties: Mapping[str, Schema], required: Collection[str]) -> Schema:
    """Return the schema of a mapping without other keys."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": sorted(required),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _model(
    kind: type[Any],
    *,
    leave_out: Collection[str] = (),
    changed: Mapping[str, Schema] | None = None,
    optional: Collection[str] = (),
) -> Schema:
    """Return the schema of the mapping a dataclass is read from.

    Args:
        kind: the dataclass.
        leave_out: fields that are not read from the mapping.
        changed: keys that are written otherwise than their field's type, and keys without a field.
        optional: keys that may be absent.
    """
    hints = get_type_hints(kind)
    keys: dict[str, Schema] = {}
    for field in fields(kind):
        if field.name not in leave_out:
            unit = next((end for end in _UNITS if field.name.endswith(end)), "")
            key = field.name.removesuffix(unit)
            if key not in (changed or {}):
                keys[key] = _UNITS[unit] if unit else _type(hints[field.name])
    keys |= changed or {}
    unknown = set(optional) - set(keys)
    if unknown:
        raise ValueError(f"optional keys that are none: {', '.join(sorted(unknown))}")
    return _object(keys, keys.keys() - set(optional))


def _type(hint: Any) -> Schema:
    """Return the schema of a field's type."""
    if hint in _TYPES:
        return _TYPES[hint]
    if get_origin(hint) is tuple:
        return _list(_type(get_args(hint)[0]))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    return _nested()[hint]


_TYPES: Mapping[Any, Schema] = {
    str: _TEXT,
    bool: _BOOLEAN,
    int: _COUNT,
    date: _DAY,
    Text: _ref("bilingual"),
    Node: _ref("condition"),
    Event: _ref("event"),
    Mapping[str, frozenset[str]]: {"type": "object", "additionalProperties": _list(_TEXT)},
}


def _nested() -> Mapping[Any, Schema]:
    """Return the schemas of the mappings inside a policy, by their dataclass."""
    expect = _model(Expectation, optional=[field.name for field in fields(Expectation)])
    return {
        LegalBasis: _model(LegalBasis, changed={"act": _TEXT}),
        PolicyException: _model(PolicyException, changed={"id": _ID}),
        AlertRule: _model(AlertRule, optional=("by", "suppress", "title")),
        Expectation: {"anyOf": [{"enum": ["none", "indeterminate"]}, expect]},
    }


def _policy() -> Schema:
    """Return the schema of a policy: one effect with its condition; an active one rests on an article."""
    effects = [effect.value for effect in Effect]
    test = _model(
        InlineTest,
        leave_out=("line",),
        changed={"given": {**_list(_ref("event")), "minItems": 1}, "now": _TIME},
        optional=("lists", "now"),
    )
    schema = _model(
        Policy,
        leave_out=("kind", "body", "valid_from_ns", "valid_until_ns", "tests", "source_text", "file", "line"),
        changed={
            "id": _ID,
            "version": {**_COUNT, "minimum": 1},
            "zone": _TEXT,
            "valid": _object({"from": _INSTANT, "until": _INSTANT}, ["from"]),
            "tests": _list(test),
            **dict.fromkeys(effects, _ref("condition")),
        },
        optional=(
            "description", "approved_by", "legal_basis", "zone", "target", "exceptions", "alert", "on_missing", "tests",
            *effects,
        ),
    )  # fmt: skip
    is_active = {"properties": {"status": {"const": PolicyStatus.ACTIVE.value}}}
    has_basis = {"required": ["legal_basis"], "properties": {"legal_basis": {"minItems": 1}}}
    return {**schema, "oneOf": [{"required": [effect]} for effect in effects], "if": is_active, "then": has_basis}


def _condition() -> Schema:
    """Return the schema of a condition: field names with modifiers, and ``all``, ``any``, ``not``."""
    modifiers = "|".join(sorted(MODIFIERS))
    named = _object({"not_in": {"anyOf": [_TEXT, _list(_TEXT)]}}, ["not_in"])
    conditions = {"type": "array", "minItems": 1, "items": _ref("condition")}
    value = {"anyOf": [_SCALAR, {"type": "array", "minItems": 1, "items": _SCALAR}, named]}
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {"all": conditions, "any": conditions, "not": _ref("condition")},
        "patternProperties": {rf"^({_NAMES})(\|({modifiers}))*$": value},
        "additionalProperties": False,
    }


def _event() -> Schema:
    """Return the schema of an event of an inline test: field names and their values."""
    value = {"anyOf": [_SCALAR, {"type": "null"}, _list(_SCALAR)]}
    return {"type": "object", "patternProperties": {f"^({_NAMES})$": value}, "additionalProperties": False}


def _calendar() -> Schema:
    """Return the schema of a calendar; its days are kept otherwise than they are written."""
    hours = _list({"type": "string", "pattern": r"^\d{2}:\d{2}-\d{2}:\d{2}$"})
    day = {"date": _DAY, "name": _ref("bilingual")}
    weekly = _object(dict.fromkeys(DAYS, hours), [])
    return _model(
        Calendar,
        leave_out=("name", "first", "last", "dated"),
        changed={
            "id": _TEXT,
            "title": _ref("bilingual"),
            "source": _TEXT,
            "verified": _BOOLEAN,
            "from": _DAY,
            "until": _DAY,
            "weekly": weekly,
            "holidays": _list(_object(day, ["date"])),
            "workdays": _list(_object({**day, "hours": hours}, ["date"])),
            "half_days": _list(_object({**day, "hours": {**hours, "minItems": 1}}, ["date", "hours"])),
        },
        optional=("title", "weekly", "holidays", "workdays", "half_days"),
    )


def _legal() -> Schema:
    """Return the schema of a legal act."""
    article = _object({"article": _TEXT, "text": _ref("bilingual")}, ["article", "text"])
    return _model(LegalAct, changed={"articles": _list(article)}, optional=("articles",))

"""Inline tests of a policy, from its document: events in short field names, and the expected results."""

from auditsvc.condition.ast import Operator
from auditsvc.condition.values import parse_constant
from auditsvc.event import model
from auditsvc.event.fields import Field, find_field
from auditsvc.event.time import parse_time_ns
from auditsvc.ground.document import Value, resolve_scalar
from auditsvc.ground.errors import InputError, Problem
from auditsvc.ground.mapping_reader import MappingReader
from auditsvc.policy.model import Expectation, InlineTest
from auditsvc.policy.scalars import CODE, MAX_COUNT, open_mapping


def read_inline_test(value: Value, valid_from_ns: int, problems: list[Problem]) -> InlineTest:
    """Return one test; an event without a time gets that of ``now``, by default the start of the policy's validity."""
    reader = open_mapping(value, "test", problems)
    name = reader.text("name")
    now = reader.find_parsed("now", parse_time_ns, valid_from_ns)
    inner = reader.reader("lists")
    lists = {} if inner is None else {key: frozenset(inner.texts(key)) for key in inner.keys}
    given = reader.items("given")
    if not given:
        reader.note_at(value, "test: `given` needs at least one event")
    events = tuple(_read_event(item, now, problems) for item in given)
    expect = _read_expectation(reader, len(events))
    reader.finish()
    return InlineTest(name, events, lists, expect, value.line)


def _read_event(value: Value, now: int, problems: list[Problem]) -> model.Event:
    if value.mapping is None:
        problems.append(value.problem(CODE, f"test: expected an event, got a {value.kind}"))
        return {}
    event: model.Event = {"time": now}
    for key, inner in value.mapping.items():
        known = find_field(key)
        if known is None:
            problems.append(value.key_problem(key, CODE, f"test: unknown field `{key}`"))
            continue
        try:
            event[key] = _read_value(known, inner)
        except InputError as err:
            problems.append(inner.problem(CODE, f"test: `{key}`: {err.message}"))
    return event


def _read_value(known: Field, value: Value) -> model.Value:
    """Return a field's value; plain ``null`` is null."""
    if value.scalar is not None and resolve_scalar(value.scalar, quoted=value.quoted) is None:
        return None
    if known.multi:
        if value.sequence is None:
            raise InputError("field_invalid", "expected a list")
        return [str(parse_constant(known, Operator.EQ, item.scalar or "", quoted=True)) for item in value.sequence]
    if value.scalar is None:
        raise InputError("field_invalid", f"expected a value, got a {value.kind}")
    return parse_constant(known, Operator.EQ, value.scalar, quoted=value.quoted)


def _read_expectation(reader: MappingReader, events: int) -> Expectation:
    """Return the expectation: ``none``, ``indeterminate`` (of every event) or counts."""
    value = reader.get("expect")
    if value is None:
        return Expectation(0, 0, 0)
    if value.scalar in {"none", "indeterminate"}:
        return Expectation(0, 0, events if value.scalar == "indeterminate" else 0)
    inner = reader.open(value, "expect")
    counts = [inner.find_integer(key, 0, MAX_COUNT) or 0 for key in ("violations", "excepted", "indeterminate")]
    inner.finish()
    return Expectation(*counts)

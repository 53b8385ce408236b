"""The edge semantics of conditions as data: each case runs on the Python reference and, executed, on DuckDB."""

from pathlib import Path
from typing import Any

import pytest

from auditsvc.condition.ast import Not
from auditsvc.condition.evaluate import Context, Truth, evaluate, has_type
from auditsvc.event.fields import Kind, get_field
from auditsvc.event.model import Event
from auditsvc.event.time import parse_time_ns
from auditsvc.ground.document import Value, parse_document
from auditsvc.ground.errors import DocumentError
from auditsvc.policy.resource import read_calendar
from tests.support.condition import EventTable, read_condition

FOLDER = Path(__file__).parent / "condition"


def read_event(value: Value) -> Event:
    event: Event = {}
    for name, plain in value.as_plain().items():
        is_time = get_field(name).kind is Kind.TIME and isinstance(plain, str)
        event[name] = parse_time_ns(plain) if is_time else plain
    return event


def load_cases() -> list[Any]:
    cases = []
    for path in sorted(FOLDER.glob("*.yaml")):
        document = parse_document(path.read_text(encoding="utf-8"), path.name)
        assert document.mapping is not None
        problems: list[Any] = []
        lists = (
            {name: frozenset(item.as_plain()) for name, item in (document.mapping["lists"].mapping or {}).items()}
            if "lists" in document.mapping
            else {}
        )
        calendars = {}
        if "calendar" in document.mapping:
            calendar = read_calendar(document.mapping["calendar"], problems)
            calendars = {calendar.name: calendar}
        assert not problems
        for case in document.mapping["cases"].sequence or ():
            assert case.mapping is not None
            note = str(case.mapping["note"].scalar)
            cases.append(pytest.param(case, Context(lists, calendars), id=f"{path.stem}: {note}"))
    return cases


@pytest.fixture(scope="module")
def table() -> EventTable:
    return EventTable()


@pytest.mark.parametrize(("case", "context"), load_cases())
def test_edge_semantics(case: Value, context: Context, table: EventTable) -> None:
    assert case.mapping is not None
    condition = case.mapping["condition"]
    if "error" in case.mapping:
        with pytest.raises(DocumentError) as caught:
            read_condition(condition)
        assert str(case.mapping["error"].scalar) in str(caught.value)
        return
    node = read_condition(condition)
    for value in case.mapping["events"].sequence or ():
        assert value.mapping is not None
        expected = Truth(str(value.mapping["is"].scalar))
        event = read_event(value.mapping["event"])
        assert evaluate(node, event, context) is expected, event
        if all(item is None or has_type(get_field(name), item) for name, item in event.items()):
            table.fill([event])
            selected = (bool(table.select(node, context)), bool(table.select(Not(node), context)))
            assert selected == (expected is Truth.TRUE, expected is Truth.FALSE), event

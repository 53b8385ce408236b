"""The edge semantics of conditions, which are data, on a real Elasticsearch: every case over the events of all cases."""

from collections.abc import Iterator

import pytest

from auditsvc.condition.ast import Node, Not
from auditsvc.condition.evaluate import Context, Truth, evaluate, has_type
from auditsvc.event.fields import get_field
from auditsvc.event.model import Event
from auditsvc.ground.document import Value
from tests.conformance.test_condition import load_cases, read_event
from tests.support.condition import read_condition
from tests.support.condition_elastic import EventIndex
from tests.support.elastic import open_prefix

pytestmark = pytest.mark.slow

CASES: list[tuple[Value, Context]] = [
    param.values for param in load_cases() if "events" in (param.values[0].mapping or {})
]


def read_events() -> list[Event]:
    """Return the events of all cases that a store can hold: those whose values have the types of the catalogue."""
    found = []
    for case, _ in CASES:
        assert case.mapping is not None
        for value in case.mapping["events"].sequence or ():
            assert value.mapping is not None
            event = read_event(value.mapping["event"])
            if all(item is None or has_type(get_field(name), item) for name, item in event.items()):
                found.append(event)
    return found


@pytest.fixture(scope="module")
def index() -> Iterator[EventIndex]:
    with open_prefix() as (client, prefix):
        index = EventIndex(client, prefix)
        index.fill(read_events())
        yield index


def test_elasticsearch_agrees_on_every_case(index: EventIndex) -> None:
    for case, context in CASES:
        assert case.mapping is not None
        node: Node = read_condition(case.mapping["condition"])
        truths = [evaluate(node, event, context) for event in index.stored]
        for asked, wanted in ((node, Truth.TRUE), (Not(node), Truth.FALSE)):
            expected = {n for n, truth in enumerate(truths) if truth is wanted}
            assert index.select([asked], context) == [expected], case.mapping["note"].scalar

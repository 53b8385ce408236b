"""Python reference, DuckDB and a real Elasticsearch find the same events for every condition."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditsvc.condition.ast import Node, Not
from auditsvc.condition.evaluate import Truth, evaluate
from auditsvc.event.model import Event
from tests.support.condition import CONTEXT, EventTable, events, leaves, nodes
from tests.support.condition_elastic import EventIndex
from tests.support.elastic import open_prefix

pytestmark = pytest.mark.slow

EVENTS = 300
EXAMPLES = max(1_000, settings.default.max_examples)
"""More than other properties get on every machine: that the stores agree rests on this comparison alone."""


def draw_events(number: int) -> list[Event]:
    """Return generated events, the same in every run."""
    drawn: list[Event] = []

    @settings(max_examples=number, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(event=events())
    def collect(event: Event) -> None:
        drawn.append(event)

    collect()
    return drawn


@pytest.fixture(scope="module")
def stored() -> list[Event]:
    return draw_events(EVENTS)


@pytest.fixture(scope="module")
def table(stored: list[Event]) -> EventTable:
    table = EventTable()
    table.fill(stored)
    return table


@pytest.fixture(scope="module")
def index(stored: list[Event]) -> Iterator[EventIndex]:
    with open_prefix() as (client, prefix):
        index = EventIndex(client, prefix)
        index.fill(stored)
        yield index


@settings(max_examples=EXAMPLES)
@given(conditions=st.lists(st.one_of(leaves(), nodes()), min_size=2, max_size=4))
def test_the_stores_find_what_the_reference_calls_true(
    stored: list[Event], table: EventTable, index: EventIndex, conditions: list[Node]
) -> None:
    asked = [node for condition in conditions for node in (condition, Not(condition))]
    truths = [[evaluate(condition, event, CONTEXT) for event in stored] for condition in conditions]
    expected = [
        {n for n, truth in enumerate(row) if truth is wanted} for row in truths for wanted in (Truth.TRUE, Truth.FALSE)
    ]
    for node, wanted, elastic in zip(asked, expected, index.select(asked, CONTEXT), strict=True):
        assert elastic == wanted, node
        assert table.select(node, CONTEXT) == wanted, node

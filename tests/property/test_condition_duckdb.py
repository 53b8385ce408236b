"""The compiled condition, executed, selects exactly the events for which the reference is true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditsvc.condition.ast import Node, Not
from auditsvc.condition.evaluate import Truth, evaluate
from auditsvc.event.model import Event
from tests.support.condition import CONTEXT, EventTable, events, nodes


@pytest.fixture(scope="module")
def table() -> EventTable:
    return EventTable()


@given(stored=st.lists(events(), min_size=4, max_size=8), conditions=st.lists(nodes(), min_size=6, max_size=10))
def test_duckdb_selects_what_the_reference_calls_true(
    table: EventTable, stored: list[Event], conditions: list[Node]
) -> None:
    table.fill(stored)
    for node in conditions:
        expected = {n for n, event in enumerate(stored) if evaluate(node, event, CONTEXT) is Truth.TRUE}
        assert table.select(node, CONTEXT) == expected, node
        refuted = {n for n, event in enumerate(stored) if evaluate(node, event, CONTEXT) is Truth.FALSE}
        assert table.select(Not(node), CONTEXT) == refuted, node

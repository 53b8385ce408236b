"""Figures and stored events are read as the types they must have, and nothing else passes for one."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from auditsvc.ground.errors import StorageError
from auditsvc.ground.ids import EventUid
from auditsvc.store.query import AggregateRow, NoValue
from auditsvc.store.rows import StoredEvent

ROW = AggregateRow(("a", NoValue.MISSING, 60, NoValue.NULL), (3, None, 2**53))


def test_parts_of_a_row_are_read_by_their_type() -> None:
    assert (ROW.count, ROW.text(), ROW.instant(2), ROW.number(2), ROW.whole(2)) == (3, "a", 60, 60, 2**53)


def test_missing_and_null_are_no_text_and_no_number() -> None:
    assert [ROW.text(1), ROW.text(3), ROW.number(1), ROW.number(3), ROW.whole(1)] == [None] * 5


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda: AggregateRow((), ("3",)).count, "expected a count in a figure, got `'3'`"),
        (lambda: AggregateRow((), (None,)).count, "expected a count"),
        (lambda: AggregateRow((), (True,)).count, "expected a count"),
        (lambda: AggregateRow((), (Decimal(3),)).whole(), "expected a whole number"),
        (lambda: AggregateRow((7,), ()).text(), "expected text in a figure, got `7`"),
        (lambda: AggregateRow(("7",), ()).number(), "expected a whole number"),
        (lambda: ROW.instant(), "expected an instant"),
        (lambda: ROW.instant(1), "expected an instant"),
    ],
)
def test_a_part_of_another_type_is_an_error_of_the_store(read: Callable[[], Any], said: str) -> None:
    with pytest.raises(StorageError) as caught:
        read()
    assert (caught.value.code, said in caught.value.message) == ("storage_unavailable", True), caught.value.message


def test_a_stored_event_knows_its_time_and_place() -> None:
    stored = StoredEvent({"time": 1, "seq": 2, "record": 3, "item": 4}, EventUid(bytes(16)), None, None)
    assert (stored.time_ns, stored.seq, stored.record, stored.item) == (1, 2, 3, 4)


@pytest.mark.parametrize("value", ["2", None, True, 2.0])
def test_a_stored_event_without_a_place_is_an_error_of_the_store(value: Any) -> None:
    with pytest.raises(StorageError, match=r"expected a whole number as `seq`, got .*; run `auditsvc reindex`"):
        _ = StoredEvent({"seq": value}, EventUid(bytes(16)), None, None).seq

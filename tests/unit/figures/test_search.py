"""What an index of events asks its store, and what it makes of the answers."""

from typing import Any, cast

import pytest

from auditsvc.event.time import MAX_TIME_NS
from auditsvc.figures.search import EventIndex, EventSearch
from auditsvc.ground.ids import EventUid
from auditsvc.store.port import EventStore
from auditsvc.store.query import EventQuery, Order, Page, RowSet
from auditsvc.store.rows import StoredEvent


def build_row(number: int, call: bytes | None = b"call") -> StoredEvent:
    event = {"time": number, "seq": number, "record": 0, "item": 0}
    return StoredEvent(cast("Any", event), EventUid(bytes([number]) * 16), call, None)


class FakeStore:
    """A store of three rows at 1, 2 and 3; keeps what it was asked."""

    rows = (build_row(1), build_row(2), build_row(3, None))

    def __init__(self) -> None:
        self.asked: list[EventQuery] = []

    def search(self, query: EventQuery, *, order: Order = Order.NEWEST, **_options: Any) -> Page:
        self.asked.append(query)
        found = [row for row in self.rows if query.first_ns <= row.time_ns < query.last_ns]
        return Page(tuple(found if order is Order.OLDEST else reversed(found)), None)

    def get_event(self, uid: EventUid) -> StoredEvent:
        return next(row for row in self.rows if row.uid == uid)

    def list_partners(self, access_key: bytes) -> list[StoredEvent]:
        return [row for row in self.rows if row.access_key == access_key]


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def index(store: FakeStore) -> EventIndex:
    return EventIndex(cast("EventStore", store))


def test_an_event_is_no_partner_of_itself(index: EventIndex) -> None:
    first, second, alone = (index.get(row.uid) for row in FakeStore.rows)
    assert index.list_partners(first) == [second]
    assert index.list_partners(alone) == []


def test_the_newest_row_lies_before_the_instant(index: EventIndex) -> None:
    assert [index.find_newest_ns(before) for before in (1, 2, 3, 9)] == [None, 1, 2, 3]
    assert index.find_span_ns() == (1, 3)


@pytest.mark.parametrize("with_repeats", [False, True])
def test_a_search_leaves_out_what_is_no_access_unless_asked(
    index: EventIndex, store: FakeStore, with_repeats: bool
) -> None:
    page = index.find_page(EventSearch(None, 0, MAX_TIME_NS, with_repeats=with_repeats), limit=9, order="oldest")
    assert [found.seq for found in page.events] == [1, 2, 3]
    assert page.after == ""
    (query,) = store.asked
    assert (query.rows is RowSet.ALL, query.where is None) == (with_repeats, with_repeats)

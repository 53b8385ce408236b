"""The view of one query on the store: its state at the start, and the indices and rows visible in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch

from auditsvc.condition.ast import Node
from auditsvc.condition.compile.elasticsearch.compiler import split_for_elastic
from auditsvc.condition.evaluate import Context
from auditsvc.event.time import MAX_TIME_NS
from auditsvc.store.elasticsearch.mapping import COUNTED, TIME, Names
from auditsvc.store.elasticsearch.scan import both, within
from auditsvc.store.elasticsearch.state import StoreState
from auditsvc.store.month import name_month, rank_month
from auditsvc.store.query import EventQuery, RowSet

MAX_NAMED_BYTES = 3_000
"""Maximum bytes of months named individually in a request, some 150 of them; a server accepts 4,096 for the request line. If
there are more, a missing month is detected only by the next write."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Some rows of the store, and the condition left for the reference to check; None: the query is exact."""

    indices: Sequence[str]
    query: dict[str, Any]
    residual: Node | None
    context: Context


@dataclass(frozen=True, slots=True)
class View:
    """The store as seen by one query."""

    client: Elasticsearch
    names: Names
    state: StoreState

    def list_events(self, first_ns: int = 0, last_ns: int = MAX_TIME_NS) -> list[str]:
        """Return the indices of events with times in ``[first_ns, last_ns)``."""
        if last_ns <= first_ns:
            return []
        low, high = (rank_month(name_month(min(max(at, 0), MAX_TIME_NS))) for at in (first_ns, last_ns - 1))
        months = [month for month in self.state.months if low <= rank_month(month) <= high]
        named = [self.names.events(month) for month in months]
        if len(",".join(named)) <= MAX_NAMED_BYTES:
            return named
        return [self.names.events("*"), *(f"-{self.names.events(month)}" for month in self.state.removed)]

    def select(self, query: EventQuery) -> Selection:
        """Return the visible events of a query."""
        interval = (query.first_ns, query.last_ns)
        parts = [within(TIME, *interval), self.state.build_visible()]
        if query.rows is RowSet.COUNTED:
            parts.append({"term": {COUNTED: True}})
        residual = None
        if query.where is not None:
            split = split_for_elastic(query.where, query.context, overlong=self.state.overlong, interval=interval)
            parts.append(split.query)
            residual = split.residual
        return Selection(self.list_events(*interval), both(*parts), residual, query.context)

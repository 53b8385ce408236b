"""Conditions as SQL: what DuckDB can decide is pushed down, the rest is evaluated row by row by the Python reference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from arro3.core import DataType
from duckdb import DuckDBPyConnection

from auditsvc.condition.ast import Node
from auditsvc.condition.compile.duckdb import split_for_duckdb
from auditsvc.condition.evaluate import Context, Truth, evaluate
from auditsvc.event.model import Event
from auditsvc.store.duckdb.columns import READ_NAMES, build_column, build_table, quote, read_row
from auditsvc.store.query import EventQuery, RowSet

_FETCH_ROWS = 2_000
_MATCHES = "residual_matches"


@dataclass(frozen=True, slots=True)
class SqlClause:
    """Boolean SQL with its bound values."""

    text: str
    params: Sequence[Any] = field(default=())

    def and_(self, text: str, *params: Any) -> "SqlClause":
        """Return the conjunction of this clause and another one."""
        return SqlClause(" ".join([self.text, "AND", text]), [*self.params, *params])


@dataclass(frozen=True, slots=True)
class Split:
    """A clause, and the condition left for the reference to check on its rows; None: the clause is exact."""

    clause: SqlClause
    residual: Node | None
    context: Context

    def holds(self, event: Event) -> bool:
        """Return whether the remaining condition is true for a row that matches the clause."""
        return self.residual is None or evaluate(self.residual, event, self.context) is Truth.TRUE


def build_interval(first_ns: int, last_ns: int) -> SqlClause:
    """Return the clause of an interval of event time, ``[first_ns, last_ns)``."""
    return SqlClause('"time" >= ? AND "time" < ?', [first_ns, last_ns])


def build_clause(cursor: DuckDBPyConnection, query: EventQuery) -> SqlClause:
    """Return a clause that is true exactly on the events of a query.

    A part that has no SQL is evaluated in Python over the rows that match the rest; the matching row ids are registered with
    ``cursor``, so the clause is valid on that cursor only.
    """
    split = split_clause(query)
    if split.residual is None:
        return split.clause
    ids = find_rows(cursor, split.clause, split.holds)
    cursor.register(_MATCHES, build_table([build_column("id", DataType.int64(), ids)]))
    return split.clause.and_(" ".join(["event.rowid IN (SELECT id FROM", _MATCHES, ")"]))


def split_clause(query: EventQuery) -> Split:
    """Return the part of a query that DuckDB can decide, and the rest."""
    clause = build_interval(query.first_ns, query.last_ns)
    if query.rows is RowSet.COUNTED:
        clause = clause.and_("counted")
    if query.where is None:
        return Split(clause, None, query.context)
    sql, residual = split_for_duckdb(query.where, query.context)
    return Split(clause.and_("(" + sql.text + ")", *sql.params), residual, query.context)


def find_rows(cursor: DuckDBPyConnection, clause: SqlClause, holds: Callable[[Any], bool]) -> list[int]:
    """Return the row ids of the events that match ``clause`` and satisfy ``holds``."""
    columns = ", ".join(quote(name) for name in READ_NAMES)
    result = cursor.execute(" ".join(["SELECT rowid,", columns, "FROM event WHERE", clause.text]), clause.params)
    found: list[int] = []
    while rows := result.fetchmany(_FETCH_ROWS):
        found += [row[0] for row in rows if holds(read_row(READ_NAMES, row[1:]).event)]
    return found

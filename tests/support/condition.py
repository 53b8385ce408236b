"""Conditions from YAML, generated conditions and events, and a DuckDB table that holds events as the store does."""

import ipaddress
from datetime import date
from typing import Any

import duckdb
from hypothesis import strategies as st

from auditsvc.condition.ast import (
    All,
    AnyOf,
    Compare,
    Exists,
    InCalendar,
    InList,
    IsNull,
    Length,
    Node,
    Not,
    Operator,
    Quantifier,
    Reference,
)
from auditsvc.condition.calendar import Calendar
from auditsvc.condition.compile.duckdb import compile_to_duckdb
from auditsvc.condition.evaluate import Context
from auditsvc.condition.parse import CODE, collect_condition
from auditsvc.event.fields import FIELDS, Field, Kind, get_field
from auditsvc.event.model import Event
from auditsvc.event.time import MAX_TIME_NS
from auditsvc.ground.document import Value
from auditsvc.ground.errors import DocumentError, Problem

TEXTS = (
    "", "a", "A", "ab", "aB", "a*", "b?", "中文", "é", "x\ny", "%", "_", "a.b", "e\u0301", "\u212a", "k", "\u017f", "😀", "a\\b",
    "(a)", "~a", "a&b", "<1>",
)  # fmt: skip
"""Among them two spellings of é, letters that Unicode (not we) folds into ASCII, and marks of other pattern languages."""
ADDRESSES = (
    "10.0.0.1",
    "10.1.2.3",
    "192.0.2.7",
    "2001:db8::1",
    "2001:db8:64::9",
    "::1",
    "::",
    "0.0.0.0",  # noqa: S104 - an address to compare, nothing binds to it
    "255.255.255.255",
)
NETWORKS = (
    "10.0.0.0/8",
    "10.1.2.3",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/32",
    "::fffe:0:0/95",
    "::ffff:10.0.0.0/104",
    "::/128",
)
GLOBS = ("*", "a*", "?", "??", "\\*", "*b", "中?", "a\\?", "x?y", "", "*\\\\*", "(?)", "~*", "*?", "a\\**")
PATTERNS = (
    "a.*", ".", "x.y", "[a-z]+", "(a|b)", "\\w+", "(?i)ab", ".*文", "", "a$", "~a", "a&b", "<1>", "[^a]", "[^a-z]*", "\\W+",
    "\\S*", "a{1,2}[bB]?", "(?:a|A)[bB]", "x\\ny", "^a.*", "^a$|b$", "^(ab|aB)$", ".*\\*", "[\\w.*-]+", "\\(a\\)", "a??.?",
    "(|a)b", "[^\\d\\s]+", "\\pL+", "\\bab\\b", "[[:alpha:]]+", "(?s).*", "\\x61", "[-a]", "a.b|a\\.b", "()", "(a*)*b?", "\\D\\S",
    "[a\\]^]+", "#|@|\"", "k", "(?i)k", "[一-龥]{2}", "[^\\n]", ".{0,2}", "a.{1,}", "$", "^",
)  # fmt: skip
DAY = 86_400_000_000_000
START = 1_767_196_800_000_000_000  # 2026-01-01T00:00:00+08:00
HOURS = (-1, 0, 8, 9, 12, 24, 33, 47, 48, 72)
TIMES = (0, *(START + hours * 3_600_000_000_000 + extra for hours in HOURS for extra in (-1, 0, 1)), MAX_TIME_NS - 1)
INTEGERS = (-1, 0, 1, 2, 3, 10, 2**53, 2**53 + 1, -(2**53), 2**63 - 1, 1 - 2**63)
NUMBERS = (-1.5, 0.0, -0.0, 0.1, 0.1 + 2**-56, 1.0, 2.5, 5e-324, 1e300, -1e300)
SCALAR_NAMES = (
    "user.id",
    "purpose",
    "action",
    "reason",
    "source.ip",
    "rows",
    "bytes",
    "duration_ms",
    "resource.personal",
    "time",
    "end",
    "labels.x",
    "labels.X",
    "labels.a.b",
    "labels.a*",
    "agreement.max_rows",
)
LIST_NAMES = ("fields", "user.roles", "agreement.fields")
NAMES = (*SCALAR_NAMES, *LIST_NAMES)

WORK = Calendar(
    "work", "Asia/Shanghai", date(2026, 1, 1), date(2026, 1, 4),
    (((540, 720), (780, 1020)),) * 7, {date(2026, 1, 2): (), date(2026, 1, 3): ((540, 600),)},
)  # fmt: skip
CONTEXT = Context(
    {"short": frozenset({"a", "中文"}), "empty": frozenset(), "mixed": frozenset({"AB", "é", "10.1.2.3"})},
    {"work": WORK},
)


def read_condition(value: Value) -> Node:
    """Return the condition in ``value``; raise ``DocumentError`` with all its problems, as a policy set is refused."""
    problems: list[Problem] = []
    node = collect_condition(value, problems)
    if problems:
        raise DocumentError(CODE, problems)
    return node


def values_of(known: Field) -> st.SearchStrategy[Any]:
    """Return well-typed values of a field."""
    if known.multi:
        return st.lists(st.sampled_from(TEXTS), max_size=3)
    pools: dict[Kind, tuple[Any, ...]] = {
        Kind.KEYWORD: TEXTS, Kind.TEXT: TEXTS, Kind.ENUM: known.values, Kind.IP: ADDRESSES, Kind.INTEGER: INTEGERS,
        Kind.NUMBER: NUMBERS, Kind.BOOLEAN: (True, False), Kind.TIME: TIMES,
    }  # fmt: skip
    return st.sampled_from(pools[known.kind])


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Return an event in which each field is missing, null or has a value of its type."""
    event: Event = {}
    for name in NAMES:
        state = draw(st.sampled_from(("missing", "null", "value", "value")))
        if state == "null" and not name.startswith("labels."):
            event[name] = None
        elif state == "value":
            event[name] = draw(values_of(get_field(name)))
    return event


@st.composite
def compares(draw: st.DrawFn) -> Node:
    """Return a comparison with constants that the parser could have made."""
    known = get_field(draw(st.sampled_from(NAMES)))
    quantifier = draw(st.sampled_from(Quantifier)) if known.multi else Quantifier.ANY
    operators = [Operator.EQ]
    if known.kind in {Kind.INTEGER, Kind.NUMBER, Kind.TIME}:
        operators += [Operator.LT, Operator.LTE, Operator.GT, Operator.GTE]
    if known.kind in {Kind.KEYWORD, Kind.TEXT, Kind.ENUM}:
        operators += [Operator.CONTAINS, Operator.STARTSWITH, Operator.ENDSWITH, Operator.GLOB, Operator.RE]
    if known.kind is Kind.IP:
        operators += [Operator.CIDR]
    operator = draw(st.sampled_from(operators))
    single = Field("x", known.kind, known.level, "x", "", "", values=known.values)
    if operator is Operator.CIDR:
        pool: st.SearchStrategy[Any] = st.sampled_from(NETWORKS)
    elif operator is Operator.GLOB:
        pool = st.sampled_from(GLOBS)
    elif operator is Operator.RE:
        pool = st.sampled_from(PATTERNS)
    elif known.kind is Kind.NUMBER:
        pool = st.sampled_from((*NUMBERS, float("nan")))
    else:
        pool = values_of(single)
    values = tuple(draw(st.lists(pool, min_size=1, max_size=3)))
    folds = operator in {Operator.EQ, Operator.CONTAINS, Operator.STARTSWITH, Operator.ENDSWITH}
    nocase = folds and known.kind in {Kind.KEYWORD, Kind.TEXT, Kind.ENUM} and draw(st.booleans())
    return Compare(known, operator, values, quantifier, nocase)


@st.composite
def references(draw: st.DrawFn) -> Node:
    """Return a comparison of two fields of comparable kinds."""
    left, right, orders = draw(
        st.sampled_from(
            [
                ("rows", "agreement.max_rows", True), ("time", "end", True), ("user.id", "purpose", False),
                ("purpose", "agreement.fields", False), ("fields", "agreement.fields", False), ("user.roles", "user.id", False),
                ("labels.x", "user.id", False), ("user.id", "labels.x", False), ("fields", "labels.x", False),
            ]
        )
    )  # fmt: skip
    operators = [Operator.EQ, *([Operator.LT, Operator.LTE, Operator.GT, Operator.GTE] if orders else [])]
    known = get_field(left)
    quantifier = draw(st.sampled_from(Quantifier)) if known.multi else Quantifier.ANY
    nocase = not orders and draw(st.booleans())
    return Reference(known, draw(st.sampled_from(operators)), get_field(right), quantifier, nocase)


def leaves() -> st.SearchStrategy[Node]:
    """Return any leaf."""
    names = st.sampled_from(NAMES).map(get_field)
    lengths = st.sampled_from((0, 1, 2, 3, 2**40))
    lists = st.sampled_from(LIST_NAMES).map(get_field)
    orders = st.sampled_from([Operator.EQ, Operator.LT, Operator.LTE, Operator.GT, Operator.GTE])
    list_names = st.lists(st.sampled_from(("short", "empty", "mixed", "absent")), min_size=1, max_size=2).map(tuple)
    scalars = st.sampled_from(("user.id", "reason", "labels.x", "action", "source.ip")).map(get_field)
    times = st.sampled_from(("time", "end")).map(get_field)
    calendars = st.sampled_from((("work",), ("work", "work"), ("absent",)))
    return st.one_of(
        compares(),
        references(),
        st.builds(Exists, names),
        st.builds(IsNull, names),
        st.builds(Length, lists, orders, st.lists(lengths, min_size=1, max_size=2).map(tuple)),
        st.builds(InList, scalars, list_names, st.just(Quantifier.ANY), st.booleans()),
        st.builds(InList, lists, list_names, st.sampled_from(Quantifier), st.booleans()),
        st.builds(InCalendar, times, calendars),
    )


def nodes() -> st.SearchStrategy[Node]:
    """Return any condition of a few leaves."""
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            st.builds(Not, inner),
            st.lists(inner, max_size=3).map(lambda items: All(tuple(items))),
            st.lists(inner, max_size=3).map(lambda items: AnyOf(tuple(items))),
        ),
        max_leaves=6,
    )


_TYPES = {Kind.INTEGER: "BIGINT", Kind.TIME: "BIGINT", Kind.NUMBER: "DOUBLE", Kind.BOOLEAN: "BOOLEAN"}


class EventTable:
    """An in-memory DuckDB table with the columns the compiler expects."""

    def __init__(self) -> None:
        """Make the empty table."""
        self.connection = duckdb.connect()
        columns = ['"n" BIGINT', '"labels" MAP(VARCHAR, VARCHAR)', '"nulls" VARCHAR[]']
        for known in FIELDS:
            kind = "VARCHAR[]" if known.multi else _TYPES.get(known.kind, "VARCHAR")
            columns.append(f'"{known.name}" {kind}')
            if known.kind is Kind.IP:
                columns.append(f'"{known.name}.bin" BLOB')
        self.connection.execute(f"CREATE TABLE event ({', '.join(columns)})")

    def fill(self, stored: list[Event]) -> None:
        """Replace the rows by events, numbered from 0."""
        self.connection.execute("DELETE FROM event")
        for number, event in enumerate(stored):
            row: dict[str, Any] = {"n": number, "nulls": [name for name, value in event.items() if value is None]}
            row["labels"] = {
                name[7:]: value for name, value in event.items() if name.startswith("labels.") and value is not None
            }
            for name, value in event.items():
                if value is None or name.startswith("labels."):
                    continue
                row[name] = value
                if get_field(name).kind is Kind.IP:
                    address = ipaddress.ip_address(str(value))
                    mapped = address if address.version == 6 else ipaddress.IPv6Address(f"::ffff:{address}")
                    row[f"{name}.bin"] = mapped.packed
            names = ", ".join(f'"{name}"' for name in row)
            marks = ", ".join("?" * len(row))
            self.connection.execute(f"INSERT INTO event ({names}) VALUES ({marks})", list(row.values()))  # noqa: S608 - catalogue names

    def select(self, node: Node, context: Context) -> set[int]:
        """Return the numbers of the rows for which the compiled condition is TRUE."""
        sql = compile_to_duckdb(node, context)
        rows = self.connection.execute(f"SELECT n FROM event WHERE {sql.text}", sql.params).fetchall()  # noqa: S608
        return {row[0] for row in rows}

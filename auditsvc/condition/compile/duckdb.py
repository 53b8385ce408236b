"""Conditions as DuckDB SQL that is true exactly where :func:`auditsvc.condition.evaluate.evaluate` is true.

Every leaf is TRUE, FALSE or NULL where the reference is true, false or unknown, and SQL's AND, OR and NOT are Kleene's,
so the whole expression agrees; :func:`compile_to_duckdb` then takes NULL for false. Values are bound, never written into
the text; columns come only from the field catalogue.

Columns the store provides: each field under its short name in double quotes, times as BIGINT nanoseconds, lists as
VARCHAR[]; for an address field also ``"<name>.bin"``, 16 bytes with IPv4 under ``::ffff:0:0/96``; ``"labels"`` as
MAP(VARCHAR, VARCHAR); ``"nulls"`` as VARCHAR[] with the names of fields present as null.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

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
from auditsvc.condition.calendar import DAY_NS, MINUTE_NS, Calendar, count_local_ns
from auditsvc.condition.compile.residual import build_residual
from auditsvc.condition.evaluate import Context
from auditsvc.condition.match import (
    MAPPED_FIRST,
    MAPPED_LAST,
    build_glob,
    build_regex,
    fold_case,
    parse_network,
)
from auditsvc.event.fields import LABEL_PREFIX, Field
from auditsvc.event.model import Scalar
from auditsvc.ground.errors import PolicyError

BINARY_SUFFIX = ".bin"
NULLS_COLUMN = "nulls"
LABELS_COLUMN = "labels"
_UPPER, _LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_COMPARISONS = {
    Operator.EQ: "=",
    Operator.LT: "<",
    Operator.LTE: "<=",
    Operator.GT: ">",
    Operator.GTE: ">=",
}
_FUNCTIONS = {
    Operator.CONTAINS: "contains",
    Operator.STARTSWITH: "starts_with",
    Operator.ENDSWITH: "ends_with",
    Operator.GLOB: "regexp_full_match",
    Operator.RE: "regexp_full_match",
}


class UnsupportedNodeError(PolicyError):
    """A node that has no exact equivalent in SQL; nothing is approximated."""

    def __init__(self, message: str) -> None:
        """Name the node and the reason."""
        super().__init__("condition_unsupported", message)


@dataclass(frozen=True, slots=True)
class Sql:
    """A boolean expression with ``?`` for each of ``params``, in order."""

    text: str
    params: list[Any]


def split_for_duckdb(node: Node, context: Context) -> tuple[Sql, Node | None]:
    """Return an expression that is TRUE at least where the condition is true, and the residual condition.

    The residual is None when the expression is exact; else the reference evaluates it on the rows returned.
    """
    pushed, rest = [], []
    for part in node.nodes if isinstance(node, All) else (node,):
        try:
            pushed.append(_compile_bindable(part, context))
        except UnsupportedNodeError:
            rest.append(part)
    return _coalesce(_join(" AND ", "TRUE", pushed)), build_residual(rest)


def compile_to_duckdb(node: Node, context: Context) -> Sql:
    """Return the expression that is TRUE where the condition is true and FALSE everywhere else.

    Raises:
        UnsupportedNodeError: a node has no exact SQL; :func:`split_for_duckdb` pushes down the parts that have.
    """
    return _coalesce(_compile_bindable(node, context))


def _coalesce(sql: Sql) -> Sql:
    return Sql(f"coalesce({sql.text}, FALSE)", sql.params)


def _compile_bindable(node: Node, context: Context) -> Sql:
    """Return the three-valued expression of a condition, refusing parameters that DuckDB does not accept."""
    sql = _compile_node(node, context)
    if not all(map(_is_bindable, sql.params)):
        raise UnsupportedNodeError("text with a lone surrogate has no UTF-8, so no parameter can hold it")
    return sql


def _is_bindable(param: Any) -> bool:
    """Return whether DuckDB accepts a parameter: texts, also in lists, must be encodable as UTF-8."""
    texts = param if isinstance(param, list) else (param,)
    try:
        for text in texts:
            if isinstance(text, str):
                text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _compile_node(node: Node, context: Context) -> Sql:
    match node:
        case All(nodes):
            return _join(" AND ", "TRUE", [_compile_node(inner, context) for inner in nodes])
        case AnyOf(nodes):
            return _join(" OR ", "FALSE", [_compile_node(inner, context) for inner in nodes])
        case Not(inner):
            negated = _compile_node(inner, context)
            return Sql(f"(NOT {negated.text})", negated.params)
        case Exists(known):
            column = _column(known)
            return Sql(f"({column.text} IS NOT NULL)", column.params)
        case IsNull(known):
            return Sql(f"coalesce(list_contains({_quote(NULLS_COLUMN)}, ?), FALSE)", [known.name])
        case Compare():
            return _compile_compare(node)
        case Length(known, operator, values):
            column = _column(known)
            tests = [Sql(f"len({column.text}) {_COMPARISONS[operator]} ?", [*column.params, v]) for v in values]
            return _join(" OR ", "FALSE", tests)
        case Reference():
            return _compile_reference(node)
        case InList():
            return _compile_in_list(node, context)
        case InCalendar():
            return _compile_in_calendar(node, context)
        case _:
            assert_never(node)


def _compile_compare(node: Compare) -> Sql:
    """Return the expression of a comparison with constants."""
    if node.operator is Operator.CIDR:
        column = Sql(_quote(node.field.name + BINARY_SUFFIX), [])
        return _join(" OR ", "FALSE", [_compile_network(column, str(value)) for value in node.values])
    if node.field.multi:
        return _quantify(_column(node.field), node.quantifier, _compile_test(Sql("x", []), node))
    return _compile_test(_column(node.field), node)


def _compile_network(column: Sql, text: str) -> Sql:
    """Return the expression that the 16 bytes of an address are inside a network."""
    network = parse_network(text)
    inside = f"{column.text} BETWEEN ? AND ?"
    params: list[Any] = [network.first.to_bytes(16, "big"), network.last.to_bytes(16, "big")]
    if network.is_v4 or network.last < MAPPED_FIRST or network.first > MAPPED_LAST:
        return Sql(f"({inside})", params)
    mapped = [MAPPED_FIRST.to_bytes(16, "big"), MAPPED_LAST.to_bytes(16, "big")]
    return Sql(f"({inside} AND NOT {column.text} BETWEEN ? AND ?)", [*params, *mapped])


def _compile_test(value: Sql, node: Compare) -> Sql:
    """Return the expression that one value compares with at least one constant."""
    text = _fold(value.text) if node.nocase else value.text
    # NaN compares with nothing; DuckDB orders it above every number and equal to itself
    constants = [_bind(node, constant) for constant in node.values if constant == constant]
    if not constants:
        return _unless_null([value], Sql("FALSE", []))
    if node.operator is Operator.EQ:
        marks = ", ".join("?" * len(constants))
        return Sql(f"({text} IN ({marks}))", [*value.params, *constants])
    comparison = _COMPARISONS.get(node.operator)
    single = f"{text} {comparison} ?" if comparison else f"{_FUNCTIONS[node.operator]}({text}, ?)"
    return _join(" OR ", "FALSE", [Sql(single, [*value.params, constant]) for constant in constants])


def _bind(node: Compare, constant: Scalar) -> Scalar:
    if not isinstance(constant, str):
        return constant
    if node.operator is Operator.GLOB:
        return build_glob(constant)
    if node.operator is Operator.RE:
        return build_regex(constant)
    return fold_case(constant) if node.nocase else constant


def _compile_reference(node: Reference) -> Sql:
    """Return the expression of a comparison with another field, NULL when either is."""
    column, other = _column(node.field), _column(node.other)
    value = Sql("x", []) if node.field.multi else column
    fold = _fold if node.nocase else str
    if node.other.multi:
        others = f"list_transform({other.text}, lambda y: {fold('y')})" if node.nocase else other.text
        test = Sql(f"list_contains({others}, {fold(value.text)})", [*other.params, *value.params])
    else:
        comparison = f"{fold(value.text)} {_COMPARISONS[node.operator]} {fold(other.text)}"
        test = Sql(f"({comparison})", [*value.params, *other.params])
    if node.field.multi:
        test = _quantify(column, node.quantifier, test)
    return _unless_null([column, other], test)


def _compile_in_list(node: InList, context: Context) -> Sql:
    """Return the expression of membership in named lists; NULL when one is not loaded."""
    if any(name not in context.lists for name in node.lists):
        return Sql("CAST(NULL AS BOOLEAN)", [])
    column = _column(node.field)
    value = Sql("x", []) if node.field.multi else column
    members = {member for name in node.lists for member in context.lists[name]}
    if node.nocase:
        members = {fold_case(member) for member in members}
    text = _fold(value.text) if node.nocase else value.text
    test = Sql(f"list_contains(?::VARCHAR[], {text})", [sorted(members), *value.params])
    if node.field.multi:
        test = _quantify(column, node.quantifier, test)
    return _unless_null([column], test)


def _compile_in_calendar(node: InCalendar, context: Context) -> Sql:
    """Return the expression of being inside the hours of named calendars; NULL when one is not loaded."""
    if any(name not in context.calendars for name in node.calendars):
        return Sql("CAST(NULL AS BOOLEAN)", [])
    column = _column(node.field)
    tests = [_compile_calendar(column, context.calendars[name]) for name in node.calendars]
    return _join(" OR ", "FALSE", tests)


def _compile_calendar(column: Sql, calendar: Calendar) -> Sql:
    """Return the expression that an instant is inside a calendar's hours: its local day is looked up in lists of starts and ends.

    Raises:
        UnsupportedNodeError: the zone's offset changes on the loaded dates, so local days have no fixed length.
    """
    if calendar.find_offset_ns() is None:
        raise UnsupportedNodeError(
            f"calendar `{calendar.name}`: zone `{calendar.zone}` changes its offset, which SQL does not follow"
        )
    first = count_local_ns(calendar.first, calendar.zone)
    last = count_local_ns(calendar.last, calendar.zone)
    hours = [calendar.find_hours(day) or () for day in calendar.days()]
    day = f"CAST(({column.text} - ?) // ? + 1 AS BIGINT)"
    clock = f"(({column.text} - ?) % ?)"
    tests = []
    for slot in range(max(map(len, hours))):
        starts = [spans[slot][0] * MINUTE_NS if slot < len(spans) else 0 for spans in hours]
        ends = [spans[slot][1] * MINUTE_NS if slot < len(spans) else 0 for spans in hours]
        text = f"{clock} >= list_extract(?::BIGINT[], {day}) AND {clock} < list_extract(?::BIGINT[], {day})"
        place = [*column.params, first, DAY_NS]
        tests.append(Sql(f"({text})", [*place, starts, *place, *place, ends, *place]))
    inside = _join(" OR ", "FALSE", tests)
    loaded = f"{column.text} >= ? AND {column.text} < ?"
    return Sql(
        f"CASE WHEN {loaded} THEN {inside.text} ELSE NULL END",
        [*column.params, first, *column.params, last, *inside.params],
    )


def _unless_null(columns: Sequence[Sql], test: Sql) -> Sql:
    """Return ``test`` where every column has a value, NULL elsewhere."""
    missing = " OR ".join(f"{column.text} IS NULL" for column in columns)
    params = [param for column in columns for param in column.params]
    return Sql(f"CASE WHEN {missing} THEN NULL ELSE {test.text} END", [*params, *test.params])


def _quantify(column: Sql, quantifier: Quantifier, test: Sql) -> Sql:
    """Return the expression that any, or each, element ``x`` of a list column satisfies ``test``."""
    passing = f"len(list_filter({column.text}, lambda x: {test.text}))"
    params = [*column.params, *test.params]
    if quantifier is Quantifier.ANY:
        return Sql(f"({passing} > 0)", params)
    return Sql(f"({passing} = len({column.text}))", [*params, *column.params])


def _fold(text: str) -> str:
    """Return the expression with ASCII letters in lower case, as :func:`auditsvc.condition.match.fold_case` does it."""
    return f"translate({text}, '{_UPPER}', '{_LOWER}')"


def _column(known: Field) -> Sql:
    if known.name.startswith(LABEL_PREFIX):
        return Sql(f"{_quote(LABELS_COLUMN)}[?]", [known.name.removeprefix(LABEL_PREFIX)])
    return Sql(_quote(known.name), [])


def _quote(name: str) -> str:
    """Return a column name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def _join(word: str, empty: str, parts: Sequence[Sql]) -> Sql:
    """Return the parts in parentheses, joined by a keyword."""
    if not parts:
        return Sql(empty, [])
    return Sql("(" + word.join(part.text for part in parts) + ")", [param for part in parts for param in part.params])

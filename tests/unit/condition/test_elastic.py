"""The Elasticsearch compiler asks for supersets, says when they are exact, and stays within what a server takes."""

import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditsvc.condition.ast import (
    ALWAYS,
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
    build_equals,
    build_range,
)
from auditsvc.condition.calendar import DAY_NS, Calendar
from auditsvc.condition.compile.elasticsearch.compiler import ElasticQuery, split_for_elastic
from auditsvc.condition.compile.elasticsearch.lucene import MAX_LENGTH, format_lucene
from auditsvc.condition.compile.elasticsearch.path import (
    MAX_TERM_BYTES,
    index_path,
    is_overlong,
    length_path,
    text_path,
)
from auditsvc.condition.compile.elasticsearch.pattern import UnsupportedPatternError, build_literal, parse_glob
from auditsvc.condition.compile.elasticsearch.query import (
    EVERYTHING,
    NOTHING,
    Both,
    Either,
    HasValue,
    Query,
    Remainder,
    SimpleQuery,
    Superset,
    Without,
    measure,
    render,
    simplify,
)
from auditsvc.condition.compile.elasticsearch.regex import parse_regex
from auditsvc.condition.compile.elasticsearch.text import MAX_LITERAL
from auditsvc.condition.evaluate import EMPTY_CONTEXT, Context
from auditsvc.event.fields import FIELDS, Kind, get_field
from auditsvc.event.time import NS, parse_time_ns
from auditsvc.store.elasticsearch.mapping import build_event_mapping
from tests.support.condition import CONTEXT, START, nodes

MATCH_ALL, MATCH_NONE = {"match_all": {}}, {"match_none": {}}
USER = get_field("user.id")


def split(node: Node, context: Context = EMPTY_CONTEXT) -> ElasticQuery:
    """Return the query of a store that knows of no overlong text."""
    return split_for_elastic(node, context, overlong=())


def compare(name: str, operator: Operator, *values: object, **more: object) -> Compare:
    return Compare(get_field(name), operator, values, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("node", "query"),
    [
        (All(()), MATCH_ALL), (AnyOf(()), MATCH_NONE), (build_equals("user.id"), MATCH_NONE),
        (Not(build_equals("user.id")), MATCH_ALL), (All((AnyOf(()), build_equals("user.id", "u1"))), MATCH_NONE),
    ],
)  # fmt: skip
def test_what_has_no_parts_asks_for_all_or_nothing(node: Node, query: object) -> None:
    assert (split(node).query, split(node).residual) == (query, None)


# --- paths


def test_every_path_asked_for_is_in_the_stores_mapping_with_its_type() -> None:
    mapped: dict[str, str] = {}

    def walk(properties: dict[str, dict[str, object]], before: str) -> None:
        for name, body in properties.items():
            if "type" in body:
                mapped[before + name] = str(body["type"])
            walk(body.get("properties", {}), f"{before}{name}.")  # type: ignore[arg-type]

    walk(build_event_mapping()["properties"], "")
    types = {Kind.INTEGER: "long", Kind.TIME: "long", Kind.NUMBER: "double", Kind.BOOLEAN: "boolean", Kind.IP: "ip"}
    for field in FIELDS:
        assert mapped[index_path(field)] == types.get(field.kind, "keyword"), field.name
        if field.kind not in types or field.kind is Kind.IP:
            assert mapped[text_path(field)] == "keyword", field.name
        if field.multi:
            assert mapped[length_path(field)] == "long", field.name
    assert {mapped[f"govshare.{name}"] for name in ("nulls", "empty", "long")} == {"keyword"}
    assert mapped["labels"] == "flattened"


def test_what_ecs_says_less_exactly_is_asked_elsewhere() -> None:
    moved = {field.name: index_path(field) for field in FIELDS if index_path(field) != field.path}
    assert moved == {
        "time": "govshare.time",
        "end": "govshare.ns.end",
        "agreement.until": "govshare.ns.agreement.until",
        "ingested": "govshare.ns.ingested",
        "duration_ms": "govshare.duration_ms",
        "outcome": "govshare.outcome",
    }
    assert index_path(get_field("labels.a.b")) == "labels.a.b"


def test_a_text_is_overlong_above_the_longest_term_only() -> None:
    assert not is_overlong("a" * MAX_TERM_BYTES)
    assert is_overlong("a" * (MAX_TERM_BYTES + 1))
    assert not is_overlong("😀" * 8191 + "é")
    assert is_overlong("😀" * 8191 + "中")


# --- the algebra


A, B, C = HasValue("a"), HasValue("b"), HasValue("c")


@pytest.mark.parametrize(
    ("query", "simple"),
    [
        (Both([A, EVERYTHING, Both([B])]), Both((A, B))),
        (Both([A]), A),
        (Both([A, NOTHING]), NOTHING),
        (Either([A, NOTHING, Either([B])]), Either((A, B))),
        (Either([A, EVERYTHING]), EVERYTHING),
        (Either([NOTHING, A]), A),
        (Without(Without(A)), A),
        (Without(EVERYTHING), NOTHING),
        (Without(NOTHING), EVERYTHING),
        (Without(Both([A])), Without(A)),
        (Remainder(A, B, fallback=C), Both((A, Without(B)))),
        (Remainder(A, NOTHING, fallback=C), A),
    ],
)
def test_exact_combinations_are_simplified_and_stay_exact(query: Query, simple: Query) -> None:
    assert simplify(query) == SimpleQuery(simple, exact=True)


@pytest.mark.parametrize(
    ("query", "simple"),
    [
        (Superset(A), A),
        (Both([A, Superset(B)]), Both((A, B))),
        (Both([EVERYTHING, Superset(B)]), B),
        (Either([A, Superset(B)]), Either((A, B))),
        (Either([EVERYTHING, Superset(B)]), EVERYTHING),
        (Remainder(A, Superset(B), fallback=Superset(C)), C),
        (Remainder(A, Either([B, Superset(C)]), fallback=Superset(A)), A),
    ],
)
def test_a_combination_with_a_superset_in_it_is_one(query: Query, simple: Query) -> None:
    assert simplify(query) == SimpleQuery(simple, exact=False)


def test_what_is_on_no_event_is_exact_whatever_else_is_asked() -> None:
    assert simplify(Both([NOTHING, Superset(A)])) == SimpleQuery(NOTHING, exact=True)


def test_a_query_is_rendered_only_when_it_is_simple() -> None:
    assert (render(EVERYTHING), render(NOTHING)) == (MATCH_ALL, MATCH_NONE)
    for query in (Superset(A), Remainder(A, B, fallback=C)):
        with pytest.raises(ValueError, match="simplify"):
            render(query)


def test_negations_stand_beside_what_is_required() -> None:
    body = render(simplify(Both([A, Without(Either([B, C]))])).query)
    assert body == {
        "bool": {
            "filter": [{"exists": {"field": "a"}}],
            "must_not": [{"exists": {"field": "b"}}, {"exists": {"field": "c"}}],
        }
    }
    assert measure(body) == (3, 2)


# --- logic


def test_a_comparison_is_false_only_where_the_field_is() -> None:
    node = build_equals("user.id", "u1")
    term, present = {"term": {"user.id": "u1"}}, {"exists": {"field": "user.id"}}
    assert split(node) == ElasticQuery(term, None)
    assert split(Not(node)) == ElasticQuery({"bool": {"filter": [present], "must_not": [term]}}, None)
    assert split(Not(Not(node))) == split(node)


def test_missing_null_and_empty_are_asked_apart() -> None:
    known = get_field("fields")
    present = [{"exists": {"field": "govshare.fields"}}, {"term": {"govshare.empty": "fields"}}]
    assert split(Exists(known)).query == {"bool": {"should": present, "minimum_should_match": 1}}
    assert split(Not(Exists(known))).query == {"bool": {"must_not": present}}
    assert split(IsNull(known)).query == {"term": {"govshare.nulls": "fields"}}
    assert split(Exists(get_field("labels.a*"))).query == {"prefix": {"labels.a*": {"value": ""}}}


def test_each_element_passes_where_none_lies_beside_the_values() -> None:
    node = compare("fields", Operator.EQ, "b", "a", quantifier=Quantifier.EACH)
    path = "govshare.fields"
    outside = [{"range": {path: bounds}} for bounds in ({"lt": "a"}, {"gt": "a", "lt": "b"}, {"gt": "b"})]
    assert split(node).query["bool"]["must_not"] == outside
    assert split(node).residual is None


def test_conditions_over_nothing_need_no_index() -> None:
    assert split(ALWAYS) == ElasticQuery(MATCH_ALL, None)
    assert split(AnyOf(())) == ElasticQuery(MATCH_NONE, None)
    unknown = InList(USER, ("absent",))
    assert split(unknown) == split(Not(unknown)) == ElasticQuery(MATCH_NONE, None)
    assert split(All((Reference(USER, Operator.EQ, get_field("purpose")), unknown))) == ElasticQuery(MATCH_NONE, None)


def test_what_the_index_cannot_decide_is_left_over_and_the_rest_is_exact() -> None:
    user, same = build_equals("user.id", "u1"), Reference(get_field("rows"), Operator.GT, get_field("bytes"))
    known = [{"exists": {"field": "govshare.rows"}}, {"exists": {"field": "http.response.bytes"}}]
    assert split(All((user, All((same,))))) == ElasticQuery(
        {"bool": {"filter": [{"term": {"user.id": "u1"}}, *known]}}, same
    )
    assert split(Not(same)) == ElasticQuery({"bool": {"filter": known}}, Not(same))
    either_way = AnyOf((user, same))
    assert split(either_way).residual == either_way
    two = All((same, compare("reason", Operator.RE, "(?i)x")))
    assert split(two).residual == two


@given(node=nodes())
def test_every_query_is_json_within_the_bounds_of_a_server(node: Node) -> None:
    query = split_for_elastic(node, CONTEXT)
    clauses, depth = measure(query.query)
    assert clauses <= 1_000
    assert depth <= 21
    json.dumps(query.query, allow_nan=False)


def contain(name: str, size: int) -> Node:
    return compare(name, Operator.CONTAINS, *(f"t{number}" for number in range(size)))


def test_a_query_has_at_most_1000_clauses_of_all_its_parts_together() -> None:
    whole, more = contain("reason", 1_000), contain("reason", 1_001)
    assert split(whole).residual is None
    assert split(more) == ElasticQuery(MATCH_ALL, more)
    parts = (contain("reason", 600), contain("purpose", 401), contain("matter", 400))
    found = split(All(parts))
    assert found.residual == parts[1]
    assert measure(found.query)[0] == 1_000


def nest(levels: int) -> Node:
    """Return a condition whose query is nested as deep."""
    node: Node = build_equals("reason", "x")
    for level in range(levels - 1):
        other = build_equals("reason", f"t{level}")
        node = AnyOf((other, node)) if level % 2 else All((other, node))
    return AnyOf((node,))


def test_a_query_is_nested_at_most_20_levels_deep() -> None:
    assert split(nest(20)).residual is None
    assert measure(split(nest(20)).query)[1] == 20
    assert split(nest(21)) == ElasticQuery(MATCH_ALL, nest(21))


# --- text


@pytest.mark.parametrize("quantifier", Quantifier)
def test_an_overlong_element_hides_the_others_of_its_list(quantifier: Quantifier) -> None:
    node = compare("fields", Operator.EQ, "a", quantifier=quantifier)
    found = split_for_elastic(node, EMPTY_CONTEXT, overlong={"fields"})
    assert found.residual == node


def test_each_element_of_an_empty_list_passes_what_only_re2_knows() -> None:
    node = compare("fields", Operator.RE, "(?i)x", quantifier=Quantifier.EACH)
    indexed, empty = {"exists": {"field": "govshare.fields"}}, {"term": {"govshare.empty": "fields"}}
    present = {"bool": {"should": [indexed, empty], "minimum_should_match": 1}}
    passing = {"bool": {"should": [indexed, {"bool": {"must_not": [indexed]}}], "minimum_should_match": 1}}
    assert split(node) == ElasticQuery({"bool": {"filter": [present, passing]}}, node)


def test_as_many_texts_as_have_a_clause_or_a_gap_of_their_own() -> None:
    texts = [f"t{number:03}" for number in range(257)]
    for more in ({"nocase": True}, {"quantifier": Quantifier.EACH}):
        for size in (256, 257):
            node = compare("fields", Operator.EQ, *texts[:size], **more)
            assert split(node).residual == (None if size == 256 else node)


def test_the_key_of_a_label_is_folded_by_the_server_too() -> None:
    for operator in (Operator.EQ, Operator.STARTSWITH):
        folded = compare("labels.x", operator, "ab", nocase=True)
        assert split(folded).residual == folded
        assert split(compare("labels.x", operator, "ab")).residual is None


def test_patterns_over_text_are_exact_only_when_no_stored_text_is_overlong() -> None:
    node = compare("reason", Operator.CONTAINS, "a*b")
    wildcard = {"wildcard": {"event.reason": {"value": "*a\\*b*"}}}
    assert split(node) == ElasticQuery(wildcard, None)
    overlong = {"term": {"govshare.long": "reason"}}
    for named in (None, {"reason"}):
        found = split_for_elastic(node, EMPTY_CONTEXT, overlong=named)
        assert found.query == {"bool": {"should": [wildcard, overlong], "minimum_should_match": 1}}
        assert found.residual == node
    assert split_for_elastic(build_equals("reason", "a"), EMPTY_CONTEXT).residual is None
    assert split_for_elastic(build_equals("reason", "a" * 40_000), EMPTY_CONTEXT).query == overlong
    assert split(build_equals("reason", "a" * 40_000)) == ElasticQuery(MATCH_NONE, None)


def test_case_is_left_to_the_server_for_ascii_letters_only() -> None:
    node = compare("user.id", Operator.EQ, "AB", "é1", nocase=True)
    folded = {"term": {"user.id": {"value": "ab", "case_insensitive": True}}}
    assert split(node).query["bool"]["should"] == [{"term": {"user.id": "é1"}}, folded]
    label = compare("labels.x", Operator.EQ, "AB", nocase=True)
    assert split(label).residual == label


def test_a_long_literal_is_asked_for_by_a_part_of_it() -> None:
    text = "a" * MAX_LITERAL + "b"
    for operator, part in (
        (Operator.STARTSWITH, {"prefix": {"user.id": {"value": text[:-1]}}}),
        (Operator.ENDSWITH, {"wildcard": {"user.id": {"value": "*" + text[1:]}}}),
        (Operator.CONTAINS, {"wildcard": {"user.id": {"value": f"*{text[:-1]}*"}}}),
    ):
        node = compare("user.id", operator, text)
        assert split(node) == ElasticQuery(part, node)
        shorter = compare("user.id", operator, text[1:])
        assert split(shorter).residual is None


def test_text_no_document_can_have_matches_nothing() -> None:
    for operator in (Operator.EQ, Operator.CONTAINS, Operator.STARTSWITH):
        assert split(compare("user.id", operator, "a\ud800")) == ElasticQuery(MATCH_NONE, None)
    node = compare("user.id", Operator.RE, "a\ud800")
    assert split(node).residual == node


@pytest.mark.parametrize(
    ("pattern", "lucene"),
    [
        ("a.b", "a[^\n]b"),
        ("", "()"),
        ("^a$|b$", "a|b"),
        ("(a|b)+c??", "(a|b)+c?"),
        ("(?:ab){2,}", "(ab){2,}"),
        ("a{3}", "a{3,3}"),
        ('~@#&<1-2>"', '\\~\\@\\#\\&\\<1\\-2\\>\\"'),
        ("\\d\\.", "[0-9]\\."),
        ("[^a-c_]", "[^\\_a-c]"),
        ("[a-]", "[\\-a]"),
        ("[\\w中]", "[0-9A-Z\\_a-z中]"),
        ("\\W", "[^0-9A-Z\\_a-z]"),
        ("a|", "a|()"),
        ("()*", "(())*"),
    ],
)
def test_an_expression_is_written_for_lucene(pattern: str, lucene: str) -> None:
    assert format_lucene(parse_regex(pattern)) == lucene
    assert format_lucene(parse_regex(pattern), negated=True) == f"~({lucene})"


@pytest.mark.parametrize(
    "pattern",
    [
        "(?i)a", "(?P<x>a)", "a^b", "(a$)", "\\bab", "\\pL", "\\x61", "\\Qa\\E", "[[:alpha:]]", "[]a]", "[a-\\d]", "[a-z-9]", "a{,2}",
        "a{x", "a**", "*", "(a", "a)", "[a", "\\", "\\1", "[b-a]", "[^\\w\\W]",
    ],
)  # fmt: skip
def test_what_only_re2_knows_is_left_to_it(pattern: str) -> None:
    with pytest.raises(UnsupportedPatternError):
        parse_regex(pattern)


def test_a_glob_is_written_for_lucene() -> None:
    assert format_lucene(parse_glob("a*\\*?.")) == "a.*\\*.\\."


@pytest.mark.parametrize("pattern", ["(a|b)*a(a|b){20}", "a{501}", "(.*a.*b){200}", "(.*a){100}"])
def test_a_pattern_the_server_would_refuse_is_not_sent(pattern: str) -> None:
    with pytest.raises(UnsupportedPatternError):
        format_lucene(parse_regex(pattern))


def test_the_most_work_is_sent_and_a_little_more_is_not() -> None:
    assert format_lucene(parse_regex("(x|y)d{462}(a|b)*a(a|b){8}"))
    with pytest.raises(UnsupportedPatternError, match="too many ways"):
        format_lucene(parse_regex("(x|yz)?d{461}(a|b)*a(a|b){8}"))


def test_a_pattern_too_long_in_utf_16_is_not_sent() -> None:
    assert len(format_lucene(build_literal("." * 500))) == MAX_LENGTH
    assert format_lucene(build_literal("😀" * 500))
    for text in ("." * 499 + "😀", "." * 499 + "中"):
        with pytest.raises(UnsupportedPatternError, match="longer than 1000"):
            format_lucene(build_literal(text), negated=True)


# --- numbers, times, addresses


def test_both_zeros_are_one_number() -> None:
    def find(operator: Operator, value: float) -> object:
        return split(compare("duration_ms", operator, value)).query

    path = "govshare.duration_ms"
    assert json.dumps(find(Operator.EQ, -0.0)) == json.dumps({"terms": {path: [0.0, -0.0]}})
    for zero in (0.0, -0.0):
        assert json.dumps(find(Operator.LT, zero)) == json.dumps({"range": {path: {"lt": -0.0}}})
        assert json.dumps(find(Operator.GTE, zero)) == json.dumps({"range": {path: {"gte": -0.0}}})
        assert json.dumps(find(Operator.LTE, zero)) == json.dumps({"range": {path: {"lte": 0.0}}})
        assert json.dumps(find(Operator.GT, zero)) == json.dumps({"range": {path: {"gt": 0.0}}})


def test_numbers_beyond_the_index_are_decided_without_it() -> None:
    infinity, present = float("inf"), {"exists": {"field": "govshare.duration_ms"}}
    assert split(compare("duration_ms", Operator.LT, infinity)).query == present
    assert split(compare("duration_ms", Operator.GTE, -infinity)).query == present
    assert split(compare("duration_ms", Operator.LTE, infinity)).query == present
    assert split(compare("duration_ms", Operator.GT, -infinity)).query == present
    for operator in (Operator.EQ, Operator.GT, Operator.GTE):
        assert split(compare("duration_ms", operator, infinity)).query == MATCH_NONE
    assert split(compare("duration_ms", Operator.LT, -infinity)).query == MATCH_NONE
    assert split(compare("duration_ms", Operator.LTE, -infinity)).query == MATCH_NONE
    assert split(compare("duration_ms", Operator.LT, float("nan"))).query == MATCH_NONE
    length = {"exists": {"field": "govshare.length.fields"}}
    assert split(Length(get_field("fields"), Operator.LT, (2**40,))).query == length
    assert split(Length(get_field("fields"), Operator.EQ, (2**40,))).query == MATCH_NONE


@pytest.mark.parametrize("operator", [Operator.EQ, Operator.LT, Operator.LTE, Operator.GT, Operator.GTE])
def test_a_nan_among_other_numbers_compares_with_nothing(operator: Operator) -> None:
    alone = split(compare("duration_ms", operator, 5.0))
    for values in ((float("nan"), 5.0), (5.0, float("nan"))):
        assert split(compare("duration_ms", operator, *values)) == alone


def test_the_last_integers_of_the_index_are_numbers_as_any_other() -> None:
    present, last = {"exists": {"field": "govshare.rows"}}, 2**63 - 1
    assert split(compare("rows", Operator.LT, last)).query == {"range": {"govshare.rows": {"lt": last}}}
    assert split(compare("rows", Operator.GT, -last - 1)).query == {"range": {"govshare.rows": {"gt": -last - 1}}}
    assert split(compare("rows", Operator.LTE, last)).query == present
    assert split(compare("rows", Operator.GTE, -last - 1)).query == present
    assert split(compare("rows", Operator.LTE, -last - 1)).query == {"range": {"govshare.rows": {"lte": -last - 1}}}
    assert split(compare("rows", Operator.GTE, last)).query == {"range": {"govshare.rows": {"gte": last}}}
    for operator, value in ((Operator.GT, last), (Operator.LT, -last - 1)):
        assert split(compare("rows", operator, value)).query == MATCH_NONE


def test_a_range_keeps_its_ends() -> None:
    bounds = [{"range": {"govshare.time": bound}} for bound in ({"gte": 10}, {"lt": 20})]
    assert split(build_range("time", 10, 20)) == ElasticQuery({"bool": {"filter": bounds}}, None)
    assert split(compare("rows", Operator.LTE, 2**53 + 1, 3)).query == {"range": {"govshare.rows": {"lte": 2**53 + 1}}}


def test_a_network_of_one_version_holds_no_address_of_the_other() -> None:
    mapped = {"range": {"source.ip": {"gte": "::ffff:0:0", "lte": "::ffff:ffff:ffff"}}}
    everything = {"range": {"source.ip": {"gte": "::", "lte": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}}}
    assert split(compare("source.ip", Operator.CIDR, "::/0")).query == {
        "bool": {"filter": [everything], "must_not": [mapped]}
    }
    assert split(compare("source.ip", Operator.CIDR, "0.0.0.0/0")).query == mapped
    beside = {"range": {"source.ip": {"gte": "2001:db8::", "lte": "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"}}}
    assert split(compare("source.ip", Operator.CIDR, "2001:db8::/32")).query == beside
    loopback = {"range": {"source.ip": {"gte": "::1", "lte": "::1"}}}
    assert split(compare("source.ip", Operator.CIDR, "::1")).query == loopback
    equal = split(build_equals("source.ip", "10.0.0.1")).query
    assert equal == {"term": {"govshare.text.source.ip": "10.0.0.1"}}


def test_truth_values_and_lists_of_values_are_terms() -> None:
    assert split(build_equals("resource.personal", True)).query == {"term": {"govshare.resource.personal": True}}
    values = [f"m{number}" for number in range(65_537)]
    chunks = split(Compare(USER, Operator.EQ, tuple(values))).query["bool"]["should"]
    assert [len(chunk.get("terms", chunk.get("term"))["user.id"]) for chunk in chunks[:1]] == [65_536]
    assert len(chunks) == 2


# --- calendars

WORK = Calendar(
    "work", "Asia/Shanghai", date(2026, 1, 1), date(2026, 1, 4), (((540, 1020),),) * 7, {date(2026, 1, 2): ()}
)
IN_WORK = InCalendar(get_field("time"), ("work",))


def spans(query: object) -> list[tuple[int, int]]:
    """Return the bounds of every range in a query, in order."""
    if isinstance(query, list):
        return [span for inner in query for span in spans(inner)]
    if not isinstance(query, dict):
        return []
    if "range" in query:
        (bounds,) = query["range"].values()
        return [(bounds["gte"], bounds["lt"])]
    return [span for inner in query.values() for span in spans(inner)]


def test_working_hours_are_spans_of_instants() -> None:
    hour = 3_600 * NS
    first, third = (START + 9 * hour, START + 17 * hour), (START + 57 * hour, START + 65 * hour)
    context = Context({}, {"work": WORK})
    assert spans(split(IN_WORK, context).query) == [first, third]
    outside = split(Not(IN_WORK), context)
    assert outside.residual is None
    assert spans(outside.query["bool"]["filter"]) == [(START, START + 3 * DAY_NS)]
    assert spans(outside.query["bool"]["must_not"]) == [first, third]


def test_a_calendar_is_cut_to_the_interval_asked_for() -> None:
    context = Context({}, {"work": WORK})
    interval = (START + DAY_NS, START + 2 * DAY_NS + 10 * 3_600 * NS)
    found = split_for_elastic(IN_WORK, context, interval=interval)
    assert spans(found.query) == [(START + 2 * DAY_NS + 9 * 3_600 * NS, interval[1])]
    ended = InCalendar(get_field("end"), ("work",))
    assert len(spans(split_for_elastic(ended, context, interval=interval).query)) == 2
    beside = (START - DAY_NS, START)
    assert split_for_elastic(Not(IN_WORK), context, interval=beside) == ElasticQuery(MATCH_NONE, None)


def test_days_without_a_gap_are_one_span() -> None:
    always = Calendar("always", "Asia/Shanghai", date(2020, 1, 1), date(2030, 1, 1), (((0, 1440),),) * 7)
    query = split(InCalendar(get_field("time"), ("always",)), Context({}, {"always": always}))
    assert len(spans(query.query)) == 1


def test_a_calendar_that_shifts_or_is_too_long_is_left_to_the_reference() -> None:
    shifting = Calendar("shifting", "Europe/Berlin", date(2026, 1, 1), date(2027, 1, 1), (((540, 1020),),) * 7)
    years = Calendar("years", "Asia/Shanghai", date(2020, 1, 1), date(2030, 1, 1), (((540, 1020),),) * 7)
    context = Context({}, {"shifting": shifting, "years": years})
    for name in ("shifting", "years"):
        node = InCalendar(get_field("time"), (name,))
        for asked in (node, Not(node)):
            assert split(asked, context).residual == asked
            assert len(spans(split(asked, context).query)) == 1
    month = (parse_time_ns("2026-03-01T00:00:00+08:00"), parse_time_ns("2026-04-01T00:00:00+08:00"))
    cut = split_for_elastic(InCalendar(get_field("time"), ("years",)), context, interval=month)
    assert (cut.residual, len(spans(cut.query))) == (None, 31)


def test_at_most_400_spans_are_asked_for() -> None:
    first = date(2026, 1, 1)
    for days in (400, 401):
        calendar = Calendar("days", "Asia/Shanghai", first, first + timedelta(days=days), (((540, 1020),),) * 7)
        found = split(IN_WORK, Context({}, {"work": calendar}))
        assert (len(spans(found.query)), found.residual) == ((400, None) if days == 400 else (1, IN_WORK))


@given(st.lists(st.integers(0, 0x10FFFF), max_size=12))
def test_parsing_never_fails_otherwise(codes: list[int]) -> None:
    try:
        parse_regex("".join(map(chr, codes)))
    except UnsupportedPatternError:
        return

"""Corners of conditions on a real Elasticsearch that generated events seldom meet, each against the reference."""

from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from auditsvc.condition.ast import (
    All,
    AnyOf,
    Compare,
    Exists,
    InList,
    IsNull,
    Length,
    Node,
    Not,
    Operator,
    Quantifier,
    build_equals,
)
from auditsvc.condition.compile.elasticsearch.compiler import MAX_CLAUSES, MAX_NESTING, split_for_elastic
from auditsvc.condition.compile.elasticsearch.path import MAX_TERM_BYTES
from auditsvc.condition.compile.elasticsearch.text import MAX_FOLDED, MAX_GAPS, MAX_LITERAL
from auditsvc.condition.evaluate import EMPTY_CONTEXT, Context, Truth, evaluate
from auditsvc.condition.match import build_regex, compile_pattern
from auditsvc.event.fields import get_field
from auditsvc.event.model import Event
from tests.support.condition_elastic import EventIndex
from tests.support.elastic import open_prefix

pytestmark = pytest.mark.slow

LONG = 8_192
EMOJI = "😀"
USER, REASON, FIELDS, LABEL = (get_field(name) for name in ("user.id", "reason", "fields", "labels.x"))


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Elasticsearch, str]]:
    with open_prefix() as opened:
        yield opened


@pytest.fixture
def index(server: tuple[Elasticsearch, str]) -> Iterator[EventIndex]:
    index = EventIndex(*server)
    yield index
    index.drop()


def check(index: EventIndex, stored: list[Event], nodes: list[Node], context: Context = EMPTY_CONTEXT) -> None:
    """Expect of conditions and their negations what the reference says; what is asked without a residual too."""
    index.fill(stored)
    asked = [node for inner in nodes for node in (inner, Not(inner))]
    for node, found in zip(asked, index.select(asked, context), strict=True):
        assert found == {n for n, event in enumerate(stored) if evaluate(node, event, context) is Truth.TRUE}, node


def compare(name: str, operator: Operator, *values: str, **more: object) -> Compare:
    return Compare(get_field(name), operator, values, **more)  # type: ignore[arg-type]


def all_patterns(name: str, *texts: str, **more: object) -> list[Node]:
    operators = (Operator.EQ, Operator.CONTAINS, Operator.STARTSWITH, Operator.ENDSWITH)
    return [compare(name, operator, text, **more) for operator in operators for text in texts]


def test_texts_around_the_longest_term_are_stored_and_found(index: EventIndex) -> None:
    fits, exceeds = EMOJI * (LONG - 1) + "é", EMOJI * (LONG - 1) + "中"
    assert len(fits.encode()) == MAX_TERM_BYTES
    stored: list[Event] = [
        {"reason": fits}, {"reason": exceeds}, {"reason": EMOJI * LONG}, {"reason": "x"}, {"reason": None}, {},
        {"fields": ["a", EMOJI * LONG]}, {"fields": ["a"]}, {"fields": []},
    ]  # fmt: skip
    texts = (fits, exceeds, EMOJI * LONG, EMOJI * 300, "x", "中", "")
    nodes = [
        *all_patterns("reason", *texts),
        *all_patterns("reason", *texts, nocase=True),
        Exists(REASON),
        IsNull(REASON),
    ]
    nodes += [compare("reason", Operator.EQ, "x", EMOJI * LONG), compare("reason", Operator.RE, ".*中")]
    nodes += [compare("fields", Operator.EQ, "a", quantifier=quantifier) for quantifier in Quantifier]
    nodes += [compare("fields", Operator.GLOB, "?", quantifier=quantifier) for quantifier in Quantifier]
    nodes += [Exists(FIELDS), Length(FIELDS, Operator.EQ, (2,))]
    check(index, stored, nodes)
    index.overlong = None
    for node in nodes:
        found = index.find([index.split(node, EMPTY_CONTEXT)])[0]
        assert found >= {n for n, event in enumerate(stored) if evaluate(node, event, EMPTY_CONTEXT) is Truth.TRUE}


@pytest.mark.parametrize("nocase", [False, True])
def test_literals_around_the_longest_the_server_takes(index: EventIndex, nocase: bool) -> None:
    texts = tuple(char * size for char in ("a", "?", "\\", EMOJI) for size in (MAX_LITERAL, MAX_LITERAL + 1, 4_000))
    stored: list[Event] = [
        {"reason": before + text + after} for text in texts for before in ("", "b") for after in ("", "c")
    ]
    nodes: list[Node] = all_patterns("reason", *texts, nocase=nocase)
    nodes += [compare("labels.x", Operator.STARTSWITH, text[:900], nocase=nocase) for text in texts]
    check(index, [*stored, {"labels.x": "a" * 900}, {"labels.x": "A" * 901}, {"labels.X": "a" * 900}], nodes)


@pytest.mark.parametrize("nocase", [False, True])
def test_marks_of_other_languages_stand_for_themselves(index: EventIndex, nocase: bool) -> None:
    texts = (
        "a\\b",
        "ab",
        "a\\\\b",
        "a*b",
        "axb",
        "a?b",
        "*",
        "?",
        "\\",
        "\\*",
        "~a",
        "a.b",
        "K",
        "k",
        "\u212a",
        "é",
        "É",
        "e\u0301",
    )
    check(index, [{"reason": text} for text in texts], all_patterns("reason", *texts, nocase=nocase))


def test_lists_of_more_members_than_one_query_takes(index: EventIndex) -> None:
    members = frozenset(f"m{number}" for number in range(65_536 + 1))
    folded = frozenset(f"M{number}" for number in range(MAX_FOLDED + 1))
    context = Context({"large": members, "folded": folded, "few": frozenset({"M1", "m2"})})
    stored: list[Event] = [
        {"user.id": "m0"}, {"user.id": "m65536"}, {"user.id": "M1"}, {"user.id": "x"}, {"user.id": None}, {},
        {"fields": ["m0", "m9"]}, {"fields": ["m0", "x"]}, {"fields": []}, {"labels.x": "m3"}, {"labels.x": "M3"},
    ]  # fmt: skip
    nodes: list[Node] = [
        InList(field, lists, quantifier, nocase)
        for field in (USER, FIELDS, LABEL)
        for lists in (("folded",), ("few",), ("few", "folded"), ("absent", "few"))
        for quantifier in (Quantifier if field.multi else [Quantifier.ANY])
        for nocase in (False, True)
    ]
    large: list[Node] = [InList(USER, ("large",)), InList(FIELDS, ("few", "large"), Quantifier.EACH)]
    check(index, stored, [*large, *nodes], context)
    assert [index.split(node, context).residual is None for node in large] == [True, False]


def test_as_many_clauses_and_levels_as_are_sent(index: EventIndex) -> None:
    stored: list[Event] = [{"reason": "t7x"}, {"reason": "t99"}, {"reason": f"t{MAX_CLAUSES}"}, {"reason": "no"}, {}]
    wide = [compare("reason", Operator.CONTAINS, *(f"t{n}" for n in range(size))) for size in (MAX_CLAUSES - 2, 2_000)]
    deep: list[Node] = []
    for size in (MAX_NESTING - 3, MAX_NESTING * 3):
        node: Node = build_equals("reason", "no")
        for level in range(size):
            other = build_equals("reason", f"t{level}")
            node = AnyOf((other, node)) if level % 2 else All((Not(other), node))
        deep.append(node)
    check(index, stored, [*wide, *deep])
    assert [index.split(node, EMPTY_CONTEXT).residual is None for node in (*wide, *deep)] == [True, False, True, False]
    each = [
        compare("fields", Operator.EQ, *(f"f{n:03}" for n in range(size)), quantifier=Quantifier.EACH)
        for size in (MAX_GAPS, MAX_GAPS + 1)
    ]
    check(
        index,
        [{"fields": ["f000", "f255"]}, {"fields": ["f256"]}, {"fields": ["f", "f001"]}, {"fields": []}, {}],
        [*each],
    )
    assert [index.split(node, EMPTY_CONTEXT).residual is None for node in each] == [True, False]


def test_addresses_with_a_scope_compare_as_text_and_lie_in_networks(index: EventIndex) -> None:
    stored: list[Event] = [{"source.ip": text} for text in ("fe80::1%eth0", "fe80::1", "10.0.0.1", "::a00:1")]
    nodes: list[Node] = [compare("source.ip", Operator.EQ, str(event["source.ip"])) for event in stored]
    nodes += [compare("source.ip", Operator.CIDR, net) for net in ("fe80::/10", "::/0", "0.0.0.0/0", "::/96", "::/8")]
    check(index, stored, nodes)


def test_both_zeros_and_the_ends_of_64_bits_compare_as_numbers(index: EventIndex) -> None:
    ends = (1 - 2**63, -(2**53) - 1, -(2**53), 0, 2**53, 2**53 + 1, 2**63 - 1)
    numbers = (-1.0, -5e-324, -0.0, 0.0, 5e-324, 1.0, 0.1, 0.1 + 2**-56)
    stored: list[Event] = [{"rows": value} for value in ends]
    stored += [{"duration_ms": value} for value in numbers]
    orders = (Operator.EQ, Operator.LT, Operator.LTE, Operator.GT, Operator.GTE)
    nodes: list[Node] = [
        Compare(get_field(name), operator, (value,))
        for name, values in (("rows", ends), ("duration_ms", numbers))
        for operator in orders
        for value in values
    ]
    check(index, stored, nodes)


def test_columns_without_an_index_answer_too(index: EventIndex) -> None:
    stored: list[Event] = [{"leaf_hash": "ab12", "item": 0}, {"leaf_hash": "AB12", "item": 3}, {}]
    nodes: list[Node] = [*all_patterns("leaf_hash", "ab12"), *all_patterns("leaf_hash", "ab12", nocase=True)]
    nodes += [compare("leaf_hash", Operator.RE, "[a-c]+\\d*"), compare("leaf_hash", Operator.GLOB, "A*")]
    item = get_field("item")
    nodes += [Compare(item, operator, (3,)) for operator in (Operator.EQ, Operator.LT, Operator.GTE)]
    check(index, stored, nodes)


def test_labels_keep_their_keys_apart(index: EventIndex) -> None:
    keys = (
        "a",
        "A",
        "a.b",
        "a..b",
        ".",
        "a*",
        "*",
        "?",
        " ",
        "中 文",
        "%2E",
        "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v",
    )
    stored: list[Event] = [{f"labels.{key}": value} for key in keys for value in ("v", "")]
    nodes: list[Node] = [
        node
        for field in (get_field(f"labels.{key}") for key in keys)
        for node in (
            Exists(field),
            Compare(field, Operator.EQ, ("v",)),
            Compare(field, Operator.EQ, ("V",), nocase=True),
        )
    ]
    check(index, stored, nodes)


ATOMS = (
    "a",
    "b",
    "A",
    ".",
    "\\.",
    "\\d",
    "\\W",
    "[ab]",
    "[^a]",
    "[a-c.-]",
    "[^\\w\\n]",
    "(?:)",
    "中",
    "~",
    "<1-2>",
    "\\n",
    "&",
    "@",
    "#",
)
TEXTS = (
    "",
    "a",
    "b",
    "ab",
    "ba",
    "aab",
    "A",
    ".",
    "1",
    "\n",
    "a\n",
    "中",
    "~a",
    "<1-2>",
    "a&b",
    "@",
    "#",
    "aaaa",
    "abab",
    "😀",
    "-",
    "a.b",
)


def regexes() -> st.SearchStrategy[str]:
    """Return expressions of what Lucene can be asked for, and of what only looks like it."""
    repeats = st.sampled_from(("", "", "", "*", "+", "?", "*?", "{2}", "{0,2}", "{1,}", "{3,40}"))
    return st.recursive(
        st.sampled_from(ATOMS),
        lambda inner: st.one_of(
            st.tuples(inner, repeats).map(lambda pair: f"({pair[0]}){pair[1]}"),
            st.lists(inner, min_size=2, max_size=4).map("".join),
            st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        ),
        max_leaves=8,
    )


@pytest.fixture(scope="module")
def texts(server: tuple[Elasticsearch, str]) -> Iterator[EventIndex]:
    index = EventIndex(*server, month="2026.02")
    index.fill([{"reason": text, "fields": [text, "a"]} for text in TEXTS])
    yield index
    index.drop()


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(patterns=st.lists(regexes(), min_size=1, max_size=6))
def test_lucene_matches_what_re2_matches(texts: EventIndex, patterns: list[str]) -> None:
    assume(all(_compiles(pattern) for pattern in patterns))
    nodes: list[Node] = [compare("reason", Operator.RE, pattern) for pattern in patterns]
    nodes += [compare("fields", Operator.RE, pattern, quantifier=Quantifier.EACH) for pattern in patterns]
    nodes += [Not(node) for node in nodes]
    for node, found in zip(nodes, texts.select(nodes, EMPTY_CONTEXT), strict=True):
        expected = {n for n, event in enumerate(texts.stored) if evaluate(node, event, EMPTY_CONTEXT) is Truth.TRUE}
        assert found == expected, node


def _compiles(pattern: str) -> bool:
    """Return whether RE2 takes a pattern."""
    try:
        compile_pattern(build_regex(pattern))
    except ValueError:
        return False
    return True


def test_the_hardest_patterns_sent_are_taken(texts: EventIndex) -> None:
    choices = "|".join("ab" * size for size in range(1, 20))
    hardest = [
        ".*a.{6}", "(a|b)*a(a|b){6}", ".*" + "a" * 70 + ".*", "(.*a){8}", "(a?){60}", "(a*b*){20}", f"({choices})*", "[ab]{450}",
        "(a|aa|aaa)*b{3,9}", "(.a.b){30}.*", "x" * 480, "中" * 480, "\\." * 480, "(((a{1,4}){1,4}){1,4}){1,4}", "中*" * 400,
    ]  # fmt: skip
    operators = [compare("reason", Operator.RE, pattern) for pattern in hardest]
    operators += [compare("fields", Operator.RE, pattern, quantifier=Quantifier.EACH) for pattern in hardest]
    operators += [
        compare("reason", Operator.GLOB, glob) for glob in ("*a??????*", "*?" * 12, "*a" * 60, "?" * 400, "*" * 200)
    ]
    texts.find([split_for_elastic(node, EMPTY_CONTEXT, overlong=()) for node in operators])
    sent = [split_for_elastic(node, EMPTY_CONTEXT, overlong=()).residual is None for node in operators]
    assert sum(sent) > len(sent) // 2

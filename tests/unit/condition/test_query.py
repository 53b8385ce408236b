"""The search box: what it reads, and how it explains what it cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditsvc.condition.ast import ALWAYS, AnyOf, Compare, Not, build_equals
from auditsvc.condition.describe import format_node
from auditsvc.condition.evaluate import EMPTY_CONTEXT, Truth, evaluate
from auditsvc.condition.parse import parse_query
from auditsvc.ground.errors import InputError


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("user.id:u17 action:download", "{user.id: u17, action: download}"),
        ("rows>100 rows<=200", "{rows|gt: 100, rows|lte: 200}"),
        ("-outcome:success", "not: outcome: success"),
        ("NOT outcome:success", "not: outcome: success"),
        ("outcome!=success", "not: outcome: success"),
        ("time>=2026-11-01", "time|gte: 2026-10-31T16:00:00Z"),
        ("time>=2026-11-01T00:00:00Z", "time|gte: 2026-11-01T00:00:00Z"),
        ("resource.code:(a OR b)", "any: [resource.code: a, resource.code: b]"),
        ("user.id:a OR user.id:b rows:1", "any: [user.id: a, {user.id: b, rows: 1}]"),
        ("(user.id:a OR user.id:b) AND rows:1", "{any: [user.id: a, user.id: b], rows: 1}"),
        ("-(rows:1 OR rows:2)", "not: any: [rows: 1, rows: 2]"),
        ('reason:"no * such"', "reason: no * such"),
        (r'reason:"a \"b\""', 'reason: a "b"'),
        ("user.id:u*", "user.id|glob: u*"),
        ("user.id=u*", "user.id: u*"),
        ("purpose:*", "purpose|exists: true"),
        ("source.ip:10.0.0.0/8", "source.ip|cidr: 10.0.0.0/8"),
        ("source.ip:2001:db8::1", "source.ip: 2001:db8::1"),
        ("sequence:-5", "sequence: -5"),
        ("url.path:/a:b", "url.path: /a:b"),
        ("labels.team:x", "labels.team: x"),
        ("resource.personal:true", "resource.personal: true"),
        ("matter:10", "matter: 10"),
        ("purpose:民生核验", "purpose: 民生核验"),
    ],
)
def test_a_query_means(text: str, meaning: str) -> None:
    assert format_node(parse_query(text)) == meaning


def test_an_empty_query_is_met_by_every_event() -> None:
    assert parse_query("  ") == ALWAYS
    assert evaluate(parse_query(""), {}, EMPTY_CONTEXT) is Truth.TRUE


def test_a_date_begins_in_the_zone_asked_for() -> None:
    node = parse_query("time<2026-11-01", zone="UTC")
    assert isinstance(node, Compare)
    assert node.values == (1_793_491_200_000_000_000,)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("download", 1, "expected a term such as `action:download`, got `download`"),
        ("rows:1 usr:2", 8, "unknown field `usr`"),
        ("personal:true", 1, "did you mean `resource.personal`?"),
        ("action:fetch", 8, "expected one of query"),
        ("rows>", 6, "expected a value for `rows`, the query ends here"),
        ("(rows:1", 1, "this parenthesis is not closed"),
        ("rows:1)", 7, "`)` closes nothing"),
        ("user.id>3", 8, "`>` needs a number or a time"),
        ('user.id:"a', 9, "a quote is opened and not closed"),
        ("rows:ten", 6, "expected an integer, got `ten`"),
        ('rows:"10"', 6, "expected an integer"),
        ("source.ip:10.0.0.1/8", 11, "has host bits set"),
        ("rows>(1 OR 2)", 6, "`>` takes one value"),
        ("rows:1 OR", 10, "expected a term"),
        ("(" * 40 + "rows:1", 33, "nested deeper than 32 levels"),
        ("time:yesterday", 6, "expected RFC 3339"),
        ("x" * 5000, 1, "at most 4096 characters"),
    ],
)
def test_a_query_that_cannot_be_read_is_explained_with_its_column(text: str, column: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_query(text)
    assert caught.value.code == "query_invalid"
    assert message in caught.value.message
    assert caught.value.context["column"] == column


def test_a_query_has_at_most_4096_characters() -> None:
    value = "x" * (4096 - len("user.id:"))
    assert parse_query(f"user.id:{value}") == build_equals("user.id", value)
    with pytest.raises(InputError, match="at most 4096 characters"):
        parse_query(f"user.id:{value}x")


def test_terms_nest_32_levels_deep_and_any_number_stand_beside_each_other() -> None:
    assert format_node(parse_query("(" * 31 + "rows:1" + ")" * 31)) == "rows: 1"
    with pytest.raises(InputError, match="nested deeper than 32 levels"):
        parse_query("(" * 32 + "rows:1" + ")" * 32)
    assert format_node(parse_query(" OR ".join(["(rows:1)"] * 40))).count("rows: 1") == 40


def test_any_character_can_be_escaped_in_quotes() -> None:
    node = parse_query('reason:"a\\\nb"')
    assert isinstance(node, Compare)
    assert node.values == ("a\nb",)


@given(st.text(alphabet='ab:.-()"\\ ORNT<>=!*?1user.idows', max_size=40))
def test_any_text_is_read_or_refused_with_a_column(text: str) -> None:
    try:
        node = parse_query(text)
    except InputError as err:
        column = err.context["column"]
    else:
        column = 1
        assert format_node(node)
    assert 1 <= column <= len(text) + 1


def test_or_in_parentheses_is_a_disjunction_and_not_equal_negates_all_of_it() -> None:
    node = parse_query("rows!=(1 OR 2)")
    assert isinstance(node, Not)
    assert isinstance(node.node, AnyOf)
    assert evaluate(node, {"rows": 3}, EMPTY_CONTEXT) is Truth.TRUE
    assert evaluate(node, {"rows": 2}, EMPTY_CONTEXT) is Truth.FALSE

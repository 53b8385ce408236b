"""Conditions from YAML: every problem is reported with its place, and modifiers must fit."""

import pytest

from auditsvc.condition.ast import Compare
from auditsvc.condition.describe import format_node
from auditsvc.ground.document import parse_document
from auditsvc.ground.errors import DocumentError
from tests.support.condition import read_condition


def parse(text: str) -> str:
    return format_node(read_condition(parse_document(text, "c.yaml")))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("{rows: 1, purpose: a}", "{rows: 1, purpose: a}"),
        ("{all: [{rows: 1}], any: [{purpose: a}, {purpose: b}]}", "{{rows: 1}, any: [purpose: a, purpose: b]}"),
        ("{not: {rows|lt: 5}}", "not: rows|lt: 5"),
        ("{purpose|exists: false}", "not: purpose|exists: true"),
        ("{fields|none: [a, b]}", "not: fields: [a, b]"),
        ("{fields|len|ne: 2}", "not: fields|len|eq: 2"),
        ("{user.id|fieldref: purpose}", "user.id|fieldref: purpose"),
        ("{rows|gte|fieldref: bytes}", "rows|gte|fieldref: bytes"),
        ("{source.ip: 2001:DB8::1}", "source.ip: 2001:db8::1"),
        ('{purpose: "e\\u0301"}', "purpose: \u00e9"),
        ("{duration_ms|gt: 2}", "duration_ms|gt: 2.0"),
        ("{action|contains: down}", "action|contains: down"),
        ('{purpose|re: "e\\u0301+"}', "purpose|re: \u00e9+"),
        ('{purpose|glob: "e\\u0301*"}', "purpose|glob: \u00e9*"),
        ("{bytes: [9223372036854775807, -9223372036854775807]}", "bytes: [9223372036854775807, -9223372036854775807]"),
        ("{fields|len: [0, 9223372036854775807]}", "fields|len|eq: [0, 9223372036854775807]"),
        ("{fields|each: a}", "fields|each: a"),
        ("{purpose|in_list: {not_in: a}}", "not: purpose|in_list: a"),
    ],
)
def test_a_condition_means(text: str, meaning: str) -> None:
    assert parse(text) == meaning


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]", "expected a condition, a mapping of fields to values, got a list"),
        ("{}", "an empty condition says nothing"),
        ("{all: []}", "`all` takes a list of at least one condition"),
        ("{rows|gt|lt: 1}", "`gt and lt` exclude each other"),
        ("{fields|each|none: a}", "`each and none` exclude each other"),
        ("{rows|gt|gt: 1}", "duplicate modifier"),
        ("{rows|contains: 1}", "`contains` needs text; `rows` is integer"),
        ("{purpose|cidr: 10.0.0.0/8}", "`cidr` needs an address"),
        ("{purpose|calendar: x}", "`calendar` needs a time"),
        ("{rows|in_list: x}", "`in_list` needs text"),
        ("{fields|each|exists: true}", "`each` and `exists` exclude each other"),
        ("{fields|len|contains: 1}", "`len` goes with eq, ne, lt, lte, gt and gte only"),
        ("{fields|len: -1}", "`len` takes integers from 0"),
        ("{purpose|exists: maybe}", "`exists` takes true or false"),
        ("{purpose|fieldref: nothing}", "`fieldref` takes the name of one known field"),
        ("{purpose|contains|fieldref: matter}", "`fieldref` goes with eq"),
        ("{purpose: []}", "expected 1 to 2000 values, got 0"),
        ("{purpose: [{a: b}]}", "expected a value, got a mapping"),
        ("{purpose|in_list: {in: a}}", "expected a value, got a mapping"),
        ('{purpose|re: "' + "a" * 513 + '"}', "a pattern of at most 512 characters"),
        ("{rows: 99999999999999999999}", "expected an integer"),
        ('{resource.personal: "true"}', "expected true or false"),
        ("{bytes: 9223372036854775808}", "expected an integer"),
        ("{bytes: -9223372036854775808}", "expected an integer"),
        ("{duration_ms: .nan}", "expected a number, got `.nan`"),
        ("{duration_ms|lt: NaN}", "expected a number, got `NaN`"),
        ("{duration_ms: .inf}", "expected a number, got `.inf`"),
        ("{duration_ms: 1e400}", "expected a number, got `1e400`"),
        ("{duration_ms: true}", "expected a number, got `true`"),
        ("{fields|len: true}", "`len` takes integers from 0"),
        ("{fields|len: 9223372036854775808}", "`len` takes integers from 0"),
        ('{purpose|re: "a\\\\Cb"}', "matches bytes, not characters"),
        ("{purpose|lt|fieldref: matter}", "`lt` needs a number or a time"),
    ],
)
def test_a_wrong_condition_is_refused(text: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    assert message in str(caught.value)


def read_compare(text: str) -> Compare:
    node = read_condition(parse_document(text, "c.yaml"))
    assert isinstance(node, Compare)
    return node


@pytest.mark.parametrize("operator", ["re", "glob"])
def test_a_pattern_has_at_most_512_characters(operator: str) -> None:
    longest = "a" * 512
    assert read_compare(f"{{purpose|{operator}: {longest}}}").values == (longest,)
    with pytest.raises(DocumentError, match="at most 512 characters"):
        parse(f"{{purpose|{operator}: {longest}a}}")


def test_a_list_has_at_most_2000_values() -> None:
    numbers = list(range(2000))
    assert read_compare(f"{{rows: {numbers}}}").values == tuple(numbers)
    with pytest.raises(DocumentError, match="expected 1 to 2000 values, got 2001"):
        parse(f"{{rows: {[*numbers, 2000]}}}")


def test_all_problems_come_at_once_with_line_and_column() -> None:
    with pytest.raises(DocumentError) as caught:
        parse("rows: ten\nall:\n- {action: fetch}\n- {usr: 1}\n")
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(1, 7), (3, 12), (4, 4)]

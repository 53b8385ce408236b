"""NaN and infinity: no constant is one, and an event's NaN is no number, which leaves a comparison undecided."""

import pytest

from auditsvc.condition.ast import Compare, Operator
from auditsvc.condition.evaluate import EMPTY_CONTEXT, Truth, evaluate
from auditsvc.condition.parse import parse_query
from auditsvc.event.fields import get_field
from auditsvc.ground.document import parse_document
from auditsvc.ground.errors import DocumentError, InputError
from tests.support.condition import read_condition

NO_NUMBERS = ["nan", "NaN", ".nan", ".NaN", "inf", ".inf", "-.inf", "Infinity", "1e999", "-1e999", f"{'9' * 400}.0"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_condition_compares_with_numbers_only(text: str) -> None:
    with pytest.raises(DocumentError, match="expected a number"):
        read_condition(parse_document(f"{{duration_ms|lt: {text}}}", "c.yaml"))


@pytest.mark.parametrize(("text", "known"), [("9223372036854775807", True), ("9223372036854775808", False)])
def test_the_largest_constant_is_the_largest_integer_of_every_store(text: str, known: bool) -> None:
    document = parse_document(f"{{rows|lt: {text}}}", "c.yaml")
    if known:
        assert isinstance(read_condition(document), Compare)
    else:
        with pytest.raises(DocumentError, match="expected an integer"):
            read_condition(document)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_a_search_compares_with_numbers_only(text: str) -> None:
    with pytest.raises(InputError):
        parse_query(f'duration_ms<"{text}"')
    with pytest.raises(InputError):
        parse_query(f"duration_ms<{text}")


@pytest.mark.parametrize("operator", [Operator.EQ, Operator.LT, Operator.LTE, Operator.GT, Operator.GTE])
def test_no_comparison_with_an_events_nan_is_decided(operator: Operator) -> None:
    condition = Compare(get_field("duration_ms"), operator, (5.0,))
    assert evaluate(condition, {"duration_ms": 5.0}, EMPTY_CONTEXT) is not Truth.UNKNOWN
    assert evaluate(condition, {"duration_ms": float("nan")}, EMPTY_CONTEXT) is Truth.UNKNOWN

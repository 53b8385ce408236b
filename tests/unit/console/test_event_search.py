"""A facet's value narrows the whole query, whatever it is made of."""

import pytest

from auditsvc.console.event_search import narrow_text


@pytest.mark.parametrize(
    ("text", "narrowed"),
    [
        ("", "outcome:success"),
        ("rows>3", "rows>3 outcome:success"),
        ("action:query OR action:list", "(action:query OR action:list) outcome:success"),
        ("rows>3 (action:query OR action:list)", "rows>3 (action:query OR action:list) outcome:success"),
    ],
)
def test_a_term_is_joined_by_and(text: str, narrowed: str) -> None:
    assert narrow_text(text, "outcome:success") == narrowed

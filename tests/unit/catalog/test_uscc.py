"""The form and check character of unified social credit codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditsvc.catalog.uscc import ALPHABET, build_check_character, is_valid_uscc

BODY = "11371200LWEX00021"


def test_the_check_character_follows_the_weights_of_the_standard() -> None:
    total = sum(ALPHABET.index(character) * 3**place for place, character in enumerate(BODY))
    assert (total + ALPHABET.index(build_check_character(BODY))) % 31 == 0


def test_a_code_with_its_check_character_is_valid() -> None:
    assert is_valid_uscc(BODY + build_check_character(BODY))


@pytest.mark.parametrize("text", ["", BODY, BODY + "??", "1137120OLWEX00021A", BODY.lower() + "A", "１" * 18])
def test_other_forms_are_not_valid(text: str) -> None:
    assert not is_valid_uscc(text)


@given(place=st.integers(8, 16), other=st.sampled_from(ALPHABET))
def test_any_changed_character_is_noticed(place: int, other: str) -> None:
    code = BODY + build_check_character(BODY)
    changed = code[:place] + other + code[place + 1 :]
    assert is_valid_uscc(changed) == (changed == code)

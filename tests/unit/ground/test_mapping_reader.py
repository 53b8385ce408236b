"""One reader of mappings: types, stand-ins, places, missing and unknown keys."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum

import pytest

from auditsvc.ground.bilingual import Text
from auditsvc.ground.document import parse_document
from auditsvc.ground.errors import InputError, Problem
from auditsvc.ground.mapping_reader import MappingReader


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


def open_text(text: str, path: str = "") -> MappingReader:
    return MappingReader(parse_document(text, "a.yaml"), "thing", [], code="policy_invalid", path=path)


def refuse(text: str) -> int:
    raise InputError("time_invalid", f"no such time: `{text}`")


GOOD: list[tuple[str, Callable[[MappingReader], object], object]] = [
    ("k: a", lambda reader: reader.text("k", "[a-c]"), "a"),
    ("k: 5", lambda reader: reader.text("k"), "5"),
    ("k: 'null'", lambda reader: reader.text("k"), "null"),
    ("k: [a, a]", lambda reader: reader.texts("k"), ("a", "a")),
    ("k: [a, b]", lambda reader: reader.unique_texts("k"), ("a", "b")),
    ("k: b", lambda reader: reader.choice("k", ("a", "b")), "b"),
    ("{}", lambda reader: reader.choice("k", ("a", "b"), default="a"), "a"),
    ("k: blue", lambda reader: reader.member("k", Colour, Colour.RED), Colour.BLUE),
    ("{}", lambda reader: reader.find_member("k", Colour, Colour.RED), Colour.RED),
    ("k: {zh: 甲, en: A}", lambda reader: reader.bilingual("k"), Text("甲", "A")),
    ("k: 0", lambda reader: reader.integer("k", 0, 9), 0),
    ("k: 9", lambda reader: reader.integer("k", 0, 9), 9),
    ("k: -1.500000", lambda reader: reader.decimal("k"), Decimal("-1.5")),
    ("k: true", lambda reader: reader.boolean("k"), True),
    ("k: 2024-02-29", lambda reader: reader.day("k"), date(2024, 2, 29)),
    ("k: ~", lambda reader: reader.find_day("k"), None),
    ("k: UTC", lambda reader: reader.find_zone("k", "Asia/Shanghai"), "UTC"),
    ("k: '12'", lambda reader: reader.parsed("k", int, 0), 12),
    ("k: {a: b}", lambda reader: [key for key, _ in reader.pairs("k")], ["a"]),
]

WRONG: list[tuple[str, Callable[[MappingReader], object], object, str]] = [
    ("j: 1", lambda reader: reader.text("k"), "", "1:1: thing: `k` is missing"),
    ("k: ' '", lambda reader: reader.text("k"), "", "1:4: k: expected a text, got ` `"),
    ("k: null", lambda reader: reader.find_text("k"), "", "1:4: k: expected a text, got `null`"),
    ("k: [a]", lambda reader: reader.text("k"), "", "1:4: k: expected a text, got a list"),
    ("k: d", lambda reader: reader.text("k", "[a-c]"), "d", "k: expected a text of the form `[a-c]`, got `d`"),
    ("k: [a, ~]", lambda reader: reader.texts("k"), ("a", ""), "1:8: k: expected a text, got `~`"),
    ("k: [a, a]", lambda reader: reader.unique_texts("k"), ("a", "a"), "1:8: k: duplicate `a`"),
    ("k: a", lambda reader: reader.unique_texts("k"), (), "1:4: k: expected a list, got a scalar"),
    ("k: a", lambda reader: reader.readers("k", "item"), (), "1:4: k: expected a list, got a scalar"),
    ("k: a", lambda reader: reader.pairs("k"), (), "1:4: k: expected a mapping, got a scalar"),
    ("k: c", lambda reader: reader.choice("k", ("a", "b")), "", "k: expected one of a, b, got `c`"),
    ("k: green", lambda reader: reader.member("k", Colour, Colour.RED), Colour.RED, "expected one of red, blue, got"),
    ("k: A", lambda reader: reader.bilingual("k"), Text("", ""), "k: expected a mapping, got a scalar"),
    ("k: {zh: 甲}", lambda reader: reader.bilingual("k"), Text("甲", ""), "1:4: k: `en` is missing"),
    ("k: 10", lambda reader: reader.integer("k", 0, 9), 0, "k: expected a whole number from 0 to 9, got `10`"),
    ("k: '9'", lambda reader: reader.integer("k", 0, 9), 0, "k: expected a whole number from 0 to 9, got `9`"),
    ("k: 01", lambda reader: reader.find_integer("k", 0, 9), 0, "k: expected a whole number from 0 to 9, got `01`"),
    ("k: 1.0000001", lambda reader: reader.decimal("k"), Decimal(0), "k: expected a decimal number, got"),
    ("k: 'true'", lambda reader: reader.boolean("k"), True, "k: expected true or false, got `true`"),
    ("k: 2026-02-30", lambda reader: reader.day("k"), date(1970, 1, 1), "expected a date such as 2026-11-23, got"),
    ("k: 2026-W01-1", lambda reader: reader.day("k"), date(1970, 1, 1), "expected a date such as 2026-11-23, got"),
    ("k: Mars/Base", lambda reader: reader.find_zone("k", "UTC"), "UTC", "expected an IANA zone such as Asia/Shanghai"),
    ("k: x", lambda reader: reader.parsed("k", refuse, 7), 7, "k: no such time: `x`"),
    ("k: {}", lambda reader: reader.find_parsed("k", int, 7), 7, "k: expected a value, got a mapping"),
]


@pytest.mark.parametrize(("text", "read", "expected"), GOOD)
def test_a_value_is_read_as_its_type(text: str, read: Callable[[MappingReader], object], expected: object) -> None:
    reader = open_text(text)
    assert read(reader) == expected
    reader.finish()
    assert reader.problems == []


@pytest.mark.parametrize(("text", "read", "stand_in", "said"), WRONG)
def test_a_wrong_value_is_one_problem_and_a_stand_in(
    text: str, read: Callable[[MappingReader], object], stand_in: object, said: str
) -> None:
    reader = open_text(text)
    assert read(reader) == stand_in
    (problem,) = reader.problems
    assert said in str(problem)
    assert problem.code == "policy_invalid"


def test_keys_nobody_asked_for_are_named_with_their_place_and_what_they_resemble() -> None:
    reader = open_text("titel: a\ncolour: red\ntitle: b")
    reader.text("title")
    reader.find("owner")
    reader.finish()
    assert reader.problems == [
        Problem(
            "a.yaml",
            1,
            1,
            "policy_invalid",
            "thing: unknown key `titel`; known are owner, title; did you mean `title`?",
        ),
        Problem("a.yaml", 2, 1, "policy_invalid", "thing: unknown key `colour`; known are owner, title"),
    ]


def test_what_is_no_mapping_is_one_problem_and_reads_as_empty() -> None:
    reader = open_text("- a")
    assert (reader.text("k"), reader.find_text("k"), reader.keys) == ("", None, ())
    reader.finish()
    assert [str(problem) for problem in reader.problems] == [
        "a.yaml:1:1: thing: expected a mapping, got a list [policy_invalid]"
    ]


def test_with_a_path_every_error_text_says_the_whole_way() -> None:
    reader = open_text("list: [{a: 1}, {b: 2}]\nmap: {c: [x]}", path="options.")
    for inner in reader.readers("list", "item"):
        inner.text("a")
        inner.finish()
    inner_map = reader.reader("map")
    assert inner_map is not None
    inner_map.text("c")
    assert [problem.message for problem in reader.problems] == [
        "options.list[1]: `a` is missing",
        "options.list[1]: unknown key `b`; known are a",
        "options.map.c: expected a text, got a list",
    ]


def test_without_a_path_members_of_a_list_are_numbered_from_one() -> None:
    reader = open_text("list: [{a: 1}, {b: 2}]")
    assert [inner.what for inner in reader.readers("list", "item")] == ["item 1", "item 2"]


def test_a_problem_with_a_member_is_at_the_member() -> None:
    reader = open_text("list: [a, b]")
    reader.note_member("list", "b", "there is no `b`")
    assert str(reader.problems[0]) == "a.yaml:1:11: list: there is no `b` [policy_invalid]"

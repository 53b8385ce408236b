"""The guides say the same in both languages: headings, tables, lists, commands and codes."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
NAMES = ("integrator", "officer", "auditor")
FENCE = re.compile(r"^```\w+\n.*?^```$", re.MULTILINE | re.DOTALL)
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def read_both(name: str) -> tuple[str, str]:
    return tuple((DOCS / folder / f"{name}.md").read_text(encoding="utf-8") for folder in ("guides", "zh"))


def list_marks(text: str) -> list[str]:
    """Return the marks that make up a page: headings by depth, rows of tables, numbered and other list items."""
    rest = FENCE.sub("", text)
    return [found.group(1) for found in re.finditer(r"^(#+ |\||\d+\. |- )", rest, re.MULTILINE)]


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_the_same_commands(name: str) -> None:
    english, chinese = (FENCE.findall(text) for text in read_both(name))
    assert english == chinese
    assert english


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_the_same_headings_rows_and_items(name: str) -> None:
    english, chinese = read_both(name)
    assert list_marks(english) == list_marks(chinese)
    assert list_marks(english).count("## ") >= 8


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_name_the_same_codes_and_fields(name: str) -> None:
    english, chinese = (set(re.findall(r"`([^`\n]+)`", FENCE.sub("", text))) for text in read_both(name))
    assert {code for code in english if not CHINESE.search(code)} - {"field:value"} == {
        code for code in chinese if not CHINESE.search(code)
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_chinese_page_is_chinese_in_every_paragraph(name: str) -> None:
    _, chinese = read_both(name)
    paragraphs = [part for part in FENCE.sub("", chinese).split("\n\n") if part.strip()]
    assert all(CHINESE.search(part) or part.startswith("English:") for part in paragraphs)


def test_every_guide_is_there_twice() -> None:
    for folder in ("guides", "zh"):
        assert {path.stem for path in (DOCS / folder).iterdir()} == set(NAMES)

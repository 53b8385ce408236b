"""A command that a message or docstring of the package tells somebody to type exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from auditsvc.cli.main import cli

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"`(make|auditsvc)((?: [a-z][a-z-]*)+)")


def list_named() -> Iterator[tuple[str, str, list[str]]]:
    """Give where, program and words of each command in backticks in the package's texts."""
    for path in sorted((ROOT / "auditsvc").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for program, words in NAMED.findall(node.value):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", program, words.split()


def exists(program: str, words: list[str]) -> bool:
    """Say whether the words begin with a target of the Makefile, or lead to a command; a group alone counts too."""
    if program == "make":
        return words[0] in re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    command: click.Command | None = cli
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word)
    return command is not None


def test_every_command_named_in_the_package_exists() -> None:
    named = list(list_named())
    assert {program for _, program, _ in named} == {"make", "auditsvc"}
    assert len(named) > 30
    assert [(where, program, *words) for where, program, words in named if not exists(program, words)] == []


@pytest.mark.parametrize(
    ("program", "words", "there"),
    [
        ("make", ["check"], True),
        ("make", ["setup"], False),
        ("auditsvc", ["store", "migrate"], True),
        ("auditsvc", ["store"], True),
        ("auditsvc", ["store", "mend"], False),
        ("auditsvc", ["mend"], False),
        ("auditsvc", ["reindex"], True),
    ],
)
def test_the_search_tells_a_command_from_a_made_up_one(program: str, words: list[str], there: bool) -> None:
    assert exists(program, words) is there

"""Commands, make targets, settings, error codes, files and functions that documents name are there."""

import importlib
import re
from pathlib import Path

import click
import pytest

from auditsvc.cli.main import cli
from auditsvc.ground.settings.model import Settings
from tests.support.documents import PAGES, ROOT

COMMAND = re.compile(r"\bauditsvc (?!auditsvc )((?:[a-z][a-z-]* ?)+)")
TARGET = re.compile(r"^ *make ([a-z][a-z-]*)", re.MULTILINE)
SETTING = re.compile(r"AUDITSVC_([A-Z][A-Z0-9_]*)")
CURRENT = [page for page in PAGES if page.parent.name != "adr"]
"""Pages of what is, not of what was weighed."""
BUILT_IN = {"CONFIG"}
"""Names the settings' file itself, so it is no setting."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^ {4,}\S.*$", re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")
PATHS = re.compile(r"`((?:auditsvc|tests|tools|docs|policies|examples)/[\w./-]+)`")


def list_code(page: Path) -> list[str]:
    """Return the code of a page: fenced shell blocks, indented lines, and spans of a paragraph."""
    text = page.read_text(encoding="utf-8")
    code = [body for kind, body in FENCE.findall(text) if kind == "sh"]
    for paragraph in FENCE.sub("", text).split("\n\n"):
        indented = INDENTED.findall(paragraph)
        code += indented or SPAN.findall(paragraph)
    return code


def find_command(words: list[str]) -> str | None:
    """Return the first of ``words`` that is no command or group at its place, None when all of the path are."""
    command: click.Command | None = cli
    for word in words:
        if not isinstance(command, click.Group):
            return None
        command = command.get_command(click.Context(command), word)
        if command is None:
            return word
    return None


def list_commands(page: Path) -> list[list[str]]:
    """Return the words after ``auditsvc`` wherever a page's code calls it."""
    return [found.split() for code in list_code(page) for found in COMMAND.findall(code)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_in_documents_exist(page: Path) -> None:
    wrong = [
        f"auditsvc {' '.join(words)}: {find_command(words)}" for words in list_commands(page) if find_command(words)
    ]
    assert not wrong, "\n".join(wrong)


def test_a_command_that_does_not_exist_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("run `auditsvc ledger prove` or\n\n    auditsvc policy list\n\n```sh\nauditsvc polcy list\n```\n")
    assert [find_command(words) for words in list_commands(page)] == ["polcy", "prove", None]
    assert sum(len(list_commands(page)) for page in PAGES) > 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_targets_of_make_in_documents_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"run", "test", "check"} <= targets
    named = {target for code in list_code(page) for target in TARGET.findall(code)}
    assert named <= targets


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_settings_in_documents_exist(page: Path) -> None:
    known = {name.upper() for name in Settings.__dataclass_fields__} | BUILT_IN
    known |= set(SETTING.findall((ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8")))  # its own variables
    assert set(SETTING.findall(page.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_named_to_contributors_exist(name: str) -> None:
    named = PATHS.findall((ROOT / name).read_text(encoding="utf-8"))
    planned = {"auditsvc/alerts/notify/"}
    missing = [path for path in named if "<" not in path and not (ROOT / path).exists() and path not in planned]
    assert not missing


def list_functions() -> list[str]:
    """Return the dotted names in the section on the four ways."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text[text.index("## Four ways") :]
    return re.findall(r"`((?:\w+\.)+\w+)`", section)


def test_the_four_ways_name_functions_of_every_stage() -> None:
    packages = {name.split(".")[0] for name in list_functions()}
    assert len(list_functions()) > 80
    assert {"ingest", "ledger", "pipeline", "catalog", "policy", "store", "alerts", "condition", "reports"} <= packages


@pytest.mark.parametrize("name", sorted(set(list_functions()) - {"report.json"}))
def test_each_function_of_the_four_ways_exists(name: str) -> None:
    parts = name.split(".")
    found: object = None
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(["auditsvc", *parts[:length]]))
        except ModuleNotFoundError:
            continue
        break
    assert found is not None, f"no module of {name}"
    for part in parts[length:]:
        found = getattr(found, part)
    assert callable(found)


def test_the_layers_in_the_document_are_those_the_imports_are_held_to() -> None:
    tests = importlib.import_module("tests.architecture.test_imports")
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text[text.index("## Layers") : text.index("## Four ways")]
    shown = {
        package.replace("/", "."): int(number)
        for number, packages in re.findall(r"^\| (\d+) \| ([^|]+) \|", section, re.MULTILINE)
        for package in re.findall(r"`([\w/]+)`", packages)
    }
    assert shown == {name: layer for name, layer in tests.LAYERS.items() if name}

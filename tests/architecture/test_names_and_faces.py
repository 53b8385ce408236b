"""One name for one class, imports where a reader looks for them, and faces that ask services, not databases.

The list of what is not so yet may only shrink: a new entry is never added, and an entry that no longer holds fails.
"""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "auditsvc"

FACES = ("api", "console", "cli")
FORBIDDEN = ("sqlalchemy", "auditsvc.store", "auditsvc.ledger.write")
"""What a face gets from a service instead."""
FACES_THAT_REACH_THROUGH = {
    ("cli.store", "auditsvc.store"),
}
"""Modules of faces that import it all the same; may only shrink."""

LOADS_BY_NAME = {
    "cli.main": "commands, so that one does not load the others",
    "cli.serve": "the application, in the worker that serves it",
}
"""Modules that import by a name known at run time, and what."""


def parse_modules() -> dict[str, ast.Module]:
    """Return every module of the package by its name below it, parsed."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_bytes()) for path in paths}


MODULES = parse_modules()


def list_imports(tree: ast.AST) -> list[str]:
    """Return the dotted names a tree imports, at whatever depth; of ``from a import b`` both ``a`` and ``a.b``."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def find_reaches(modules: dict[str, ast.Module]) -> set[tuple[str, str]]:
    """Return each module of a face with each forbidden package that it imports."""
    return {
        (name, forbidden)
        for name, tree in modules.items()
        if name.split(".")[0] in FACES
        for forbidden in FORBIDDEN
        if any(target == forbidden or target.startswith(f"{forbidden}.") for target in list_imports(tree))
    }


def find_hidden_imports(modules: dict[str, ast.Module]) -> list[str]:
    """Return the places of imports that do not stand at the top level of their module."""
    return [
        f"{name}:{node.lineno}"
        for name, tree in modules.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in tree.body
    ]


def count_classes(modules: dict[str, ast.Module]) -> dict[str, int]:
    """Return the names that stand for several classes, and for how many."""
    nodes = [node for tree in modules.values() for node in ast.walk(tree)]
    counts = Counter(node.name for node in nodes if isinstance(node, ast.ClassDef))
    return {name: count for name, count in counts.items() if count > 1}


def test_a_class_name_stands_once() -> None:
    assert count_classes(MODULES) == {}, "these names are taken; find others"


def test_no_face_reaches_through_to_a_database_or_store() -> None:
    found = find_reaches(MODULES)
    assert not found - FACES_THAT_REACH_THROUGH, "ask a service for it"
    assert not FACES_THAT_REACH_THROUGH - found, "these no longer do: shrink FACES_THAT_REACH_THROUGH"


def test_imports_stand_at_the_top_of_their_module() -> None:
    assert find_hidden_imports(MODULES) == []


def test_only_what_loads_by_name_on_purpose_does() -> None:
    calls = {"__import__", "import_module", "importlib.import_module", "importlib.__import__"}
    found = {
        name
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in calls
    }
    assert found == set(LOADS_BY_NAME)


@pytest.mark.parametrize(
    "text", ["def f():\n import a", "class A:\n from a import b", "try:\n import a\nexcept ImportError:\n pass"]
)
def test_a_hidden_import_is_seen(text: str) -> None:
    assert len(find_hidden_imports({"m": ast.parse(text)})) == 1


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("import sqlalchemy.exc", "sqlalchemy"),
        ("from sqlalchemy import text", "sqlalchemy"),
        ("from auditsvc import store", "auditsvc.store"),
        ("def f():\n from auditsvc.store.port import Order", "auditsvc.store"),
    ],
)
def test_a_face_that_reaches_through_is_seen(text: str, forbidden: str) -> None:
    tree = ast.parse(text)
    assert find_reaches({"api.new": tree, "engine.loop": tree}) == {("api.new", forbidden)}


def test_a_name_like_a_forbidden_one_is_none() -> None:
    assert find_reaches({"api.new": ast.parse("import sqlalchemy_utils, auditsvc.storage")}) == set()


def test_a_double_is_seen() -> None:
    assert count_classes({"a": ast.parse("class A: pass"), "b": ast.parse("class A: pass\nclass B: pass")}) == {"A": 2}

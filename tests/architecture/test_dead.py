"""Nothing is defined that nothing uses: error codes, templates, functions and classes of modules."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from auditsvc.ground.errors import CODES

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "auditsvc"
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {path: ast.parse(text) for path, text in SOURCES.items()}

USED_OUTSIDE = {
    "FixedClock": "a clock for programs of others and for tests",
    "build_report_schema": "the tool that writes the schema of report.json",
    "create_core_app": "named in a command line",
    "create_ingest_app": "named in a command line",
    "parse_document": "one document from text",
    "read_batch": "one batch of one source",
}
"""Module-level names that the package itself does not use."""
BY_DECORATOR = {
    "route",
    "get",
    "post",
    "command",
    "group",
    "errorhandler",
    "before_request",
    "after_request",
    "listens_for",
}
"""Decorators that hand a function to a framework."""


def test_every_error_code_is_given_to_an_error_somewhere() -> None:
    given = {code for path, tree in TREES.items() if path.name != "errors.py" for code in iter_given_texts(tree)}
    assert CODES.keys() - given == set()


def iter_given_texts(tree: ast.Module) -> Iterator[str]:
    """Give the texts of a module that are not merely compared with."""
    compared = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Compare) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in compared:
            yield node.value


def test_every_template_is_rendered_or_included() -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("templates/**/*.html")}
    parts = {path: path.read_text(encoding="utf-8") for path in (PACKAGE / "reports" / "templates").glob("*.typ")}
    assert pages
    assert parts
    named = {name for tree in TREES.values() for name in iter_given_texts(tree)}
    named |= {
        name
        for text in pages.values()
        for name in re.findall(r'\{%-?\s*(?:extends|include|import|from)\s+"([^"]+)"', text)
    }
    named |= {name for text in parts.values() for name in re.findall(r'#?(?:import|include)\s+"([^"]+)"', text)}
    names = {str(path.relative_to(path.parents[1])) for path in pages} | {path.name for path in parts}
    assert names - named == set()


def test_every_function_and_class_of_a_module_is_used_by_the_package() -> None:
    words = Counter(word for text in SOURCES.values() for word in re.findall(r"\w+", text))
    unused = {node.name for tree in TREES.values() for node in iter_definitions(tree) if words[node.name] == 1}
    assert unused == USED_OUTSIDE.keys()


def iter_definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Give the functions and classes of a module that no framework calls by their decorator."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not any(map(is_registration, node.decorator_list)):
            yield node


def is_registration(decorator: ast.expr) -> bool:
    """Say whether a decorator hands a function to a framework."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in BY_DECORATOR

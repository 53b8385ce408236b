"""A condition goes down one street to its query: the order in the package's docstring holds, and so does reading order."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

COMPILE = Path(__file__).parents[2] / "auditsvc" / "condition" / "compile"
FOLDER = COMPILE / "elasticsearch"
PACKAGE = "auditsvc.condition.compile.elasticsearch"
MODULES = sorted([*FOLDER.glob("*.py"), *COMPILE.glob("*.py")])


def read_order(text: str) -> list[str]:
    """Return the modules that a package's docstring lists, from top to bottom."""
    return re.findall(r"^- ``(\w+)``: ", ast.get_docstring(ast.parse(text)) or "", re.MULTILINE)


def find_upward_imports(name: str, text: str, order: list[str]) -> list[str]:
    """Return what a module imports of its package that does not stand below it in the order."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            targets = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        inside = {
            target.removeprefix(f"{PACKAGE}.").split(".")[0]
            for target in targets
            if f"{target}.".startswith(f"{PACKAGE}.")
        }
        found += [
            f"{name}:{node.lineno}: imports {other}"
            for other in sorted(inside & set(order))
            if order.index(other) <= order.index(name)
        ]
        if isinstance(node, ast.ImportFrom) and node.level:
            found.append(f"{name}:{node.lineno}: relative import")
    return found


def list_functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield the functions and methods of a module with the name they are called by, as ``f`` or ``self.f``."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"self.{inner.name}", inner


def find_upward_calls(text: str) -> list[str]:
    """Return the functions that are used by one that stands below them, unless they use each other: recursion."""
    functions = dict(list_functions(ast.parse(text)))
    uses = {
        name: {ast.unparse(inner) for inner in ast.walk(node) if isinstance(inner, ast.expr)} & functions.keys()
        for name, node in functions.items()
    }
    return [
        f"{name} uses {used} above it"
        for name, node in functions.items()
        for used in sorted(uses[name])
        if functions[used].lineno < node.lineno and name not in list_reached(used, uses)
    ]


def list_reached(start: str, uses: dict[str, set[str]]) -> set[str]:
    """Return what a function uses, itself or by others."""
    seen, waiting = set[str](), [start]
    while waiting:
        new = uses[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


def test_the_docstring_lists_every_module_once() -> None:
    order = read_order((FOLDER / "__init__.py").read_text(encoding="utf-8"))
    assert sorted(order) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_imports_only_modules_below_it(path: Path) -> None:
    order = ["__init__", *read_order((FOLDER / "__init__.py").read_text(encoding="utf-8"))]
    assert find_upward_imports(path.stem, path.read_text(encoding="utf-8"), order) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_a_function_uses_only_functions_below_it(path: Path) -> None:
    assert find_upward_calls(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        f"from {PACKAGE}.text import compile_text",
        f"from {PACKAGE} import text",
        f"import {PACKAGE}.text",
        f"from {PACKAGE}.query import render",
    ],
)
def test_an_import_against_the_order_is_seen(line: str) -> None:
    assert len(find_upward_imports("query", line, ["text", "query", "path"])) == 1
    assert find_upward_imports("compiler", line, ["compiler", "text", "query", "path"]) == []


def test_a_call_upwards_is_seen_and_recursion_is_none() -> None:
    assert find_upward_calls("def a(): pass\ndef b(): a()\n") == ["b uses a above it"]
    assert find_upward_calls("def a(): pass\ndef b(): map(a, [])\n") == ["b uses a above it"]
    assert find_upward_calls("def a(): b()\ndef b(): a()\n") == []
    methods = "class C:\n    def a(self): pass\n    def b(self): self.a()\n"
    assert find_upward_calls(methods) == ["self.b uses self.a above it"]

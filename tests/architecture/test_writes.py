"""Files that outlive their process are written by ``ground/files.py``: whole, durable, and private where they must be."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "auditsvc"

ALLOWED = {
    "ground/files.py": "the one place",
    "ledger/archive.py": "a probe that is removed again",
    "ledger/write/checkpoint.py": "a file that only grows, and its lock",
    "ledger/write/recovery.py": "cuts an unfinished end off a segment",
    "ledger/write/segment.py": "files that only grow, and their locks",
    "reports/render.py": "scratch",
    "runtime/locks.py": "a lock",
    "store/duckdb/rebuild.py": "a database file, which DuckDB wrote and synced",
    "store/duckdb/store.py": "a lock",
    "cli/main.py": "/dev/null",
    "api/reports.py": "scratch",
    "console/verification.py": "scratch",
}
WRITERS = {
    "write_text", "write_bytes", "mkstemp", "NamedTemporaryFile", "copyfile", "copy", "copy2", "copytree", "move",
    "link", "rename", "hardlink_to", "save", "dump",
}  # fmt: skip
"""Functions that write a file or give it its name, whatever they are called on."""
MODULES = {"os", "shutil", "tempfile"}


def test_files_are_written_in_one_place_only() -> None:
    found = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if any(iter_writes(path))}
    assert found - ALLOWED.keys() == set()
    assert ALLOWED.keys() - found == set(), "these write nothing any more"


def iter_writes(path: Path) -> Iterator[int]:
    """Give the lines of a module that write a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and is_write(node):
            yield node.lineno


def is_write(call: ast.Call) -> bool:
    """Say whether a call writes a file or gives it its name."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = function.value.id if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) else ""
    if name == "open":
        return (owner == "os" and "O_RDONLY" not in ast.dump(call)) or opens_for_writing(call)
    if name == "replace":  # a path's has one argument, a text's two; dataclasses.replace has keywords
        return owner == "os" or (isinstance(function, ast.Attribute) and len(call.args) == 1 and not call.keywords)
    return name in WRITERS and (owner in MODULES or not is_of_a_library(name, owner))


def opens_for_writing(call: ast.Call) -> bool:
    """Say whether an ``open`` names a mode that writes."""
    modes = [value for value in [*call.args, *(key.value for key in call.keywords)] if isinstance(value, ast.Constant)]
    return any(
        isinstance(value.value, str) and set(value.value) & set("wax+") and len(value.value) <= 3 for value in modes
    )


def is_of_a_library(name: str, owner: str) -> bool:
    """Say whether a common name is of something that is no file."""
    return name in {"copy", "dump", "save", "link", "move"} and owner != "upload"

"""The layers of docs/architecture.md hold: a module imports lower layers or its own package, at module level only."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "auditsvc"

LAYERS = {
    "": 0, "ground": 0,
    "event": 1, "migrations": 1, "push": 1,
    "condition": 2, "catalog": 2, "ledger": 2,
    "policy": 3, "store": 3, "auth": 3, "ingest.readers": 3,
    "inforce": 4, "alerts": 4,
    "ingest": 5, "pipeline": 5,
    "figures": 6,
    "reports": 7,
    "runtime": 8,
    "api": 9, "console": 9, "cli": 9,
    "app": 10, "__main__": 11,
}  # fmt: skip
"""Package, or part of one, to its layer: it imports lower layers and itself."""

SIDEWAYS = {("cli", "app")}
"""The one edge that does not go down: ``serve`` composes."""

PURE = ("condition", "catalog", "policy", "event")
IMPURE = {"flask", "flask_sqlalchemy", "sqlalchemy", "elasticsearch", "jose", "duckdb", "httpx"}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "versions" not in path.parts)


def unit_of(dotted: str) -> str:
    parts = dotted.split(".")[1:]
    part = ".".join(parts[:2])
    return part if part in LAYERS else parts[0] if parts else ""


def imports_of(path: Path) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                is_module = (ROOT / Path(*dotted.split("."))).with_suffix(".py").exists() or (
                    ROOT / Path(*dotted.split("."))
                ).is_dir()
                found.append((dotted if is_module else str(node.module), node.lineno))
    return found


def dotted_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_every_import_goes_to_a_lower_layer_or_stays_in_its_package() -> None:
    wrong = []
    for path in modules():
        here = unit_of(dotted_name(path))
        if not here:
            continue
        assert here in LAYERS, f"{path}: {here} has no layer"
        for target, line in imports_of(path):
            if not target.startswith("auditsvc"):
                continue
            there = unit_of(target) or ""
            if here != there and LAYERS[there] >= LAYERS[here] and LAYERS[here] > 0 and (here, there) not in SIDEWAYS:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {here} may not import {there}")
            if LAYERS[here] == 0 and LAYERS[there] > 0:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: layer 0 may not import {there}")
    assert not wrong, "\n".join(wrong)


def test_no_import_stands_inside_a_function() -> None:
    wrong = []
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                wrong += [
                    f"{path.relative_to(ROOT)}:{inner.lineno}"
                    for inner in ast.walk(node)
                    if isinstance(inner, (ast.Import, ast.ImportFrom))
                ]
    assert not wrong, "\n".join(wrong)


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    edges: dict[str, set[str]] = defaultdict(set)
    names = {dotted_name(path) for path in modules()}
    for path in modules():
        edges[dotted_name(path)] = {target for target, _ in imports_of(path) if target in names} - {dotted_name(path)}
    done: set[str] = set()
    trail: list[str] = []

    def visit(name: str) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name in done:
            return
        trail.append(name)
        for target in sorted(edges[name]):
            visit(target)
        trail.pop()
        done.add(name)

    for name in sorted(edges):
        visit(name)


def test_pure_packages_touch_no_database_network_or_web() -> None:
    wrong = []
    for package in PURE:
        for path in sorted((PACKAGE / package).rglob("*.py")):
            if path.name in {"tables.py", "service.py", "routes.py"}:
                continue
            wrong += [
                f"{path.relative_to(ROOT)}:{line}: {target}"
                for target, line in imports_of(path)
                if target.split(".")[0] in IMPURE
            ]
    assert not wrong, "\n".join(wrong)


def test_the_verifier_does_not_use_the_side_that_builds() -> None:
    allowed = {"auditsvc.ledger.verify", "auditsvc.ledger.format", "auditsvc.ground.errors", "auditsvc.ground.clock"}
    alone = [*(PACKAGE / "ledger" / "verify").rglob("*.py"), *(PACKAGE / "ledger" / "format").rglob("*.py")]
    for path in sorted(alone):
        for target, line in imports_of(path):
            if target.startswith("auditsvc"):
                assert any(target == name or target.startswith(f"{name}.") for name in allowed), (
                    f"{path}:{line}: {target}"
                )


def test_only_the_token_wrapper_knows_jose() -> None:
    users = {
        dotted_name(path) for path in modules() for target, _ in imports_of(path) if target.split(".")[0] == "jose"
    }
    assert users <= {"auditsvc.auth.tokens"}


def test_only_the_clock_asks_for_the_time() -> None:
    wrong = []
    for path in modules():
        if path.name in {"clock.py", "logs.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in {"now", "utcnow", "today"}
                and isinstance(node.value, ast.Name)
                and node.value.id in {"datetime", "date"}
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, "\n".join(wrong)

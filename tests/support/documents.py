"""The documents of the project, for tests that read all of them."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *(ROOT / folder / "README.md" for folder in ("docker", "benchmarks", "examples/laiwu")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
"""Every page people read, the project's own files first."""

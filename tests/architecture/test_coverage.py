"""What is measured for branch coverage is there: a part that was moved or renamed does not drop out unseen."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_pattern_names_modules() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["coverage"]["run"][
        "include"
    ]
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern))] == []

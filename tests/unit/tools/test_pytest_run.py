"""A run of the tests can be repeated by what it prints, and its closing line is its last."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.examples import PROFILES, choose_profile

ROOT = Path(__file__).parents[3]
FAILING = """
from hypothesis import given, settings, strategies as st

@settings(database=None)
@given(st.lists(st.integers(), min_size=3))
def test_fails(numbers):
    with open({seen!r}, "a") as file:
        file.write(f"{{numbers}}\\n")
    assert sum(numbers) % 7 != 3
"""


def run_pytest(*words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "dev"),
        ({"CI": ""}, "dev"),
        ({"CI": "true"}, "ci"),
        ({"CI": "true", "HYPOTHESIS_PROFILE": "nightly"}, "nightly"),
        ({"HYPOTHESIS_PROFILE": "ci"}, "ci"),
    ],
)
def test_the_environment_chooses_how_many_examples_are_tried(environ: dict[str, str], name: str) -> None:
    assert choose_profile(environ) == name
    assert PROFILES == {"dev": 50, "ci": 300, "nightly": 5000}


@pytest.mark.slow
def test_a_failure_comes_again_by_the_seed_that_is_printed(tmp_path: Path) -> None:
    def run(name: str, *words: str) -> tuple[str, str]:
        seen, path = tmp_path / f"{name}.txt", tmp_path / f"test_{name}.py"
        path.write_text(FAILING.format(seen=str(seen)))
        done = run_pytest("-p", "tests.conftest", *words, path)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stdout, seen.read_text()

    said, first = run("a")
    found = re.search(r"to repeat: HYPOTHESIS_PROFILE=\w+ pytest (--hypothesis-seed=\d+)$", said, re.MULTILINE)
    assert found is not None, said
    assert run("b", found[1])[1] == first
    assert run("c", "--hypothesis-seed=1")[1] != first


@pytest.mark.slow
def test_the_closing_line_is_the_last() -> None:
    done = run_pytest(
        "tests/unit/engine/test_judging.py", "tests/unit/engine/test_pairing.py"
    )  # one with DuckDB's objects, one with Hypothesis
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(r"\d+ passed in .*", done.stdout.splitlines()[-1])
    assert done.stderr == ""

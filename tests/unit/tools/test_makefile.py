"""What the commands everybody uses run, and that one that fails hides none that come after."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run_make(folder: Path, target: str, failing: str = "nothing", *words: str) -> tuple[int, list[str], str]:
    """Run a target with a program in Python's place that fails when its arguments hold ``failing``.

    Returns:
        The exit status, the arguments of each call in their order, and what went to standard error.
    """
    program, calls = folder / "python", folder / "calls"
    program.write_text(f'#!/bin/sh\necho "$*" >> "{calls}"\ncase "$*" in *"{failing}"*) exit 1;; esac\n')
    program.chmod(0o755)
    inherited = ("MAKE", "MFLAGS", "ARGS", "PY")  # from the make that runs the tests
    clean = {name: value for name, value in os.environ.items() if not name.startswith(inherited)}
    command = ["make", target, f"PY={program}", f"PYTHON={program}", *words]
    done = subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True)
    return done.returncode, calls.read_text().splitlines(), done.stderr


def test_everything_is_checked_once_in_an_environment_that_is_set_up_first(tmp_path: Path) -> None:
    status, calls, errors = run_make(tmp_path, "check-all")
    assert (status, errors) == (0, "")
    assert calls[0] == "tools/environment.py test"
    assert calls[1:4] == ["-m ruff format --check .", "-m ruff check .", "-m mypy"]
    tests, browser = calls[4:]
    assert tests.startswith("-m pytest --ignore tests/e2e --cov")
    assert browser.strip() == "-m pytest tests/e2e"


def test_a_part_of_the_tests_is_not_held_to_the_coverage_of_all(tmp_path: Path) -> None:
    _, calls, _ = run_make(tmp_path, "test", "nothing", "ARGS=-k ledger")
    assert calls[1:] == ["-m pytest --ignore tests/e2e -k ledger", "-m pytest tests/e2e -k ledger"]


def test_the_quick_check_runs_the_fast_tests_only(tmp_path: Path) -> None:
    status, calls, _ = run_make(tmp_path, "check")
    assert (status, calls[0], len(calls)) == (0, "tools/environment.py check", 5)
    assert "-m not slow and not e2e" in calls[4]


@pytest.mark.parametrize(
    ("target", "failing", "named"),
    [
        ("check-all", "mypy", "lint"),
        ("check-all", "--ignore tests/e2e", "tests"),
        ("check-all", "pytest tests/e2e", "browser-tests"),
        ("check-all", "pytest", "tests browser-tests"),
        ("test", "--ignore tests/e2e", "tests"),
        ("test", "pytest tests/e2e", "browser-tests"),
        ("check", "ruff check", "lint"),
    ],
)
def test_what_fails_is_named_and_the_rest_runs_all_the_same(
    tmp_path: Path, target: str, failing: str, named: str
) -> None:
    status, calls, errors = run_make(tmp_path, target, failing)
    assert status != 0
    assert f"failed: {named}\n" in errors
    assert "pytest" in calls[-1]


def test_without_an_environment_nothing_is_tried(tmp_path: Path) -> None:
    status, calls, _ = run_make(tmp_path, "check-all", "environment.py")
    assert (status != 0, len(calls)) == (True, 1)


def test_continuous_integration_checks_everything() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-1] == "exec make check-all"
    assert any(line.startswith("export CI=true") for line in lines)

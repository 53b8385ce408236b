"""What a shell sees of commands that read files alone: exit codes of the installed entry point."""

from pathlib import Path

import pytest

from auditsvc.cli import main as main_module
from tests.support.entry import run_entry
from tests.support.policy import SHIPPED, build_policy_yaml

CITY = Path(__file__).parents[3] / "examples" / "laiwu" / "catalog"
FINDING = "  forbid: {purpose: a}\n"
FAILING = "  forbid: {purpose: a}\n  tests: [{name: t, given: [{purpose: a}], expect: none}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("finding", FINDING), ("failing", FAILING)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.yaml").write_text(build_policy_yaml(text), encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "list.yaml").write_text("list:\n  id: a-list\n  values: [a]\n", encoding="utf-8")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "p.yaml").write_text("a: [", encoding="utf-8")
    return tmp_path


CALLS = [
    ("--help", 0),
    ("policy", 2),
    ("nonsense", 2),
    ("policy lint {shipped}", 0),
    ("policy lint {0}/finding", 1),
    ("policy lint {0}/empty", 1),
    ("policy test {0}/empty", 1),
    ("policy activate {0}/empty", 1),
    ("policy lint {0}/nowhere", 2),
    ("policy test {shipped}", 0),
    ("policy test {0}/failing", 1),
    ("policy test {0}/finding", 1),  # no tests at all
    ("policy test", 2),
    ("policy activate {0}/failing", 1),
    ("policy activate {shipped}", 3),
    ("catalog check {city}", 0),
    ("catalog check {0}/broken", 1),
    ("catalog check {0}/nowhere", 2),
    ("catalog activate {0}/broken", 1),
    ("verify {0}/nowhere", 3),
]


@pytest.mark.parametrize(("call", "code"), CALLS, ids=[call for call, _ in CALLS])
def test_a_command_ends_with_the_documented_code(folder: Path, call: str, code: int) -> None:
    words = call.format(folder, shipped=SHIPPED, city=CITY).split()
    done = run_entry(*words, environment={"AUDITSVC_DATA_DIR": str(folder / "var")})
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_code_that_a_command_leaves_to_the_library_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_module.cli, "main", lambda **_: 1)
    with pytest.raises(SystemExit) as caught:
        main_module.main()
    assert caught.value.code == 1


def test_a_failure_of_the_program_is_not_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(main_module.cli, "main", fail)
    with pytest.raises(SystemExit) as caught:
        main_module.main()
    assert caught.value.code == 3
    said = capsys.readouterr().err
    assert said.endswith("auditsvc: the program failed: ZeroDivisionError: a fault [internal]\n")
    assert "Traceback" in said

"""``auditsvc policy``: exit codes and outputs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from auditsvc.cli.policy import command
from auditsvc.ground.errors import InputError
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.archive import Archive
from auditsvc.runtime.installation import make_database
from tests.support.policy import SHIPPED, build_policy_yaml

EVENT = {"time": "2026-10-13T23:30:00+08:00", "action": "download", "outcome": "success", "resource.sensitivity": 3}


def test_the_shipped_folder_passes_lint_and_test() -> None:
    assert CliRunner().invoke(command, ["lint", str(SHIPPED)]).exit_code == 0
    result = CliRunner().invoke(command, ["test", str(SHIPPED), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["failed"] == 0


def test_a_finding_and_a_failed_test_give_exit_code_1(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    body = "  forbid: {purpose: a}\n  tests: [{name: t, given: [{purpose: a}], expect: none}]\n"
    path.write_text(build_policy_yaml(body), encoding="utf-8")
    assert CliRunner().invoke(command, ["lint", str(path)]).exit_code == 1
    result = CliRunner().invoke(command, ["test", str(path)])
    assert result.exit_code == 1
    assert "FAIL  T-1 v1  t" in result.stdout


def test_explain_reads_flat_and_native_json() -> None:
    runner = CliRunner()
    flat = runner.invoke(command, ["explain", "-", "--policies", str(SHIPPED), "--json"], input=json.dumps(EVENT))
    assert flat.exit_code == 0
    said = json.loads(flat.stdout)
    assert said["verdict"] == "violated"
    assert [violation["policy"] for violation in said["violations"]] == ["GDS-002"]
    native = {
        "time": EVENT["time"], "action": "download", "outcome": "success",
        "consumer": {"org": "X"}, "interface": {"id": "I"},
    }  # fmt: skip
    result = runner.invoke(command, ["explain", "-", "--policies", str(SHIPPED)], input=json.dumps(native))
    assert "verdict: not_covered" in result.stdout


@pytest.mark.parametrize("text", ["[1]", "{", '{"rows": "1"}', '{"nothing": 1}'])
def test_explain_refuses_what_is_no_event(text: str) -> None:
    result = CliRunner().invoke(command, ["explain", "-", "--policies", str(SHIPPED)], input=text)
    assert isinstance(result.exception, InputError)


def test_activate_puts_the_set_in_force_and_list_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITSVC_DATA_DIR", str(tmp_path))
    settings = Settings(data_dir=tmp_path)
    make_database(settings).dispose()
    Archive(settings.archive_path)
    runner = CliRunner()
    assert isinstance(runner.invoke(command, ["list"]).exception, InputError)
    activated = json.loads(runner.invoke(command, ["activate", str(SHIPPED), "--json"]).stdout)
    listed = json.loads(runner.invoke(command, ["list", "--json"]).stdout)
    assert listed["sha256"] == activated["sha256"]
    assert len(listed["policies"]) == 11

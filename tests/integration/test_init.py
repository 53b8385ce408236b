"""``auditsvc init`` makes what is missing, and nothing twice."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str, code: int = 0) -> Any:
    environ = {
        "PATH": os.environ["PATH"],
        "AUDITSVC_DATA_DIR": str(folder),
        "AUDITSVC_ARGON2_MEMORY_KIB": "64",
        "AUDITSVC_ARGON2_TIME_COST": "1",
        "AUDITSVC_ARGON2_PARALLELISM": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "auditsvc", *arguments], cwd=ROOT, env=environ, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout + done.stderr


def read_keys(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (folder / "keys").rglob("*") if path.is_file()}


def test_a_second_init_changes_nothing_and_shows_no_password_again(tmp_path: Path) -> None:
    options = ("init", "--json", "--policies", "policies", "--catalog", "examples/laiwu/catalog")
    accounts = ("--account", "officer:security_officer", "--account", "auditor:auditor")
    first = run(tmp_path, *options, *accounts)
    assert [account["name"] for account in first["accounts"]] == [
        "sysadmin",
        "secadmin",
        "auditadmin",
        "officer",
        "auditor",
    ]
    assert {kind: state["changed"] for kind, state in first["activated"].items()} == {"catalog": True, "policy": True}
    keys = read_keys(tmp_path)
    assert keys
    second = run(tmp_path, *options, *accounts)
    assert second["accounts"] == []
    assert {kind: state["changed"] for kind, state in second["activated"].items()} == {
        "catalog": False,
        "policy": False,
    }
    assert read_keys(tmp_path) == keys
    assert second["log_vkey"] == first["log_vkey"]
    roles = {account["name"]: account["roles"] for account in run(tmp_path, "account", "list", "--json")}
    assert roles == {
        "sysadmin": ["system_administrator"],
        "secadmin": ["security_administrator"],
        "auditadmin": ["audit_administrator"],
        "officer": ["security_officer"],
        "auditor": ["auditor"],
    }


def test_an_unknown_role_is_a_usage_error_that_lists_the_known_ones(tmp_path: Path) -> None:
    assert "security_officer" in run(tmp_path, "init", "--account", "lin:king", code=2)
    assert not (tmp_path / "auditsvc.db").exists()


def test_passwords_made_before_a_failure_are_shown_all_the_same(tmp_path: Path) -> None:
    accounts = ("--account", "lin:auditor", "--account", "Not A Name:auditor")
    made = run(tmp_path, "init", "--json", *accounts, code=2)
    assert [account["name"] for account in made["accounts"]] == ["sysadmin", "secadmin", "auditadmin", "lin"]
    assert all(account["one_time_password"] for account in made["accounts"])


def test_an_account_is_made_changed_and_disabled_from_the_shell(tmp_path: Path) -> None:
    run(tmp_path, "init")
    made = run(tmp_path, "account", "create", "lin", "--role", "auditor", "--json")
    assert made["name"] == "lin"
    assert len(made["one_time_password"]) == 23
    refused = run(tmp_path, "account", "assign", "lin", "system_administrator", code=1)
    assert "exclude each other" in refused
    run(tmp_path, "account", "disable", "lin")
    state = {account["name"]: account["enabled"] for account in run(tmp_path, "account", "list", "--json")}
    assert state["lin"] is False

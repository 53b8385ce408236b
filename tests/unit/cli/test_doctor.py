"""The doctor finds what is wrong with an installation, says what to do, and changes nothing."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text as sql

from auditsvc.auth.roles import Role
from auditsvc.cli.doctor.run import command as doctor
from auditsvc.ground.clock import FixedClock
from auditsvc.ground.database import open_engine
from auditsvc.ground.settings.model import Settings
from auditsvc.runtime.doctor import local as doctor_local
from auditsvc.runtime.doctor.check import Check, CheckOutcome, failed, find_exit_code, passed, skipped, warned
from auditsvc.runtime.doctor.elasticsearch import find_least_free
from auditsvc.runtime.doctor.service import examine_installation
from tests.support.service import NOON, open_service

DEAD_PORT = 1
"""Nothing listens there, whatever else runs on this machine."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A stopped installation with some leaves and a checkpoint."""
    folder = tmp_path / "data"
    with open_service(folder, console_port=DEAD_PORT) as service:
        service.make_account(Role.AUDITOR)
        assert service.services.checkpointer is not None
        service.services.checkpointer.sign_now()
        return service.services.settings


def examine(settings: Settings, after: timedelta = timedelta(0)) -> dict[str, Check]:
    return {check.name: check for check in examine_installation(settings, FixedClock(NOON + after))}


def list_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_sound_installation_passes_and_warns_of_what_is_not_in_force(settings: Settings) -> None:
    found = examine(settings)
    assert {name for name, check in found.items() if check.outcome is not CheckOutcome.PASS} - {"disk"} == {
        "policies",
        "catalogue",
    }
    assert found["event store"].text.startswith("DuckDB")
    assert "our key signed the last checkpoint" in found["checkpoint signer"].text
    assert find_exit_code(found.values()) == 0


def test_looking_changes_no_file(settings: Settings) -> None:
    before = list_files(settings.data_dir)
    examine(settings)
    assert list_files(settings.data_dir) == before


def test_nothing_is_made_where_there_is_nothing(tmp_path: Path) -> None:
    nowhere = Settings(data_dir=tmp_path / "none", console_port=DEAD_PORT)
    found = examine(nowhere)
    assert found["data folder"].outcome is CheckOutcome.FAIL
    assert "auditsvc init" in found["data folder"].advice
    assert found["clock"].outcome is CheckOutcome.SKIP
    assert find_exit_code(found.values()) == 3
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_is_not_mounted_is_a_dependency_that_is_down(settings: Settings) -> None:
    shutil.rmtree(settings.archive_path)
    found = examine(settings)
    assert (found["archive"].outcome, found["archive"].is_down) == (CheckOutcome.FAIL, True)
    assert not settings.archive_path.exists()


def test_another_key_is_told_from_the_one_that_signed(settings: Settings, tmp_path: Path) -> None:
    with open_service(tmp_path / "other") as other:
        shutil.copy(other.services.settings.key_path / "log.key", settings.key_path / "log.key")
    check = examine(settings)["checkpoint signer"]
    assert check.outcome is CheckOutcome.FAIL
    assert "never make a new key" in check.advice


def test_another_origin_is_told_too(settings: Settings) -> None:
    assert examine(replace(settings, origin="another/log"))["checkpoint signer"].outcome is CheckOutcome.FAIL


def test_a_key_that_is_missing_is_not_made(settings: Settings) -> None:
    key = settings.key_path / "log.key"
    key.unlink()
    found = examine(settings)
    assert (found["log key"].outcome, found["checkpoint signer"].outcome) == (CheckOutcome.FAIL, CheckOutcome.SKIP)
    assert not key.exists()


def test_a_key_others_can_read_is_named_with_its_mode(settings: Settings) -> None:
    (settings.key_path / "log.key").chmod(0o640)
    check = examine(settings)["log key"]
    assert (check.outcome, "640" in check.text) == (CheckOutcome.FAIL, True)


def test_a_lost_checkpoint_file_is_named(settings: Settings) -> None:
    settings.checkpoint_path.unlink()
    assert "restore the file" in examine(settings)["checkpoint signer"].advice


@pytest.mark.parametrize(("seconds", "outcome"), [(5, CheckOutcome.PASS), (6, CheckOutcome.FAIL)])
def test_a_clock_may_be_some_seconds_behind_the_last_record(
    settings: Settings, seconds: int, outcome: CheckOutcome
) -> None:
    assert examine(settings, -timedelta(seconds=seconds))["clock"].outcome is outcome


def test_a_disk_is_measured_at_both_limits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_local, "LITTLE_FREE_BYTES", 2**62)
    assert examine(settings)["disk"].outcome is CheckOutcome.WARN
    monkeypatch.setattr(doctor_local, "MIN_FREE_BYTES", 2**62)
    assert examine(settings)["disk"].outcome is CheckOutcome.FAIL


@pytest.mark.parametrize(("version", "outcome"), [("ffff", CheckOutcome.FAIL), (None, CheckOutcome.WARN)])
def test_tables_of_another_version_are_named_and_not_migrated(
    settings: Settings, version: str | None, outcome: CheckOutcome
) -> None:
    engine = open_engine(settings.database)
    with engine.begin() as connection:
        connection.execute(sql("delete from alembic_version"))
        if version:
            connection.execute(sql("insert into alembic_version values (:v)"), {"v": version})
    engine.dispose()
    found = examine(settings)
    assert found["database"].outcome is outcome
    assert found["policies"].outcome is CheckOutcome.SKIP


def test_a_file_that_is_no_store_fails(settings: Settings) -> None:
    settings.duckdb_path.write_bytes(b"not a database" * 1000)
    check = examine(settings)["event store"]
    assert (check.outcome, check.advice) == (CheckOutcome.FAIL, "run `auditsvc reindex`")


def test_a_store_another_process_holds_is_not_looked_at(settings: Settings) -> None:
    hold = (
        f"import duckdb,sys; c = duckdb.connect({str(settings.duckdb_path)!r}); print(1, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline()
        check = examine(settings)["event store"]
        owner.communicate()
    assert check.outcome is CheckOutcome.SKIP
    assert "in use by another process" in check.text


@contextmanager
def answering(checks: dict[str, str]) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"status": "x", "checks": checks}).encode()
            self.send_response(503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("said", "outcome"), [("ok", CheckOutcome.PASS), ("it is closed", CheckOutcome.FAIL)])
def test_beside_a_running_service_its_health_is_asked(settings: Settings, said: str, outcome: CheckOutcome) -> None:
    settings.duckdb_path.unlink()  # it is not looked at
    with answering({"store": said}) as port:
        check = examine(replace(settings, console_port=port))["event store"]
    assert check.outcome is outcome
    assert "in use by the service" in check.text
    assert said in check.text


def test_the_command_prints_a_line_for_each_check_and_one_document(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDITSVC_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("AUDITSVC_CONSOLE_PORT", str(DEAD_PORT))
    shown = CliRunner().invoke(doctor, [])
    assert shown.exit_code == 0, shown.output
    assert "pass  database: " in shown.output
    assert "WARN  policies: none was ever put in force\n      -> run `auditsvc policy activate DIR`" in shown.output
    document = json.loads(CliRunner().invoke(doctor, ["--json"]).output)
    assert document["exit_code"] == 0
    assert document["checks"][0] == {
        "name": "settings", "outcome": "pass", "text": "every value can be used", "advice": "",
    }  # fmt: skip


def test_a_setting_that_cannot_be_used_is_the_only_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDITSVC_CONSOLE_PORT", "none")
    done = CliRunner().invoke(doctor, ["--json"])
    assert done.exit_code == 1
    (line,) = json.loads(done.output)["checks"]
    assert (line["name"], line["outcome"]) == ("settings", "fail")


def test_the_exit_code_is_that_of_the_worst_line() -> None:
    fine = [passed("a", ""), warned("b", "", ""), skipped("c", "")]
    assert find_exit_code(fine) == 0
    assert find_exit_code([*fine, failed("d", "")]) == 1
    assert find_exit_code([*fine, failed("d", ""), failed("e", "", is_down=True)]) == 3


LOW = "cluster.routing.allocation.disk.watermark.low"


@pytest.mark.parametrize(
    ("marks", "least"),
    [
        ({}, 150),
        ({LOW: "80%"}, 200),
        ({LOW: "0.8"}, 200),
        ({LOW: "1kb"}, 1024),
        ({LOW: "80%", f"{LOW}.max_headroom": "100b"}, 100),
        ({LOW: "80%", f"{LOW}.max_headroom": "-1"}, 200),
        ({LOW: "unreadable"}, 150),
    ],
)
def test_watermarks_are_shares_used_or_bytes_free(marks: dict[str, str], least: float) -> None:
    assert find_least_free(marks, "low", 1000) == pytest.approx(least)

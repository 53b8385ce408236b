"""What a verifier was given is sorted by kind, and whatever could be passed over unseen is refused."""

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from auditsvc.cli import verify as verify_command
from auditsvc.ground.errors import InputError
from auditsvc.reports.document import FORMAT
from auditsvc.reports.verify import verify_files
from auditsvc.reports.verify.files import sort_files
from tests.support.issued import Issued, issue_reports


@pytest.fixture(scope="module")
def issued() -> Issued:
    return issue_reports()["compliance"]


def verify(*words: object) -> Result:
    return CliRunner().invoke(verify_command.command, [str(word) for word in words])


@pytest.mark.parametrize("name", ["report.json", "report.jws", "report.en.pdf", "report.bundle.tar"])
def test_a_pipe_is_refused_and_not_read(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    for words in ((tmp_path / name,), (tmp_path,)):
        done = verify(*words)
        assert done.exit_code == 3
        assert "neither a file nor a folder of files" in done.output


def test_a_device_or_a_folder_named_like_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").mkdir()
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    for path in (tmp_path, tmp_path / "zero.json"):
        with pytest.raises(InputError, match="neither a file"):
            sort_files([path])


def test_the_end_of_a_name_counts_in_any_case(issued: Issued, tmp_path: Path) -> None:
    (tmp_path / "Report.PDF").write_bytes(issued.read("report.en.pdf") + b"x")
    verification = verify_files([tmp_path], issued.trust)
    assert [(step.code, step.where) for step in verification.steps if step.state == "fail"] == [
        ("PDF_APPENDED", "Report.PDF")
    ]


def test_a_trust_file_named_by_the_caller_is_used_with_a_warning_when_it_came_along(
    issued: Issued, tmp_path: Path
) -> None:
    issued.copy(tmp_path)
    brought = tmp_path / "trust.json"
    shutil.copyfile(issued.trust_file, brought)
    done = verify(tmp_path, "--trust", brought)
    assert done.exit_code == 0, done.output
    assert "not used" not in done.output
    assert "WARNING: `trust.json` came along with the files" in done.output


def test_a_trust_file_among_the_files_is_not_used_when_another_is_named(issued: Issued, tmp_path: Path) -> None:
    issued.copy(tmp_path)
    (tmp_path / "trust.json").write_text('{"log_vkey": "forged"}')
    done = verify(tmp_path, "--trust", issued.trust_file)
    assert done.exit_code == 0, done.output
    assert "is not used" in done.output
    assert "WARNING" not in done.output


@pytest.mark.parametrize("name", ["report.en.pdf", "report.jws", "report.bundle.tar", "report.json"])
def test_a_report_in_a_data_folder_is_not_passed_over(name: str, issued: Issued, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    issued.world.engine_db.dispose()
    shutil.copytree(issued.world.folder, folder, ignore=shutil.ignore_patterns("reports"))
    (folder / "access.log.push.json").write_text(json.dumps({"offset": 1}))
    assert verify(folder, "--trust", issued.trust_file).exit_code == 0
    (folder / name).write_text(json.dumps({"format": FORMAT}))
    done = verify(folder, "--trust", issued.trust_file)
    assert done.exit_code == 3
    assert f"{name}` lies in a data folder" in done.output


def test_a_trust_file_with_an_unknown_key_is_refused(issued: Issued, tmp_path: Path) -> None:
    trust = tmp_path / "trust.json"
    trust.write_text(json.dumps({**json.loads(issued.trust_file.read_text()), "pined_checkpoint": "x"}))
    done = verify(issued.folder, "--trust", trust)
    assert done.exit_code == 3
    assert "unknown key `pined_checkpoint`, expected origin, log_vkey, pinned_checkpoint, " in done.output


def test_a_file_of_a_folder_that_is_not_known_is_named_as_not_checked(issued: Issued, tmp_path: Path) -> None:
    issued.copy(tmp_path)
    (tmp_path / "extra.txt").write_text("a note")
    (tmp_path / "x\n  1  pass").write_text("a line that looks like a step")
    done = verify(tmp_path, "--trust", issued.trust_file)
    assert done.exit_code == 0, done.output
    assert "not checked, of no known kind / 未核验，类型未知: 'extra.txt', 'x\\n  1  pass'" in done.output
    told = json.loads(verify(tmp_path, "--trust", issued.trust_file, "--json").output)
    assert told["not_checked"] == ["extra.txt", "x\n  1  pass"]

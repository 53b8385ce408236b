"""A wrong call ends with one clear message and a documented exit code, never with a traceback."""

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from auditsvc.cli import main as main_module
from auditsvc.cli.main import cli, main
from auditsvc.ground.errors import AuditError
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.archive import Archive
from auditsvc.runtime.installation import make_database


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings = Settings(data_dir=tmp_path / "var")
    make_database(settings).dispose()
    Archive(settings.archive_path)
    monkeypatch.setenv("AUDITSVC_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("AUDITSVC_ARGON2_MEMORY_KIB", "1024")
    (tmp_path / "binary").write_bytes(b"\xf1\x00\xff")
    (tmp_path / "file").write_text("x")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "p.yaml").write_text("a: [")
    return tmp_path


def run_main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    """Run the command line as a process would, without one; return exit code and standard error."""
    monkeypatch.setattr(main_module.sys, "argv", ["auditsvc", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code, capsys.readouterr().err


CALLS = [
    ("policy lint {0}/binary", 2, "`{0}/binary` is not UTF-8 text"),
    ("policy lint {0}/broken", 1, "not valid YAML: "),
    ("ledger proof inclusion 99999999999999999999999", 2, "is not in the range"),
    ("ledger proof inclusion 0 --size 99999999999999999999999", 2, "is not in the range"),
    ("ledger proof inclusion 0 --size 999", 1, "expected a size of at most 0, the leaves of the log, got `999`"),
    ("ledger proof consistency 1 999", 1, "expected a size of at most 0, the leaves of the log, got `999`"),
    (
        "event search --token-file {0}/file --from 0001-01-01",
        1,
        "expected a time from 1970-01-01T00:00:00Z to 2200-01-01T00:00:00Z, got `0001-01-01T",
    ),
    ("event search --token-file {0}/file --url http://[::1", 2, "is not an address"),
    ("event search --token-file {0}/file --url foo", 3, "no service answers at `foo/api/v1`"),
    ("event search --token-file {0}/binary", 2, "does not hold a token"),
    ("account create lin --role auditor --role system_administrator", 2, "exclude each other"),
    ("account nonsense", 2, "No such command 'nonsense'"),
    ("catalog show nonsense", 2, "is not one of"),
]


@pytest.mark.parametrize(("call", "code", "said"), CALLS, ids=[call for call, _, _ in CALLS])
def test_a_wrong_call_is_told_what_is_wrong(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    call: str,
    code: int,
    said: str,
) -> None:
    ended, message = run_main(monkeypatch, capsys, *call.format(folder).split())
    assert said.format(folder) in message
    assert ended == code
    assert message.count("[document_invalid]") <= 1


def test_a_folder_that_cannot_be_made_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUDITSVC_KEY_DIR", str(folder / "file" / "keys"))
    ended, message = run_main(monkeypatch, capsys, "init")
    assert ended == 3
    key = folder / "file" / "keys" / "api-token.pem"
    reason = f"cannot be read or made: `{folder / 'file'}`: Not a directory"
    assert message == f"auditsvc: key file `{key}` {reason} [key_unusable]\n"


def test_a_data_folder_that_is_a_file_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUDITSVC_DATA_DIR", str(folder / "file"))
    ended, message = run_main(monkeypatch, capsys, "init")
    assert ended == 3
    assert f"folder `{folder / 'file'}` of the database cannot be made: Not a directory" in message


@pytest.mark.parametrize(
    "command", ["init", "serve", "account list", "ledger status", "push {0}/file --source a --key-file {0}/file"]
)
def test_a_damaged_settings_file_is_named_with_its_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    config = folder / "auditsvc.toml"
    config.write_text("ingest_workers = 2\nconsole_port = \n")
    monkeypatch.setenv("AUDITSVC_CONFIG", str(config))
    ended, message = run_main(monkeypatch, capsys, *command.format(folder).split())
    assert ended == 2
    assert f"AUDITSVC_CONFIG: `{config}` is not valid TOML: " in message
    assert "line 2" in message


def test_a_database_that_fails_in_the_middle_is_told(folder: Path) -> None:
    with sqlite3.connect(folder / "var" / "auditsvc.db") as connection:
        connection.execute("DROP TABLE account")
    connection.close()
    done = CliRunner().invoke(cli, ["account", "list"])
    assert isinstance(done.exception, AuditError)
    assert done.exception.message == "database: no such table: account"
    assert done.exception.exit_code == 3


def test_the_help_of_every_option_says_something() -> None:
    for path in (
        ["account", "assign"],
        ["catalog", "show"],
        ["report", "create"],
        ["report", "list"],
        ["event", "search"],
    ):
        done = CliRunner().invoke(cli, [*path, "--help"])
        assert done.exit_code == 0
        assert "%Y" not in done.stdout
        assert max(len(line) for line in done.stdout.splitlines()) <= 80

"""Where there is no ledger no command makes one, except ``init``; each says what is missing, where, and what to do."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from auditsvc.cli.main import COMMANDS, cli
from auditsvc.ground.errors import AuditError
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.keys import load_or_create_log_key
from auditsvc.runtime.installation import make_database
from tests.support.commands import list_leaf_commands
from tests.support.policy import SHIPPED

CITY = str(Path(__file__).parents[3] / "examples" / "laiwu" / "catalog")
EVENT = {"time": "2026-10-13T23:30:00+08:00", "action": "download", "outcome": "success"}

NEED_LEDGER = {
    ("serve",): [],
    ("serve", "core"): ["--role", "core"],
    ("serve", "ingest"): ["--role", "ingest"],
    ("reindex",): [],
    ("store", "reindex"): [],
    ("account", "list"): [],
    ("account", "create"): ["lin"],
    ("account", "assign"): ["lin", "auditor"],
    ("account", "withdraw"): ["lin", "auditor"],
    ("account", "disable"): ["lin"],
    ("account", "enable"): ["lin"],
    ("account", "reset-password"): ["lin"],
    ("source", "list"): [],
    ("source", "key", "list"): [],
    ("source", "key", "create"): ["gateway"],
    ("source", "key", "revoke"): ["k-1"],
    ("ledger", "status"): [],
    ("ledger", "checkpoint"): ["--sign"],
    ("ledger", "proof", "inclusion"): ["0"],
    ("ledger", "proof", "consistency"): ["1", "2"],
    ("ledger", "orphans"): [],
    ("ledger", "verify-archive"): [],
    ("catalog", "activate"): [CITY],
    ("catalog", "show"): [],
    ("policy", "activate"): [str(SHIPPED)],
    ("policy", "list"): [],
    ("policy", "explain"): ["-"],
    ("report", "create"): ["--from", "2026-11-01", "--to", "2026-11-30"],
    ("report", "list"): [],
    ("report", "fetch"): ["r-1"],
}
NEED_NONE = {
    ("init",), ("doctor",), ("push",), ("verify",), ("event", "search"), ("event", "export"), ("event", "show"), ("catalog", "check"),
    ("policy", "lint"), ("policy", "test"), *(("alert", verb) for verb in ("list", "show", "acknowledge", "close")),
    *(("store", verb) for verb in ("init", "migrate", "role", "status", "dead")),
}  # fmt: skip
"""``init`` makes a ledger; the others read files, or look and ask and make nothing."""


def run(folder: Path, path: tuple[str, ...], words: list[str], **more: str) -> Result:
    environment = {"AUDITSVC_DATA_DIR": str(folder), **more}
    names = [name for name in path if path[0] != "serve" or name == "serve"]
    return CliRunner().invoke(cli, [*names, *words], env=environment, input=json.dumps(EVENT))


def message_of(result: Result) -> str:
    if isinstance(result.exception, AuditError):
        assert result.exception.exit_code == 3
        return result.exception.message
    assert result.exit_code == 3, result.output
    return result.stderr


def test_the_lists_here_name_every_command() -> None:
    needing = {path for path in NEED_LEDGER if path[1:] not in {("core",), ("ingest",)}}
    assert {path[0] for path in needing | NEED_NONE} == set(COMMANDS)
    assert needing | NEED_NONE == list_leaf_commands(cli)


@pytest.mark.parametrize("path", NEED_LEDGER, ids=" ".join)
def test_a_folder_without_a_ledger_is_named_and_nothing_is_made(tmp_path: Path, path: tuple[str, ...]) -> None:
    wrong = tmp_path / "wrong"
    said = message_of(run(wrong, path, NEED_LEDGER[path]))
    assert f"there is no ledger in `{wrong}`; run `auditsvc init`, or set `AUDITSVC_DATA_DIR` to where it is" in said
    assert not wrong.exists()


def test_a_database_elsewhere_is_named_by_its_own_setting(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.db"
    said = message_of(run(tmp_path, ("account", "list"), [], AUDITSVC_DATABASE_URL=f"sqlite:///{file}"))
    assert f"there is no ledger in `{file}`; run `auditsvc init`, or set `AUDITSVC_DATABASE_URL`" in said
    assert not file.exists()


@pytest.fixture
def ledger(tmp_path: Path) -> Settings:
    settings = Settings(data_dir=tmp_path / "var")
    make_database(settings).dispose()
    Archive(settings.archive_path)
    load_or_create_log_key(settings.key_path)
    return settings


@pytest.mark.parametrize("path", NEED_LEDGER, ids=" ".join)
def test_an_archive_that_is_not_mounted_is_named_and_none_is_made(ledger: Settings, path: tuple[str, ...]) -> None:
    shutil.rmtree(ledger.archive_path)
    said = message_of(run(ledger.data_dir, path, NEED_LEDGER[path]))
    assert f"the ledger's archive is not in `{ledger.archive_path}`; mount it, or set `AUDITSVC_DATA_DIR`" in said
    assert not ledger.archive_path.exists()


KEY_USERS = (
    ("serve",), ("serve", "core"), ("reindex",), ("store", "reindex"), ("ledger", "status"), ("ledger", "checkpoint"),
    ("ledger", "verify-archive"), ("report", "create"),
)  # fmt: skip


@pytest.mark.parametrize("path", KEY_USERS, ids=" ".join)
def test_a_log_key_that_is_not_there_is_named_and_no_other_is_made(ledger: Settings, path: tuple[str, ...]) -> None:
    keys = ledger.data_dir.parent / "keys"
    said = message_of(run(ledger.data_dir, path, NEED_LEDGER[path], AUDITSVC_KEY_DIR=str(keys)))
    assert (
        f"the log's key is not at `{keys / 'log.key'}`; restore it from the backup, or set `AUDITSVC_KEY_DIR`" in said
    )
    assert not keys.exists()


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (["--trust", "/nonexistent"], {}),
        (["--colour"], {}),
        ([], {"AUDITSVC_TIME_ZONE": "Mars"}),
        ([], {"AUDITSVC_DATABASE_URL": "foo://x"}),
    ],
)
def test_verify_archive_says_neither_tampered_nor_incomplete_of_a_wrong_call(
    ledger: Settings, words: list[str], environ: dict[str, str]
) -> None:
    done = run(ledger.data_dir, ("ledger", "verify-archive"), words, **environ)
    assert done.exit_code == 3

"""``auditsvc source``: keys are made and revoked on record, and shown once."""

import getpass
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from auditsvc.auth.service import SHELL
from auditsvc.cli.source import command
from auditsvc.ground.clock import SystemClock
from auditsvc.ground.database import open_engine
from auditsvc.ground.errors import InputError
from auditsvc.ground.settings.model import Settings
from auditsvc.ingest.credentials import KeyRing, authenticate
from auditsvc.ledger.acts import list_acts
from auditsvc.ledger.leaf import iter_leaves
from auditsvc.ledger.ledger import Ledger
from tests.support.ingest import prepare_data


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    found = Settings(data_dir=tmp_path / "var")
    prepare_data(found, SystemClock())
    monkeypatch.setenv("AUDITSVC_DATA_DIR", str(found.data_dir))
    return found


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(command, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_sources_are_listed_with_what_is_wrong_with_them(settings: Settings) -> None:
    rows = {row["id"]: row for row in run("list")}
    assert rows["native-1"]["problems"] == []
    assert "options: unknown key `colour`" in rows["broken-1"]["problems"][0]
    assert rows["web-1"]["interfaces"] == ["if-file", "if-open"]


def test_a_key_is_shown_once_works_and_is_on_record(settings: Settings) -> None:
    made = run("key", "create", "native-1", "--label", "room 3", "--days", "30")
    assert made["label"] == "room 3"
    engine = open_engine(settings.database)
    clock = SystemClock()
    assert authenticate(KeyRing(engine, clock), clock, f"Bearer {made['key']}") == "native-1"
    listed = run("key", "list")
    assert [row["key_id"] for row in listed] == [made["key_id"]]
    assert made["key"] not in json.dumps(listed)
    revoked = run("key", "revoke", made["key_id"])
    assert revoked["revoked"] is not None
    with engine.connect() as connection:
        headers = [leaf.header for leaf in iter_leaves(connection, 0) if leaf.kind == "admin"]
    acts, _ = list_acts(Ledger.open(engine, settings, clock), before=None, limit=9, keep=lambda _: True)
    assert [act.actor for act in acts] == [f"{SHELL}{getpass.getuser()}"] * 2
    assert [act.detail for act in acts] == [{"source": "native-1", "label": "room 3", "expires": made["expires"]}] * 2
    engine.dispose()
    assert [line for header in headers for line in header.splitlines() if line.startswith("act ")] == [
        "act source_key_create",
        "act source_key_revoke",
    ]
    assert all(f"subject {made['key_id']}" in header for header in headers)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("key", "create", "nowhere"), "not in the catalogue"), (("key", "revoke", "0000"), "no API key `0000`")],
)
def test_what_does_not_exist_is_named(settings: Settings, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        run(*arguments)


def test_a_key_cannot_be_revoked_twice(settings: Settings) -> None:
    made = run("key", "create", "native-1")
    run("key", "revoke", made["key_id"])
    with pytest.raises(InputError, match="was revoked before"):
        run("key", "revoke", made["key_id"])

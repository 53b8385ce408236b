"""The ``auditsvc catalog`` commands."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from auditsvc.cli.catalog import command
from auditsvc.ground.errors import AuditError
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.archive import Archive
from auditsvc.runtime.installation import make_database
from tests.support.catalog import SMALL


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUDITSVC_DATA_DIR", str(tmp_path / "data"))
    settings = Settings(data_dir=tmp_path / "data")
    make_database(settings).dispose()
    Archive(settings.archive_path)
    place = tmp_path / "catalog"
    place.mkdir()
    (place / "city.yaml").write_text(SMALL, encoding="utf-8")
    return place


def test_check_counts_what_a_good_catalogue_holds(folder: Path) -> None:
    done = CliRunner().invoke(command, ["check", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert answer["counts"]["organisations"] == 3
    assert answer["problems"] == []


def test_check_prints_every_problem_with_its_place_and_exits_with_one(folder: Path) -> None:
    (folder / "city.yaml").write_text(SMALL.replace("sensitivity: 3", "sensitivity: 7"), encoding="utf-8")
    done = CliRunner().invoke(command, ["check", str(folder)])
    assert done.exit_code == 1
    assert (
        "city.yaml:26:16: sensitivity: expected a whole number from 1 to 5, got `7` [document_invalid]" in done.stdout
    )


def test_check_asks_the_readers_about_their_options(folder: Path) -> None:
    text = SMALL.replace("{default_interface: methods}", "{default_interface: both}")
    (folder / "city.yaml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(command, ["check", str(folder)])
    assert done.exit_code == 1
    line = text[: text.index("options: {")].count("\n") + 1
    said = "options name interface `both`, which does not name source `second` [input_invalid]"
    assert f"city.yaml:{line}:12: {said}" in done.stdout


def test_check_tells_every_wrong_option_with_its_place(folder: Path) -> None:
    text = SMALL.replace("{default_interface: methods}", "{default_interfaec: methods, items: a}")
    (folder / "city.yaml").write_text(text, encoding="utf-8")
    done = CliRunner().invoke(command, ["check", str(folder)])
    line = text[: text.index("options: {")].count("\n") + 1
    known = "default_action, default_interface, interfaces"
    assert (
        f"city.yaml:{line}:13: options: unknown key `default_interfaec`; known are {known}; did you mean" in done.stdout
    )
    assert f"city.yaml:{line}:41: options: unknown key `items`; known are {known} [input_invalid]" in done.stdout


def test_show_without_a_catalogue_says_what_to_do(folder: Path) -> None:
    done = CliRunner().invoke(command, ["show"])
    assert isinstance(done.exception, AuditError)
    assert done.exception.message == "no catalogue is in force; put one in force with `auditsvc catalog activate`"


def test_an_activated_catalogue_is_shown(folder: Path) -> None:
    made = CliRunner().invoke(command, ["activate", str(folder), "--json"])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["seq"] == 0
    shown = CliRunner().invoke(command, ["show", "interfaces"])
    assert shown.stdout.splitlines()[0] == "pop-query\t人口查询\tPopulation query"


def test_a_wrong_catalogue_is_not_put_in_force(folder: Path) -> None:
    (folder / "city.yaml").write_text(SMALL.replace("level: city", "level: moon"), encoding="utf-8")
    done = CliRunner().invoke(command, ["activate", str(folder)])
    assert isinstance(done.exception, AuditError)
    assert done.exception.code == "document_invalid"

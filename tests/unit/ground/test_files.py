"""Files are whole, private and durable, whatever happens while they are written."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from auditsvc.ground.files import (
    PRIVATE,
    SHARED,
    make_folder,
    open_replacement,
    replace_file,
    write_folder,
    write_once,
)
from tests.support.faults import fail_at, kill_at_every_step

OLD, NEW = b"old" * 1000, b"new" * 2000
SET = {"a.pem": NEW, "b.pem": OLD}
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def trace(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> list[tuple[str, str]]:
    """Return the syncs and renames that ``act`` does, in order, each with the name it is for (``draft`` for a draft)."""
    done: list[tuple[str, str]] = []

    def note(name: str, path: str) -> None:
        done.append((name, "draft" if path.endswith(".draft") else Path(path).name))

    def sync(descriptor: int, real: Callable[[int], None] = os.fsync) -> None:
        note("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def move(source: Any, target: Any) -> None:
            note(name, str(target))
            real(source, target)

        return move

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        for name in ("link", "rename", "replace"):
            patch.setattr(os, name, wrap(name, getattr(os, name)))
        act()
    return done


@pytest.fixture
def open_umask() -> Any:
    """Let nothing be private by chance."""
    before = os.umask(0)
    yield
    os.umask(before)


# --- whole or not at all


def test_a_replaced_file_is_the_old_one_or_the_new_one_wherever_the_process_dies(tmp_path: Path) -> None:
    path = tmp_path / "file"
    seen = set()
    for _ in kill_at_every_step(lambda _: replace_file(path, NEW)):
        seen.add(path.read_bytes() if path.exists() else b"")
        path.write_bytes(OLD)
    assert seen == {b"", OLD, NEW}
    assert path.read_bytes() == NEW


def test_a_file_written_once_is_missing_or_whole_wherever_the_process_dies(tmp_path: Path) -> None:
    deaths = 0
    for moment in kill_at_every_step(lambda number: write_once(tmp_path / str(number) / "file", NEW)):
        path = tmp_path / str(moment) / "file"
        assert not path.exists() or path.read_bytes() == NEW, moment
        write_once(path, OLD)
        assert path.read_bytes() in {OLD, NEW}
        deaths += 1
    assert deaths >= 2 * len(("mkdir", "sync of its parent", "open", "sync", "link", "sync of the folder"))
    assert (tmp_path / str(deaths) / "file").read_bytes() == NEW


def test_a_set_of_files_is_missing_or_whole_wherever_the_process_dies(tmp_path: Path) -> None:
    deaths = 0
    for moment in kill_at_every_step(lambda number: write_folder(tmp_path / str(number) / "set", SET)):
        assert read_folder(tmp_path / str(moment) / "set") in ({}, SET), moment
        deaths += 1
    assert deaths >= 2 * len(("mkdir", "open a", "sync a", "open b", "sync b", "sync", "rename", "sync above"))
    assert read_folder(tmp_path / str(deaths) / "set") == SET


@pytest.mark.parametrize(
    ("write", "steps"),
    [
        pytest.param(lambda folder: replace_file(folder / "file", NEW), 5, id="replace"),
        pytest.param(lambda folder: write_once(folder / "new", NEW), 7, id="once"),
        pytest.param(lambda folder: write_folder(folder / "set", SET), 10, id="folder"),
    ],
)
def test_a_disk_that_fails_at_any_step_is_reported_and_leaves_no_part(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, write: Callable[[Path], None], steps: int
) -> None:
    for step in range(100):
        folder = tmp_path / str(step)
        folder.mkdir()
        (folder / "file").write_bytes(OLD)
        with fail_at(monkeypatch, step):
            try:
                write(folder)
            except OSError:
                pass
            else:
                break
        assert (folder / "file").read_bytes() in {OLD, NEW}
        assert not [name for name in names_in(folder) if name.endswith(".draft")]
        for path in folder.rglob("*.pem"):
            assert path.read_bytes() == SET[path.name]
    assert step == steps, "a failure was not reported"


def test_an_error_of_the_writer_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def fail() -> None:
        with open_replacement(path) as file:
            file.write(NEW)
            raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        fail()
    assert path.read_bytes() == OLD
    assert names_in(tmp_path) == {"file"}


# --- durable


def test_bytes_are_synced_before_the_name_and_the_name_after(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = tmp_path.name
    synced = ("sync", "draft")
    replaced = trace(monkeypatch, lambda: replace_file(tmp_path / "file", NEW))
    assert replaced == [synced, ("replace", "file"), ("sync", here)]
    linked = trace(monkeypatch, lambda: write_once(tmp_path / "once", NEW))
    assert linked[:3] == [synced, ("link", "once"), ("sync", here)]
    made = trace(monkeypatch, lambda: write_folder(tmp_path / "set", SET))
    assert made == [("sync", "a.pem"), ("sync", "b.pem"), synced, ("rename", "set"), ("sync", here)]


def test_the_loser_of_a_race_syncs_the_name_it_goes_on_to_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "once").write_bytes(OLD)
    assert trace(monkeypatch, lambda: write_once(tmp_path / "once", NEW))[-1] == ("sync", tmp_path.name)
    assert (tmp_path / "once").read_bytes() == OLD
    assert names_in(tmp_path) == {"once"}


def test_every_new_folder_is_synced_into_the_one_above(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = trace(monkeypatch, lambda: make_folder(tmp_path / "a" / "b"))
    assert done == [("sync", tmp_path.name), ("sync", "a")]


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(OLD)
    with pytest.raises(NotADirectoryError) as caught:
        make_folder(tmp_path / "a" / "b")
    assert caught.value.filename == str(tmp_path / "a")


# --- private


@pytest.mark.usefixtures("open_umask")
def test_secrets_are_their_owners_only_and_other_files_are_as_the_umask_says(tmp_path: Path) -> None:
    write_once(tmp_path / "keys" / "key", NEW)
    replace_file(tmp_path / "secret", NEW)
    replace_file(tmp_path / "open", NEW, SHARED)
    write_folder(tmp_path / "set", SET)
    write_folder(tmp_path / "report", SET, SHARED)
    assert {mode_of(tmp_path / name) for name in ("keys/key", "secret", "set/a.pem", "set/b.pem")} == {PRIVATE}
    assert {mode_of(tmp_path / name) for name in ("keys", "set")} == {0o700}
    assert (mode_of(tmp_path / "open"), mode_of(tmp_path / "report/a.pem")) == (0o666, 0o666)
    assert mode_of(tmp_path / "report") == 0o777


def test_a_draft_is_private_while_it_is_written(tmp_path: Path) -> None:
    with open_replacement(tmp_path / "secret") as file:
        file.write(NEW)
        assert [mode_of(path) for path in tmp_path.iterdir()] == [0o600]


# --- the first of two wins


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", SET)
    with pytest.raises(FileExistsError):
        write_folder(tmp_path / "set", {"a.pem": b"other"})
    assert read_folder(tmp_path / "set") == SET
    assert names_in(tmp_path) == {"set"}


def test_the_longest_name_a_file_can_have_can_be_written(tmp_path: Path) -> None:
    name = "n" * 255
    replace_file(tmp_path / name, NEW)
    write_once(tmp_path / name, OLD)
    assert (tmp_path / name).read_bytes() == NEW

"""The tutorials do what they say: their commands are run as printed, and print what the tutorial says they print."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.entry import SCRIPT
from tools.ports import find_free_port

FOLDER = Path(__file__).parents[3] / "docs" / "tutorials"
NAMES = ("first-source", "first-policy", "first-report")
"""In the order a reader takes them; each goes on in the folder the one before left."""
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARIES = "…"
WITHIN_S = 240
SHELL = """\
set -euo pipefail
exec 2>&1
trap '[ ! -f serve.pid ] || kill "$(cat serve.pid)" 2> kill.log || true; wait' EXIT
"""
"""What every tutorial is run under: the first command that fails ends it, and no service outlives it."""


@dataclass(frozen=True, slots=True)
class TutorialBlock:
    """One block of commands and the lines it is said to print, in order."""

    commands: str
    lines: tuple[str, ...]


def read_blocks(path: Path) -> list[TutorialBlock]:
    """Return the command blocks of a tutorial, each with the output shown before the next one."""
    blocks: list[TutorialBlock] = []
    for kind, text in BLOCK.findall(path.read_text(encoding="utf-8")):
        assert kind in ("sh", "text"), f"{path.name}: a block of kind `{kind}`"
        if kind == "sh":
            blocks.append(TutorialBlock(text, ()))
        else:
            assert not blocks[-1].lines, f"{path.name}: two outputs of one block"
            blocks[-1] = TutorialBlock(blocks[-1].commands, tuple(text.splitlines()))
    return blocks


def run_blocks(blocks: list[TutorialBlock], folder: Path, ports: Mapping[str, str]) -> tuple[int, list[str]]:
    """Run the commands in one shell; return its exit code and what each block printed.

    Args:
        blocks: what to run.
        folder: where to.
        ports: the ports in the text, to those used instead.
    """
    script = SHELL + "".join(f"echo '@@@'\n{block.commands}" for block in blocks)
    script = re.sub("847[01]", lambda found: ports[found[0]], script)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AUDITSVC_")}
    environment = {
        **clean,
        "PATH": f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}",
        "AUDITSVC_CONSOLE_PORT": ports["8470"],
        "AUDITSVC_INGEST_PORT": ports["8471"],
        "no_proxy": "127.0.0.1",
    }
    printed = folder / "printed.txt"
    with printed.open("w") as output:
        shell = subprocess.Popen(
            ["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            code = shell.wait(WITHIN_S)
        finally:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGTERM)
                shell.wait()
    text = printed.read_text(encoding="utf-8")
    for shown, real in ports.items():
        text = text.replace(real, shown)
    return code, text.split("@@@\n")[1:]


def find_missing(lines: tuple[str, ...], printed: str) -> str | None:
    """Return the first of ``lines`` that does not follow the ones before it in ``printed``; ``…`` stands for any text."""
    rest = iter(printed.splitlines())
    for line in lines:
        pattern = re.compile(".*".join(re.escape(part) for part in line.split(VARIES)))
        if not any(pattern.fullmatch(one) for one in rest):
            return line
    return None


@pytest.mark.slow
def test_the_tutorials_run_as_they_are_written(tmp_path: Path) -> None:
    ports = {"8470": str(find_free_port()), "8471": str(find_free_port())}  # the first writes them to a file
    for name in NAMES:
        blocks = read_blocks(FOLDER / f"{name}.md")
        code, printed = run_blocks(blocks, tmp_path, ports)
        assert (code, len(printed)) == (0, len(blocks)), (
            f"{name}: block {len(printed)} of {len(blocks)}:\n{printed[-1]}"
        )
        for block, output in zip(blocks, printed, strict=True):
            missing = find_missing(block.lines, output)
            assert missing is None, f"{name}: not printed: {missing}\nprinted by\n{block.commands}\nwas\n{output}"


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_have_the_same_commands_and_output(name: str) -> None:
    english, chinese = (read_blocks(FOLDER / f"{name}{ending}") for ending in (".md", ".zh.md"))
    assert english == chinese
    assert sum(bool(block.lines) for block in english) >= 5


def test_every_tutorial_is_run() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {
        f"{name}{ending}" for name in NAMES for ending in (".md", ".zh.md")
    }


def test_output_that_is_missing_or_out_of_order_is_noticed() -> None:
    assert find_missing(("a", "b … d"), "a\nx\nb c d\n") is None
    assert find_missing(("a", "b … d"), "b c d\na\n") == "b … d"
    assert find_missing(("b",), "a b\n") == "b"

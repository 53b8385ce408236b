"""Ending a cluster: its processes first, whatever they still do to their files, then its folder."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.elasticsearch import Cluster, Node, ToolError, cluster

ENDS_SLOWLY = """
import os, signal, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
def end(*_):
    (folder / "pid").unlink()
    for number in range(40):
        path = folder / "logs" / str(number)
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
        time.sleep(0.02)
        path.unlink()
    (folder / "ended").write_text("")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
while True:
    time.sleep(0.1)
"""
IGNORES = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("up", flush=True); time.sleep(600)'


def build_cluster(folder: Path) -> Cluster:
    made = Cluster("open", folder, (Node("n1", "http://127.0.0.1:9", 9, folder / "n1"),))
    (folder / "n1").mkdir(parents=True)
    return made


def run_node(node: Node, code: str) -> "subprocess.Popen[str]":
    """Run a program in the place of a server, as one that has said that it is up."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(node.folder), node.mark], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    (node.folder / "pid").write_text(str(process.pid))
    return process


def test_a_node_is_waited_for_that_ends_slowly_and_removed_its_pid_file_first(tmp_path: Path) -> None:
    made = build_cluster(tmp_path / "c")
    with run_node(made.nodes[0], ENDS_SLOWLY) as process:
        made.shut_down(0)
        assert process.poll() == 0
    assert (made.nodes[0].folder / "ended").exists()
    assert made.nodes[0].pids == []


def test_a_cluster_is_removed_after_its_slowest_process_has_ended(tmp_path: Path) -> None:
    made = build_cluster(tmp_path / "c")
    with run_node(made.nodes[0], ENDS_SLOWLY) as process:
        made.stop()
        assert process.poll() == 0
    assert not made.folder.exists()


def test_a_process_that_does_not_end_in_order_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "STOP_S", 0.5)
    made = build_cluster(tmp_path / "c")
    with run_node(made.nodes[0], IGNORES) as process:
        (made.nodes[0].folder / "pid").unlink()
        assert made.nodes[0].pid is None
        assert made.nodes[0].pids == [process.pid]
        made.stop()
        assert process.poll() == -9
    assert not made.folder.exists()


def test_a_process_of_another_node_is_left_alone(tmp_path: Path) -> None:
    made, other = build_cluster(tmp_path / "c"), build_cluster(tmp_path / "c2")
    with run_node(other.nodes[0], ENDS_SLOWLY) as process:
        (made.nodes[0].folder / "pid").write_text(str(process.pid))
        assert made.nodes[0].pid is None
        made.stop()
        assert process.poll() is None
        other.stop()


def test_a_cluster_somebody_else_removes_at_the_same_time_is_removed(tmp_path: Path) -> None:
    made = build_cluster(tmp_path / "c")
    shutil.rmtree(made.folder)
    made.stop()
    assert not made.folder.exists()


def test_a_folder_is_removed_although_files_vanish_and_appear(tmp_path: Path) -> None:
    busy = (
        "import pathlib, sys\nwhile True:\n  p = pathlib.Path(sys.argv[1]) / 'f'\n"
        "  try: p.write_text('')\n  except OSError: break\n  p.unlink(missing_ok=True)\n"
    )
    folder = tmp_path / "c"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", busy, str(folder)]) as process:
        while not (folder / "f").exists():
            assert process.poll() is None
        cluster.remove_folder(folder)
        assert process.wait(60) == 0
    assert not folder.exists()


def test_a_folder_that_stays_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "REMOVE_S", 0)
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(ToolError, match=f"{path} cannot be removed"):
        cluster.remove_folder(path)


def test_a_cluster_whose_port_was_taken_meanwhile_is_started_on_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Path] = []

    def start_in_vain(_: str, folder: Path, *__: object) -> Cluster:
        tried.append(folder)
        if len(tried) == 1:
            raise cluster.PortTakenError("n1 did not start")
        raise ToolError("n1 did not start (exit code 1):\nno memory")

    monkeypatch.setattr(cluster, "fetch_home", lambda: tmp_path)
    monkeypatch.setattr(cluster, "_start", start_in_vain)
    with pytest.raises(ToolError, match="no memory"):
        cluster.start("open", tmp_path / "c")
    assert tried == [tmp_path / "c"] * 2

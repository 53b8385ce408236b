"""The tool that starts real servers: by hand, through kills and restarts, and what it leaves behind."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.elastic import admin_client
from tools.elasticsearch import Cluster, ToolError, cluster, distribution
from tools.elasticsearch.account import check_reachable

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.slow


def run_tool(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tools.elasticsearch", *words], cwd=ROOT, capture_output=True, text=True
    )


def is_running(pid: int | None) -> bool:
    """Return whether a process runs; one that ended and is not yet collected has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


def test_by_hand_a_node_starts_is_killed_comes_back_with_its_data_and_leaves_nothing() -> None:
    with TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)  # root starts servers as another user, who must get in
        folder = Path(parent) / "cluster"
        words = ("--folder", str(folder))
        started = run_tool("start", "secured", *words)
        assert started.returncode == 0, started.stderr
        try:
            node = Cluster.load(folder)
            assert f"n1  {node.urls[0]}  pid {node.nodes[0].pid}" in started.stdout
            with admin_client(node) as client:
                client.create(index="kept", id="1", document={"a": 1})
            assert run_tool("kill", "1", *words).returncode == 0
            assert "pid -" in run_tool("status", *words).stdout
            assert run_tool("restart", "1", *words).returncode == 0
            with admin_client(node) as client:
                assert client.get(index="kept", id="1")["_source"] == {"a": 1}
            assert "not empty" in run_tool("start", "open", *words).stderr
            assert "there is no node 2" in run_tool("kill", "2", *words).stderr
        finally:
            pid = Cluster.load(folder).nodes[0].pid
            assert run_tool("stop", *words).returncode == 0
        assert not is_running(pid)
        assert not folder.exists()
        assert "no cluster was started" in run_tool("stop", *words).stderr


def test_a_node_that_does_not_start_says_why_and_leaves_nothing() -> None:
    with TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent) / "cluster"
        with pytest.raises(ToolError, match=r"n1 did not start .*\n(.*\n)*.*no\.such\.setting"):
            cluster.start("open", folder, extra={"no.such.setting": "1"})
        assert not folder.exists()


def test_a_port_another_program_took_is_known_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "STARTS", 1)
    with TemporaryDirectory() as parent, socket.create_server(("127.0.0.1", 0)) as taken:
        Path(parent).chmod(0o755)
        with pytest.raises(cluster.PortTakenError, match="n1 did not start"):
            cluster.start("open", Path(parent) / "cluster", extra={"http.port": str(taken.getsockname()[1])})


def test_a_folder_servers_cannot_get_into_is_refused_with_the_closed_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)  # for others it is their own folder, which they get into
    with TemporaryDirectory() as parent, pytest.raises(ToolError, match=f"because {parent} is closed to others"):
        check_reachable(Path(parent) / "cluster")


def test_a_download_that_is_not_the_known_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "bin" / "mvn"
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/sh\nfor word; do case $word in -DoutputDirectory=*) folder=${word#*=};; esac; done\n"
        f'echo x > "$folder/elasticsearch-{distribution.VERSION}.zip"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    monkeypatch.setenv("AUDITSVC_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ToolError, match=r"SHA-256 is .*, expected "):
        distribution.fetch_home()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_what_is_missing_is_named_with_the_line_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("AUDITSVC_CACHE", str(tmp_path / "cache"))
    line = "sudo apt-get install -y openjdk-17-jre-headless maven"
    with pytest.raises(ToolError, match=line):
        distribution.fetch_home()
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(distribution, "JAVA_HOMES", tmp_path)
    with pytest.raises(ToolError, match=f"Java 17 to 23 is needed; (.|\n)*{line}"):
        distribution.find_java()

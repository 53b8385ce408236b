"""Test servers of three kinds on free ports of this machine, each cluster with a folder of its own."""

import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.request import Request, urlopen

from tools.elasticsearch import security
from tools.elasticsearch.account import check_reachable, command_prefix, hand_over
from tools.elasticsearch.distribution import ToolError, fetch_home, find_java
from tools.ports import find_free_ports

Kind = Literal["open", "secured", "three"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STATE_FILE = "cluster.json"
START_S = 600  # it takes 15 s, but on a machine that does ten other things minutes
STOP_S = 120
ANSWER_S = 30
PAUSE_S = 0.2
REMOVE_S = 60
TAIL = 3000
"""Characters of a log in an error."""
STARTS = 3
"""Times a cluster is started when another program takes one of its ports before it does."""
PORT_TAKEN = "Address already in use"
"""What a node's log has when another program listens at one of its ports."""


class PortTakenError(ToolError):
    """A node did not start because another program listens at one of its ports."""


@dataclass(frozen=True, slots=True)
class Node:
    """One server process of a cluster.

    Attributes:
        name: ``n1``, ``n2``, …
        url: where it answers, without a trailing slash.
        folder: its configuration, data and logs.
    """

    name: str
    url: str
    transport_port: int
    folder: Path

    @property
    def pid(self) -> int | None:
        """The server's process id; None when it does not run, or has begun to end."""
        try:
            pid = int((self.folder / "pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if self.owns(pid) else None

    @property
    def pids(self) -> list[int]:
        """The ids of all processes of this node: the server, also while it ends, and the program that starts it.

        A server that ends removes its pid file first, and writes to its folder for some time after.
        """
        return [pid for pid in (int(path.name) for path in Path("/proc").glob("[0-9]*")) if self.owns(pid)]

    def owns(self, pid: int) -> bool:
        """Return whether a process is one of this node's and has not ended."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError, IndexError):
            return False
        return state != "Z" and self.mark.encode() in words.split(b"\0")

    @property
    def mark(self) -> str:
        """The argument of Java by which a process is known as this node's."""
        return f"-Djava.io.tmpdir={self.folder / 'tmp'}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Running servers that belong together.

    Attributes:
        folder: holds everything of this cluster; :meth:`stop` removes it.
        ca_file: certificate to trust; None for an open cluster.
        users: name to password; empty for an open cluster. ``admin`` may do everything, ``auditsvc`` has the service's role.
        heap: memory of each server's Java.
    """

    kind: Kind
    folder: Path
    nodes: tuple[Node, ...]
    ca_file: Path | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    heap: str = "1g"

    @property
    def urls(self) -> list[str]:
        """Where the nodes answer, in their order."""
        return [node.url for node in self.nodes]

    @classmethod
    def load(cls, folder: Path) -> "Cluster":
        """Return the cluster that was started in ``folder``.

        Raises:
            ToolError: there is none.
        """
        try:
            state = json.loads((folder / STATE_FILE).read_text())
        except (OSError, ValueError) as err:
            raise ToolError(f"no cluster was started in {folder}") from err
        nodes = tuple(Node(**{**node, "folder": Path(node["folder"])}) for node in state["nodes"])
        ca_file = Path(state["ca_file"]) if state["ca_file"] else None
        return cls(state["kind"], folder, nodes, ca_file, state["users"], state["heap"])

    def kill(self, index: int) -> None:
        """End a node at once, as a power cut would; 0-based.

        Raises:
            ToolError: it does not run, or does not end.
        """
        _remove_socket(self._signal(self.nodes[index], signal.SIGKILL))

    def shut_down(self, index: int) -> None:
        """End a node in order, and wait until it has ended; 0-based.

        Raises:
            ToolError: it does not run, or does not end.
        """
        self._signal(self.nodes[index], signal.SIGTERM)

    def restart(self, index: int) -> None:
        """Start a node again on its data and ports, ending it in order when it runs; wait until the cluster has it.

        Raises:
            ToolError: it does not come up.
        """
        node = self.nodes[index]
        if node.pid is not None:
            self.shut_down(index)
        _wait_until(lambda: not node.pids, STOP_S, f"{node.name} does not end")
        self.run([node])
        self.wait("yellow")

    def wait(self, status: Literal["yellow", "green"]) -> None:
        """Wait until every running node belongs to one cluster of at least this health.

        Raises:
            ToolError: not within ten minutes.
        """
        running = [node for node in self.nodes if node.pid is not None]
        path = f"/_cluster/health?wait_for_status={status}&wait_for_nodes={len(running)}&timeout=5s"
        for node in running:
            _wait_until(
                lambda node=node: self._answers(node, path), START_S, f"{node.name} is not {status}: {node.folder}"
            )

    def get(self, path: str, node: Node | None = None) -> Any:
        """Return what a node answers to ``GET path``, read as JSON.

        Raises:
            OSError: no answer, or one that is not 2xx.
        """
        request = Request((node or self.nodes[0]).url + path)  # noqa: S310  (our own server's address)
        if self.users:
            pair = f"{security.ADMIN}:{self.users[security.ADMIN]}"
            request.add_header("Authorization", f"Basic {b64encode(pair.encode()).decode()}")
        trust = ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file else None
        with urlopen(request, timeout=ANSWER_S, context=trust) as answer:  # noqa: S310
            return json.loads(answer.read())

    def stop(self) -> None:
        """End all nodes and remove the cluster's folder; a node that does not end in order is killed.

        Raises:
            ToolError: a node does not end even so, or its folder cannot be removed.
        """
        pids = {pid: node for node in self.nodes for pid in node.pids}
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in pids:
                _send(pid, number)
            with contextlib.suppress(ToolError):
                _wait_until(lambda: not any(node.owns(pid) for pid, node in pids.items()), STOP_S, "")
                break
        else:
            raise ToolError(f"processes {sorted(pids)} of {self.folder} do not end")
        for pid in pids:
            _remove_socket(pid)
        remove_folder(self.folder)

    def run(self, nodes: Sequence[Node]) -> None:
        """Start the processes of ``nodes`` and wait until each says it is up.

        Raises:
            ToolError: one does not come up; the text ends with its log.
        """
        started = [(node, self._launch(node)) for node in nodes]
        for node, process in started:
            try:
                code = process.wait(START_S)
            except subprocess.TimeoutExpired:
                process.kill()
                code = -1
            if code:
                said = _read(node.folder / "start.log")
                kind = PortTakenError if PORT_TAKEN in said else ToolError
                raise kind(f"{node.name} did not start (exit code {code}):\n{said[-TAIL:]}")

    def _launch(self, node: Node) -> "subprocess.Popen[bytes]":
        """Start one node's process; the returned one ends when the server is up and detached."""
        home = fetch_home()
        check_reachable(home / "bin")
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(node.folder),
            "ES_JAVA_HOME": str(find_java()),
            "ES_JAVA_OPTS": f"-Xms{self.heap} -Xmx{self.heap}",
            "ES_PATH_CONF": str(node.folder / "config"),
            "ES_TMPDIR": str(node.folder / "tmp"),
            "CLI_JAVA_OPTS": node.mark,  # the starting program's own temporary folder, else in /tmp for good
        }
        (node.folder / "pid").unlink(missing_ok=True)
        command = [*command_prefix(), str(home / "bin" / "elasticsearch"), "-d", "-p", str(node.folder / "pid")]
        with (node.folder / "start.log").open("wb") as log:
            return subprocess.Popen(
                command, cwd=node.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def _answers(self, node: Node, path: str) -> bool:
        """Return whether a node answers ``GET path`` with 2xx; a node that ended is an error at once."""
        if node.pid is None:
            raise ToolError(f"{node.name} ended:\n{_read(node.folder / 'start.log')[-TAIL:]}")
        try:
            self.get(path, node)
        except (OSError, HTTPException, ValueError):
            return False
        return True

    def _signal(self, node: Node, number: signal.Signals) -> int:
        """Send a signal to a node's process, wait until it has ended, and return its id."""
        pid = node.pid
        if pid is None:
            raise ToolError(f"{node.name} does not run")
        _send(pid, number)
        _wait_until(lambda: not node.owns(pid), STOP_S, f"{node.name} (pid {pid}) does not end")
        return pid

    def _save(self) -> None:
        """Write down what :meth:`load` needs, readable by its owner only."""
        state = {
            "kind": self.kind,
            "nodes": [
                {"name": n.name, "url": n.url, "transport_port": n.transport_port, "folder": str(n.folder)}
                for n in self.nodes
            ],
            "ca_file": str(self.ca_file) if self.ca_file else None,
            "users": dict(self.users),
            "heap": self.heap,
        }
        path = self.folder / STATE_FILE
        path.touch(mode=0o600)
        path.write_text(json.dumps(state, indent=1))


def start(
    kind: Kind, folder: Path | None = None, *, heap: str = "1g", extra: Mapping[str, str] | None = None
) -> Cluster:
    """Start a cluster and wait until it is healthy: green, for one node at least yellow.

    Args:
        kind: ``open``, one node without security; ``secured``, one with TLS and users; ``three``, three such nodes.
        folder: new or empty folder for everything of the cluster; default a new one in the system's temporary folder.
        heap: memory of each server's Java.
        extra: lines of ``elasticsearch.yml`` in addition or instead, such as disk watermarks.

    Raises:
        ToolError: Java or Maven is missing, the folder is used, or a node does not come up.
    """
    fetch_home()
    for _ in range(STARTS - 1):
        try:
            return _start(kind, _own_folder(folder), heap, extra or {})
        except PortTakenError:
            continue
    return _start(kind, _own_folder(folder), heap, extra or {})


def _start(kind: Kind, folder: Path, heap: str, extra: Mapping[str, str]) -> Cluster:
    """Start a cluster on free ports; one that does not come up leaves nothing."""
    names = [f"n{number}" for number in range(1, (3 if kind == "three" else 1) + 1)]
    ports = iter(find_free_ports(2 * len(names)))
    scheme = "http" if kind == "open" else "https"
    nodes = tuple(Node(name, f"{scheme}://127.0.0.1:{next(ports)}", next(ports), folder / name) for name in names)
    identity = None if kind == "open" else security.build_identity(folder / "tls")
    users = {} if identity is None else identity.users
    cluster = Cluster(kind, folder, nodes, identity and identity.ca_file, users, heap)
    try:
        for node in nodes:
            _write_configuration(cluster, node, identity, extra)
        hand_over(folder)
        cluster._save()
        cluster.run(nodes)
        cluster.wait("green" if kind == "three" else "yellow")
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _write_configuration(
    cluster: Cluster, node: Node, identity: security.Identity | None, extra: Mapping[str, str]
) -> None:
    """Write one node's configuration folder and make its other folders."""
    config = node.folder / "config"
    shutil.copytree(fetch_home() / "config", config)
    for name in ("data", "logs", "tmp"):
        (node.folder / name).mkdir()
    (cluster.folder / "snapshots").mkdir(exist_ok=True)
    lines = {
        "cluster.name": "auditsvc-test",
        "node.name": node.name,
        "path.data": str(node.folder / "data"),
        "path.logs": str(node.folder / "logs"),
        "path.repo": json.dumps([str(cluster.folder / "snapshots")]),
        "http.host": "127.0.0.1",
        "http.port": node.url.rpartition(":")[2],
        "transport.host": "127.0.0.1",
        "transport.port": str(node.transport_port),
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    if len(cluster.nodes) == 1:
        lines["discovery.type"] = "single-node"
    else:
        lines["discovery.seed_hosts"] = json.dumps([f"127.0.0.1:{other.transport_port}" for other in cluster.nodes])
        lines["cluster.initial_master_nodes"] = json.dumps([other.name for other in cluster.nodes])
    lines.update({"xpack.security.enabled": "false"} if identity is None else identity.install(config))
    lines.update(extra)
    (config / "elasticsearch.yml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))


def _own_folder(folder: Path | None) -> Path:
    """Return a folder that is empty and that the user servers run as can get into."""
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="auditsvc-elastic-"))
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ToolError(f"{folder} is not empty; stop the cluster in it or name another folder")
    return folder


def remove_folder(folder: Path) -> None:
    """Remove a folder and what is in it, also while others remove, or still add, files of their own there.

    Raises:
        ToolError: not within a minute.
    """

    def is_gone() -> bool:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
        return not folder.exists()

    _wait_until(is_gone, REMOVE_S, f"{folder} cannot be removed")


def _send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended by now."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _remove_socket(pid: int) -> None:
    """Remove what a killed Java leaves in its fixed place, whatever its temporary folder."""
    Path(f"/tmp/.java_pid{pid}").unlink(missing_ok=True)  # noqa: S108


def _wait_until(holds: Callable[[], bool], limit_s: float, failure: str) -> None:
    """Wait until ``holds`` is true."""
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            raise ToolError(failure)
        time.sleep(PAUSE_S)


def _read(path: Path) -> str:
    """Return a text file; empty when there is none."""
    return path.read_text(errors="replace") if path.exists() else ""

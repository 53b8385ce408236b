"""Real Elasticsearch servers by hand.

python -m tools.elasticsearch start open      one node without security
python -m tools.elasticsearch start secured   one node with TLS, users and the service's role
python -m tools.elasticsearch start three     three secured nodes (needs about 4 GB)
python -m tools.elasticsearch status          addresses, passwords, certificate, process ids
python -m tools.elasticsearch kill 1          end node 1 as a power cut would
python -m tools.elasticsearch restart 1       start node 1 again on its data
python -m tools.elasticsearch stop            end all nodes and remove their data

Downloads are kept in the folder named by AUDITSVC_CACHE (default ~/.cache/auditsvc, for root /var/cache/auditsvc).
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tools.elasticsearch.cluster import KINDS, Cluster, start
from tools.elasticsearch.distribution import ToolError

FOLDER = Path(tempfile.gettempdir()) / "auditsvc-elasticsearch"


def main() -> int:
    """Do what the command line asks for; 0 when done, 3 when something is missing."""
    words = _parse()
    try:
        if words.command == "start":
            _show(start(words.kind, words.folder, heap=words.heap))
            return 0
        cluster = Cluster.load(words.folder)
        match words.command:
            case "status":
                _show(cluster)
            case "kill":
                cluster.kill(_index(cluster, words.node))
            case "restart":
                cluster.restart(_index(cluster, words.node))
                _show(cluster)
            case "stop":
                cluster.stop()
    except ToolError as err:
        print(err, file=sys.stderr)
        return 3
    return 0


def _parse() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.elasticsearch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--folder", type=Path, default=FOLDER, help=f"folder of the cluster (default {FOLDER})")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("start", parents=[shared], help="start a cluster")
    starting.add_argument("kind", choices=KINDS)
    starting.add_argument("--heap", default="1g", help="memory of each node's Java (default 1g)")
    for name, help_text in (("kill", "end a node at once"), ("restart", "start a node again")):
        command = commands.add_parser(name, parents=[shared], help=help_text)
        command.add_argument("node", type=int, help="number of the node, from 1")
    commands.add_parser("status", parents=[shared], help="show the cluster")
    commands.add_parser("stop", parents=[shared], help="end the cluster and remove its data")
    return parser.parse_args()


def _index(cluster: Cluster, number: int) -> int:
    """Return the 0-based index of node ``number``."""
    if not 1 <= number <= len(cluster.nodes):
        raise ToolError(f"there is no node {number}, only 1 to {len(cluster.nodes)}")
    return number - 1


def _show(cluster: Cluster) -> None:
    """Print how to reach a cluster."""
    for node in cluster.nodes:
        print(f"{node.name}  {node.url}  pid {node.pid or '-'}")
    if cluster.ca_file:
        print(f"certificate to trust: {cluster.ca_file}")
    for name, password in cluster.users.items():
        print(f"user {name}: {password}")


if __name__ == "__main__":
    sys.exit(main())

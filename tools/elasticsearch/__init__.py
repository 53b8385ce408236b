"""Starts real Elasticsearch servers on this machine, for tests and by hand; see ``python -m tools.elasticsearch --help``.

The server is the one its maker publishes through Maven: same program, fewer modules, see ``distribution.py``.
"""

from tools.elasticsearch.cluster import KINDS, Cluster, Kind, Node, start
from tools.elasticsearch.distribution import VERSION, ToolError

__all__ = ["KINDS", "VERSION", "Cluster", "Kind", "Node", "ToolError", "start"]

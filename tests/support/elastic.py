"""Real Elasticsearch servers for tests: started at first use, shared by the session, ended with it.

``AUDITSVC_TEST_ELASTICSEARCH_URL`` names an open server that already runs instead of the shared open one. Each test
works under a prefix of its own and removes what it made.
"""

import atexit
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from secrets import token_hex

from elasticsearch import Elasticsearch

from auditsvc.ground.settings.model import Settings
from tools.elasticsearch import Cluster, Kind, ToolError, start
from tools.elasticsearch.security import ADMIN, PREFIX, SERVICE

URL_KEY = "AUDITSVC_TEST_ELASTICSEARCH_URL"
_FOLDER = "auditsvc-elastic-test"
_DELETED_AT_ONCE = 50
"""Names in one request to delete; their length is bounded by that of the request's line."""


@cache
def open_cluster() -> str:
    """Return the address of the session's open node, started at the first call."""
    return os.environ.get(URL_KEY) or _start_for_session("open").urls[0]


@cache
def secured_cluster() -> Cluster:
    """Return the session's secured node, started at the first call."""
    return _start_for_session("secured")


@contextmanager
def own_prefix(admin: Elasticsearch) -> Iterator[str]:
    """Give a new index prefix, one the service's role covers; afterwards remove indices and templates under it."""
    prefix = f"{PREFIX}-t{token_hex(4)}"
    try:
        yield prefix
    finally:
        pattern = f"{prefix}-*"
        names = sorted(admin.indices.get(index=pattern, expand_wildcards="all", features="aliases"))
        for first in range(0, len(names), _DELETED_AT_ONCE):
            admin.indices.delete(index=names[first : first + _DELETED_AT_ONCE])
        found = admin.options(ignore_status=404)  # which is the answer when no template matches
        for template in found.indices.get_index_template(name=f"{prefix}*")["index_templates"]:
            admin.indices.delete_index_template(name=template["name"])
        for template in found.cluster.get_component_template(name=f"{prefix}*")["component_templates"]:
            admin.cluster.delete_component_template(name=template["name"])


@contextmanager
def open_prefix() -> Iterator[tuple[Elasticsearch, str]]:
    """Give a client of the session's open node and a new prefix there, cleaned afterwards."""
    with Elasticsearch(open_cluster(), request_timeout=60) as client, own_prefix(client) as prefix:
        yield client, prefix


def admin_client(cluster: Cluster) -> Elasticsearch:
    """Return a client of a cluster that may do everything; the caller closes it."""
    if not cluster.users:
        return Elasticsearch(cluster.urls, request_timeout=60)
    pair = (ADMIN, cluster.users[ADMIN])
    return Elasticsearch(cluster.urls, basic_auth=pair, ca_certs=str(cluster.ca_file), request_timeout=60)


def service_settings(cluster: Cluster, folder: Path) -> Settings:
    """Return settings that reach a cluster as the service does; the password's file goes into ``folder``."""
    settings = Settings(
        data_dir=folder,
        event_store="elasticsearch",
        elasticsearch_urls=",".join(cluster.urls),
        elasticsearch_ca_file=cluster.ca_file,
        elasticsearch_replicas=min(1, len(cluster.nodes) - 1),
    )
    if not cluster.users:
        return settings
    path = folder / "elasticsearch.password"
    path.write_text(cluster.users[SERVICE] + "\n")
    return replace(settings, elasticsearch_user=SERVICE, elasticsearch_password_file=path)


def _start_for_session(kind: Kind) -> Cluster:
    """Start a cluster that ends with this process."""
    cluster = _start(kind)
    atexit.register(cluster.stop)
    return cluster


def _start(kind: Kind) -> Cluster:
    """Start a cluster in a folder that names this process, after ending what killed sessions left."""
    _end_leftovers()
    return start(kind, Path(tempfile.mkdtemp(prefix=f"{_FOLDER}-{os.getpid()}-")))


def _end_leftovers() -> None:
    """End clusters of test sessions whose process is no more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}-*-*"):
        owner = folder.name.removeprefix(f"{_FOLDER}-").partition("-")[0]
        if Path(f"/proc/{owner}").exists() or not os.access(folder, os.W_OK):
            continue
        try:
            Cluster.load(folder).stop()
        except ToolError:
            continue

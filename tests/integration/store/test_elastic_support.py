"""The tests' own Elasticsearch: a real one, shared by the session, each test under a prefix of its own."""

import pytest

from tests.support.elastic import open_cluster, open_prefix
from tools.elasticsearch import VERSION

pytestmark = pytest.mark.slow


def test_the_shared_node_is_a_real_server_of_the_pinned_version() -> None:
    with open_prefix() as (client, _):
        versions = {node["version"] for node in client.nodes.info()["nodes"].values()}
    assert versions == {VERSION}
    assert open_cluster() == open_cluster()


def test_what_a_test_makes_under_its_prefix_is_removed_and_nothing_else() -> None:
    with open_prefix() as (client, other):
        client.indices.create(index=f"{other}-a")
        with open_prefix() as (_, prefix):
            client.indices.put_index_template(name=f"{prefix}-events", index_patterns=[f"{prefix}-events-*"])
            client.cluster.put_component_template(name=f"{prefix}-fields", template={})
            client.index(index=f"{prefix}-events-2026.11", id="1", document={"a": 1})
            client.indices.put_settings(index=f"{prefix}-events-2026.11", settings={"index.blocks.write": True})
        assert prefix != other
        assert not client.indices.exists(index=f"{prefix}-events-2026.11")
        assert not client.indices.exists_index_template(name=f"{prefix}-events")
        assert not client.cluster.exists_component_template(name=f"{prefix}-fields")
        assert client.indices.exists(index=f"{other}-a")

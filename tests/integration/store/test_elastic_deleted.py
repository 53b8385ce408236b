"""The whole store is deleted under a service at work: rebuilt from the archive, it is the one the archive says."""

from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from auditsvc.ground.settings.model import Settings
from auditsvc.pipeline.rebuild import reindex
from auditsvc.runtime import workers as worker_module
from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.summary import count_rows
from tests.integration.laiwu.test_elastic_kills import LEVEL_S, growing
from tests.integration.store.test_elastic_faults import (
    build_world,
    check_same,
    deliver,
    follow,
    wait_for,
)
from tests.support.elastic import open_cluster, open_prefix
from tests.support.engine import EVERY_ROW

pytestmark = pytest.mark.slow


def build_settings(prefix: str) -> Settings:
    """Return settings of a store under a prefix of its own on the session's server; the data folder is set later."""
    return Settings(
        event_store="elasticsearch",
        elasticsearch_urls=open_cluster(),
        elasticsearch_prefix=prefix,
        elasticsearch_replicas=0,
    )


def delete_all(admin: Elasticsearch, prefix: str) -> None:
    """Delete every index of the store, its state among them."""
    for name in admin.indices.get(index=f"{prefix}-*"):
        admin.indices.delete(index=name)


def test_a_store_deleted_while_records_come_in_is_rebuilt_while_more_come_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RETRY_S", 0.5)
    monkeypatch.setattr(worker_module, "SETTLED_S", 1.0)
    with open_prefix() as (admin, prefix), build_world(tmp_path, build_settings(prefix)) as world:
        install_templates(admin, world.settings)
        deliver(world, "before", 1500)
        with follow(world) as following:
            following.wait_level(LEVEL_S)
            with growing(following) as acknowledged:
                delete_all(admin, world.settings.elasticsearch_prefix)
                before = len(acknowledged)
                reindex(world.ledger, world.settings)
                wait_for(lambda: len(acknowledged) >= before + 3, LEVEL_S)  # also after the swap
            following.wait_level(LEVEL_S)
            assert count_rows(following.store, EVERY_ROW) == 1501 + sum(acknowledged)
            check_same(world, following.store)
        assert reindex(world.ledger, world.settings).is_identical is True

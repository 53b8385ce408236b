"""The whole store is deleted under a service at work: rebuilt from the archive, it is the one the archive says."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from auditsvc.pipeline.rebuild import reindex
from auditsvc.runtime import workers as worker_module
from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.summary import count_rows
from tests.integration.laiwu.test_elastic_kills import LEVEL_S, growing
from tests.integration.store.test_elastic_faults import build_settings, build_world, check_same, deliver, follow
from tests.support.elastic import admin_client
from tests.support.engine import EVERY_ROW
from tools.elasticsearch import Cluster, start

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = start("open", heap="512m")
    yield made
    made.stop()


def delete_all(admin: Elasticsearch, prefix: str) -> None:
    """Delete every index of the store, its state among them."""
    for name in admin.indices.get(index=f"{prefix}-*"):
        admin.indices.delete(index=name)


def test_a_store_deleted_while_records_come_in_is_rebuilt_while_more_come_in(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "RETRY_S", 0.5)
    monkeypatch.setattr(worker_module, "SETTLED_S", 1.0)
    with build_world(tmp_path, build_settings(cluster, tmp_path)) as world, closing(admin_client(cluster)) as admin:
        install_templates(admin, world.settings)
        deliver(world, "before", 1500)
        with follow(world) as following:
            following.wait_level(LEVEL_S)
            with growing(following) as acknowledged:
                delete_all(admin, world.settings.elasticsearch_prefix)
                before = len(acknowledged)
                reindex(world.ledger, world.settings)
                while len(acknowledged) < before + 3:  # also after the swap
                    time.sleep(0.1)
            following.wait_level(LEVEL_S)
            assert count_rows(following.store, EVERY_ROW) == 1501 + sum(acknowledged)
            check_same(world, following.store)
        assert reindex(world.ledger, world.settings).is_identical is True

"""The Elasticsearch store keeps the contract and is rebuilt as its own says, on a real server."""

from collections.abc import Iterator

import pytest

from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.port import EventStore
from tests.support.elastic import open_cluster, open_prefix
from tests.support.elastic_store import given_store
from tests.support.rebuild_contract import RebuildContract
from tests.support.store_contract import StoreContract


class TestElasticStore(StoreContract):
    """The shared suite on Elasticsearch."""

    @pytest.fixture
    def store(self) -> Iterator[EventStore]:
        with given_store() as (_, store):
            yield store


class TestElasticRebuild(RebuildContract):
    """The shared suite of rebuilds on Elasticsearch."""

    @pytest.fixture
    def settings(self) -> Iterator[Settings]:
        with open_prefix() as (admin, prefix):
            settings = Settings(
                event_store="elasticsearch",
                elasticsearch_urls=open_cluster(),
                elasticsearch_prefix=prefix,
                elasticsearch_replicas=0,
            )
            install_templates(admin, settings)
            yield settings

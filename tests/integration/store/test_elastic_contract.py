"""The Elasticsearch store keeps the contract, on a real server."""

from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch

from auditsvc.clock import FixedClock
from auditsvc.event.time import to_datetime
from auditsvc.settings import Settings
from auditsvc.store.elastic.setup import install_templates
from auditsvc.store.elastic.store import ElasticStore
from auditsvc.store.model import EventStore
from tests.support.elastic import open_cluster, open_prefix
from tests.support.store_contract import START, StoreContract


@pytest.fixture
def elastic() -> Iterator[ElasticStore]:
    with open_prefix() as (admin, prefix):
        settings = Settings(elasticsearch_urls=open_cluster(), elasticsearch_prefix=prefix, elasticsearch_replicas=0)
        install_templates(admin, settings)
        client = Elasticsearch(open_cluster(), request_timeout=60)
        store = ElasticStore(client, settings, clock=FixedClock(to_datetime(START)))
        store.prepare()
        yield store
        store.close()


class TestElasticStore(StoreContract):
    """The shared suite on Elasticsearch."""

    @pytest.fixture
    def store(self, elastic: ElasticStore) -> EventStore:
        return elastic

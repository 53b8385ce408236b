"""The Elasticsearch store keeps the contract, on a real server."""

from collections.abc import Iterator

import pytest

from auditsvc.store.model import EventStore
from tests.support.elastic_store import given_store
from tests.support.store_contract import StoreContract


class TestElasticStore(StoreContract):
    """The shared suite on Elasticsearch."""

    @pytest.fixture
    def store(self) -> Iterator[EventStore]:
        with given_store() as (_, store):
            yield store

"""A prepared Elasticsearch store of its own for each test."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from elasticsearch import Elasticsearch

from auditsvc.event.time import to_datetime
from auditsvc.ground.clock import FixedClock
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.elasticsearch.store import ElasticStore
from tests.support.elastic import open_cluster, open_prefix
from tests.support.store_contract import START


@dataclass
class Given:
    """A server, settings with a prefix of their own, templates installed; ``pauses`` are what writers waited."""

    admin: Elasticsearch
    settings: Settings
    resources: ExitStack
    pauses: list[float] = field(default_factory=list)

    def open(self, generation: str | None = None) -> ElasticStore:
        """Open a store, not yet prepared; it is closed at the end."""
        client = Elasticsearch(open_cluster(), request_timeout=60)
        clock = FixedClock(to_datetime(START))
        store = ElasticStore(client, self.settings, generation=generation, clock=clock, sleep=self.pauses.append)
        self.resources.callback(store.close)
        return store


@contextmanager
def given_store(month_shards: int = 1) -> Iterator[tuple[Given, ElasticStore]]:
    """Give a prepared store, removed afterwards."""
    with open_prefix() as (admin, prefix), ExitStack() as resources:
        settings = Settings(
            elasticsearch_urls=open_cluster(),
            elasticsearch_prefix=prefix,
            elasticsearch_replicas=0,
            elasticsearch_month_shards=month_shards,
        )
        install_templates(admin, settings)
        given = Given(admin, settings, resources)
        store = given.open()
        store.prepare()
        yield given, store

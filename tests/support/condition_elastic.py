"""Events in an index of a real Elasticsearch, as the store puts them there, and conditions asked of it."""

from collections.abc import Sequence
from typing import Any

from elasticsearch import Elasticsearch

from auditsvc.condition.ast import Node
from auditsvc.condition.compile.elasticsearch.compiler import ElasticQuery, split_for_elastic
from auditsvc.condition.compile.elasticsearch.path import is_overlong
from auditsvc.condition.evaluate import Context, Truth, evaluate
from auditsvc.event.model import Event
from auditsvc.ground.ids import build_event_uid
from auditsvc.store.elasticsearch.document import build_document
from auditsvc.store.elasticsearch.mapping import Names, build_template
from auditsvc.store.rows import EventDigest, NewEvent

ANSWER = "responses.error,responses.hits.total,responses.hits.hits._id"


class EventIndex:
    """One index of events under a prefix of its own."""

    def __init__(self, client: Elasticsearch, prefix: str, *, month: str = "2026.01") -> None:
        """Make the empty index from the store's own template."""
        self._client = client
        self._index = Names(prefix).events(month)
        self.stored: Sequence[Event] = ()
        self.overlong: frozenset[str] | None = frozenset()
        templates = build_template(prefix, replicas=0)
        for name, component in templates.component.items():
            client.cluster.put_component_template(name=name, body=component)
        client.indices.put_index_template(name=f"{prefix}-events", body=templates.index[f"{prefix}-events"])
        client.indices.create(index=self._index)

    def drop(self) -> None:
        """Remove the index."""
        self._client.indices.delete(index=self._index)

    def fill(self, stored: Sequence[Event]) -> None:
        """Replace the events by others, numbered from 0."""
        if self.stored:
            self.drop()
            self._client.indices.create(index=self._index)
        operations: list[dict[str, Any]] = []
        for number, event in enumerate(stored):
            uid = build_event_uid("gateway", f"e{number}", "gateway")
            document = build_document(NewEvent(event, uid, EventDigest(f"{number:064x}")))
            operations += [{"create": {"_id": str(number)}}, document]
        answer = self._client.bulk(index=self._index, operations=operations, refresh=True)
        assert not answer["errors"], [item for item in answer["items"] if "error" in item["create"]][:3]
        self.stored = stored
        self.overlong = frozenset(name for event in stored for name, value in event.items() if _has_overlong(value))

    def split(self, node: Node, context: Context) -> ElasticQuery:
        """Return what the store asks for a condition."""
        return split_for_elastic(node, context, overlong=self.overlong)

    def find(self, queries: Sequence[ElasticQuery]) -> list[set[int]]:
        """Return the numbers of the events each query finds, its residual not yet asked."""
        searches: list[dict[str, Any]] = []
        for query in queries:
            searches += [{}, {"query": {"bool": {"filter": [query.query]}}, "size": 10_000, "_source": False}]
        answer = self._client.msearch(index=self._index, searches=searches, filter_path=ANSWER)
        found = []
        for query, response in zip(queries, answer["responses"], strict=True):
            assert "error" not in response, (query, response["error"])
            hits = {int(hit["_id"]) for hit in response["hits"].get("hits", ())}
            assert len(hits) == response["hits"]["total"]["value"]
            found.append(hits)
        return found

    def select(self, nodes: Sequence[Node], context: Context) -> list[set[int]]:
        """Return the numbers of the events for which each condition is true, the reference deciding what is left."""
        queries = [self.split(node, context) for node in nodes]
        return [
            found if query.residual is None else {n for n in found if self._holds(query.residual, n, context)}
            for query, found in zip(queries, self.find(queries), strict=True)
        ]

    def _holds(self, node: Node, number: int, context: Context) -> bool:
        """Return whether the reference says true."""
        return evaluate(node, self.stored[number], context) is Truth.TRUE


def _has_overlong(value: object) -> bool:
    """Return whether a value has a text too long for the index."""
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and is_overlong(text) for text in texts)

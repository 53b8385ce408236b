"""Both event stores beside each other, and Elasticsearch beside its own ``_bulk``: writing, a month's figures, search, size.

``python -m benchmarks.store [--events N] [--url URL]`` writes the same made-up events of October 2026 into DuckDB, into
Elasticsearch through the store, and into a bare index of the same template with raw ``_bulk`` of the same documents: the
limit of writing. The three take turns chunk by chunk, so that all meet the same machine and the same warm server; building
events, and documents for the raw requests, is not measured, building documents in the store is. Then it asks the month's
figures of ``benchmarks.report`` and pages of searches of both stores and compares the figures. Without ``--url`` it starts
a server of its own (``tools/elasticsearch``).
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from elasticsearch import Elasticsearch

from auditsvc.condition.parse import parse_query
from auditsvc.event.model import Event
from auditsvc.ground.ids import build_event_uid
from auditsvc.ground.settings.model import Settings
from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.elasticsearch.client import open_client
from auditsvc.store.elasticsearch.document import build_document
from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.elasticsearch.store import ElasticStore
from auditsvc.store.port import EventStore
from auditsvc.store.query import EventQuery
from auditsvc.store.rows import Chunk, EventDigest, LedgerPlace, NewEvent, Position
from benchmarks.report import FIRST, LAST, build_cases
from tools.elasticsearch import start

CHUNK = 10_000
RAW_ITEMS = 1_000
SEARCHES = 100
PREFIX = "gs-bench"
RAW = "raw _bulk of the same documents"


def build_event(number: int, events: int, chance: Random) -> Event:
    """Return one made-up event, evenly spread over the month."""
    interface = int(40 * chance.random() ** 2)
    event: Event = {
        "time": FIRST + number * (LAST - FIRST) // events,
        "id": f"{number:032x}",
        "action": ("query", "verify", "download")[number % 3],
        "outcome": "failure" if number % 97 == 0 else "success",
        "side": "gateway",
        "traffic": "probe" if number % 20 == 0 else "business",
        "user.id": f"u{chance.randrange(3000)}",
        "source.ip": f"10.3.{chance.randrange(8)}.{chance.randrange(250)}",
        "consumer.org": f"org-{int(40 * chance.random() ** 2)}",
        "provider.org": f"org-{chance.randrange(12)}",
        "interface.id": f"if-{interface}",
        "resource.code": [f"res-{interface}"],
        "project.id": f"P-{interface % 20}",
        "rows": chance.randrange(200),
        "bytes": chance.randrange(20_000),
        "duration_ms": chance.randrange(100_000) / 100,
        "subject.hash": [f"k1:{chance.randrange(1_000_000):064x}"],
        "agreement.id": f"AG-{chance.randrange(60)}",
        "purpose": f"purpose-{number % 6}",
        "verdict": "permitted",
        "seq": number // CHUNK,
        "record": number % CHUNK,
        "item": 0,
        "leaf_hash": f"{number:064x}",
        "source_id": "gateway",
        "ingested": LAST,
    }
    if chance.randrange(200) == 0:
        event["verdict"], event["violations"] = "violated", [f"GDS-00{number % 9}"]
    return event


def build_chunks(events: int) -> Iterator[Chunk]:
    """Give the month's events in chunks, in order of time."""
    chance = Random(1)
    for seq in range(-(-events // CHUNK)):
        numbers = range(seq * CHUNK, min(events, (seq + 1) * CHUNK))
        rows = []
        for number in numbers:
            event = build_event(number, events, chance)
            rows.append(NewEvent(event, build_event_uid("gateway", str(event["id"]), "gateway"), EventDigest("")))
        yield Chunk(LedgerPlace(seq), Position(LedgerPlace(seq + 1)), rows)


def prepare_raw(client: Elasticsearch, index: str, chunk: Chunk) -> Callable[[], None]:
    """Return what sends the documents of a chunk to a bare index by ``_bulk`` and makes them visible."""
    lines = [
        b'{"create":{"_id":"%s"}}\n%s\n' % (row.uid.hex().encode(), msgspec.json.encode(build_document(row)))
        for row in chunk.events
    ]
    bodies = [b"".join(lines[first : first + RAW_ITEMS]) for first in range(0, len(lines), RAW_ITEMS)]

    def write() -> None:
        for body in bodies:
            answer: dict[str, Any] = client.bulk(index=index, operations=body, filter_path="errors").body  # type: ignore[arg-type]
            if answer["errors"]:
                raise SystemExit("the raw bulk was refused in part")
        client.indices.refresh(index=index)  # as the store does: written means it can be found

    return write


def write_month(stores: Mapping[str, EventStore], client: Elasticsearch, events: int) -> dict[str, float]:
    """Write the month into every store and into a bare index; return the events a second of each."""
    index = f"{PREFIX}-events-raw-2026.10"
    client.indices.create(index=index)
    seconds = dict.fromkeys((*stores, RAW), 0.0)
    for number, chunk in enumerate(build_chunks(events)):
        writes = {name: partial(store.write, chunk) for name, store in stores.items()}
        writes[RAW] = prepare_raw(client, index, chunk)
        names = list(writes)
        turn = number % len(names)  # none is always the first after a pause
        for name in names[turn:] + names[:turn]:
            begin = time.perf_counter()
            writes[name]()
            seconds[name] += time.perf_counter() - begin
    client.indices.delete(index=index)
    return {name: events / spent for name, spent in seconds.items()}


def time_searches(store: EventStore) -> list[float]:
    """Return the sorted milliseconds of first pages of searches of one user, one organisation and one day."""
    chance, times = Random(2), []
    for _ in range(SEARCHES):
        day = FIRST + chance.randrange(30) * 86_400 * 10**9
        text = chance.choice(
            [f"user.id:u{chance.randrange(3000)}", f"consumer.org:org-{chance.randrange(40)} rows>150"]
        )
        condition = parse_query(text)
        begin = time.perf_counter()
        store.search(EventQuery(condition, day, day + 86_400 * 10**9))
        times.append((time.perf_counter() - begin) * 1000)
    return sorted(times)


def time_call(act: Callable[[], Any]) -> tuple[float, Any]:
    """Return the median milliseconds of three calls, and what the last gave."""
    times, given = [], None
    for _ in range(3):
        begin = time.perf_counter()
        given = act()
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times), given


@contextmanager
def find_server(url: str | None, folder: Path) -> Iterator[str]:
    """Give the address of the server named, or of one started for this run."""
    if url is not None:
        yield url
        return
    cluster = start("open", folder)
    try:
        yield cluster.urls[0]
    finally:
        cluster.stop()


def main() -> None:
    """Write, ask, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--url", help="address of an open server; default: start one")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # the server may run as another user
        url = stack.enter_context(find_server(given.url, folder / "server"))
        settings = replace(
            Settings(),
            elasticsearch_urls=url,
            elasticsearch_prefix=PREFIX,
            elasticsearch_replicas=0,
            event_store="elasticsearch",
        )
        client = open_client(settings)
        install_templates(client, settings)
        duck = DuckStore(folder / "events.duckdb", settings)
        elastic = ElasticStore(open_client(settings), settings)
        elastic.prepare()
        stack.callback(remove, client)
        stack.callback(elastic.close)
        stack.callback(duck.close)

        rates = write_month({"duckdb": duck, "elasticsearch": elastic}, client, given.events)
        print(f"writing {given.events:,} events: " + ", ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items()))
        print(f"ratio elasticsearch / {RAW}: {rates['elasticsearch'] / rates[RAW]:.2f}")

        duck.checkpoint()
        month = f"{PREFIX}-events-1-2026.10"
        client.options(request_timeout=600).indices.forcemerge(index=month, max_num_segments=1)
        size = client.indices.stats(index=month, metric="store").body["_all"]["primaries"]["store"]["size_in_bytes"]
        own = (folder / "events.duckdb").stat().st_size
        print(f"bytes an event: duckdb {own / given.events:.0f}, elasticsearch {size / given.events:.0f}")

        print(f"{'figure':48}{'duckdb ms':>11}{'elastic ms':>11}{'ratio':>8}{'rows':>8}")
        totals = [0.0, 0.0]
        for case in build_cases():
            mine, rows = time_call(partial(duck.aggregate, case.query))
            theirs, same = time_call(partial(elastic.aggregate, case.query))
            if rows != same:
                raise SystemExit(f"{case.name}: the two stores differ")
            totals = [totals[0] + mine, totals[1] + theirs]
            print(f"{case.name:48}{mine:11.0f}{theirs:11.0f}{theirs / mine:8.1f}{len(rows):8}")
        print(f"{'all':48}{totals[0]:11.0f}{totals[1]:11.0f}{totals[1] / totals[0]:8.1f}")

        for name, store in (("duckdb", duck), ("elasticsearch", elastic)):
            times = time_searches(store)
            print(
                f"search, first page of 50 in a day, {name}: p50 {times[SEARCHES // 2]:.0f} ms, p95 {times[SEARCHES * 95 // 100]:.0f} ms"
            )


def remove(client: Elasticsearch) -> None:
    """Remove what the run made in the cluster, and close the client."""
    for name in client.indices.get(index=f"{PREFIX}-*"):
        client.indices.delete(index=name)
    client.close()


if __name__ == "__main__":
    main()

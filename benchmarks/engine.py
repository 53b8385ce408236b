"""Engine throughput: events a second from the archive to DuckDB, judged by the shipped policies.

``python -m benchmarks.engine [--events N] [--batch N]`` prints the engine's rate, the rate of the same work done by one
thread in a straight line without ledger, duplicates, pairing and position (the limit), and their ratio, from one run.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from auditsvc.catalog.enrich import Enricher
from auditsvc.catalog.load import load_catalog
from auditsvc.ground.clock import SystemClock
from auditsvc.ground.database import begin_write, migrate, open_engine
from auditsvc.ground.document import load_bundle
from auditsvc.ground.ids import build_event_uid
from auditsvc.ground.settings.model import Settings
from auditsvc.inforce.versions import Versions
from auditsvc.ingest.readers.registry import BatchReader
from auditsvc.ingest.readers.subject import load_or_create_subject_hasher
from auditsvc.ledger.delivery import Delivery
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.write.committer import Committer
from auditsvc.pipeline.collector import spare_collector
from auditsvc.pipeline.loop import Engine
from auditsvc.policy.judge import compile_policy_set
from auditsvc.policy.load import load_policy_set
from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.rows import Chunk, EventDigest, LedgerPlace, NewEvent, Position

ROOT = Path(__file__).parents[1]
CATALOG, POLICIES = ROOT / "examples" / "laiwu" / "catalog", ROOT / "policies"
SOURCE = "share-gateway"
START_S = 1_791_000_000


def build_bodies(events: int, batch: int) -> Iterator[bytes]:
    """Give bodies of native records of about 500 bytes: one month, a few hundred users, 2 % violations."""
    chance = random.Random(1)
    catalog = load_catalog(load_bundle(CATALOG))
    interfaces = [
        catalog.interfaces[name]
        for name in catalog.sources[SOURCE].interfaces
        if name in ("pop-query", "pop-verify", "pop-batch")
    ]
    permitted = [
        (agreement, interface.id)
        for agreement in catalog.agreements.values()
        for interface in interfaces
        if set(interface.resources) <= set(agreement.resources)
    ]
    lines: list[bytes] = []
    for number in range(events):
        agreement, interface = chance.choice(permitted)
        record = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(START_S + number * 2_000_000 // events)),
            "id": f"{number:032x}",
            "action": chance.choice(["query", "verify", "query", "list"]),
            "outcome": "success",
            "duration_ms": round(chance.expovariate(0.02), 3),
            "sequence": number,
            "interface": {"id": interface},
            "consumer": {"org": agreement.consumer, "system": "approval"},
            "user": {"id": f"u{chance.randrange(300)}"},
            "source": {"ip": f"10.3.{chance.randrange(4)}.{chance.randrange(250)}"},
            "agreement": {"id": agreement.id},
            "purpose": agreement.purposes[0] if agreement.purposes and chance.random() > 0.02 else "other",
            "matter": "M-002",
            "subject": {"type": "person", "hash": [f"k1:{chance.randrange(10**9):064x}"]},
            "rows": 1,
            "bytes": chance.randrange(4000),
            "http": {"method": "POST", "status": 200},
        }
        lines.append(json.dumps(record, separators=(",", ":")).encode())
        if len(lines) == batch:
            yield b"\n".join(lines) + b"\n"
            lines = []
    if lines:
        yield b"\n".join(lines) + b"\n"


def run_engine(folder: Path, bodies: list[bytes]) -> float:
    """Return the seconds the engine takes for bodies that are in the ledger already."""
    settings, clock = Settings(data_dir=folder), SystemClock()
    engine_db = open_engine(settings.database)
    migrate(engine_db)
    ledger = Ledger.open(engine_db, settings, clock)
    with begin_write(engine_db) as connection:
        for kind, path in (("catalog", CATALOG), ("policy", POLICIES)):
            ledger.activate(connection, kind=kind, bundle=load_bundle(path), actor="benchmark")
    committer = Committer(ledger, settings)
    store = DuckStore(settings.duckdb_path, settings)
    engine = Engine(ledger, Versions(ledger), store, settings)
    committer.submit(Delivery(SOURCE, "lines", b"{}\n", 1, "warm-up", bytes(32), 0, 0))
    engine.catch_up()  # loads catalogue and policies, as a running engine has done long ago
    for number, body in enumerate(bodies):
        committer.submit(
            Delivery(SOURCE, "lines", body, body.count(b"\n"), str(number), number.to_bytes(32, "big"), 0, 0)
        )
    committer.close()
    begin = time.perf_counter()
    engine.catch_up()
    seconds = time.perf_counter() - begin
    store.close()
    engine_db.dispose()
    return seconds


def run_straight(folder: Path, bodies: list[bytes]) -> float:
    """Return the seconds one thread takes to decode, enrich, judge and insert, and nothing else."""
    settings = Settings(data_dir=folder)
    catalog = load_catalog(load_bundle(CATALOG))
    reader, enricher = BatchReader(catalog.sources[SOURCE]), Enricher(catalog)
    judge = compile_policy_set(load_policy_set(load_bundle(POLICIES)))
    hash_subject = load_or_create_subject_hasher(settings.key_path)
    store = DuckStore(settings.duckdb_path, settings)
    begin = time.perf_counter()
    for number, body in enumerate(bodies):
        rows = []
        for record, item, event in reader.read(body, "lines", hash_subject).events:
            enricher.enrich(event)
            event["verdict"] = judge.judge(event).verdict
            event.update({"seq": number, "record": record, "item": item})
            rows.append(NewEvent(event, build_event_uid(SOURCE, str(event["id"]), "gateway"), EventDigest("")))
        store.write(Chunk(LedgerPlace(number), Position(LedgerPlace(number + 1)), rows))
    seconds = time.perf_counter() - begin
    store.close()
    return seconds


def main() -> None:
    """Run both and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--batch", type=int, default=5_000)
    given = parser.parse_args()
    bodies = list(build_bodies(given.events, given.batch))
    size = sum(map(len, bodies)) / given.events
    spare_collector()  # as the core process does
    with tempfile.TemporaryDirectory() as folder:
        straight = given.events / run_straight(Path(folder) / "straight", bodies)
        engine = given.events / run_engine(Path(folder) / "engine", bodies)
    print(f"events {given.events}, {size:.0f} bytes each, batches of {given.batch}, policies {POLICIES.name}/")
    print(f"engine, archive to DuckDB        {engine:12,.0f} events/s")
    print(f"limit: one thread, straight line {straight:12,.0f} events/s")
    print(f"ratio engine / limit             {engine / straight:12.2f}")


if __name__ == "__main__":
    main()

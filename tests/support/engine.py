"""A ledger, a store and an engine in one folder: what the core process has, without any server."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine as DatabaseEngine

from auditsvc.ground.clock import FixedClock
from auditsvc.ground.database import begin_write, migrate, open_engine
from auditsvc.ground.document import Bundle, build_bundle
from auditsvc.ground.settings.model import Settings
from auditsvc.inforce.versions import Versions
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.delivery import Delivery
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.receipt import Receipt
from auditsvc.ledger.write.committer import Committer
from auditsvc.pipeline.loop import CHUNK_EVENTS, Engine, OnPoint, ignore_point
from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.query import EventQuery, RowSet
from tests.support.catalog import CIVIL, SMALL, TOWN
from tests.support.policy_schema import check_documents

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

POLICY = """\
policy:
  id: {id}
  version: 1
  title: {{zh: 策略, en: Policy}}
  status: {status}
  severity: high
  owner: office
  approved_by: [one, two]
  legal_basis: [{{act: act, article: "1"}}]
  valid: {{from: 2026-01-01}}
  target: {{{target}}}
  {body}
  alert: {{by: [{by}], suppress: 1h, title: {{zh: "{{consumer.org}} 违规", en: "{{consumer.org}} violates"}}}}
  tests:
    - {{name: yes, given: [{{action: query, outcome: success, rows: 1000}}], expect: {{violations: 1}}}}
    - {{name: no, given: [{{action: login, outcome: success, rows: 1}}], expect: none}}
"""
LEGAL = """\
legal:
  id: act
  title: {zh: 示例法, en: Example Act}
  issued_by: an example authority
  effective_from: 2020-01-01
  source: made up for tests
  verified: false
  articles:
    - {article: "1", text: {zh: 第一条, en: Article one}}
"""


def build_policy(
    name: str,
    *,
    status: str = "active",
    target: str = "action: query",
    body: str = "forbid: {rows|gt: 100}",
    by: str = "consumer.org",
) -> str:
    """Return a policy document; by default it forbids queries of more than a hundred rows."""
    return POLICY.format(id=name, status=status, target=target, body=body, by=by)


def build_policies(*texts: str) -> Bundle:
    """Return the bundle of some policy documents."""
    files = {f"policy-{number}.yaml": text for number, text in enumerate(texts)}
    return check_documents(build_bundle({**files, "legal/act.yaml": LEGAL}))


def build_record(name: str, **changes: Any) -> bytes:
    """Return one native record, LF included; names with ``__`` for the dot, ``...`` to leave a member out."""
    flat: dict[str, Any] = {
        "time": "2026-11-22T10:00:00+08:00",
        "id": name,
        "action": "query",
        "outcome": "success",
        "interface__id": "pop-query",
        "consumer__org": CIVIL,
        "user__id": "u-1",
        "rows": 1,
    }
    flat.update(changes)
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        group, _, member = key.rpartition("__")
        if value is not ...:
            (nested.setdefault(group, {}) if group else nested)[member] = value
    return json.dumps(nested, ensure_ascii=False).encode() + b"\n"


@dataclass
class World:
    """One installation in a folder."""

    folder: Path
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    chunk_events: int = CHUNK_EVENTS

    def __post_init__(self) -> None:
        self.settings = Settings(data_dir=self.folder, duckdb_memory_limit="1GB")
        self.engine_db: DatabaseEngine = open_engine(self.settings.database)
        migrate(self.engine_db)
        self.archive = Archive(self.settings.archive_path)
        self.ledger = Ledger(self.engine_db, self.archive, self.clock, self.settings.origin)
        self.versions = Versions(self.ledger)

    def close(self) -> None:
        self.engine_db.dispose()

    def activate(self, kind: str, bundle: Bundle) -> None:
        """Put a catalogue or policy set in force."""
        with begin_write(self.engine_db) as connection:
            self.ledger.activate(connection, kind=kind, bundle=bundle, actor="tester")

    def activate_small(self, *policies: str) -> None:
        """Put the small catalogue and these policies in force."""
        self.activate("catalog", build_bundle({"catalog.yaml": SMALL}))
        self.activate("policy", build_policies(*(policies or (build_policy("P-ROWS"),))))

    def deliver(self, source: str, *records: bytes, kind: str = "lines") -> Receipt:
        """Put one batch in the ledger."""
        return self.deliver_all([(source, kind, b"".join(records))])[0]

    def deliver_all(self, bodies: Sequence[tuple[str, str, bytes]]) -> list[Receipt]:
        """Put (source, kind, body) in the ledger, each as a batch of its own, in order."""
        committer = Committer(self.ledger, self.settings)
        try:
            return [committer.submit(_build_delivery(number, *body)) for number, body in enumerate(bodies)]
        finally:
            committer.close()

    @contextmanager
    def open_store(self) -> Iterator[DuckStore]:
        """Give the store."""
        store = DuckStore(self.settings.duckdb_path, self.settings)
        try:
            yield store
        finally:
            store.close()

    def build_engine(self, store: DuckStore, on_point: OnPoint = ignore_point) -> Engine:
        """Return an engine on the store."""
        return Engine(
            self.ledger,
            self.versions,
            store,
            self.settings,
            chunk_events=self.chunk_events,
            on_point=on_point,
        )

    @contextmanager
    def judged(self) -> Iterator[DuckStore]:
        """Give the store after the engine has caught up."""
        with self.open_store() as store:
            self.build_engine(store).catch_up()
            yield store


def _build_delivery(number: int, source: str, kind: str, body: bytes) -> Delivery:
    """Return a delivery that is never taken for a repetition of an earlier one."""
    records = body.count(b"\n") if kind == "lines" else 1
    digest = hashlib.sha256(body).digest()
    return Delivery(source, kind, body, records, f"{number}-{digest.hex()[:32]}-{len(body)}", digest, records, 0)


def split_lines_into(lines: Sequence[bytes], sizes: Sequence[int]) -> list[bytes]:
    """Return the lines as bodies of the given sizes, the rest as one more."""
    bodies, start = [], 0
    for size in sizes:
        bodies.append(b"".join(lines[start : start + size]))
        start += size
    bodies.append(b"".join(lines[start:]))
    return [body for body in bodies if body]


EVERYTHING = (0, 2**62)
EVERY_ROW = EventQuery(None, *EVERYTHING, rows=RowSet.ALL)
"""An interval of event time that holds every event."""
__all__ = [
    "CIVIL",
    "EVERYTHING",
    "NOW",
    "TOWN",
    "World",
    "build_policies",
    "build_policy",
    "build_record",
    "split_lines_into",
]

"""The worked city in memory: its logs read, enriched and judged without any server or database."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from auditsvc.catalog.enrich import Enricher
from auditsvc.catalog.load import load_catalog
from auditsvc.catalog.model import Catalog
from auditsvc.event.model import Event
from auditsvc.ground.document import load_bundle
from auditsvc.ingest.readers.registry import read_batch
from auditsvc.policy.judge import compile_policy_set
from auditsvc.policy.load import load_policy_set
from examples.laiwu.traffic import CATALOG_DIR, Planted, Traffic

POLICIES = Path(__file__).parents[2] / "policies"
Violation = tuple[str, str, str]
"""Source (empty for a call both sides log), event id or correlation, policy id."""


def load_city() -> Catalog:
    """Return the worked city's catalogue."""
    return load_catalog(load_bundle(CATALOG_DIR))


def hash_subject(number: str) -> str:
    """Return a stand-in for the keyed hash of a data subject's number."""
    return "k1:" + hashlib.sha256(number.encode()).hexdigest()


@dataclass(slots=True)
class Judged:
    """What reading and judging all logs came to."""

    violations: set[Violation] = field(default_factory=set)
    rejected: dict[str, list[int]] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)
    flags: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: dict[str, list[tuple[int, Event]]] = field(default_factory=dict)


def judge_logs(traffic: Traffic, catalog: Catalog) -> Judged:
    """Return what the shipped policies say of every event in the logs."""
    enricher, judge = Enricher(catalog), compile_policy_set(load_policy_set(load_bundle(POLICIES)))
    judged = Judged()
    for source, path in traffic.files.items():
        result = read_batch(path.read_bytes(), "lines", catalog.sources[source], hash_subject)
        judged.rejected[source] = [reject.record for reject in result.rejects]
        judged.events[source] = [(record, event) for record, _, event in result.events]
        for _, _, event in result.events:
            enricher.enrich(event)
            verdict = judge.judge(event)
            judged.verdicts[verdict.verdict] += 1
            for violation in verdict.violations:
                judged.violations.add(name_violation(source, event, violation.policy_id))
            flags = event.get("quality")
            judged.flags.update((source, flag) for flag in (flags if isinstance(flags, list) else []))
    return judged


def name_violation(source: str, event: Event, policy: str) -> Violation:
    """Return how a violation found is named here."""
    call = event.get("correlation")
    return ("", str(call), policy) if call else (source, str(event["id"]), policy)


def name_planted(planted: list[Planted]) -> Iterator[Violation]:
    """Give how the planted violations are named here."""
    for plant in planted:
        call = plant.correlation
        yield ("", call, plant.policy) if call else (plant.source, plant.event_id, plant.policy)

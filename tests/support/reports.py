"""A month of made-up accesses of the worked city in an event store, and reports on it."""

import hashlib
import random
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from auditsvc.catalog.enrich import Enricher
from auditsvc.catalog.load import load_catalog
from auditsvc.catalog.model import Catalog, Target
from auditsvc.event.model import Event
from auditsvc.event.time import count_ns
from auditsvc.figures.alerts import AlertTimes, measure_handling
from auditsvc.figures.period import build_period
from auditsvc.ground.document import load_bundle
from auditsvc.ground.ids import EventUid, build_event_uid, build_finding_key
from auditsvc.ground.settings.model import Settings
from auditsvc.policy.load import load_policy_set
from auditsvc.policy.model import PolicySet
from auditsvc.reports.document import Frame, build_compliance, build_project
from auditsvc.reports.evidence import LogRange, count_log
from auditsvc.reports.render import describe_tools
from auditsvc.reports.scope import ReportScope
from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.port import EventStore
from auditsvc.store.rows import (
    BatchStat,
    Chunk,
    EventDigest,
    Finding,
    FindingKind,
    LedgerPlace,
    NewEvent,
    Position,
    QuarantineRecord,
)
from tests.support.report_schema import check_report

ROOT = Path(__file__).parents[2]
ZONE = ZoneInfo("Asia/Shanghai")
FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
ORIGIN = "audit.example/log"
NOON = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
EVENTS = 4000


def load_city_catalog() -> Catalog:
    """Return the worked city's catalogue."""
    return load_catalog(load_bundle(ROOT / "examples" / "laiwu" / "catalog"))


def promise_little(catalog: Catalog, project: str = "P-LIB-POP") -> Catalog:
    """Return a catalogue in which all that a project promised is a log that is half complete."""
    target = Target("I-20", "gte", Decimal(50), "%", LAST)
    return replace(
        catalog, projects={**catalog.projects, project: replace(catalog.projects[project], targets=(target,))}
    )


def load_policies() -> PolicySet:
    """Return the shipped policies."""
    return load_policy_set(load_bundle(ROOT / "policies"))


def fill_store(
    store: EventStore,
    catalog: Catalog,
    policies: PolicySet,
    *,
    violated: float = 0.02,
    undecided: float = 0.01,
    is_covered: bool = True,
) -> None:
    """Store a month of accesses with findings, one silent day of one interface, and quarantined records.

    Args:
        store: an empty one.
        catalog, policies: what is in force.
        violated: share of accesses with a violation.
        undecided: share of the others that no policy could decide.
        is_covered: a policy is about each access.
    """
    chance = random.Random(7)
    enricher = Enricher(catalog)
    interfaces = sorted(catalog.interfaces)
    consumers = sorted(catalog.orgs)
    start = datetime(2026, 9, 30, 16, tzinfo=UTC)
    severity = {policy.id: policy.severity.value for policy in policies.policies}
    events, findings = [], []
    for number in range(EVENTS):
        interface = interfaces[min(int(chance.expovariate(0.12)), len(interfaces) - 1)]
        moment = start + timedelta(days=chance.randrange(31), minutes=int(chance.gauss(13 * 60, 200)) % 1440)
        outcome = chance.choices(("success", "failure", "denied"), (94, 4, 2))[0]
        event: Event = {
            "id": f"e{number}",
            "time": count_ns(moment),
            "interface.id": interface,
            "consumer.org": consumers[min(int(chance.expovariate(0.2)), len(consumers) - 1)],
            "action": "query",
            "outcome": outcome,
            "source_id": catalog.interfaces[interface].source or "gateway",
            "seq": 2,
            "record": number,
            "item": 0,
        }
        if outcome == "failure":
            event["http.status"] = chance.choice((404, 500, 503))
        enricher.enrich(event)
        uid = build_event_uid(str(event["source_id"]), str(event["id"]), "gateway")
        is_violated = chance.random() < violated
        lawful = chance.choices(("permitted", "indeterminate"), (1 - undecided, undecided))[0]
        lawful = lawful if is_covered else "not_covered"
        event["verdict"] = "violated" if is_violated else lawful
        if is_violated:
            policy = chance.choice(sorted(severity)[:8])
            event["violations"] = [policy]
            findings.append(_build_finding(policy, severity[policy], event, uid))
        events.append(NewEvent(event, uid, EventDigest(f"{number:064x}")))
    for beat in range(31 * 24):
        events += _build_heartbeats(enricher, interfaces, start, beat)
    quarantine = [
        QuarantineRecord(2, 9000 + number, 0, "open-portal", "json_invalid", "not JSON", "{", count_ns(NOON) - 10**15)
        for number in range(3)
    ]
    stats = [
        BatchStat(
            seq=2,
            first_record=0,
            source="egov-gateway",
            accepted=count_ns(NOON) - 10**15,
            records=EVENTS + 3,
            events=EVENTS,
            duplicates=0,
            conflicts=0,
            paired=0,
            quarantined=3,
            untargetable=5,
        )
    ]
    store.write(Chunk(LedgerPlace(0), Position(LedgerPlace(3), 1, 0), events, findings, quarantine, stats))


def _build_heartbeats(enricher: Enricher, interfaces: list[str], start: datetime, beat: int) -> list[NewEvent]:
    """Return an hour's heartbeats; the first interface is silent on the tenth day."""
    made = []
    for place, interface in enumerate(interfaces):
        if place == 0 and 9 * 24 <= beat < 10 * 24:
            continue
        event: Event = {
            "id": f"h{beat}-{interface}",
            "time": count_ns(start + timedelta(hours=beat)),
            "interface.id": interface,
            "action": "heartbeat",
            "outcome": "success",
            "source_id": "egov-gateway",
            "seq": 2,
            "record": EVENTS + beat,
            "item": place,
        }
        enricher.enrich(event)
        event["verdict"] = "not_covered"
        uid = build_event_uid("egov-gateway", str(event["id"]), "gateway")
        made.append(NewEvent(event, uid, EventDigest(hashlib.sha256(uid).hexdigest())))
    return made


def _build_finding(policy: str, severity: str, event: Event, uid: EventUid) -> Finding:
    """Return a violation of an active policy."""

    def text(name: str) -> str | None:
        value = event.get(name)
        return value if isinstance(value, str) else None

    return Finding(
        key=build_finding_key(policy, uid),
        kind=FindingKind.VIOLATION,
        policy_id=policy,
        policy_version="1",
        severity=severity,
        status="active",
        reason="",
        exception_id=None,
        uid=uid,
        access_key=None,
        time=int(str(event["time"])),
        seq=2,
        record=int(str(event["record"])),
        item=0,
        source_id=str(event["source_id"]),
        consumer=text("consumer.org"),
        interface=text("interface.id"),
        provider=text("provider.org"),
        project=text("project.id"),
        outcome=text("outcome"),
        group={},
    )


def open_filled_store(folder: Path, catalog: Catalog, policies: PolicySet) -> DuckStore:
    """Return a store in ``folder`` with the month in it."""
    store = DuckStore(folder / "events.duckdb", Settings(data_dir=folder))
    fill_store(store, catalog, policies)
    return store


def build_headers(catalog: Catalog, policies: PolicySet) -> list[str]:
    """Return headers of a log of three leaves: catalogue, policy set, one batch."""
    accepted = "2026-11-01T03:00:00.000Z"
    return [
        f"{ORIGIN}/catalog/v1\nseq 0\naccepted {accepted}\nsha256 {catalog.digest.hex()}\nactor chen\n",
        f"{ORIGIN}/policy/v1\nseq 1\naccepted {accepted}\nsha256 {policies.digest.hex()}\nactor chen\n",
        f"{ORIGIN}/batch/v1\nseq 2\nbatch-id 0193{'0' * 4}-0000-7000-8000-{'0' * 12}\nsource egov-gateway\nsource-seq 0\n"
        f"prev -\naccepted {accepted}\nkind lines\nrecords {EVENTS + 3}\nevents-root {'A' * 43}=\n"
        f"raw-sha256 {'0' * 64}\nraw-bytes 1744939\n",
    ]


def build_frame(log: LogRange, checkpoint: str = "audit.example/log\n3\n…\n\n— audit.example/log …\n") -> Frame:
    """Return what a made-up report says of itself."""
    return Frame(
        id="01930000-0000-7000-8000-000000000001",
        origin=ORIGIN,
        created=NOON,
        log=log,
        bundle_first=2,
        checkpoint=checkpoint,
        settled=True,
        tools=describe_tools(),
    )


def build_samples(folder: Path, project: str = "P-LIB-POP") -> dict[str, dict[str, Any]]:
    """Return a compliance and a project report on the month."""
    catalog, policies = load_city_catalog(), load_policies()
    with closing(open_filled_store(folder, catalog, policies)) as store:
        return report_on(store, catalog, policies, project)


def report_on(
    store: EventStore, catalog: Catalog, policies: PolicySet, project: str = "P-LIB-POP"
) -> dict[str, dict[str, Any]]:
    """Return a compliance and a project report on the month in a store."""
    scope = ReportScope.of_days(store, catalog, build_period(FIRST, LAST), ZONE)
    frame = build_frame(count_log(build_headers(catalog, policies), 3))
    alerts = measure_handling(
        [
            AlertTimes("high", "new", 12, NOON, None, None),
            AlertTimes("high", "acknowledged", 3, NOON, NOON + timedelta(hours=5), None),
            AlertTimes(
                "medium", "closed", 7, NOON, NOON + timedelta(hours=2), NOON + timedelta(hours=30), "true_violation"
            ),
        ]
    )
    return {
        "compliance": check_report(build_compliance(scope, frame, policies, alerts)),
        "project": check_report(build_project(scope, frame, policies, catalog.projects[project])),
    }


def name_consumers(report: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return a compliance report with one consumer of each name, in the ranking and in the violations."""
    row, finding = report["consumers"]["rows"][0], report["findings"]["rows"][0]
    named = [{"zh": name, "en": name} for name in names]
    ranked = [{**row, "name": name} for name in named]
    found = [{**finding, "consumer": {**finding["consumer"], "name": name}} for name in named]
    return {
        **report,
        "consumers": {**report["consumers"], "rows": ranked},
        "findings": {**report["findings"], "rows": found},
    }

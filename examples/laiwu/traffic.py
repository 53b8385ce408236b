"""The city's logs: 30 days of accesses in their sources' own formats, planted violations, and the truth about them.

``python -m examples.laiwu.traffic FOLDER [--events N] [--seed S]`` writes one log for each source and ``truth.json``.
The same seed and number give the same bytes. What the logs hold besides ordinary accesses:

- heartbeats, so that silence can be told from a missing log; one interface's log has a gap;
- accesses planted to violate policies (:mod:`examples.laiwu.planted`);
- an outage of one interface, records sent twice, and lines that cannot be read.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from auditsvc.catalog.coverage import expect_cells
from auditsvc.catalog.load import load_catalog
from auditsvc.ground.document import load_bundle
from examples.laiwu.flow import FLOWS
from examples.laiwu.form import ENDINGS, WRITERS, Access
from examples.laiwu.ordinary import Town, build_flow, fail
from examples.laiwu.planted import build_plants
from examples.laiwu.rhythm import END_NS, FIRST_DAY, HOUR_MS, LAST_DAY, START_NS, to_ms

CATALOG_DIR = Path(__file__).parent / "catalog"
EVENTS = 200_000
SEED = 20261001
TRUTH = "truth.json"

HEARTBEAT_SHARE = 0.15
"""Most of the events that may be heartbeats; a small run gets every n-th one only."""
GAP_INTERFACES = ("service-case", "service-apply", "service-site")
GAP = (to_ms(14, 1), to_ms(14, 6))
"""The services gateway wrote no log in these hours, ``[first, last)``."""
OUTAGE_INTERFACE = "pop-query"
OUTAGE = (to_ms(22, 10), to_ms(22, 10, 25))
"""The provider failed every access in these minutes."""
FILLER = next(flow for flow in FLOWS if flow.interface == "geo-map")
"""Makes up what rounding and the gap took from the number of events asked for."""
RESENT = 25
"""Records of the sharing gateway that stand in its log twice."""
BROKEN: Mapping[str, tuple[bytes, ...]] = {
    "native": (
        b'{"time":"2026-10-09T10:00:00+08:00","action":"query","outco',
        b'{"time":"yesterday","action":"query","outcome":"success","consumer":{"org":"-"},"interface":{"id":"pop-query"}}',
        b'{"time":"2026-10-09T10:00:00+08:00","action":"steal","outcome":"success","consumer":{"org":"-"},'
        b'"interface":{"id":"pop-query"}}',
        b"gateway restarted, log rotated",
    ),
    "mapped": (b'{"started_at":"soon","request":{"uri":"/credit-public/query"}}', b'{"latencies":{"request":3'),
    "xroad": (b'{"securityServerType":"Client","requestInTs":"1"}', b"<fault/>"),
    "combined": (b"-", b'192.0.2.7 - - [31/Sep/2026:10:00:00 +0800] "GET / HTTP/1.1" 200 5 "-" "-"'),
}
"""Reader to lines that no reader of its kind can take."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One policy violated by one access.

    Attributes:
        source, line: the log and the 0-based line in it; of a call logged by both sides, the consumer's.
        event_id: the id its event has within the source.
        policy: id of the policy.
        correlation: the call's id when both sides log it (the finding is then about the call), else None.
    """

    source: str
    line: int
    event_id: str
    policy: str
    correlation: str | None


@dataclass(slots=True)
class Traffic:
    """What was written.

    Attributes:
        files: source to its log.
        truth: the truth file.
        records: lines in all logs.
        events: lines that are events, records sent twice included.
        violations: what policies must find, and nothing else.
        quarantined: source to the 0-based lines that cannot be read.
        resent: source to the 0-based lines that repeat an earlier one.
        calls: interface to what its accesses came to, each call and each resent record counted once.
    """

    files: dict[str, Path] = field(default_factory=dict)
    truth: Path = field(default_factory=Path)
    records: int = 0
    events: int = 0
    violations: list[Planted] = field(default_factory=list)
    quarantined: dict[str, list[int]] = field(default_factory=dict)
    resent: dict[str, list[int]] = field(default_factory=dict)
    calls: dict[str, Counter[str]] = field(default_factory=dict)


def generate(folder: Path, *, events: int = EVENTS, seed: int = SEED) -> Traffic:
    """Write the city's logs and truth file into ``folder`` and return what was written.

    Args:
        folder: made when absent; files of the same names are replaced.
        events: how many events there will be in all logs together; more only when it is too few for what is planted.
        seed: same seed, same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    town = Town(load_catalog(load_bundle(CATALOG_DIR)), Random(seed))
    accesses = list(build_accesses(town, events))
    missing = events - RESENT - len(accesses)
    accesses += build_flow(town, FILLER, max(missing, 0))
    traffic = Traffic()
    for source in sorted(town.catalog.sources):
        write_log(town, source, [access for access in accesses if access.source == source], folder, traffic)
    traffic.violations.sort(key=lambda planted: (planted.source, planted.line, planted.policy))
    traffic.truth = folder / TRUTH
    traffic.truth.write_text(format_truth(traffic), encoding="utf-8")
    return traffic


def build_accesses(town: Town, events: int) -> Iterator[Access]:
    """Give all accesses in no particular order."""
    plants = list(build_plants(town))
    heartbeats = list(build_heartbeats(town, int(events * HEARTBEAT_SHARE)))
    yield from plants
    yield from heartbeats
    room = max(events - len(plants) - len(heartbeats) - RESENT, 0)
    halves = {flow.interface: len(town.get_interface(flow.interface).sources) for flow in FLOWS}
    total = sum(flow.weight * halves[flow.interface] for flow in FLOWS)
    for flow in FLOWS:
        for access in build_flow(town, flow, round(room * flow.weight / total)):
            if flow.interface in GAP_INTERFACES and GAP[0] <= access.ms < GAP[1]:
                continue
            if flow.interface == OUTAGE_INTERFACE and OUTAGE[0] <= access.ms < OUTAGE[1]:
                fail(access.event, 503)
            yield access


def build_heartbeats(town: Town, limit: int) -> Iterator[Access]:
    """Give a heartbeat for every hour in which a log is due, or for every n-th one when that would be over ``limit``."""
    cells = list(expect_cells(town.catalog, START_NS, END_NS))
    step = max(-(-len(cells) // max(limit, 1)), 1)
    for cell in cells[::step]:
        interface = town.get_interface(cell.interface)
        ms = (cell.hour_ns - START_NS) // 1_000_000 + town.chance.randrange(HOUR_MS // 2)
        if interface.id in GAP_INTERFACES and GAP[0] <= ms < GAP[1]:
            continue
        event: dict[str, Any] = {
            "action": "heartbeat",
            "outcome": "success",
            "consumer.org": interface.provider,
            "interface.id": interface.id,
            "source.ip": "10.0.0.9",
            "http.status": 200,
            "duration_ms": 1.0,
        }
        source = interface.sources[-1]
        if len(interface.sources) > 1:
            event |= {
                "side": "provider",
                "correlation": town.next_call(),
                "consumer.system": "monitor",
                "provider.org": interface.provider,
                "provider.system": interface.provider_system,
            }
        elif town.catalog.sources[source].reader == "combined":
            event |= {"url.path": f"/health/{interface.id}", "bytes": 2, "user_agent": "monitor/1"}
        yield Access(ms, source, event)


def write_log(town: Town, source: str, accesses: list[Access], folder: Path, traffic: Traffic) -> None:
    """Write one source's log in order of time and note what it holds."""
    reader = town.catalog.sources[source].reader
    write = WRITERS[reader]
    accesses.sort(key=lambda access: access.ms)
    lines: list[tuple[bytes, Access | None]] = []
    seen: set[bytes] = set()
    for number, access in enumerate(accesses):
        line = write(access, number)
        while line in seen:
            access.event["bytes"] += 1
            line = write(access, number)
        if reader == "combined":
            seen.add(line)
        lines.append((line, access))
    resent = resend(town, source, lines)
    for place, line in enumerate(BROKEN[reader]):
        lines.insert((place + 1) * len(lines) // (len(BROKEN[reader]) + 1), (line, None))
    path = folder / f"{source}.{ENDINGS[reader]}"
    path.write_bytes(b"".join(line + b"\n" for line, _ in lines))
    traffic.files[source] = path
    note_log(source, lines, resent, traffic)


def resend(town: Town, source: str, lines: list[tuple[bytes, Access | None]]) -> set[int]:
    """Append copies of some ordinary records to the sharing gateway's log; return the ids of the copies' objects."""
    if source != "share-gateway":
        return set()
    ordinary = [pair for pair in lines if pair[1] is not None and not pair[1].policies]
    copies = []
    for line, access in town.chance.sample(ordinary, min(RESENT, len(ordinary))):
        if access is not None:
            copies.append((line, Access(access.ms, source, access.event, (), access.event_id)))
    lines.extend(copies)
    return {id(copy) for _, copy in copies}


def note_log(source: str, lines: list[tuple[bytes, Access | None]], resent: set[int], traffic: Traffic) -> None:
    """Note where violations, unreadable and resent lines stand, and count calls."""
    traffic.records += len(lines)
    traffic.quarantined[source] = [place for place, (_, access) in enumerate(lines) if access is None]
    traffic.resent[source] = [place for place, (_, access) in enumerate(lines) if id(access) in resent]
    for place, (_, access) in enumerate(lines):
        if access is None:
            continue
        traffic.events += 1
        event = access.event
        second_half = event.get("side") == "provider" and event["action"] != "heartbeat"
        if second_half or id(access) in resent:
            continue
        kind = "heartbeat" if event["action"] == "heartbeat" else event.get("labels.traffic", event["outcome"])
        traffic.calls.setdefault(event["interface.id"], Counter())[kind] += 1
        for policy in access.policies:
            call = event.get("correlation")
            traffic.violations.append(Planted(source, place, access.event_id, policy, call))


def format_truth(traffic: Traffic) -> str:
    """Return the truth file's text."""
    truth = {
        "period": {"first": FIRST_DAY.isoformat(), "last": LAST_DAY.isoformat(), "zone": "Asia/Shanghai"},
        "records": traffic.records,
        "events": traffic.events,
        "files": {source: path.name for source, path in traffic.files.items()},
        "quarantined": traffic.quarantined,
        "resent": traffic.resent,
        "gap": {"interfaces": GAP_INTERFACES, "hours": (GAP[1] - GAP[0]) // HOUR_MS},
        "calls": {interface: dict(sorted(counts.items())) for interface, counts in sorted(traffic.calls.items())},
        "violations": [
            {
                "source": planted.source,
                "line": planted.line,
                "event_id": planted.event_id,
                "policy": planted.policy,
                "correlation": planted.correlation,
            }
            for planted in traffic.violations
        ],
    }
    return json.dumps(truth, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write the logs the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m examples.laiwu.traffic", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    traffic = generate(options.folder, events=options.events, seed=options.seed)
    print(
        f"{traffic.records} records, {traffic.events} events, {len(traffic.violations)} violations in {options.folder}"
    )


if __name__ == "__main__":
    main()

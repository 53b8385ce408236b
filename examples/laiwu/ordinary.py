"""The city's ordinary accesses: every one of them lawful, heavy-tailed in who calls and about whom."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any

from auditsvc.catalog.model import Agreement, Catalog, Interface, Org, Resource
from examples.laiwu.flow import Flow
from examples.laiwu.form import Access
from examples.laiwu.people import build_subjects
from examples.laiwu.rhythm import END_NS, START_NS, Rhythm

FAILURES, DENIALS, TESTS = 0.006, 0.003, 0.002
"""Shares of accesses that fail at the provider, are refused, and are marked as tests."""
UNREACHED = frozenset({"颜庄镇人民政府", "莱芜市审计局"})
"""Offices that were promised some of the systems and never use them."""
BATCH_ROWS = 50
"""Accesses of more rows state how many persons they are about instead of naming each."""

_PAGES = ("/", "/index.html", "/about", "/search", "/news/2026/10", "/css/site.css", "/js/site.js", "/favicon.ico")
_SETS = ("bus-stops", "air-quality", "parking", "schools", "hospitals", "weather", "water-price", "tenders")
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/129.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/128.0 Mobile Safari/537.36",
    "curl/8.5.0",
    "python-requests/2.32",
)


@dataclass(slots=True)
class Callers:
    """Who uses one interface: organisations, the few biggest first, each with its agreement if one is needed."""

    orgs: list[Org]
    agreements: list[Agreement | None]
    cumulative: list[float]


@dataclass(slots=True)
class Town:
    """What the model draws from: the catalogue, seeded chance, operators and data subjects."""

    catalog: Catalog
    chance: Random
    subjects: list[str] = field(default_factory=list)
    _operators: dict[str, tuple[list[str], list[float]]] = field(default_factory=dict)
    _calls: int = 0

    def __post_init__(self) -> None:
        """Invent the data subjects."""
        self.subjects = build_subjects(self.chance)

    def get_interface(self, interface: str) -> Interface:
        """Return the interface of this id."""
        return self.catalog.interfaces[interface]

    def get_resource(self, interface: Interface) -> Resource | None:
        """Return the interface's resource, None for an interface without one."""
        return self.catalog.resources[interface.resources[0]] if interface.resources else None

    def find_org(self, name: str) -> Org:
        """Return the organisation of this Chinese name."""
        return next(org for org in self.catalog.orgs.values() if org.name.zh == name)

    def draw_operator(self, uscc: str) -> str:
        """Return an operator of the organisation; a few do most of the work."""
        known = self._operators.get(uscc)
        if known is None:
            first = len(self._operators) * 40 + 1
            count = 6 + len(self._operators) % 5 * 7
            users = [f"u-{number:04d}" for number in range(first, first + count)]
            known = self._operators[uscc] = (users, list(accumulate(1 / (rank + 1) for rank in range(count))))
        return self.chance.choices(known[0], cum_weights=known[1])[0]

    def draw_subject(self) -> str:
        """Return a data subject's number; some are looked up again and again."""
        place = int(len(self.subjects) * self.chance.random() ** 2.2)
        return self.subjects[place]

    def draw_address(self, uscc: str) -> str:
        """Return an address of the government network that belongs to the organisation."""
        return f"10.{int(uscc[12:16]) % 200}.{self.chance.randrange(16)}.{self.chance.randrange(2, 250)}"

    def draw_internet_address(self) -> str:
        """Return an address from the ranges kept for documents."""
        chance = self.chance
        if chance.random() < 0.2:
            return f"2001:db8:{chance.randrange(0x7000, 0x8000):x}::{chance.randrange(1, 0xFFFF):x}"
        return f"{chance.choice(('192.0.2', '198.51.100', '203.0.113'))}.{chance.randrange(1, 255)}"

    def next_call(self) -> str:
        """Return a number for a call that both sides log."""
        self._calls += 1
        return f"{self.chance.getrandbits(64):016x}-{self._calls:06d}"


def find_callers(town: Town, flow: Flow) -> Callers:
    """Return who uses the flow's interface.

    With levels: every organisation of these levels, the ones its project promised first. Without: those whose
    agreement covers the resource throughout the period.
    """
    interface = town.get_interface(flow.interface)
    pairs: list[tuple[Org, Agreement | None]] = []
    if flow.levels:
        project = town.catalog.find_project(interface.project or "")
        promised = project.consumers if project is not None else ()
        rest = [org.uscc for org in town.catalog.orgs.values() if org.level in flow.levels]
        order = [*promised, *(uscc for uscc in rest if uscc not in promised)]
        pairs = [(town.catalog.orgs[uscc], None) for uscc in order]
    elif interface.resources:
        for agreement in list_lasting_agreements(town.catalog, interface.resources[0]):
            pairs.append((town.catalog.orgs[agreement.consumer], agreement))
    pairs = [pair for pair in pairs if pair[0].name.zh not in UNREACHED]
    weights = [1 / (rank + 1) ** 0.9 for rank in range(len(pairs))]
    return Callers([org for org, _ in pairs], [agreement for _, agreement in pairs], list(accumulate(weights)))


def list_lasting_agreements(catalog: Catalog, code: str) -> list[Agreement]:
    """Return, for every agreement on a resource that is in force all the period long, its narrowest version."""
    found = []
    for versions in catalog.agreement_history.values():
        covering = [version for version in versions if code in version.resources and _touches(version)]
        if covering and covering[0].validity.contains(START_NS) and covering[-1].validity.contains(END_NS - 1):
            found.append(min(covering, key=lambda version: len(version.fields)))
    return found


def _touches(agreement: Agreement) -> bool:
    """Say whether a version is in force at some time of the period."""
    return agreement.validity.start < END_NS and (agreement.validity.end is None or agreement.validity.end > START_NS)


def build_flow(town: Town, flow: Flow, count: int) -> Iterator[Access]:
    """Give ``count`` ordinary accesses of a flow; those over the bus come as two records each."""
    interface = town.get_interface(flow.interface)
    instants = Rhythm(flow.profile).draw(town.chance, count)
    if interface.source == "open-data-web":
        yield from (build_web_access(town, flow, ms) for ms in instants)
        return
    callers = find_callers(town, flow)
    names = [name for name, _ in flow.actions]
    shares = list(accumulate(weight for _, weight in flow.actions))
    places = town.chance.choices(range(len(callers.orgs)), cum_weights=callers.cumulative, k=count)
    actions = town.chance.choices(names, cum_weights=shares, k=count)
    for ms, place, action in zip(instants, places, actions, strict=True):
        event = build_event(town, flow, callers.orgs[place], callers.agreements[place], action)
        add_chance_outcome(town.chance, event)
        yield from deliver(town, interface, ms, event)


def build_event(town: Town, flow: Flow, org: Org, agreement: Agreement | None, action: str) -> dict[str, Any]:
    """Return a lawful, successful access as a flat event."""
    chance = town.chance
    interface = town.get_interface(flow.interface)
    resource = town.get_resource(interface)
    over_internet = flow.internet > 0 and (org.level == "enterprise" or chance.random() < flow.internet)
    rows = chance.randint(*flow.rows) if flow.rows[1] < 200 else draw_long_tail(chance, flow.rows)
    event: dict[str, Any] = {
        "action": action,
        "outcome": "success",
        "duration_ms": round(flow.median_ms * chance.lognormvariate(0, 0.55), 1),
        "source.ip": town.draw_internet_address() if over_internet else town.draw_address(org.uscc),
        "user.id": town.draw_operator(org.uscc),
        "consumer.org": org.uscc,
        "consumer.system": f"{org.level}-office-system",
        "interface.id": interface.id,
        "rows": rows,
        "bytes": 180 + rows * chance.randrange(60, 240),
        "http.status": 200,
        "auth.method": "appkey" if over_internet else "ukey",
    }
    if interface.network != "intranet":
        event["network"] = "internet" if over_internet else "extranet"
    if agreement is not None:
        event["agreement.id"] = agreement.id
        event["purpose"] = agreement.purposes[0]
        event["matter"] = chance.choice(agreement.matters)
        if agreement.fields:
            event["fields"] = list(agreement.fields[: chance.randint(1, len(agreement.fields))])
    if resource is not None and resource.personal:
        event.update(draw_subjects(town, rows))
    return event


def draw_subjects(town: Town, rows: int) -> dict[str, Any]:
    """Return whose data an access is about."""
    if rows > BATCH_ROWS:
        return {"subject.type": "person", "subject.count": rows}
    numbers = sorted({town.draw_subject() for _ in range(rows)})
    return {"subject.type": "person", "subject.id": numbers[0] if len(numbers) == 1 else numbers}


def draw_long_tail(chance: Random, bounds: tuple[int, int]) -> int:
    """Return a number within bounds, small ones far more often."""
    low, high = bounds
    return min(high, int(low * chance.paretovariate(1.1)))


def add_chance_outcome(chance: Random, event: dict[str, Any]) -> None:
    """Let a small share of accesses fail, be refused, or be tests."""
    luck = chance.random()
    if luck < FAILURES:
        fail(event, 504 if luck < FAILURES / 3 else 503)
    elif luck < FAILURES + DENIALS:
        event.update({"outcome": "denied", "http.status": 403, "rows": 0, "bytes": 90})
    elif luck < FAILURES + DENIALS + TESTS:
        event["labels.traffic"] = "test"


def fail(event: dict[str, Any], status: int) -> None:
    """Turn an access into one that the provider failed to answer."""
    code = "PROVIDER_TIMEOUT" if status == 504 else "PROVIDER_UNAVAILABLE"
    event.update({"outcome": "failure", "http.status": status, "rows": 0, "bytes": 120, "error.code": code})


def deliver(
    town: Town, interface: Interface, ms: int, event: dict[str, Any], policies: tuple[str, ...] = ()
) -> Sequence[Access]:
    """Return the records of one access: one, or on the bus one of each side, the provider's a little later and shorter.

    Security servers cannot mark tests, so none is marked there.
    """
    if len(interface.sources) == 1:
        return (Access(ms, interface.sources[0], event, policies),)
    took = max(int(event["duration_ms"]), 8)
    event.pop("labels.traffic", None)
    shared = {
        **event,
        "correlation": town.next_call(),
        "provider.org": interface.provider,
        "provider.system": interface.provider_system,
        "case_no": f"LW2026{town.chance.randrange(10**6):06d}",
    }
    client = {**shared, "side": "consumer", "duration_ms": took}
    producer = {**shared, "side": "provider", "duration_ms": took - 4}
    return (
        Access(ms, interface.sources[0], client, policies),
        Access(ms + 2, interface.sources[1], producer, policies),
    )


def build_web_access(town: Town, flow: Flow, ms: int) -> Access:
    """Return a request to the open-data web server."""
    chance = town.chance
    name = chance.choice(_SETS)
    path = {
        "open-dataset": f"/open/datasets/{name}?page={chance.randrange(1, 400)}",
        "open-file": f"/open/files/{name}-{chance.randrange(1, 31):02d}.csv",
    }.get(flow.interface, chance.choice(_PAGES))
    luck = chance.random()
    status = 200 if luck < 0.965 else 304 if luck < 0.98 else 404 if luck < 0.997 else 503
    event = {
        "source.ip": town.draw_internet_address(),
        "url.path": path,
        "http.status": status,
        "bytes": chance.randrange(200, 2_000_000 if flow.interface == "open-file" else 90_000),
        "user_agent": chance.choice(_AGENTS),
        "interface.id": flow.interface,
        "action": flow.actions[0][0],
        "outcome": "success" if status < 400 else "failure",
    }
    return Access(ms, "open-data-web", event)

"""Accesses that violate shipped policies, each made from a lawful one by changing exactly what its policy is about.

Every builder names the policies its accesses violate; no other policy may find anything in them, and none anything in
the near misses.
"""

from collections.abc import Callable, Iterator
from typing import Any

from auditsvc.catalog.model import Agreement, Org
from examples.laiwu.flow import FLOWS, Flow
from examples.laiwu.form import Access
from examples.laiwu.ordinary import Town, build_event, deliver, draw_subjects, find_callers
from examples.laiwu.rhythm import to_ms

_FLOWS = {flow.interface: flow for flow in FLOWS}
_WORKDAYS = (8, 9, 12, 13, 14, 15, 16, 19, 20, 21, 22, 23, 26, 27, 28, 29, 30)
"""Ordinary working days of the month."""

Plant = Callable[[Town], Iterator[Access]]


def build_plants(town: Town) -> Iterator[Access]:
    """Give every planted access."""
    for plant in PLANTS:
        yield from plant(town)


def draw_worktime(town: Town, first_day: int = 1, last_day: int = 30) -> int:
    """Return an instant well inside working hours."""
    day = town.chance.choice([day for day in _WORKDAYS if first_day <= day <= last_day])
    return to_ms(day, town.chance.choice((9, 10, 14, 15)), town.chance.randrange(60)) + town.chance.randrange(60_000)


def draw_lawful(town: Town, interface: str) -> tuple[dict[str, Any], Agreement]:
    """Return a lawful access under an agreement, with the agreement."""
    flow = _FLOWS[interface]
    callers = find_callers(town, flow)
    place = town.chance.randrange(len(callers.orgs))
    agreement = callers.agreements[place]
    if agreement is None:
        raise ValueError(f"{interface} needs no agreement")
    action = flow.actions[0][0]
    return build_event(town, flow, callers.orgs[place], agreement, action), agreement


def plant(town: Town, interface: str, event: dict[str, Any], *policies: str, ms: int | None = None) -> Iterator[Access]:
    """Give the records of one planted access, in working hours unless ``ms`` says when."""
    when = draw_worktime(town) if ms is None else ms
    yield from deliver(town, town.get_interface(interface), when, event, policies)


def personal_without_purpose(town: Town) -> Iterator[Access]:
    """Personal data looked up without saying why, or without saying who."""
    for number in range(16):
        interface = ("pop-query", "pop-verify", "geo-realty", "service-case")[number % 4]
        event, _ = draw_lawful(town, interface)
        del event["purpose" if number % 3 else "user.id"]
        yield from plant(town, interface, event, "GDS-001")


def graded_download_at_night(town: Town) -> Iterator[Access]:
    """Graded data downloaded at night, on a holiday, or from outside the government network."""
    for number in range(15):
        interface = ("geo-pipeline", "macro-enterprise", "pop-batch")[number % 3]
        event, _ = draw_lawful(town, interface)
        event["outcome"] = "success"
        ms = to_ms(_WORKDAYS[number], 22, number * 3)
        if number % 5 == 1:
            ms = to_ms(number % 7 + 1, 10, number)
        elif number % 5 == 2:
            event["source.ip"], ms = town.draw_internet_address(), draw_worktime(town)
        yield from plant(town, interface, event, "GDS-002", ms=ms)


def unshared_resource_read(town: Town) -> Iterator[Access]:
    """Resources that the law keeps from sharing, read all the same; half of them over the bus."""
    for number in range(12):
        org = town.find_org(("莱芜市财政局", "莱芜市工商行政管理局", "莱城区人民政府")[number % 3])
        event = build_event(town, Flow("tax-lead", 0, "office", (("query", 1),)), org, None, "query")
        yield from plant(town, "tax-lead", event, "GDS-003")


def conditional_without_agreement(town: Town) -> Iterator[Access]:
    """Conditional resources read after an agreement ended, before one began, or without any."""
    cases = (
        ("legal-equity", "莱芜市环境保护局", "AG-equity-environment", "market-supervision", "M-003", 13, 30),
        ("credit-rating", "莱芜高新技术产业开发区管理委员会", "AG-credit-hitech", "credit-check", "M-009", 1, 30),
        ("tax-status", "莱芜市教育局", None, None, None, 1, 30),
        ("legal-equity", "莱芜市教育局", None, "market-supervision", "M-003", 1, 30),
    )
    for number in range(20):
        interface, name, agreement, purpose, matter, first, last = cases[number % len(cases)]
        event = build_event(town, _FLOWS[interface], town.find_org(name), None, "query")
        for key, value in (("agreement.id", agreement), ("purpose", purpose), ("matter", matter)):
            if value is not None:
                event[key] = value
        yield from plant(town, interface, event, "GDS-004", ms=draw_worktime(town, first, last))


def agreement_of_another(town: Town) -> Iterator[Access]:
    """An agreement used by an organisation it was not made with."""
    other = town.find_org("莱芜市规划局")
    for number in range(14):
        interface = ("legal-equity", "licence-query", "credit-rating")[number % 3]
        event, _ = draw_lawful(town, interface)
        event |= {"consumer.org": other.uscc, "user.id": town.draw_operator(other.uscc)}
        event["source.ip"] = town.draw_address(other.uscc)
        yield from plant(town, interface, event, "GDS-005")


def purpose_not_agreed(town: Town) -> Iterator[Access]:
    """Data taken for a purpose its agreement does not name."""
    for number in range(14):
        interface = ("pop-query", "credit-rating", "doc-exchange", "relief-query")[number % 4]
        event, _ = draw_lawful(town, interface)
        event["purpose"] = "performance-appraisal"
        yield from plant(town, interface, event, "GDS-006")


def fields_not_agreed(town: Town) -> Iterator[Access]:
    """Items returned that the agreement leaves out, among them one that its renewal took away."""
    for number in range(14):
        interface = ("pop-query", "geo-realty", "credit-rating", "legal-equity")[number % 4]
        event, agreement = draw_lawful(town, interface)
        resource = town.catalog.resources[agreement.resources[0]]
        extra = next(item.name for item in reversed(resource.items) if item.name not in agreement.fields)
        event["fields"] = [*agreement.fields, extra]
        yield from plant(town, interface, event, "GDS-007")
    hrss = town.find_org("莱芜市人力资源和社会保障局")
    renewed = town.catalog.agreements["AG-pop-hrss"]
    for number in range(6):
        event = build_event(town, _FLOWS["pop-query"], hrss, renewed, "query")
        event["fields"] = ["name", "address"]
        late = number >= 3
        ms = draw_worktime(town, 16, 30) if late else draw_worktime(town, 8, 15)
        yield from plant(town, "pop-query", event, *(("GDS-007",) if late else ()), ms=ms)


def too_many_rows(town: Town) -> Iterator[Access]:
    """More rows in one access than the agreement allows."""
    for number in range(14):
        interface = ("legal-equity", "credit-rating", "geo-pipeline", "relief-query")[number % 4]
        event, agreement = draw_lawful(town, interface)
        event["rows"] = (agreement.max_rows or 0) + 1 + number * 37
        if "subject.type" in event:
            del event["subject.id"]
            event.update(draw_subjects(town, event["rows"]))
        yield from plant(town, interface, event, "GDS-008")


def domain_crossed(town: Town) -> Iterator[Access]:
    """Interfaces of the administrative domain reached over the Internet."""
    cases = ("legal-query", "macro-query", "catalog-search", "bigdata-dashboard", "cloud-console")
    for number in range(15):
        flow = _FLOWS[cases[number % len(cases)]]
        callers = find_callers(town, flow)
        org: Org = callers.orgs[number % 5]
        event = build_event(town, flow, org, None, "query")
        event |= {"network": "internet", "source.ip": town.draw_internet_address()}
        yield from plant(town, flow.interface, event, "GDS-009")


def subject_not_named(town: Town) -> Iterator[Access]:
    """Personal data read without saying about whom, or in which matter."""
    for number in range(14):
        interface = ("pop-query", "pop-verify", "relief-query", "licence-query")[number % 4]
        event, _ = draw_lawful(town, interface)
        if number % 2:
            for name in ("subject.type", "subject.id"):
                event.pop(name, None)
        else:
            del event["matter"]
        yield from plant(town, interface, event, "GDS-010")


def resource_not_agreed(town: Town) -> Iterator[Access]:
    """An organisation's agreement on one resource stated for another one it may have too, under another agreement."""
    cases = (
        ("relief-query", "莱芜市人力资源和社会保障局", "AG-doc-hrss"),
        ("credit-rating", "莱芜市财政局", "AG-taxs-finance"),
        ("licence-query", "莱芜市工商行政管理局", "AG-ins-market"),
        ("legal-equity", "莱芜市发展和改革委员会", "AG-doc-reform"),
    )
    for number in range(14):
        interface, name, agreement = cases[number % len(cases)]
        flow = _FLOWS[interface]
        stated = town.catalog.agreements[agreement]
        event = build_event(town, flow, town.find_org(name), stated, flow.actions[0][0])
        yield from plant(town, interface, event, "GDS-011")


def near_misses(town: Town) -> Iterator[Access]:
    """Accesses that look like violations and are none: refused, just at the limit, on a worked Saturday, at home."""
    event, _ = draw_lawful(town, "geo-pipeline")
    yield from plant(town, "geo-pipeline", event, ms=to_ms(10, 9, 40))
    event, agreement = draw_lawful(town, "credit-rating")
    yield from plant(town, "credit-rating", event | {"rows": agreement.max_rows})
    event, _ = draw_lawful(town, "pop-query")
    del event["purpose"]
    yield from plant(town, "pop-query", event | {"outcome": "denied", "http.status": 403})
    refused = {"outcome": "denied", "http.status": 403, "rows": 0}
    for name, change in (("莱芜市地方税务局", {}), ("莱芜市财政局", refused)):
        flow = Flow("tax-lead", 0, "office", (("query", 1),))
        event = build_event(town, flow, town.find_org(name), None, "query")
        yield from plant(town, "tax-lead", event | change)
    event = build_event(town, _FLOWS["geo-map"], town.find_org("莱芜市规划局"), None, "query")
    yield from plant(town, "geo-map", event | {"network": "internet", "source.ip": town.draw_internet_address()})


PLANTS: tuple[Plant, ...] = (
    near_misses,
    personal_without_purpose,
    graded_download_at_night,
    unshared_resource_read,
    conditional_without_agreement,
    agreement_of_another,
    purpose_not_agreed,
    fields_not_agreed,
    too_many_rows,
    domain_crossed,
    subject_not_named,
    resource_not_agreed,
)

"""Behind every linked number of the console stand as many rows as it says, and no linked number fails to say so."""

import re
from collections import Counter, deque
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from xml.etree.ElementTree import Element

import pytest

from auditsvc.auth.roles import Role
from tests.support.faces import open_faces
from tests.support.pages import Browser, has_class, list_rows, parse_page, read_number, text_of

SEEDS = (
    "/",
    "/events?range=all&repeats=1",
    "/events?range=all&q=action:query+OR+action:download",
    "/events?order=oldest",
)
"""Where a person begins, and what only the search form leads to."""
ALIKE = 2
"""Pages opened of those that differ in nothing but the values in their addresses."""
MEASURES = {"Rows", "Size"}
"""Columns whose numbers say something of the row itself, not how many rows there are behind its link."""
LINKED = {"/events", "/violations", "/alerts", "/alerts/*"}
"""Pages that linked numbers lead to."""


SLOW = pytest.mark.slow
CASES = [
    ("duckdb", Role.AUDITOR),
    pytest.param(("duckdb", Role.SECURITY_OFFICER), marks=SLOW),
    pytest.param(("elasticsearch", Role.AUDITOR), marks=SLOW),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{case[1].value}")
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    kind, role = request.param
    with open_faces(tmp_path_factory.mktemp("faces"), kind) as service:
        body = {"kind": "compliance", "languages": ["en"], "first": "2026-11-19", "last": "2026-11-20"}
        assert service.call(Role.AUDITOR, "POST", "/api/v1/reports", json=body).status_code == 201
        yield Browser(service, role, "reader")


@pytest.fixture(scope="module")
def pages(reader: Browser) -> dict[str, Element]:
    """Every page that can be reached, by address; of those that are alike, the first ones."""
    found: dict[str, Element] = {}
    seen: Counter[tuple[str, frozenset[str]]] = Counter()
    todo = deque(SEEDS)
    while todo:
        address = todo.popleft()
        kind = (mask_path(address), frozenset(parse_qs(urlsplit(address).query)))
        if address in found or seen[kind] >= ALIKE:
            continue
        seen[kind] += 1
        answer = reader.client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        if answer.mimetype != "text/html":
            answer.close()
            continue
        found[address] = parse_page(answer.text)
        todo += [link.get("href", "") for link in found[address].iter("a") if link.get("href", "").startswith("/")]
    return found


def mask_path(address: str) -> str:
    """Return the path of an address with ``*`` for ids."""
    return re.sub(r"/[0-9a-f-]{20,}", "/*", urlsplit(address).path)


def list_counting(pages: dict[str, Element]) -> dict[str, set[int]]:
    """Return the numbers that stand on links, by the address they lead to."""
    found: dict[str, set[int]] = {}
    for page in pages.values():
        for link in page.iter("a"):
            if "data-counts" in link.attrib:
                found.setdefault(link.attrib["href"], set()).add(int(link.attrib["data-counts"]))
    return found


def test_behind_every_linked_number_are_as_many_rows(reader: Browser, pages: dict[str, Element]) -> None:
    told = list_counting(pages)
    assert {mask_path(address) for address in told} == LINKED
    shown = {address: {len(reader.list_all_rows(address))} for address in told}
    assert {address: (told[address], shown[address]) for address in told if told[address] != shown[address]} == {}


def test_every_page_of_a_person_of_business_was_opened(pages: dict[str, Element]) -> None:
    expected = LINKED | {"/", "/events/*", "/reports", "/reports/*", "/verify", "/password"}
    assert expected <= {mask_path(address) for address in pages}
    assert any(list_rows(page) for page in pages.values())


def test_every_linked_number_says_what_it_counts(pages: dict[str, Element]) -> None:
    silent = [
        (address, text_of(link)) for address, page in pages.items() for link, numbers in list_linked(page)
        if "data-counts" not in link.attrib or {read_number(one) for one in numbers} - {int(link.attrib["data-counts"])}
    ]  # fmt: skip
    assert silent == []


def test_columns_of_charts_that_lead_somewhere_say_what_they_count(pages: dict[str, Element]) -> None:
    columns = [link for page in pages.values() for chart in page.iter("svg") for link in chart.iter("a")]
    assert len(columns) > 10
    assert all(int(link.get("data-counts", "0")) > 0 for link in columns)


def list_linked(page: Element) -> list[tuple[Element, list[Element]]]:
    """Return the links that contain a number or stand beside one, with those numbers.

    Beside is what is in the same row of a table or the same item of a list.
    """
    found = []
    for row in [*page.iter("tr"), *page.iter("li")]:
        numbers = [one for one in row.iter() if has_class(one, "number") and one.tag != "th"]
        numbers = [one for one in numbers if not measures_row(page, row, one)]
        found += [(link, numbers) for link in row.iter("a") if numbers]
    inside = [(link, [one for one in link.iter() if has_class(one, "number")]) for link in page.iter("a")]
    return found + [(link, numbers) for link, numbers in inside if numbers]


def measures_row(page: Element, row: Element, cell: Element) -> bool:
    """Say whether the cell of a table stands under a heading of :data:`MEASURES`."""
    cells = list(row)
    if row.tag != "tr" or cell not in cells:
        return False
    (table,) = (one for one in page.iter("table") if row in list(one.iter("tr")))
    return text_of(list(table.iter("th"))[cells.index(cell)]) in MEASURES

"""Pages of the console as trees, and a person's browser that reads them."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree.ElementTree import Element, TreeBuilder

from flask.testing import FlaskClient

from auditsvc.auth.roles import Role
from tests.support.service import PASSWORD, Service

_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)


class _Reader(HTMLParser):
    """Builds a tree; a page whose elements do not end where they should is refused by the builder."""

    def __init__(self) -> None:
        super().__init__()
        self.builder = TreeBuilder()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in _VOID:
            self.builder.end(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        self.builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        self.builder.data(data)


def parse_page(text: str) -> Element:
    """Return the root element of a page."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.builder.close()


def has_class(element: Element, name: str) -> bool:
    """Say whether an element carries a class."""
    return name in element.get("class", "").split()


def text_of(element: Element) -> str:
    """Return an element's text, spaces joined."""
    return " ".join("".join(element.itertext()).split())


def find_id(page: Element, name: str) -> Element:
    """Return the element with an id."""
    (found,) = (element for element in page.iter() if element.get("id") == name)
    return found


def read_number(element: Element) -> int:
    """Return the first number in an element's text, thousands joined."""
    found = re.search(r"\d[\d,]*", text_of(element))
    assert found, text_of(element)
    return int(found[0].replace(",", ""))


def list_rows(page: Element) -> list[Element]:
    """Return the rows of the page's list of events, violations or alerts; none when it is empty."""
    tables = [table for table in page.iter("table") if table.get("id") in {"hits", "alert-table", "causes"}]
    return [row for table in tables for body in table.iter("tbody") for row in body.iter("tr")]


def find_next(page: Element) -> str | None:
    """Return the address of the next page, None on the last."""
    return next((element.get("href") for element in page.iter("a") if element.get("id") == "next-page"), None)


class Browser:
    """A signed-in person's browser, in English."""

    def __init__(self, service: Service, role: Role, name: str) -> None:
        """Make an account of ``role`` called ``name`` and sign it in."""
        self.client: FlaskClient = service.app.test_client()
        service.make_account(role, name)
        token = find_token(self.client.get("/sign-in").text)
        self.client.post("/sign-in", data={"csrf_token": token, "name": name, "password": PASSWORD, "next": "/"})
        with self.client.session_transaction() as session:
            session["language"] = "en"

    def open(self, address: str) -> Element:
        """Return the page at an address, which must be there."""
        answer = self.client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        return parse_page(answer.text)

    def iter_pages(self, address: str) -> Iterator[Element]:
        """Give the page at an address and those that follow it."""
        following: str | None = address
        while following:
            page = self.open(following)
            yield page
            following = find_next(page)

    def list_all_rows(self, address: str) -> list[Element]:
        """Return the rows of a list on all its pages."""
        return [row for page in self.iter_pages(address) for row in list_rows(page)]


def find_token(text: str) -> str:
    """Return the token of a page's form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', text)
    assert found
    return found[1]

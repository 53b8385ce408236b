"""A real browser against a real server: Debian's chromium, the worked city's data, and an eye on the browser's console."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.support.server import PASSWORD, Server, run_server

CHROMIUM = "/usr/bin/chromium"
EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of (401|403|404|422)")
"""What Chromium itself says of an answer a journey asks for on purpose."""

SignIn = Callable[..., Page]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Return how Debian's chromium starts, as root too."""
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--font-render-hinting=none"]
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": arguments}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """Return a person's browser: English, in the city's zone."""
    return {**browser_context_args, "locale": "en-GB", "timezone_id": "Asia/Shanghai"}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run one server for all journeys."""
    with run_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def base_url(server: Server) -> str:
    """Return the server's address; takes the place of the plug-in's own fixture, which warns under this pytest."""
    return server.address


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """Give a page, and fail when its console had an error nobody asked for: a script, a style, a missing file."""
    errors = watch_console(page)
    yield page
    assert not errors, "\n".join(errors)


@pytest.fixture
def sign_in(page: Page, server: Server) -> SignIn:
    """Give a function that signs a person in and returns the page."""
    return lambda name, password=PASSWORD: sign_in_on(page, server, name, password)


def sign_in_on(page: Page, server: Server, name: str, password: str = PASSWORD) -> Page:
    """Sign a person in on ``page``."""
    page.goto(f"{server.address}/sign-in")
    page.fill("#name", name)
    page.fill("#secret", password)
    page.click("main button")
    return page


def watch_console(page: Page) -> list[str]:
    """Return the list that errors of the page's console will be added to."""
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not EXPECTED.match(message.text):
            errors.append(f"{page.url}: {message.text}")

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
    return errors


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Give a function that opens a page of its own context, signed in, with any browser settings."""
    contexts = []

    def open_one(name: str, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        return sign_in_on(context.new_page(), server, name)

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the source of axe-core."""
    path = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
    return path.read_text(encoding="utf-8")

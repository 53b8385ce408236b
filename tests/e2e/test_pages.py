"""Every page, as a whole: no error in the browser's console, nobody shut out, nothing wider than the screen."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.conftest import watch_console
from tests.support.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PAGES = (
    "/",
    "/alerts",
    "/alerts?state=closed",
    "/events",
    "/events?q=rows%3E%3E1",
    "/violations",
    "/violations?range=all",
    "/reports",
    "/reports/new",
    "/verify",
)
"""Addresses that need no id."""
OpenPage = Callable[..., Page]
SERIOUS = {"serious", "critical"}


def list_addresses(page: Page, server: Server) -> list[str]:
    """Return every page, with one alert and one event."""
    addresses = [server.address + path for path in PAGES]
    for path in ("/alerts?state=all", "/events?range=all"):
        page.goto(server.address + path)
        link = page.locator("a[data-row-link]").first.get_attribute("href")
        addresses.append(server.address + str(link))
    return [*addresses, server.address + "/nothing-here", server.address + "/password"]


def find_violations(page: Page, axe: str) -> list[str]:
    """Return what axe-core finds wrong for people who cannot see, hear or point well."""
    page.evaluate(axe)
    found: list[dict[str, Any]] = page.evaluate("axe.run().then(result => result.violations)")
    return [
        f"{page.url}: {one['id']}: {node['html'][:160]}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def test_no_page_has_an_error_in_the_console_and_the_policy_refuses_inline_code(
    open_page: OpenPage, server: Server
) -> None:
    page = open_page("auditor", locale="zh-CN")
    errors = watch_console(page)
    for address in list_addresses(page, server):
        page.goto(address, wait_until="networkidle")
    assert not errors, "\n".join(errors)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p id=bad style=color:red>x</p>')")
    assert errors, "the console says nothing of an inline style, so this test would notice nothing"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_axe_finds_no_serious_violation(
    open_page: OpenPage, server: Server, axe: str, language: str, theme: str
) -> None:
    page = open_page("auditor", locale=language, color_scheme=theme, bypass_csp=True, reduced_motion="reduce")
    wrong = []
    for address in list_addresses(page, server):
        page.goto(address)
        wrong += find_violations(page, axe)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_violation_in_refused_forms(
    open_page: OpenPage, server: Server, axe: str, theme: str
) -> None:
    page = open_page("auditor", locale="en", color_scheme=theme, bypass_csp=True, reduced_motion="reduce")
    wrong = []
    for path, button in (("/reports/new", "#create"), ("/verify", "#verify"), ("/password", "main button")):
        page.goto(server.address + path)
        page.evaluate("document.querySelectorAll('form').forEach(form => { form.noValidate = true })")
        page.evaluate("document.querySelectorAll('input[type=date]').forEach(input => { input.value = '' })")
        page.click(button)
        page.wait_for_selector(".field-error")
        wrong += find_violations(page, axe)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_screen(open_page: OpenPage, server: Server, width: int) -> None:
    page = open_page("officer", viewport={"width": width, "height": 900})
    wide = []
    for address in list_addresses(page, server):
        page.goto(address)
        actual = page.evaluate("document.documentElement.scrollWidth")
        if actual > width:
            wide.append(f"{address}: {actual}")
    assert not wide, "\n".join(wide)


def test_chinese_text_is_drawn_with_a_chinese_font(open_page: OpenPage, server: Server) -> None:
    page = open_page("auditor", locale="zh-CN")
    page.goto(f"{server.address}/events")  # a page that does not poll, so that its nodes stay
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    heading = session.send("DOM.querySelector", {"nodeId": root, "selector": "h1"})["nodeId"]
    fonts = session.send("CSS.getPlatformFontsForNode", {"nodeId": heading})["fonts"]
    assert fonts
    assert all("JP" not in font["familyName"] and "KR" not in font["familyName"] for font in fonts), fonts


def test_pages_work_without_scripts(open_page: OpenPage, server: Server) -> None:
    page = open_page("officer", java_script_enabled=False)
    page.goto(f"{server.address}/events")
    page.fill("#q", "verdict:violated")
    page.click("#search button")
    assert page.locator("#hits tbody tr").count() > 0
    page.click("#hits a[data-row-link]")
    assert page.locator("#proof .step-pass").count() == 4
    page.click("button[name=language]")
    assert page.get_attribute("html", "lang") in {"zh-CN", "en"}

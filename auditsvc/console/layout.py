"""The frame of every page: navigation by permission, language and colour theme, the configured zone."""

from dataclasses import dataclass
from typing import Any

from flask import g, request
from flask_babel import lazy_gettext

from auditsvc import __version__
from auditsvc.auth.model import Person
from auditsvc.auth.roles import ROLES
from auditsvc.console.current_user import find_person
from auditsvc.console.labels import LANGUAGES, THEMES
from auditsvc.console.language import HTML_LANGUAGES, selected_theme
from auditsvc.console.text import current_language, show_zone
from auditsvc.runtime.services import get_services

_LEGAL_METHODS = {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class NavigationEntry:
    """One entry of the navigation: its target, label, required permissions, and its shortcut key after ``g``."""

    endpoint: str
    title: Any
    permission: str
    key: str
    area: str


NAVIGATION = (
    NavigationEntry("console.today", lazy_gettext("Today"), "status.read", "t", "today"),
    NavigationEntry("console.list_alerts", lazy_gettext("Alerts"), "alert.read", "a", "alert"),
    NavigationEntry("console.search_events", lazy_gettext("Events"), "event.read", "e", "event"),
    NavigationEntry("console.list_reports", lazy_gettext("Reports"), "report.read", "r", "report"),
    NavigationEntry("console.verify", lazy_gettext("Verify"), "report.verify", "v", "verify"),
)
"""The navigation in order."""

_AREAS = {"list_alerts": "alert", "show_alert": "alert", "search_events": "event", "show_event": "event"}
_AREAS |= {
    "list_reports": "report",
    "new_report": "report",
    "show_report": "report",
    "verify": "verify",
    "today": "today",
    "show_violations": "today",
}
"""Endpoint to the area of the navigation entry that is marked on its page."""


def build_layout() -> dict[str, Any]:
    """Return the template variables every page of the console has."""
    person = find_person()
    endpoint = (request.endpoint or "").removeprefix("console.")
    language = current_language()
    return {
        "person": person,
        "person_roles": "、".join(_role_names(person)) if language == "zh" else ", ".join(_role_names(person)),
        "navigation": [entry for entry in NAVIGATION if person and _may_enter(person, entry)],
        "area": _AREAS.get(endpoint, ""),
        "language": language,
        "html_language": HTML_LANGUAGES[language],
        "languages": LANGUAGES,
        "theme": selected_theme(),
        "themes": THEMES,
        "here": request.full_path.rstrip("?") if request.method in _LEGAL_METHODS else "/",
        "zone": show_zone(get_services().ledger.clock.now()),
        "idle_limit_s": g.get("idle_limit_s", 0),
        "version": __version__,
    }


def _may_enter(person: Person, entry: NavigationEntry) -> bool:
    """Return whether a person sees an entry; none is shown before the one-time password is replaced."""
    return person.has(entry.permission) and not person.must_change_password


def _role_names(person: Person | None) -> list[str]:
    """Return the names of a person's roles in the page's language."""
    if person is None:
        return []
    return [ROLES[role].zh if current_language() == "zh" else ROLES[role].en for role in person.roles]

"""Which interface a request belongs to, which action it is, and how it ended: rules shared by the HTTP readers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from auditsvc.event.fields import ACTIONS
from auditsvc.event.model import Event
from auditsvc.ground.errors import InputError
from auditsvc.ingest.readers.option import find_mappings, find_text, find_texts, refuse, refuse_unknown

METHOD_ACTIONS = {
    "GET": "query",
    "HEAD": "query",
    "OPTIONS": "query",
    "POST": "create",
    "PUT": "update",
    "PATCH": "update",
    "DELETE": "delete",
}
DENIED = frozenset({401, 403, 407, 451})
ROUTE_OPTIONS = frozenset({"interfaces", "default_interface", "default_action"})
_RULE_KEYS = frozenset({"path", "methods", "id", "action"})
_MEMO = 4096
"""Paths a router remembers; logs repeat few paths often."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of ``options.interfaces``."""

    pattern: re.Pattern[str]
    methods: frozenset[str]
    interface: str
    action: str | None


class Router:
    """Finds interface and action of a request by a source's rules, the first match winning."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Read the rules; raise ``InputError`` for a wrong one."""
        self._rules = tuple(
            _read_rule(rule, f"interfaces[{number}].")
            for number, rule in enumerate(find_mappings(options, "interfaces"))
        )
        self._default_interface = find_text(options, "default_interface")
        self._default_action = read_action(options, "default_action", "")
        self._memo: dict[tuple[str | None, str | None], tuple[str | None, str | None]] = {}

    @property
    def interfaces(self) -> frozenset[str]:
        """Every interface the rules can give."""
        defaults = () if self._default_interface is None else (self._default_interface,)
        return frozenset(rule.interface for rule in self._rules).union(defaults)

    def apply(self, event: Event) -> None:
        """Set ``interface.id`` and ``action`` from ``http.method`` and ``url.path`` where the event has none.

        Raises:
            InputError: ``interface_unmatched`` when no rule matches and there is no default.
        """
        method, path = event.get("http.method"), event.get("url.path")
        key = (method if isinstance(method, str) else None, path if isinstance(path, str) else None)
        found = self._memo.get(key)
        if found is None:
            found = self._find(*key)
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            self._memo[key] = found
        interface, action = found
        if event.get("interface.id") is None:
            if interface is None:
                raise InputError("interface_unmatched", f"no interface rule matches `{str(path or '-')[:128]}`")
            event["interface.id"] = interface
        if event.get("action") is None:
            event["action"] = action or METHOD_ACTIONS.get(method if isinstance(method, str) else "", "query")

    def _find(self, method: str | None, path: str | None) -> tuple[str | None, str | None]:
        """Return interface and action by the first rule that matches, else the defaults."""
        if path is not None:
            plain = unquote(path)
            for rule in self._rules:
                if (not rule.methods or method in rule.methods) and rule.pattern.match(plain):
                    return rule.interface, rule.action or self._default_action
        return self._default_interface, self._default_action


def read_action(options: Mapping[str, Any], key: str, place: str) -> str | None:
    """Return the action named under ``key``; raise ``InputError`` for one that does not exist."""
    action = find_text(options, key, place)
    if action is not None and action not in ACTIONS:
        raise refuse(f"{place}{key}", f"no action `{action}`; known are {', '.join(ACTIONS)}")
    return action


def compile_glob(text: str) -> re.Pattern[str]:
    """Return the pattern that matches ``text`` whole, ``*`` standing for any characters."""
    return re.compile(".*".join(map(re.escape, text.split("*"))) + r"\Z", re.DOTALL)


def _read_rule(rule: Mapping[str, Any], place: str) -> Rule:
    """Return one checked rule."""
    refuse_unknown(rule, _RULE_KEYS, place)
    path, interface = find_text(rule, "path", place), find_text(rule, "id", place)
    if path is None or interface is None:
        raise refuse(place.rstrip("."), "needs `path` and `id`")
    methods = frozenset(method.upper() for method in find_texts(rule, "methods", place))
    return Rule(compile_glob(path), methods, interface, read_action(rule, "action", place))


def outcome_of_status(status: int | None) -> str:
    """Return the outcome an HTTP status stands for."""
    if status is None:
        return "unknown"
    if status in DENIED:
        return "denied"
    return "success" if 100 <= status < 400 else "failure"

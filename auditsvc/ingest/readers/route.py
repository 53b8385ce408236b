"""Rules shared by the HTTP readers: the interface, action and outcome of a request."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from auditsvc.event.fields import ACTIONS
from auditsvc.event.model import Event
from auditsvc.ground.errors import InputError
from auditsvc.ground.mapping_reader import MappingReader

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
_MEMO = 4096
"""Number of paths a router caches; logs repeat few paths often."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of ``options.interfaces``."""

    pattern: re.Pattern[str]
    methods: frozenset[str]
    interface: str
    action: str | None


class Router:
    """Finds interface and action of a request by a source's rules; the first match wins."""

    def __init__(self, options: MappingReader) -> None:
        """Read the rules; invalid ones are added to the problems of ``options``."""
        self._rules = tuple(_read_rule(rule) for rule in options.readers("interfaces", "rule"))
        self._default_interface = options.find_text("default_interface")
        self._default_action = options.find_choice("default_action", ACTIONS)
        self._memo: dict[tuple[str | None, str | None], tuple[str | None, str | None]] = {}

    @property
    def interfaces(self) -> frozenset[str]:
        """Every interface the rules can yield."""
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


def compile_glob(text: str) -> re.Pattern[str]:
    """Return a pattern that must match the whole text; ``*`` matches any characters."""
    return re.compile(".*".join(map(re.escape, text.split("*"))) + r"\Z", re.DOTALL)


def _read_rule(rule: MappingReader) -> Rule:
    path, interface = rule.text("path"), rule.text("id")
    methods = frozenset(method.upper() for method in rule.texts("methods"))
    action = rule.find_choice("action", ACTIONS)
    rule.finish()
    return Rule(compile_glob(path), methods, interface, action)


def outcome_of_status(status: int | None) -> str:
    """Return the outcome that an HTTP status denotes."""
    if status is None:
        return "unknown"
    if status in DENIED:
        return "denied"
    return "success" if 100 <= status < 400 else "failure"

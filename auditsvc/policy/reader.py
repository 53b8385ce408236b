"""Reads mappings of a policy document key by key, keeping every problem with its place; unknown keys are problems."""

import re
from collections.abc import Callable, Sequence
from datetime import date
from enum import Enum
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from auditsvc.condition.calendar import count_local_ns
from auditsvc.event.time import check_day, parse_time_ns
from auditsvc.ground.bilingual import Text
from auditsvc.ground.document import Value, resolve_scalar
from auditsvc.ground.errors import InputError, Problem

CODE = "policy_invalid"
_DURATION = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
T = TypeVar("T")
E = TypeVar("E", bound=Enum)


class Reader:
    """The entries of one mapping; :meth:`close` reports keys that nobody asked for."""

    def __init__(self, value: Value, what: str, problems: list[Problem]) -> None:
        """Read ``value``, called ``what`` in messages; anything but a mapping is a problem and reads as empty."""
        self.value = value
        self.what = what
        self.problems = problems
        self.entries = dict(value.mapping or {})
        self.asked: set[str] = set()
        if value.mapping is None:
            problems.append(value.problem(CODE, f"{what}: expected a mapping, got a {value.kind}"))

    def find(self, key: str) -> Value | None:
        """Return the value of a key, None when it is absent."""
        self.asked.add(key)
        return self.entries.get(key)

    def refuse(self, value: Value, message: str) -> None:
        """Add a problem at ``value``."""
        self.problems.append(value.problem(CODE, message))

    def read(self, key: str, parse: Callable[[str], T], default: T, *, required: bool = False) -> T:
        """Return the parsed scalar of a key, ``default`` when it is absent or wrong; the latter is a problem."""
        value = self.find(key)
        if value is None:
            if required and self.value.mapping is not None:
                self.refuse(self.value, f"{self.what}: `{key}` is missing")
            return default
        if value.scalar is None:
            self.refuse(value, f"`{key}`: expected a value, got a {value.kind}")
            return default
        try:
            return parse(value.scalar)
        except (ValueError, InputError) as err:
            self.refuse(value, f"`{key}`: {err.message if isinstance(err, InputError) else err}")
            return default

    def read_text(self, key: str, *, required: bool = False, default: str = "") -> str:
        """Return a text of at least one character."""
        return self.read(key, _parse_text, default, required=required)

    def read_enum(self, key: str, kind: type[E], default: E, *, required: bool = False) -> E:
        """Return a member of an enumeration by its value."""

        def parse(text: str) -> E:
            for member in kind:
                if member.value == text:
                    return member
            raise ValueError(f"expected one of {', '.join(member.value for member in kind)}, got `{text}`")

        return self.read(key, parse, default, required=required)

    def read_bilingual(self, key: str, *, required: bool = False, default: Text | None = None) -> Text:
        """Return a text in both languages: ``{zh: …, en: …}`` or one text for both."""
        value = self.find(key)
        if value is None or value.scalar is not None:
            plain = self.read_text(key, required=required)
            return Text(plain, plain) if plain else default or Text("", "")
        inner = Reader(value, f"`{key}`", self.problems)
        text = Text(inner.read_text("zh", required=True), inner.read_text("en", required=True))
        inner.close()
        return text

    def read_items(self, key: str) -> Sequence[Value]:
        """Return the items of a list, none when the key is absent."""
        value = self.find(key)
        if value is None:
            return ()
        if value.sequence is None:
            self.refuse(value, f"`{key}`: expected a list, got a {value.kind}")
            return ()
        return value.sequence

    def read_texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        texts = []
        for item in self.read_items(key):
            if item.scalar:
                texts.append(item.scalar)
            else:
                self.refuse(item, f"`{key}`: expected a text")
        return tuple(texts)

    def close(self) -> None:
        """Report every key that was not asked for."""
        for key in self.entries:
            if key not in self.asked:
                known = ", ".join(sorted(self.asked))
                self.problems.append(
                    self.value.key_problem(key, CODE, f"{self.what}: unknown key `{key}`; known: {known}")
                )


def _parse_text(text: str) -> str:
    """Return the text if it says something."""
    if not text.strip():
        raise ValueError("expected a text, got nothing")
    return text


def parse_boolean(text: str) -> bool:
    """Return true or false; raise ``ValueError`` for anything else."""
    value = resolve_scalar(text, quoted=False)
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, got `{text}`")
    return value


def parse_count(text: str) -> int:
    """Return an integer from 0; raise ``ValueError`` for anything else."""
    value = resolve_scalar(text, quoted=False)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"expected an integer from 0, got `{text}`")
    return value


def parse_version(text: str) -> int:
    """Return an integer from 1; raise ``ValueError`` for anything else."""
    version = parse_count(text)
    if version < 1:
        raise ValueError("expected an integer from 1, got `0`")
    return version


def parse_day(text: str) -> date:
    """Return a date; raise ``ValueError`` for anything else."""
    if len(text) != 10:
        raise ValueError(f"expected a date such as 2026-11-22, got `{text}`")
    try:
        return date.fromisoformat(text)
    except ValueError as err:
        raise ValueError(f"expected a date such as 2026-11-22, got `{text}`") from err


def parse_bound(text: str) -> date:
    """Return a date events can be bounded by; raise ``ValueError`` or ``InputError`` for anything else."""
    return check_day(parse_day(text))


def parse_instant_in(text: str, zone: str) -> int:
    """Return nanoseconds of an RFC 3339 time, or of the midnight in ``zone`` at which a date begins."""
    return count_local_ns(parse_day(text), zone) if len(text) == 10 else parse_time_ns(text)


def parse_duration(text: str) -> int:
    """Return seconds of a duration such as ``4h``; raise ``ValueError`` for anything else."""
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"expected a duration such as 30m, 4h or 7d, got `{text}`")
    return int(match.group(1)) * _SECONDS[match.group(2)]


def parse_zone(text: str) -> str:
    """Return the name of a zone that exists; raise ``ValueError`` for anything else."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise ValueError(f"expected an IANA zone such as Asia/Shanghai, got `{text}`") from err
    return text

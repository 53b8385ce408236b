"""Reading one mapping of a document key by key: typed values out, every problem recorded with file, line and column.

A reader never stops at a problem: it records it, returns a placeholder of the right type and continues, so that an
author sees all problems at once. When ``problems`` is not empty, the values must not be used.

Names: ``text``, ``integer`` … are for required keys, ``find_text``, ``find_integer`` … for optional ones.
"""

import difflib
import re
from collections.abc import Callable, Collection
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from auditsvc.ground.bilingual import Text
from auditsvc.ground.document import Value
from auditsvc.ground.errors import InputError, Problem

CODE = "document_invalid"
MAX_SHOWN = 64
"""Characters of a wrong value that an error message quotes."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_WHOLE = re.compile(r"(0|[1-9][0-9]{0,15})\Z", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,6})?\Z", re.ASCII)
_NO_DATE = date(1970, 1, 1)
T = TypeVar("T")
E = TypeVar("E", bound=Enum)


class MappingReader:
    """The entries of one mapping; :meth:`finish` reports the keys that were never read."""

    def __init__(self, value: Value, what: str, problems: list[Problem], *, code: str = CODE, path: str = "") -> None:
        """Read ``value``; anything but a mapping is a problem and is treated as empty.

        Args:
            value: the mapping.
            what: what error texts call it.
            problems: where problems are added.
            code: the problems' code.
            path: prefix of each key in error messages, such as ``options.``.
        """
        self.value = value
        self.what = what
        self.problems = problems
        self.code = code
        self.path = path
        self._members = value.mapping or {}
        self._asked: set[str] = set()
        if value.mapping is None:
            self.note_at(value, f"{what}: expected a mapping, got a {value.kind}")

    # --- problems

    def note_at(self, value: Value, message: str) -> None:
        """Note a problem at ``value``."""
        self.problems.append(value.problem(self.code, message))

    def note(self, key: str, message: str) -> None:
        """Note a problem at the value of ``key``, or at the mapping when it is absent."""
        self.note_at(self._members.get(key, self.value), f"{self.path}{key}: {message}")

    def note_member(self, key: str, member: str, message: str) -> None:
        """Note a problem at the member ``member`` of the list under ``key``, or at the scalar itself."""
        found = self._members.get(key, self.value)
        places = [item for item in found.sequence or () if item.scalar == member]
        self.note_at(places[0] if places else found, f"{self.path}{key}: {message}")

    def finish(self) -> None:
        """Report every key that was never read, with a similar known key if there is one."""
        for key in self._members:
            if key not in self._asked:
                known = sorted(self._asked)
                near = difflib.get_close_matches(key, known, n=1)
                meant = f"; did you mean `{near[0]}`?" if near else ""
                text = f"{self.what}: unknown key `{key[:MAX_SHOWN]}`; known are {', '.join(known) or 'none'}{meant}"
                self.problems.append(self.value.key_problem(key, self.code, text))

    # --- values as they stand

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the mapping, in order."""
        return tuple(self._members)

    def find(self, key: str) -> Value | None:
        """Return the value under ``key``, None when absent."""
        self._asked.add(key)
        return self._members.get(key)

    def get(self, key: str) -> Value | None:
        """Return the value under ``key``; a missing key is a problem and yields None."""
        found = self.find(key)
        if found is None and self.value.mapping is not None:
            self.note_at(self.value, f"{self.what}: `{key}` is missing")
        return found

    def items(self, key: str) -> tuple[Value, ...]:
        """Return the members of the list under ``key``, none when absent."""
        found = self.find(key)
        if found is None:
            return ()
        if found.sequence is None:
            self.note(key, f"expected a list, got a {found.kind}")
        return found.sequence or ()

    def pairs(self, key: str) -> tuple[tuple[str, Value], ...]:
        """Return the entries of the mapping under ``key``, none when absent."""
        found = self.find(key)
        if found is None:
            return ()
        if found.mapping is None:
            self.note(key, f"expected a mapping, got a {found.kind}")
        return tuple((found.mapping or {}).items())

    # --- nested mappings

    def open(self, value: Value, what: str, *, path: str = "") -> "MappingReader":
        """Return a reader of a mapping inside this one."""
        return MappingReader(value, what, self.problems, code=self.code, path=path)

    def reader(self, key: str) -> "MappingReader | None":
        """Return a reader of the mapping under ``key``, None when absent."""
        found = self.find(key)
        return None if found is None else self._open_member(found, f"{self.path}{key}")

    def readers(self, key: str, what: str) -> "tuple[MappingReader, ...]":
        """Return a reader of each mapping of a list, none when the key is absent.

        Error messages call them ``what`` 1, ``what`` 2 …, or use their path if there is one.
        """
        return tuple(
            self._open_member(item, f"{self.path}{key}[{place}]" if self.path else f"{what} {place + 1}")
            for place, item in enumerate(self.items(key))
        )

    def _open_member(self, value: Value, what: str) -> "MappingReader":
        """Return a reader of a nested mapping, with a path when this one has one."""
        return self.open(value, what, path=f"{what}." if self.path else "")

    # --- scalars

    def parsed(self, key: str, parse: Callable[[str], T], stand_in: T) -> T:
        """Return a scalar parsed by ``parse``, which raises ``ValueError`` or ``InputError`` naming what it expected."""
        found = self.get(key)
        return stand_in if found is None else self._parse(key, found, parse, stand_in)

    def find_parsed(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """Return a scalar parsed by ``parse``, ``default`` when absent."""
        found = self.find(key)
        return default if found is None else self._parse(key, found, parse, default)

    def _parse(self, key: str, found: Value, parse: Callable[[str], T], stand_in: T) -> T:
        if found.scalar is None:
            self.note(key, f"expected a value, got a {found.kind}")
            return stand_in
        try:
            return parse(found.scalar)
        except InputError as err:
            self.note(key, err.message)
        except ValueError as err:
            self.note(key, str(err))
        return stand_in

    def text(self, key: str, pattern: str | None = None) -> str:
        """Return a non-blank text, which ``pattern`` must match in full."""
        found = self.get(key)
        return "" if found is None else self._read_text(key, found, pattern)

    def find_text(self, key: str, pattern: str | None = None) -> str | None:
        """Return the text under ``key``, None when absent."""
        found = self.find(key)
        return None if found is None else self._read_text(key, found, pattern)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty when the key is absent."""
        return self._read_texts(key, self.items(key))

    def unique_texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts without duplicates."""
        items = self.items(key)
        texts = self._read_texts(key, items)
        seen: set[str] = set()
        for text, item in zip(texts, items, strict=True):
            if text in seen:
                self.note_at(item, f"{self.path}{key}: duplicate `{text}`")
            seen.add(text)
        return texts

    def _read_texts(self, key: str, items: tuple[Value, ...]) -> tuple[str, ...]:
        return tuple(self._read_text(key, item, None) for item in items)

    def _read_text(self, key: str, found: Value, pattern: str | None) -> str:
        text = found.scalar
        if text is None or not text.strip() or is_null(found):
            self.note_at(found, f"{self.path}{key}: expected a text, got {_show(found)}")
            return ""
        if pattern is not None and re.fullmatch(pattern, text) is None:
            self.note_at(found, f"{self.path}{key}: expected a text of the form `{pattern}`, got {_show(found)}")
        return text

    def choice(self, key: str, choices: Collection[str], default: str | None = None) -> str:
        """Return one of ``choices``; without a ``default`` the key is required."""
        found = self.find(key) if default is not None else self.get(key)
        if found is None or found.scalar in choices:
            return (default if found is None else found.scalar) or ""
        self.note(key, f"expected one of {', '.join(choices)}, got {_show(found)}")
        return default or ""

    def find_choice(self, key: str, choices: Collection[str]) -> str | None:
        """Return one of ``choices``, None when the key is absent."""
        return self.choice(key, choices) if self.find(key) is not None else None

    def member(self, key: str, kind: type[E], stand_in: E) -> E:
        """Return the member of an enumeration whose value is the text."""
        found = self.choice(key, [str(member.value) for member in kind])
        return kind(found) if found else stand_in

    def find_member(self, key: str, kind: type[E], default: E) -> E:
        """Return a member of an enumeration, ``default`` when absent."""
        return self.member(key, kind, default) if self.find(key) is not None else default

    def bilingual(self, key: str) -> Text:
        """Return a text given as ``{zh: …, en: …}``."""
        self.get(key)
        return self.find_bilingual(key) or Text("", "")

    def find_bilingual(self, key: str) -> Text | None:
        """Return a text in both languages, None when absent."""
        inner = self.reader(key)
        if inner is None:
            return None
        text = Text(inner.text("zh"), inner.text("en"))
        inner.finish()
        return text

    def integer(self, key: str, low: int, high: int) -> int:
        """Return a whole number with ``low <= number <= high``; ``0 <= low``, ``high < 10**16``."""
        found = self.get(key)
        return low if found is None else self._read_integer(key, found, low, high)

    def find_integer(self, key: str, low: int, high: int) -> int | None:
        """Return a whole number within bounds, None when absent."""
        found = self.find(key)
        return None if found is None else self._read_integer(key, found, low, high)

    def _read_integer(self, key: str, found: Value, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        text = found.scalar or ""
        if found.quoted or _WHOLE.match(text) is None or not low <= int(text) <= high:
            self.note(key, f"expected a whole number from {low} to {high}, got {_show(found)}")
            return low
        return int(text)

    def decimal(self, key: str) -> Decimal:
        """Return an exact decimal number of at most six places."""
        found = self.get(key)
        return Decimal(0) if found is None else self.read_decimal(key, found)

    def read_decimal(self, key: str, found: Value) -> Decimal:
        """Return ``found``, a value somewhere under ``key``, as an exact decimal number."""
        text = found.scalar or ""
        if found.quoted or _DECIMAL.match(text) is None:
            self.note_at(found, f"{self.path}{key}: expected a decimal number, got {_show(found)}")
            return Decimal(0)
        return Decimal(text)

    def boolean(self, key: str) -> bool:
        """Return a boolean, written as an unquoted ``true`` or ``false``."""
        found = self.get(key)
        if found is None:
            return False
        if found.scalar not in ("true", "false") or found.quoted:
            self.note(key, f"expected true or false, got {_show(found)}")
        return found.scalar == "true"

    def day(self, key: str) -> date:
        """Return a date written ``YYYY-MM-DD``."""
        return self.parsed(key, parse_day, _NO_DATE)

    def find_day(self, key: str) -> date | None:
        """Return a date, None when absent or null."""
        found = self.find(key)
        return None if found is None or is_null(found) else self.day(key)

    def find_zone(self, key: str, default: str) -> str:
        """Return the name of a time zone, ``default`` when absent."""
        return self.find_parsed(key, parse_zone, default)


def parse_day(text: str) -> date:
    """Return the date written ``YYYY-MM-DD``; raise ``ValueError`` for anything else."""
    try:
        if _DATE.match(text) is not None:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"expected a date such as 2026-11-23, got `{text[:MAX_SHOWN]}`")


def parse_zone(text: str) -> str:
    """Return the name of a known time zone; raise ``ValueError`` for anything else."""
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise ValueError(f"expected an IANA zone such as Asia/Shanghai, got `{text[:MAX_SHOWN]}`") from err


def is_null(value: Value) -> bool:
    """Return whether a scalar is YAML's null."""
    return value.scalar in ("", "null", "~") and not value.quoted


def _show(value: Value) -> str:
    """Return a value as error messages show it."""
    return f"a {value.kind}" if value.scalar is None else f"`{value.scalar[:MAX_SHOWN]}`"

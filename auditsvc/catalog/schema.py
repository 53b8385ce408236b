"""Reading one YAML mapping against its schema: typed values out, every problem kept with file, line and column.

A reader never stops at a problem: it notes it, gives a stand-in of the right type and goes on, so that an author sees
all at once. Whoever collects must not use what was read when ``problems`` is not empty.
"""

import re
from collections.abc import Collection, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from auditsvc.catalog.model import Validity
from auditsvc.event.time import count_ns, parse_time_ns
from auditsvc.ground.bilingual import Text
from auditsvc.ground.document import Value
from auditsvc.ground.errors import InputError, Problem

CODE = "document_invalid"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_WHOLE = re.compile(r"(0|[1-9][0-9]{0,15})\Z", re.ASCII)
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,6})?\Z", re.ASCII)
_NO_DATE = date(1970, 1, 1)


class MappingReader:
    """Reads the keys of one mapping; keys nobody asked for are problems when :meth:`finish` is called."""

    def __init__(self, value: Value, what: str, problems: list[Problem], zone: ZoneInfo) -> None:
        """Read ``value``, which error texts call ``what``; dates are days of ``zone``."""
        self.value = value
        self.what = what
        self.problems = problems
        self.zone = zone
        self._members = value.mapping or {}
        self._asked: set[str] = set()
        if value.mapping is None:
            self._note(value, f"{what}: expected a mapping, got a {value.kind}")

    def finish(self) -> None:
        """Note every key that no schema knows."""
        for key in self._members:
            if key not in self._asked and self.value.mapping is not None:
                known = ", ".join(sorted(self._asked))
                problem = self.value.key_problem(key, CODE, f"{self.what}: unknown key `{key}`; known are {known}")
                self.problems.append(problem)

    def find(self, key: str) -> Value | None:
        """Return the value under ``key`` as it stands, None when absent."""
        self._asked.add(key)
        return self._members.get(key)

    def get(self, key: str) -> Value | None:
        """Return the value under ``key``; a missing key is a problem and gives None."""
        found = self.find(key)
        if found is None and self.value.mapping is not None:
            self._note(self.value, f"{self.what}: missing key `{key}`")
        return found

    def text(self, key: str, pattern: str | None = None) -> str:
        """Return a non-empty scalar's text, which ``pattern`` must match in full."""
        found = self.get(key)
        return "" if found is None else self._read_text(key, found, pattern)

    def find_text(self, key: str, pattern: str | None = None) -> str | None:
        """Return the text under ``key``, None when absent."""
        found = self.find(key)
        return None if found is None else self._read_text(key, found, pattern)

    def choice(self, key: str, choices: Collection[str], default: str | None = None) -> str:
        """Return one of ``choices``; without a ``default`` the key is required."""
        found = self.find(key) if default is not None else self.get(key)
        if found is None:
            return default or ""
        if found.scalar not in choices:
            self._note(found, f"{key}: expected one of {', '.join(choices)}, got `{_show(found)}`")
            return default or ""
        return found.scalar or ""

    def find_choice(self, key: str, choices: Collection[str]) -> str | None:
        """Return one of ``choices``, None when the key is absent."""
        return self.choice(key, choices) if self.find(key) is not None else None

    def bilingual(self, key: str) -> Text:
        """Return a text given as ``{zh: …, en: …}``."""
        found = self.get(key)
        return Text("", "") if found is None else self._read_bilingual(key, found)

    def find_bilingual(self, key: str) -> Text | None:
        """Return a text in both languages, None when absent."""
        found = self.find(key)
        return None if found is None else self._read_bilingual(key, found)

    def integer(self, key: str, low: int, high: int) -> int:
        """Return a whole number with ``low <= number <= high``."""
        found = self.get(key)
        return low if found is None else self._read_integer(key, found, low, high)

    def find_integer(self, key: str, low: int, high: int) -> int | None:
        """Return a whole number within bounds, None when absent."""
        found = self.find(key)
        return None if found is None else self._read_integer(key, found, low, high)

    def decimal(self, key: str) -> Decimal:
        """Return an exact decimal number of at most six places."""
        found = self.get(key)
        return Decimal(0) if found is None else self._read_decimal(key, found)

    def boolean(self, key: str) -> bool:
        """Return ``true`` or ``false``, written so."""
        found = self.get(key)
        if found is None:
            return False
        if found.scalar not in ("true", "false") or found.quoted:
            self._note(found, f"{key}: expected true or false, got `{_show(found)}`")
        return found.scalar == "true"

    def day(self, key: str) -> date:
        """Return a date written ``YYYY-MM-DD``."""
        found = self.get(key)
        return _NO_DATE if found is None else self._read_day(key, found)

    def find_day(self, key: str) -> date | None:
        """Return a date, None when absent or null."""
        found = self.find(key)
        return None if found is None or _is_null(found) else self._read_day(key, found)

    def validity(self) -> Validity:
        """Return ``[from, until)`` of the keys of these names; a date stands for its local midnight."""
        start = self.get("from")
        end = self.find("until")
        first = 0 if start is None else self._read_instant("from", start)
        last = None if end is None or _is_null(end) else self._read_instant("until", end)
        if last is not None and end is not None and last <= first:
            self._note(end, f"until: expected an instant after `from`, got `{_show(end)}`")
        return Validity(first, last)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of different, non-empty texts, empty when the key is absent."""
        found = self.find(key)
        if found is None:
            return ()
        items = self._read_list(key, found)
        texts = tuple(self._read_text(key, item, None) for item in items)
        for place, item in enumerate(items):
            if texts[place] in texts[:place]:
                self._note(item, f"{key}: `{texts[place]}` stands twice")
        return texts

    def readers(self, key: str, what: str) -> "tuple[MappingReader, ...]":
        """Return a reader for each mapping of a list, none when the key is absent."""
        found = self.find(key)
        if found is None:
            return ()
        return tuple(
            MappingReader(item, f"{what} {place}", self.problems, self.zone)
            for place, item in enumerate(self._read_list(key, found), 1)
        )

    def reader(self, key: str) -> "MappingReader | None":
        """Return a reader of the mapping under ``key``, None when absent."""
        found = self.find(key)
        return None if found is None else MappingReader(found, key, self.problems, self.zone)

    def pairs(self, key: str) -> Sequence[tuple[str, Value]]:
        """Return the members of the mapping under ``key``, none when absent."""
        found = self.find(key)
        if found is None:
            return ()
        if found.mapping is None:
            self._note(found, f"{key}: expected a mapping, got a {found.kind}")
            return ()
        return tuple(found.mapping.items())

    def note(self, key: str, message: str) -> None:
        """Note a problem at the value of ``key``, or at the mapping when it is absent."""
        self._note(self._members.get(key, self.value), f"{key}: {message}")

    def note_member(self, key: str, member: str, message: str) -> None:
        """Note a problem at the member ``member`` of the list under ``key``, or at the scalar itself."""
        found = self._members.get(key, self.value)
        places = [item for item in found.sequence or () if item.scalar == member]
        self._note(places[0] if places else found, f"{key}: {message}")

    def _note(self, value: Value, message: str) -> None:
        """Note a problem at ``value``."""
        self.problems.append(value.problem(CODE, message))

    def _read_list(self, key: str, found: Value) -> tuple[Value, ...]:
        """Return the members of a list."""
        if found.sequence is None:
            self._note(found, f"{key}: expected a list, got a {found.kind}")
            return ()
        return found.sequence

    def _read_text(self, key: str, found: Value, pattern: str | None) -> str:
        """Return a scalar's text."""
        text = found.scalar
        if not text or (_is_null(found)):
            self._note(found, f"{key}: expected a text, got `{_show(found)}`")
            return ""
        if pattern is not None and re.fullmatch(pattern, text) is None:
            self._note(found, f"{key}: expected a text of the form `{pattern}`, got `{_show(found)}`")
        return text

    def _read_bilingual(self, key: str, found: Value) -> Text:
        """Return a text in both languages."""
        inner = MappingReader(found, key, self.problems, self.zone)
        text = Text(inner.text("zh"), inner.text("en"))
        inner.finish()
        return text

    def _read_integer(self, key: str, found: Value, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        text = found.scalar or ""
        if found.quoted or _WHOLE.match(text) is None or not low <= int(text) <= high:
            self._note(found, f"{key}: expected a whole number from {low} to {high}, got `{_show(found)}`")
            return low
        return int(text)

    def _read_decimal(self, key: str, found: Value) -> Decimal:
        """Return an exact decimal number."""
        text = found.scalar or ""
        if found.quoted or _DECIMAL.match(text) is None:
            self._note(found, f"{key}: expected a decimal number, got `{_show(found)}`")
            return Decimal(0)
        return Decimal(text)

    def read_amounts(self, key: str) -> dict[int, Decimal]:
        """Return a mapping of years to amounts of yuan."""
        amounts: dict[int, Decimal] = {}
        for year, found in self.pairs(key):
            if re.fullmatch(r"(19|20|21)\d{2}", year, re.ASCII) is None:
                self._note(found, f"{key}: expected a year as key, got `{year}`")
                continue
            amounts[int(year)] = self._read_decimal(key, found)
        return amounts

    def _read_day(self, key: str, found: Value) -> date:
        """Return a date."""
        parsed = _parse_day(found.scalar or "")
        if parsed is None:
            self._note(found, f"{key}: expected a date such as 2026-11-23, got `{_show(found)}`")
            return _NO_DATE
        return parsed

    def _read_instant(self, key: str, found: Value) -> int:
        """Return the instant of a date (its local midnight) or of an RFC 3339 time."""
        text = found.scalar or ""
        day = _parse_day(text)
        if day is not None:
            return count_ns(datetime.combine(day, time(), self.zone))
        try:
            return parse_time_ns(text)
        except InputError:
            self._note(found, f"{key}: expected a date or an RFC 3339 time with an offset, got `{_show(found)}`")
            return 0


def _parse_day(text: str) -> date | None:
    """Return the date ``text`` names, None when it names none."""
    if _DATE.match(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _is_null(value: Value) -> bool:
    """Say whether a scalar is YAML's null."""
    return value.scalar in ("", "null", "~") and not value.quoted


def _show(value: Value) -> str:
    """Return what an error text shows of a value."""
    return value.scalar[:64] if value.scalar is not None else value.kind

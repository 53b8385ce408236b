"""Resources of policies: lists, calendars and legal acts, from their documents."""

import re
from datetime import date, timedelta

from auditsvc.condition.calendar import Calendar, Hours
from auditsvc.ground.bilingual import Text
from auditsvc.ground.document import Value
from auditsvc.ground.errors import Problem
from auditsvc.ground.mapping_reader import MappingReader
from auditsvc.policy.model import LegalAct
from auditsvc.policy.scalars import find_title, open_mapping, parse_bound, read_title

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NO_TEXT = Text("", "")
_INTERVAL = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])\Z")


def read_list(value: Value, problems: list[Problem]) -> tuple[str, frozenset[str]]:
    """Return a list's id and values."""
    reader = open_mapping(value, "list", problems)
    name = reader.text("id")
    find_title(reader, "title", NO_TEXT)
    values = frozenset(reader.texts("values"))
    reader.finish()
    return name, values


def read_legal(value: Value, problems: list[Problem]) -> LegalAct:
    """Return a legal act."""
    reader = open_mapping(value, "legal act", problems)
    articles: dict[str, Text] = {}
    for inner in reader.readers("articles", "article"):
        articles[inner.text("article")] = read_title(inner, "text")
        inner.finish()
    act = LegalAct(
        reader.text("id"),
        read_title(reader, "title"),
        reader.text("issued_by"),
        reader.day("effective_from"),
        reader.text("source"),
        reader.boolean("verified"),
        articles,
    )
    reader.finish()
    return act


def read_calendar(value: Value, problems: list[Problem]) -> Calendar:
    """Return a working calendar; holidays, make-up workdays and half days become dated hours."""
    reader = open_mapping(value, "calendar", problems)
    name = reader.text("id")
    find_title(reader, "title", NO_TEXT)
    reader.text("source")
    reader.boolean("verified")
    reader.get("zone")
    zone = reader.find_zone("zone", "UTC")
    first = reader.parsed("from", parse_bound, date(2000, 1, 1))
    last = reader.parsed("until", parse_bound, date(2000, 1, 2))
    if not first < last <= first + timedelta(days=3660):
        reader.note_at(value, "calendar: `from` is before `until`, by at most ten years")
    weekly = _read_weekly(reader)
    dated = _read_dated(reader, first, last, weekly)
    reader.finish()
    return Calendar(name, zone, first, max(last, first + timedelta(days=1)), weekly, dated)


def _read_weekly(reader: MappingReader) -> tuple[Hours, ...]:
    """Return the hours of each day of the week, Monday first."""
    inner = reader.reader("weekly")
    if inner is None:
        return ((),) * 7
    weekly = tuple(_read_hours(inner, day) for day in DAYS)
    inner.finish()
    return weekly


def _read_dated(reader: MappingReader, first: date, last: date, weekly: tuple[Hours, ...]) -> dict[date, Hours]:
    """Return the hours of the days that differ from their day of the week."""
    dated: dict[date, Hours] = {}
    for key in ("holidays", "workdays", "half_days"):
        for inner in reader.readers(key, key):
            day = inner.parsed("date", parse_bound, first)
            find_title(inner, "name", NO_TEXT)
            hours = _read_hours(inner, "hours") if key != "holidays" else ()
            inner.finish()
            if day in dated or not first <= day < last:
                reader.note_at(inner.value, f"{key}: {day} is a duplicate or outside the calendar's dates")
            if key == "half_days" and not hours:
                reader.note_at(inner.value, f"{inner.what}: `hours` is missing")
            dated[day] = hours or (weekly[0] if key == "workdays" else ())
    return dated


def _read_hours(reader: MappingReader, key: str) -> Hours:
    """Return the intervals of a list such as ``["08:30-12:00", "14:00-17:30"]``."""
    hours: list[tuple[int, int]] = []
    for item in reader.items(key):
        match = _INTERVAL.match(item.scalar or "")
        start, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (0, 0)
        if not (hours[-1][1] if hours else 0) <= start < end <= 1440:
            reader.note_at(item, f"{key}: expected ascending hours such as 08:30-12:00, got `{item.scalar}`")
            continue
        hours.append((start, end))
    return tuple(hours)

"""What policies name: lists, calendars and legal acts, from their documents."""

import re
from datetime import date, timedelta

from auditsvc.condition.calendar import Calendar, Hours
from auditsvc.ground.bilingual import Text
from auditsvc.ground.document import Value
from auditsvc.ground.errors import Problem
from auditsvc.policy.model import LegalAct
from auditsvc.policy.reader import Reader, parse_boolean, parse_bound, parse_day, parse_zone

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_INTERVAL = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])\Z")


def read_list(value: Value, problems: list[Problem]) -> tuple[str, frozenset[str]]:
    """Return a list's id and values."""
    reader = Reader(value, "list", problems)
    name = reader.read_text("id", required=True)
    reader.read_bilingual("title")
    values = frozenset(reader.read_texts("values"))
    reader.close()
    return name, values


def read_legal(value: Value, problems: list[Problem]) -> LegalAct:
    """Return a legal act."""
    reader = Reader(value, "legal act", problems)
    articles: dict[str, Text] = {}
    for item in reader.read_items("articles"):
        inner = Reader(item, "article", problems)
        articles[inner.read_text("article", required=True)] = inner.read_bilingual("text", required=True)
        inner.close()
    act = LegalAct(
        reader.read_text("id", required=True),
        reader.read_bilingual("title", required=True),
        reader.read_text("issued_by", required=True),
        reader.read("effective_from", parse_day, date.min, required=True),
        reader.read_text("source", required=True),
        reader.read("verified", parse_boolean, False, required=True),
        articles,
    )
    reader.close()
    return act


def read_calendar(value: Value, problems: list[Problem]) -> Calendar:
    """Return a working calendar; holidays, make-up workdays and half days become dated hours."""
    reader = Reader(value, "calendar", problems)
    name = reader.read_text("id", required=True)
    reader.read_bilingual("title")
    for key in ("source", "verified"):
        reader.read_text(key, required=True)
    zone = reader.read("zone", parse_zone, "UTC", required=True)
    first = reader.read("from", parse_bound, date(2000, 1, 1), required=True)
    last = reader.read("until", parse_bound, date(2000, 1, 2), required=True)
    if not first < last <= first + timedelta(days=3660):
        reader.refuse(value, "calendar: `from` is before `until`, by at most ten years")
    weekly_value = reader.find("weekly")
    weekly: tuple[Hours, ...] = ((),) * 7
    if weekly_value is not None:
        inner = Reader(weekly_value, "`weekly`", problems)
        weekly = tuple(_read_hours(inner, day) for day in DAYS)
        inner.close()
    dated: dict[date, Hours] = {}
    for key in ("holidays", "workdays", "half_days"):
        for item in reader.read_items(key):
            inner = Reader(item, f"`{key}`", problems)
            day = inner.read("date", parse_day, first, required=True)
            inner.read_bilingual("name")
            hours = _read_hours(inner, "hours") if key != "holidays" else ()
            inner.close()
            if day in dated or not first <= day < last:
                reader.refuse(item, f"`{key}`: {day} stands twice or outside the calendar's dates")
            if key == "half_days" and not hours:
                reader.refuse(item, "`half_days`: `hours` is missing")
            dated[day] = hours or (weekly[0] if key == "workdays" else ())
    reader.close()
    return Calendar(name, zone, first, max(last, first + timedelta(days=1)), weekly, dated)


def _read_hours(reader: Reader, key: str) -> Hours:
    """Return the intervals of a list such as ``["08:30-12:00", "14:00-17:30"]``."""
    hours: list[tuple[int, int]] = []
    for item in reader.read_items(key):
        match = _INTERVAL.match(item.scalar or "")
        start, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (0, 0)
        if not (hours[-1][1] if hours else 0) <= start < end <= 1440:
            reader.refuse(item, f"`{key}`: expected ascending hours such as 08:30-12:00, got `{item.scalar}`")
            continue
        hours.append((start, end))
    return tuple(hours)

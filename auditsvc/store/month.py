"""Months of events: the unit by which a store partitions them and retention removes them.

A month is a UTC month of the event's own time, ``2026.11``. A removed month stays removed: late rows of it are
not stored, since they would make up a month that looks complete and is not.
"""

import logging
import re
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

from auditsvc.event.time import MAX_TIME_NS, NS, count_ns, to_datetime
from auditsvc.ground.errors import InputError
from auditsvc.store.rows import Chunk

OLD, FAR = "old", "far"
_FIRST_MONTH, _LAST_MONTH = "2015.01", "2049.12"
_HOUR_NS = 3600 * NS
_MONTH = re.compile(r"[0-9]{4}\.(0[1-9]|1[0-2])", re.ASCII)
_RANK = {OLD: "0", FAR: "9"}

log = logging.getLogger(__name__)


def name_month(time_ns: int) -> str:
    """Return the month of an event, ``2026.11``.

    Implausible times share two names, ``old`` and ``far``, so that a source cannot cause hundreds of months to be created.
    """
    return _name_month_of_hour(time_ns // _HOUR_NS)


@lru_cache(maxsize=4096)
def _name_month_of_hour(hour: int) -> str:
    """Return the month of an hour since 1970; cached, since adjacent records share it."""
    month = to_datetime(hour * _HOUR_NS).strftime("%Y.%m")
    if month < _FIRST_MONTH:
        return OLD
    return month if month <= _LAST_MONTH else FAR


def rank_month(month: str) -> str:
    """Return a sort key of months, which puts ``old`` first and ``far`` last."""
    return _RANK.get(month, month)


def bound_month(month: str) -> tuple[int, int]:
    """Return the instants ``[first, last)`` of a month's events.

    Raises:
        InputError: ``input_invalid`` when it is not the name of a month.
    """
    if month == OLD:
        return 0, _begin(_FIRST_MONTH)
    if month == FAR:
        return _end(_LAST_MONTH), MAX_TIME_NS
    if not _MONTH.fullmatch(month) or not _FIRST_MONTH <= month <= _LAST_MONTH:
        raise InputError("input_invalid", f"expected a month such as `2026.11`, or `{OLD}`, got `{month[:40]}`")
    return _begin(month), _end(month)


def check_over(month: str, now_ns: int) -> None:
    """Refuse to remove a month that is not over: new events of it would be dropped.

    Raises:
        InputError: ``input_invalid``, also when it is not the name of a month.
    """
    bound_month(month)
    present = name_month(now_ns)
    if rank_month(month) >= rank_month(present):
        raise InputError("input_invalid", f"month `{month}` is not over: expected one before `{present}`")


def drop_removed(chunk: Chunk, removed: Collection[str]) -> Chunk:
    """Return a chunk without the events and findings of removed months; their number is logged."""
    if not removed:
        return chunk
    events = [row for row in chunk.events if not _is_in(row.event.get("time"), removed)]
    findings = [finding for finding in chunk.findings if not _is_in(finding.time, removed)]
    dropped = len(chunk.events) - len(events)
    if dropped:
        extra = {"seq": chunk.first.seq, "record": chunk.first.record, "events": dropped}
        log.warning("events_of_removed_months_dropped", extra=extra)
    return replace(chunk, events=events, findings=findings)


def _is_in(time: object, months: Collection[str]) -> bool:
    """Return whether an instant is in one of some months; a value that is not an instant is left for the store to refuse."""
    return type(time) is int and 0 <= time < MAX_TIME_NS and name_month(time) in months


def _begin(month: str) -> int:
    """Return the first instant of a month."""
    year, number = map(int, month.split("."))
    return count_ns(datetime(year, number, 1, tzinfo=UTC))


def _end(month: str) -> int:
    """Return the first instant after a month."""
    year, number = map(int, month.split("."))
    return count_ns(datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC))

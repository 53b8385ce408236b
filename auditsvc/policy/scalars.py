"""Scalars specific to policy documents: durations, instants in the policy's zone, texts in one or two languages."""

import re
from datetime import date

from auditsvc.condition.calendar import count_local_ns
from auditsvc.event.time import check_day, parse_time_ns
from auditsvc.ground.bilingual import Text
from auditsvc.ground.document import Value
from auditsvc.ground.errors import Problem
from auditsvc.ground.mapping_reader import MappingReader, parse_day

CODE = "policy_invalid"
MAX_COUNT = 10**15
"""Largest version and largest count of an inline test; whole numbers up to here are exact in every JSON reader."""

DURATION = r"([1-9][0-9]{0,5})(s|m|h|d)"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def open_mapping(value: Value, what: str, problems: list[Problem]) -> MappingReader:
    """Return a reader of a mapping in a policy document."""
    return MappingReader(value, what, problems, code=CODE)


def read_title(reader: MappingReader, key: str) -> Text:
    """Return a text as ``{zh: …, en: …}``, or one text for both languages."""
    found = reader.find(key)
    if found is not None and found.scalar is None:
        return reader.bilingual(key)
    plain = reader.text(key)
    return Text(plain, plain)


def find_title(reader: MappingReader, key: str, default: Text) -> Text:
    """Return a text as :func:`read_title`, ``default`` when absent."""
    return default if reader.find(key) is None else read_title(reader, key)


def parse_bound(text: str) -> date:
    """Return a date within the range of event times; raise ``ValueError`` or ``InputError`` for anything else."""
    return check_day(parse_day(text))


def parse_instant_in(text: str, zone: str) -> int:
    """Return nanoseconds of an RFC 3339 time, or of the midnight in ``zone`` at which a date begins."""
    return count_local_ns(parse_day(text), zone) if len(text) == 10 else parse_time_ns(text)


def parse_duration(text: str) -> int:
    """Return seconds of a duration such as ``4h``; raise ``ValueError`` for anything else."""
    match = re.fullmatch(DURATION, text)
    if match is None:
        raise ValueError(f"expected a duration such as 30m, 4h or 7d, got `{text}`")
    return int(match.group(1)) * _SECONDS[match.group(2)]

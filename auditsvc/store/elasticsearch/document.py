"""Lossless conversion of events to Elasticsearch documents and back.

A document is flat: its keys are the dotted paths of the mapping, ``labels`` alone is an object. ECS fields that are less
precise than ours (``@timestamp`` text, ``event.outcome``) are added for other programs and not read back.

Missing is absent; null is a name in ``govshare.nulls``; an empty list is ``[]`` and a name in ``govshare.empty``. The name of
a field with overlong text (:func:`~auditsvc.condition.compile.elasticsearch.path.is_overlong`) is in ``govshare.long``, its value
in ``govshare.long_values``, which is not searchable.
"""

import ipaddress
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from auditsvc.condition.compile.elasticsearch.path import is_overlong, length_path, text_path
from auditsvc.event.fields import BY_NAME, FIELDS, LABEL_PREFIX, Kind
from auditsvc.event.model import COUNTED_EXCLUDES, Event
from auditsvc.event.time import MAX_TIME_NS, NS, format_time_ns
from auditsvc.ground.ids import EventUid
from auditsvc.store.elasticsearch.mapping import (
    ACCESS_KEY,
    COUNTED,
    DIGEST,
    DURATION_NS,
    ECS_OUTCOME,
    ECS_TYPE,
    EMPTY,
    LABELS,
    LONG,
    LONG_VALUES,
    NULLS,
    PARTNER,
    PLACE,
    TIME,
    UID,
)
from auditsvc.store.elasticsearch.scan import refuse_foreign
from auditsvc.store.measure import SUM_SCALE
from auditsvc.store.rows import NewEvent, StoredEvent

_MAX_DURATION = 9e12
"""Milliseconds whose nanoseconds are a 64-bit integer."""

_EXCLUDES = frozenset(COUNTED_EXCLUDES)
_PATHS = {field.name: text_path(field) for field in FIELDS}
_NAMES = {path: name for name, path in _PATHS.items()}
_NUMBERS = frozenset(field.name for field in FIELDS if field.kind is Kind.NUMBER)
_LENGTHS = {field.name: length_path(field) for field in FIELDS if field.multi}
_TIMES = tuple((field.name, field.path) for field in FIELDS if field.kind is Kind.TIME)
_ADDRESSES = tuple((field.name, field.path) for field in FIELDS if field.kind is Kind.IP)


def build_document(row: NewEvent) -> dict[str, Any]:
    """Return the document of one event."""
    event = row.event
    document: dict[str, Any] = {UID: row.uid.hex(), COUNTED: _is_counted(event)}
    if row.access_key is not None:
        document[ACCESS_KEY] = row.access_key.hex()
    if row.partner is not None:
        document[PARTNER] = row.partner.hex()
    if row.digest != event.get("leaf_hash"):
        document[DIGEST] = row.digest
    for name, value in event.items():
        if value is None:
            document.setdefault(NULLS, []).append(name)
        elif type(value) is str and is_overlong(value):
            _set_long(document, name, value)
        elif name in _LENGTHS:
            _set_list(document, name, value)
        elif name in _PATHS:
            document[_PATHS[name]] = value
        else:
            document.setdefault(LABELS, {})[name.removeprefix(LABEL_PREFIX)] = str(value)
    _add_derived(document, event)
    return document


def _set_list(document: dict[str, Any], name: str, value: Any) -> None:
    """Set a list field, its length and whether it is empty."""
    document[_LENGTHS[name]] = len(value)
    short = [text for text in value if not is_overlong(text)]
    if len(short) < len(value):
        _set_long(document, name, value)
    elif not value:
        document.setdefault(EMPTY, []).append(name)
    document[_PATHS[name]] = short


def _set_long(document: dict[str, Any], name: str, value: Any) -> None:
    """Set a value that is too long to be a term."""
    document.setdefault(LONG, []).append(name)
    document.setdefault(LONG_VALUES, {})[name] = value


def _add_derived(document: dict[str, Any], event: Event) -> None:
    """Add the derived fields that other programs and some queries read."""
    for name, path in _TIMES:
        instant = event.get(name)
        if isinstance(instant, int) and 0 <= instant < MAX_TIME_NS:
            document[path] = _format_instant(instant)
    for name, path in _ADDRESSES:
        text = event.get(name)
        address = _parse_address(text) if isinstance(text, str) else None
        if address is not None:
            document[path] = address
    outcome = event.get("outcome")
    if isinstance(outcome, str):
        document[ECS_OUTCOME] = "failure" if outcome == "denied" else outcome
        if outcome == "denied":
            document[ECS_TYPE] = ["denied"]
    duration = event.get("duration_ms")
    if isinstance(duration, (int, float)):
        _add_duration(document, duration)


def _add_duration(document: dict[str, Any], duration: float) -> None:
    """Add a duration in nanoseconds, unless it is beyond 64 bits."""
    if abs(duration) < _MAX_DURATION:
        document[DURATION_NS] = round_number(duration)


def round_number(value: float) -> int:
    """Return a number in units of its last summed digit (milliseconds: nanoseconds), halves away from zero."""
    product = float(value) * 10**SUM_SCALE
    return int(product) if product.is_integer() else int(Decimal(product).to_integral_value(ROUND_HALF_UP))


def _format_instant(instant: int) -> str:
    """Return an instant as RFC 3339 text with nanoseconds."""
    seconds, fraction = divmod(instant, NS)
    return f"{_format_second(seconds)}.{fraction:09d}Z" if fraction else f"{_format_second(seconds)}Z"


@lru_cache(maxsize=4096)
def _format_second(seconds: int) -> str:
    """Return a second as RFC 3339 text without its zone; cached, since adjacent records share it."""
    return format_time_ns(seconds * NS).removesuffix("Z")


@lru_cache(maxsize=65536)
def _parse_address(text: str) -> str | None:
    """Return an address in the form Elasticsearch accepts, without scope; None when it is not an address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return str(address).partition("%")[0]


def _is_counted(event: Event) -> bool:
    """Return whether indicators count the event."""
    quality = event.get("quality")
    return not isinstance(quality, list) or _EXCLUDES.isdisjoint(quality)


def read_row(source: Mapping[str, Any]) -> StoredEvent:
    """Return the event of a document's whole ``_source``.

    Raises:
        StorageError: ``storage_unavailable`` when it is not one of our documents.
    """
    with refuse_foreign():
        for path in (TIME, *PLACE):
            if type(source[path]) is not int:
                raise TypeError(f"{path}: expected a whole number, got `{source[path]}`")
        return read_document(source)


@refuse_foreign()
def read_document(source: Mapping[str, Any]) -> StoredEvent:
    """Return the event of a document's ``_source``, which may be partial; raises as :func:`read_row`."""
    event: Event = {}
    for path, value in source.items():
        name = _NAMES.get(path)
        if name is not None:
            event[name] = float(value) if name in _NUMBERS else value
    for key, value in source.get(LABELS, {}).items():
        event[LABEL_PREFIX + key] = value
    event.update(source.get(LONG_VALUES, {}))
    event.update(dict.fromkeys(source.get(NULLS, ())))
    access_key, partner = source.get(ACCESS_KEY), source.get(PARTNER)
    return StoredEvent(
        event,
        EventUid(bytes.fromhex(source[UID])),
        None if access_key is None else bytes.fromhex(access_key),
        None if partner is None else EventUid(bytes.fromhex(partner)),
    )


def list_paths(names: Mapping[str, Any] | frozenset[str] | set[str]) -> list[str]:
    """Return the paths of a document needed to restore these fields of its event."""
    paths = {_PATHS[name] for name in names if name in BY_NAME}
    if any(name.startswith(LABEL_PREFIX) for name in names):
        paths.add(LABELS)
    return sorted(paths | {UID, NULLS, LONG_VALUES})

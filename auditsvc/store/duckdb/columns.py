"""Columns of the embedded store, derived from the field catalogue, and the conversion of rows to Arrow columns and back.

A column has the name of its field. Further columns: ``<ip field>.bin`` (16 bytes, IPv4 as ``::ffff:0:0/96``) for
networks, ``labels`` (a map), ``nulls`` (names of the fields present as null, because SQL has one NULL for missing and
null), ``uid``, ``access_key``, ``partner``, ``digest`` and ``counted`` (false for duplicates and second halves).
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any
from uuid import UUID

from arro3.core import Array, DataType, Field, Schema, Table, list_array

from auditsvc.event.fields import FIELDS, LABEL_PREFIX, Kind
from auditsvc.event.fields import Field as EventField
from auditsvc.event.model import COUNTED_EXCLUDES, Event
from auditsvc.ground.ids import EventUid
from auditsvc.store.rows import NewEvent, StoredEvent

_SQL_TYPES = {
    Kind.KEYWORD: "VARCHAR",
    Kind.TEXT: "VARCHAR",
    Kind.ENUM: "VARCHAR",
    Kind.IP: "VARCHAR",
    Kind.INTEGER: "BIGINT",
    Kind.TIME: "BIGINT",
    Kind.NUMBER: "DOUBLE",
    Kind.BOOLEAN: "BOOLEAN",
}
_TEXT = DataType.utf8()
_OFFSETS = DataType.int32()
_ARROW_TYPES = {
    Kind.KEYWORD: _TEXT,
    Kind.TEXT: _TEXT,
    Kind.ENUM: _TEXT,
    Kind.IP: _TEXT,
    Kind.INTEGER: DataType.int64(),
    Kind.TIME: DataType.int64(),
    Kind.NUMBER: DataType.float64(),
    Kind.BOOLEAN: DataType.bool(),
}
_UUID = {"ARROW:extension:name": "arrow.uuid", "ARROW:extension:metadata": ""}
_BIN16 = DataType.binary(16)
_BIN = ".bin"
_V4_PREFIX = bytes(10) + b"\xff\xff"
_EXCLUDES = frozenset(COUNTED_EXCLUDES)


def quote(name: str) -> str:
    """Return a column name quoted for SQL; accepts only names from the catalogue and this module."""
    return '"' + name.replace('"', '""') + '"'


def sql_type(field: EventField) -> str:
    """Return the DuckDB type of a field's column."""
    base = _SQL_TYPES[field.kind]
    return base + "[]" if field.multi else base


@dataclass(frozen=True, slots=True)
class EventColumn:
    """One column of the ``event`` table."""

    name: str
    sql_type: str


def list_columns() -> tuple[EventColumn, ...]:
    """Return every column of the ``event`` table, in order."""
    columns = [EventColumn("uid", "UUID"), EventColumn("access_key", "UUID"), EventColumn("partner", "UUID")]
    columns += [EventColumn("digest", "VARCHAR"), EventColumn("counted", "BOOLEAN")]
    for field in FIELDS:
        columns.append(EventColumn(field.name, sql_type(field)))
        if field.kind is Kind.IP:
            columns.append(EventColumn(field.name + _BIN, "BLOB"))
    columns += [EventColumn("labels", "MAP(VARCHAR, VARCHAR)"), EventColumn("nulls", "VARCHAR[]")]
    return tuple(columns)


EVENT_COLUMNS = list_columns()


@lru_cache(maxsize=65536)
def pack_address(text: str) -> bytes:
    """Return the 16 bytes of an address, IPv4 as ``::ffff:0:0/96``."""
    address = ipaddress.ip_address(text)
    return _V4_PREFIX + address.packed if address.version == 4 else address.packed


def build_lists(values: Sequence[Sequence[str] | None]) -> Any:
    """Return an Arrow list column; None stays NULL, an empty list stays empty."""
    offsets = list(accumulate([len(value) if value else 0 for value in values], initial=0))
    flat = list(chain.from_iterable([value for value in values if value]))
    mask = Array([value is None for value in values], DataType.bool())
    return list_array(Array(offsets, _OFFSETS), Array(flat, _TEXT), mask=mask)


def build_uuids(name: str, values: Sequence[bytes | None]) -> tuple[Any, Any]:
    """Return field and array of a UUID column."""
    return Field(name, _BIN16, metadata=_UUID), Array(values, _BIN16)


def build_column(name: str, kind: DataType, values: Sequence[object]) -> tuple[Any, Any]:
    """Return field and array of a plain column."""
    return Field(name, kind), Array(values, kind)


def build_table(columns: Sequence[tuple[Any, Any]]) -> Any:
    """Return the Arrow table of some (field, array)."""
    return Table.from_arrays([array for _, array in columns], schema=Schema([field for field, _ in columns]))


def _build_list_column(name: str, values: Sequence[Any]) -> tuple[Any, Any]:
    """Return field and array of a list column."""
    array = build_lists(values)
    return Field(name, array.type), array


@dataclass(frozen=True, slots=True)
class EventTable:
    """Some rows as Arrow columns.

    Attributes:
        names: columns of the ``event`` table that have a value in these rows.
        reads: for each of them, the SQL that reads it from ``table``.
        nulls: names of the fields that are null in some row.
    """

    names: tuple[str, ...]
    reads: tuple[str, ...]
    table: Any
    nulls: frozenset[str]


def build_event_table(rows: Sequence[NewEvent]) -> EventTable:
    """Return the Arrow columns of some rows.

    Only columns with a value in these rows are built: most events carry a third of the catalogue.
    """
    events = [row.event for row in rows]
    present: set[str] = set().union(*events)
    fields = [field for field in FIELDS if field.name in present]
    values = read_columns([field.name for field in fields], events)
    with_nulls = [event for event in events if None in event.values()]
    columns = [
        build_uuids("uid", [row.uid for row in rows]),
        build_uuids("access_key", [row.access_key for row in rows]),
        build_uuids("partner", [row.partner for row in rows]),
        build_column(
            "digest", _TEXT, [None if row.digest == row.event.get("leaf_hash") else row.digest for row in rows]
        ),
        build_column("counted", DataType.bool(), [_is_counted(event) for event in events]),
    ]
    for field, column in zip(fields, values, strict=True):
        columns += _build_field(field, column)
    nulls = [field.name for field in fields if any(event.get(field.name, "") is None for event in with_nulls)]
    names = [field.name for field, _ in columns]
    reads = [quote(name) for name in names]
    if nulls:
        listed = [[name for name in nulls if name in event and event[name] is None] or None for event in events]
        columns.append(_build_list_column("nulls", listed))
        names.append("nulls")
        reads.append(quote("nulls"))
    if any(name.startswith(LABEL_PREFIX) for name in present):
        columns += _build_labels(events)
        names.append("labels")
        reads.append("map(label_names, label_values)")
    return EventTable(tuple(names), tuple(reads), build_table(columns), frozenset(nulls))


def read_columns(names: Sequence[str], events: Sequence[Event]) -> list[tuple[Any, ...]]:
    """Return the values of each field over all events, None where an event lacks it.

    Iterates event by event: the events of a chunk do not fit into the CPU cache, so each is visited once.
    """
    blank = dict.fromkeys(names)
    rows = [(blank | event).values() for event in events]
    return list(zip(*rows, strict=False))[: len(names)]  # keys that are not fields (labels) come after the fields


def _build_field(field: EventField, values: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return the columns of one field."""
    name = field.name
    if field.multi:
        return [_build_list_column(name, values)]
    columns = [build_column(name, _ARROW_TYPES[field.kind], values)]
    if field.kind is Kind.IP:
        packed = [None if value is None else pack_address(value) for value in values]
        columns.append(build_column(name + _BIN, DataType.binary(), packed))
    return columns


def _build_labels(events: Sequence[Event]) -> list[tuple[Any, Any]]:
    """Return the two list columns from which the map of labels is built."""
    pairs = [[(k, v) for k, v in event.items() if v is not None and k.startswith(LABEL_PREFIX)] for event in events]
    keys = [[name.removeprefix(LABEL_PREFIX) for name, _ in row] or None for row in pairs]
    values = [[str(value) for _, value in row] or None for row in pairs]
    return [_build_list_column("label_names", keys), _build_list_column("label_values", values)]


def _is_counted(event: Event) -> bool:
    """Return whether indicators count the event."""
    quality = event.get("quality")
    return not isinstance(quality, list) or _EXCLUDES.isdisjoint(quality)


def read_row(names: Sequence[str], row: Sequence[Any]) -> StoredEvent:
    """Return the stored event of one result row whose columns are ``names``."""
    event: Event = {}
    extra: dict[str, Any] = {}
    for name, value in zip(names, row, strict=True):
        if name in _EXTRAS:
            extra[name] = value
        elif value is not None:
            event[name] = value
    for key, value in (extra.get("labels") or {}).items():
        event[LABEL_PREFIX + key] = value
    for name in extra.get("nulls") or ():
        event[name] = None
    partner = _to_bytes(extra.get("partner"))
    return StoredEvent(
        event,
        EventUid(_to_bytes(extra.get("uid")) or b""),
        _to_bytes(extra.get("access_key")),
        None if partner is None else EventUid(partner),
    )


_EXTRAS = frozenset({column.name for column in EVENT_COLUMNS} - {field.name for field in FIELDS})
READ_NAMES = tuple(column.name for column in EVENT_COLUMNS if not column.name.endswith(_BIN))
"""Columns a row is read back from."""


def _to_bytes(value: UUID | None) -> bytes | None:
    return None if value is None else value.bytes

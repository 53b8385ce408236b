r"""JSON of any shape, read by a declared mapping from its paths to event fields.

Handles numbers as text, arrays of records in one body, times without offset, ``\xXX`` inside JSON strings (nginx
without ``escape=json``), control characters. An unreadable value of an optional field is dropped and the event
flagged ``repaired``; an unreadable *must* field rejects the record.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from auditsvc.catalog.model import Source
from auditsvc.event.fields import INPUT_ONLY, MAX_ITEMS, MAX_KEYWORD, MAX_TEXT, Field, Kind, Level, find_field
from auditsvc.event.model import Event, Value
from auditsvc.event.native import MAX_INTEGER, MAX_NUMBER, HashSubject, parse_address
from auditsvc.event.time import NS, check_time_ns, count_ns, parse_time_ns
from auditsvc.ground.document import Value as DocumentValue
from auditsvc.ground.errors import InputError
from auditsvc.ground.jsontext import decode_json
from auditsvc.ground.mapping_reader import MappingReader
from auditsvc.ingest.readers.combined import parse_clf_time, path_of
from auditsvc.ingest.readers.identity import read_items
from auditsvc.ingest.readers.native import is_whole_json
from auditsvc.ingest.readers.route import Router, outcome_of_status

_EPOCHS = {"epoch_s": NS, "epoch_ms": NS // 1000, "epoch_us": 1000, "epoch_ns": 1}
_OFFSET = re.compile(r"(?:[Zz]|[+-]\d{2}:?\d{2})\Z", re.ASCII)
_BAD_ESCAPE = re.compile(rb"(?<!\\)((?:\\\\)*)\\x([0-9A-Fa-f]{2})")
_MAX_DIGITS = 24
"""Largest decimal exponent; larger ones cannot be measurements, and arithmetic with them overflows."""
_ABSENT = frozenset({None, "", "-"})
_TEXT_SPEC = Field("subject.id", Kind.KEYWORD, Level.SHOULD, "", "", "", multi=True)

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """How to read one field; parsed from an entry of ``options.fields``."""

    field: Field
    paths: tuple[Path, ...]
    format: str
    values: Mapping[str, Value]
    default: Value
    scale: Decimal | None
    split: str | None


class MappedReader:
    """Reads JSON records by a declared mapping."""

    def __init__(self, source: Source, options: MappingReader) -> None:
        """Read the source's options."""
        self._router = Router(options)
        self._zone = ZoneInfo(source.zone)
        items = options.find_text("items")
        self._items = tuple(items.split(".")) if items else None
        options.get("fields")
        fields = options.reader("fields")
        self._specs = () if fields is None else _read_fields(fields)

    @property
    def interfaces(self) -> frozenset[str]:
        """Every interface the rules can yield."""
        return self._router.interfaces

    def is_whole(self, body: bytes) -> bool:
        """Whether the body is an array, or one object over several lines."""
        return is_whole_json(body)

    def read(self, record: bytes, hash_subject: HashSubject) -> Iterable[Event | InputError]:
        """Return the record's events; raise ``InputError`` (``json_invalid``, ``field_invalid``, ``record_empty``)."""
        document, repaired = decode_repaired(record)
        items = document
        if self._items is not None and not isinstance(document, list):
            items = _look_up(document, self._items)
            if not isinstance(items, list):
                raise InputError("field_invalid", f"{'.'.join(self._items)}: expected an array")
        if not isinstance(items, list):
            return (self._read_item(items, hash_subject, repaired),)
        if not items:
            raise InputError("record_empty", "the array has no members")
        return read_items(items, lambda item: self._read_item(item, hash_subject, repaired))

    def _read_item(self, item: Any, hash_subject: HashSubject, repaired: bool) -> Event:
        """Return the event of one decoded object."""
        if not isinstance(item, dict):
            raise InputError("field_invalid", f"expected an object, got {type(item).__name__}")
        event: Event = {}
        flags = {"repaired"} if repaired else set()
        for spec in self._specs:
            self._set_field(event, spec, item, flags)
        if "time" not in event:
            raise InputError("field_invalid", "time: missing")
        subjects = event.pop("subject.id", None)
        if isinstance(subjects, list):
            event["subject.hash"] = [hash_subject(number) for number in subjects]
        path = event.get("url.path")
        if isinstance(path, str):
            event["url.path"] = path_of(path)
        self._router.apply(event)
        if event.get("outcome") is None:
            status = event.get("http.status")
            event["outcome"] = outcome_of_status(status if isinstance(status, int) else None)
        if flags:
            event["quality"] = sorted(flags)
        return event

    def _set_field(self, event: Event, spec: FieldSpec, item: dict[str, Any], flags: set[str]) -> None:
        """Set one field, or omit it when the record has no usable value."""
        raw = next((found for path in spec.paths if (found := _look_up(item, path)) is not None), None)
        try:
            value = self._convert(spec, raw, flags)
        except InputError as err:
            if spec.field.level is Level.MUST:
                raise InputError(err.code, f"{spec.field.name}: {err.message}") from err
            flags.add("repaired")
            value = None
        if value is None:
            value = spec.default
        if value is not None:
            event[spec.field.name] = value

    def _convert(self, spec: FieldSpec, raw: Any, flags: set[str]) -> Value:
        """Return ``raw`` as the field's type; None when it is absent."""
        if spec.values:
            raw = spec.values.get(_as_text(raw) if raw is not None else "")
        if isinstance(raw, (str, type(None))) and raw in _ABSENT:
            return None
        if spec.field.multi:
            return _as_list(spec, raw, flags)
        if spec.field.kind is Kind.TIME:
            return self._as_time(spec.format, raw, flags)
        if spec.field.kind in (Kind.INTEGER, Kind.NUMBER):
            return _as_number(spec, raw)
        return _CONVERTERS[spec.field.kind](spec.field, raw, flags)

    def _as_time(self, style: str, raw: Any, flags: set[str]) -> int:
        """Return nanoseconds of ``raw``, written in ``style``; a time without offset is in the source's zone."""
        if style in _EPOCHS:
            return check_time_ns(int(_as_decimal(raw) * _EPOCHS[style]), raw)
        text = _as_text(raw)
        if style == "clf":
            return parse_clf_time(text)
        if style == "rfc3339":
            if _OFFSET.search(text):
                return parse_time_ns(text if text[-3:-2] == ":" or text[-1:] in "Zz" else f"{text[:-2]}:{text[-2:]}")
            flags.add("assumed_zone")
            return self._localise(parse_time_ns(f"{text}Z"), text)
        try:
            instant = datetime.strptime(text, style)  # noqa: DTZ007  (the zone is set in the next lines)
        except ValueError as err:
            raise InputError("time_invalid", f"expected a time like `{style}`, got `{text[:64]}`") from err
        if instant.tzinfo is not None:
            return check_time_ns(count_ns(instant), text)
        flags.add("assumed_zone")
        return self._localise(count_ns(instant.replace(tzinfo=UTC)), text)

    def _localise(self, wall_ns: int, text: str) -> int:
        """Return the instant at which the clocks of the source's zone first showed ``wall_ns``."""
        wall = datetime.fromtimestamp(wall_ns // NS, UTC).replace(tzinfo=self._zone)
        offset = wall.utcoffset()
        seconds = int(offset.total_seconds()) if offset is not None else 0
        return check_time_ns(wall_ns - seconds * NS, text)


def decode_repaired(record: bytes) -> tuple[Any, bool]:
    r"""Return the JSON document, and whether ``\xXX`` had to be repaired.

    Raises:
        InputError: ``json_invalid`` for malformed JSON or a duplicate key in an object.
    """
    try:
        return decode_json(record), False
    except InputError:
        if b"\\x" not in record:
            raise
    mended = _BAD_ESCAPE.sub(_mend, record).decode("utf-8", "backslashreplace").replace("\\x", "\\\\x")
    try:
        return decode_json(mended.encode()), True
    except InputError as err:
        raise InputError(err.code, f"also after repair of `\\x` escapes: {err.message}") from err


def _mend(match: re.Match[bytes]) -> bytes:
    r"""Return the byte that an ``\xXX`` denotes, escaped where JSON requires it."""
    code = int(match.group(2), 16)
    if code < 0x20 or code in (0x22, 0x5C):
        return match.group(1) + b"\\u%04x" % code
    return match.group(1) + bytes([code])


def _look_up(document: Any, path: Path) -> Any:
    """Return the value at ``path``; None when a step is missing. Integer steps are array indices."""
    for key in path:
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and key.isascii() and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def _as_text(raw: Any) -> str:
    """Return a scalar as text; raise ``InputError`` for objects and arrays."""
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, (int, float)):
        return str(raw)
    raise InputError("field_invalid", f"expected a single value, got {type(raw).__name__}")


def _as_decimal(raw: Any) -> Decimal:
    """Return a number, also one written as text."""
    try:
        value = Decimal(_as_text(raw))
    except InvalidOperation as err:
        raise InputError("field_invalid", f"expected a number, got `{str(raw)[:64]}`") from err
    if not value.is_finite() or not -_MAX_DIGITS < value.adjusted() < _MAX_DIGITS:
        raise InputError("field_invalid", f"number out of range: `{str(raw)[:64]}`")
    return value


def _as_number(spec: FieldSpec, raw: Any) -> int | float:
    """Return a number of the field's kind, scaled."""
    value = _as_decimal(raw) * (spec.scale or 1)
    if spec.field.kind is Kind.NUMBER:
        if abs(value) > MAX_NUMBER:
            raise InputError("field_invalid", f"expected a number from -2^53 to 2^53, got `{str(raw)[:64]}`")
        return float(value) or 0.0  # -0.0 equals 0.0
    if value != value.to_integral_value() or abs(value) > MAX_INTEGER:
        raise InputError("field_invalid", f"expected a whole number, got `{str(raw)[:64]}`")
    return int(value)


def _as_string(field: Field, raw: Any, flags: set[str]) -> str:
    """Return text within the field's limit, control characters that databases reject escaped."""
    text = _as_text(raw)
    if "\0" in text:
        text = text.replace("\0", "\\x00")
        flags.add("repaired")
    limit = MAX_TEXT if field.kind is Kind.TEXT else MAX_KEYWORD
    if len(text) > limit:
        flags.add("repaired")
    return text[:limit]


def _as_enum(field: Field, raw: Any, flags: set[str]) -> str:
    """Return a member of the field's closed set."""
    text = _as_text(raw)
    if text not in field.values:
        raise InputError("field_invalid", f"expected one of {', '.join(field.values)}, got `{text[:64]}`")
    return text


def _as_boolean(field: Field, raw: Any, flags: set[str]) -> bool:
    """Return a truth value, also one written as text or number."""
    word = _as_text(raw).lower()
    if word not in ("true", "false", "1", "0"):
        raise InputError("field_invalid", f"expected true or false, got `{word[:64]}`")
    return word in ("true", "1")


def _as_address(field: Field, raw: Any, flags: set[str]) -> str:
    """Return the canonical text of an IP address."""
    return parse_address(field.name, _as_text(raw))


def _as_list(spec: FieldSpec, raw: Any, flags: set[str]) -> list[str]:
    """Return a list of texts: an array's members, the parts of a split text, or a single value."""
    if isinstance(raw, list):
        members = raw
    elif spec.split and isinstance(raw, str):
        members = [part.strip() for part in raw.split(spec.split)]
    else:
        members = [raw]
    texts = [_as_string(spec.field, member, flags) for member in members if member not in ("", "-", None)]
    if len(texts) > MAX_ITEMS:
        flags.add("repaired")
    return texts[:MAX_ITEMS]


_CONVERTERS: Mapping[Kind, Callable[[Field, Any, set[str]], Value]] = {
    Kind.KEYWORD: _as_string,
    Kind.TEXT: _as_string,
    Kind.ENUM: _as_enum,
    Kind.BOOLEAN: _as_boolean,
    Kind.IP: _as_address,
}


def _read_fields(fields: MappingReader) -> tuple[FieldSpec, ...]:
    """Return the entries of ``options.fields``."""
    fields.get("time")
    specs = []
    for name in fields.keys:
        field = _TEXT_SPEC if name in INPUT_ONLY else find_field(name)
        entry = fields.find(name)
        if field is None or not (field.is_input or name == "interface.id"):
            fields.note(name, "is not a field a producer can give; docs/event-fields.md lists them")
        elif entry is not None and entry.mapping is None:
            specs.append(FieldSpec(field, (_read_path(fields, name, entry),), "rfc3339", {}, None, None, None))
        else:
            spec = fields.reader(name)
            specs += [] if spec is None else [_read_spec(field, spec)]
    return tuple(specs)


def _read_spec(field: Field, spec: MappingReader) -> FieldSpec:
    """Return one entry of ``options.fields`` that is a mapping."""
    read = FieldSpec(
        field=field,
        paths=_read_paths(spec),
        format=spec.find_text("format") or "rfc3339",
        values={key: _read_constant(spec, "map", field, value) for key, value in spec.pairs("map")},
        default=_read_constant(spec, "default", field, spec.find("default")),
        scale=_read_scale(spec),
        split=spec.find_text("split"),
    )
    spec.finish()
    return read


def _read_paths(spec: MappingReader) -> tuple[Path, ...]:
    """Return the paths under ``paths``, or the one under ``path``."""
    single = spec.find("path")
    if spec.find("paths") is None:
        if single is None:
            spec.get("path")
        return () if single is None else (_read_path(spec, "path", single),)
    paths = tuple(_read_path(spec, "paths", path) for path in spec.items("paths"))
    if not paths:
        spec.note("paths", "expected a list of paths")
    return paths


def _read_path(spec: MappingReader, key: str, path: DocumentValue) -> Path:
    """Return a path's steps, written with dots or as a list."""
    plain = path.as_plain()
    if isinstance(plain, str) and plain:
        return tuple(plain.split("."))
    if isinstance(plain, list) and plain and all(isinstance(step, str) for step in plain):
        return tuple(plain)
    spec.note_at(path, f"{spec.path}{key}: expected a path such as `request.uri`, got `{plain}`")
    return ()


def _read_constant(spec: MappingReader, key: str, field: Field, found: DocumentValue | None) -> Value:
    """Return a declared constant, which must be in the field's closed set if there is one."""
    value: Value = None if found is None else found.as_plain()
    if found is not None and value is not None and field.values and value not in field.values:
        spec.note_at(found, f"{spec.path}{key}: `{value}` is not one of {', '.join(field.values)}")
    return value


def _read_scale(spec: MappingReader) -> Decimal | None:
    """Return the factor of a number."""
    found = spec.find("scale")
    scale = None if found is None else found.as_plain()
    if scale is None:
        return None
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        spec.note("scale", f"expected a number, got `{scale}`")
        return None
    return Decimal(str(scale))

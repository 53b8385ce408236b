"""Native JSON, the product's own input format: a strict struct derived from the field catalogue, and its conversion to a flat event.

Order of checks for one record: JSON syntax and types, unknown and missing fields (msgspec, in one pass), then the
values msgspec cannot check: times, addresses, number ranges, characters that databases reject. The first failure is the
error, because what follows it cannot be trusted.
"""

import hashlib
import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from auditsvc.event.fields import FIELDS, MAX_ITEMS, MAX_KEYWORD, MAX_TEXT, Field, Kind, Level
from auditsvc.event.model import Event
from auditsvc.event.time import parse_time_ns
from auditsvc.ground.errors import InputError
from auditsvc.ground.jsontext import refuse_duplicate_keys

MAX_INTEGER = 2**53
"""Largest magnitude of an input integer: exact in every JSON parser."""
MAX_NUMBER = float(MAX_INTEGER)
"""Largest magnitude of any other input number: beyond any measurement, and every store can sum such numbers."""

_UNKNOWN = re.compile(r"object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"object missing required field `(.*)`")
_Keyword = Annotated[str, Meta(max_length=MAX_KEYWORD)]
_Text = Annotated[str, Meta(max_length=MAX_TEXT)]
_Integer = Annotated[int, Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
_TYPES: dict[Kind, Any] = {
    Kind.KEYWORD: _Keyword,
    Kind.TEXT: _Text,
    Kind.INTEGER: _Integer,
    Kind.NUMBER: Annotated[float, Meta(ge=-MAX_NUMBER, le=MAX_NUMBER)],
    Kind.BOOLEAN: bool,
    Kind.TIME: _Keyword,
    Kind.IP: _Keyword,
}


def _input_type(field: Field) -> Any:
    """Return the type msgspec checks an input field against."""
    if field.kind is Kind.ENUM:
        return _optional(field, Literal[field.values])
    if field.multi:
        return _optional(field, Annotated[list[_Keyword], Meta(max_length=MAX_ITEMS)])
    return _optional(field, _TYPES[field.kind])


def _optional(field: Field, kind: Any) -> Any:
    """Return ``kind``, with null and absence allowed unless the field is a must."""
    return kind if field.level is Level.MUST else kind | None | UnsetType


def _define_group(name: str, members: list[tuple[str, Any, bool]]) -> type[Struct]:
    """Return the struct of one nesting level; members are (key, type, required)."""
    spec = [(key, kind) if required else (key, kind, UNSET) for key, kind, required in members]
    return msgspec.defstruct(name, spec, forbid_unknown_fields=True, kw_only=True, frozen=True)


def _define_event() -> tuple[type[Struct], dict[str, dict[str, str]]]:
    """Return the struct, and for each group its keys with their short names."""
    top: list[tuple[str, Any, bool]] = []
    grouped: dict[str, list[tuple[str, Any, bool]]] = {}
    for field in FIELDS:
        if not field.is_input:
            continue
        group, _, key = field.name.rpartition(".")
        member = (key, _input_type(field), field.level is Level.MUST)
        (grouped.setdefault(group, []) if group else top).append(member)
    grouped["subject"].append(
        ("id", _Keyword | Annotated[list[_Keyword], Meta(max_length=MAX_ITEMS)] | None | UnsetType, False)
    )
    names = {}
    for group, members in grouped.items():
        required = any(must for _, _, must in members)
        struct = _define_group(f"Native{group.title()}", members)
        top.append((group, struct if required else struct | None | UnsetType, required))
        names[group] = {key: f"{group}.{key}" for key, _, _ in members}
    top.append(("labels", dict[_Keyword, _Keyword] | None | UnsetType, False))
    return _define_group("NativeEvent", top), names


NativeEvent, _NAMES = _define_event()
"""The struct, and for each group its keys with their short names."""
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(NativeEvent)
_TIMES = tuple(field.name for field in FIELDS if field.is_input and field.kind is Kind.TIME)
_NUMBERS = tuple(field.name for field in FIELDS if field.is_input and field.kind is Kind.NUMBER)
_ADDRESSES = tuple(field.name for field in FIELDS if field.is_input and field.kind is Kind.IP)

HashSubject = Callable[[str], str]
"""Maps a data subject's plain number to ``<key id>:<hex>`` of its keyed hash."""


def decode_native(record: bytes) -> Struct:
    """Return the checked struct of one JSON object.

    Raises:
        InputError: ``json_invalid`` for broken JSON or a duplicate key, ``field_invalid`` for an unknown or missing
            field, a wrong type or a value out of bounds; the text names field, expected and got.
    """
    try:
        struct: Struct = _DECODER.decode(record)
    except msgspec.ValidationError as err:
        field, text = _explain(str(err))
        raise InputError("field_invalid", text, field=field) from err
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise InputError("json_invalid", f"not valid JSON: {err}") from err
    return struct


def read_native(record: bytes, hash_subject: HashSubject, side: str = "gateway") -> Event:
    """Return the flat event of one native JSON object, not yet enriched.

    ``subject.id`` is replaced by ``subject.hash`` through ``hash_subject``. A missing or empty ``id`` is derived from the
    record's bytes and flagged ``derived_id``; a missing ``side`` becomes ``side``.

    Raises:
        InputError: as :func:`decode_native`; ``time_invalid`` and ``address_invalid`` for such values.
    """
    event, keys = flatten(decode_native(record))
    refuse_duplicate_keys(record, keys)
    if b"\\" in record and b"\\u0000" in record:
        _refuse_nul(event)
    normalise(event, hash_subject)
    if not event.get("id"):
        event["id"] = hashlib.sha256(record).hexdigest()[:32]
        event["quality"] = ["derived_id"]
    if event.get("side") is None:
        event["side"] = side
    return event


def flatten(struct: Struct) -> tuple[Event, int]:
    """Return the struct's members that are present, by short name with values as received, and the number of keys."""
    event: dict[str, Any] = msgspec.to_builtins(struct)
    keys = len(event)
    for group in _NAMES.keys() & event.keys():
        inner = event.pop(group)
        if inner:
            keys += len(inner)
            names = _NAMES[group]
            for key, value in inner.items():
                event[names[key]] = value
    labels = event.pop("labels", None)
    if labels:
        keys += len(labels)
        for key, value in labels.items():
            if not key:
                raise InputError("field_invalid", "labels: a label needs a name", field="labels")
            event[f"labels.{key}"] = value
    return event, keys


def _refuse_nul(event: Event) -> None:
    """Raise ``InputError`` (``field_invalid``) for a NUL character, which PostgreSQL rejects in text."""
    for name, value in event.items():
        texts = value if isinstance(value, list) else (value,)
        if "\0" in name or any(isinstance(text, str) and "\0" in text for text in texts):
            name = name.replace("\0", "\\u0000")
            raise InputError("field_invalid", f"{name}: holds a NUL character", field=name)


def normalise(event: Event, hash_subject: HashSubject) -> None:
    """Bring times, addresses and zeros into canonical form and hash plain subject numbers, in place.

    Raises:
        InputError: ``time_invalid`` or ``address_invalid``, naming the field.
    """
    for name in _TIMES:
        text = event.get(name)
        if isinstance(text, str):
            event[name] = _parse_named_time(name, text)
    for name in _NUMBERS:
        if event.get(name) == 0:
            event[name] = 0.0  # -0.0 equals 0.0
    for name in _ADDRESSES:
        text = event.get(name)
        if isinstance(text, str):
            event[name] = parse_address(name, text)
    plain: Any = event.pop("subject.id", None)
    if plain is not None:
        numbers = [plain] if isinstance(plain, str) else plain
        hashes = [hash_subject(number) for number in numbers]
        known = event.get("subject.hash")
        event["subject.hash"] = [*known, *hashes] if isinstance(known, list) else hashes


def _parse_named_time(name: str, text: str) -> int:
    """Return the time, with the field's name in the error."""
    try:
        return parse_time_ns(text)
    except InputError as err:
        raise InputError("time_invalid", f"{name}: {err.message}", field=name) from err


@lru_cache(maxsize=65536)
def parse_address(name: str, text: str) -> str:
    """Return the canonical text of an IPv4 or IPv6 address, IPv4-mapped ones as IPv4.

    Raises:
        InputError: ``address_invalid``, naming the field.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError as err:
        raise InputError(
            "address_invalid", f"{name}: expected an IPv4 or IPv6 address, got `{text[:64]}`", field=name
        ) from err
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _explain(text: str) -> tuple[str, str]:
    """Return the field, and msgspec's message prefixed with it: ``interface.id: expected `str`, got `int```."""
    sentence, _, place = text.partition(" - at `$")
    sentence = sentence[:1].lower() + sentence[1:]
    where = place.rstrip("`").lstrip(".")
    unknown = _UNKNOWN.match(sentence)
    if unknown:
        where = f"{where}.{unknown.group(1)}".lstrip(".")
        return where, f"{where}: no such field; docs/event-fields.md lists the known ones"
    missing = _MISSING.match(sentence)
    if missing:
        where = f"{where}.{missing.group(1)}".lstrip(".")
        return where, f"{where}: missing"
    return where, f"{where}: {sentence}" if where else sentence

"""The native JSON format: one object per record, or an array with one event per item."""

from collections.abc import Iterable

import msgspec

from auditsvc.catalog.model import Source
from auditsvc.event.model import Event
from auditsvc.event.native import HashSubject, read_native
from auditsvc.ground.errors import InputError
from auditsvc.ground.mapping_reader import MappingReader

_ARRAY: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_ANY: msgspec.json.Decoder[msgspec.Raw] = msgspec.json.Decoder(msgspec.Raw)
_SPACE = b" \t\r\n"


class NativeReader:
    """Reads the native JSON format."""

    def __init__(self, source: Source, options: MappingReader) -> None:
        """Use the source's defaults; there are no options."""
        side = source.defaults.get("side")
        self._side = side if isinstance(side, str) else "gateway"

    @property
    def interfaces(self) -> frozenset[str]:
        """Always empty: each record names its interface."""
        return frozenset()

    def is_whole(self, body: bytes) -> bool:
        """Whether the body is an array, or one object spanning several lines."""
        return is_whole_json(body)

    def read(self, record: bytes, hash_subject: HashSubject) -> Iterable[Event | InputError]:
        """Return the record's events; raise ``InputError`` as :func:`auditsvc.event.native.read_native`."""
        if record.startswith(b"{") or not record.lstrip(_SPACE).startswith(b"["):
            return (read_native(record, hash_subject, self._side),)
        return (self._read_item(bytes(raw), hash_subject) for raw in split_array(record))

    def _read_item(self, raw: bytes, hash_subject: HashSubject) -> Event | InputError:
        """Return the event of one array member, or the reason why it is not one."""
        try:
            return read_native(raw, hash_subject, self._side)
        except InputError as err:
            return err


def split_array(record: bytes) -> list[msgspec.Raw]:
    """Return the source text of each member of a JSON array; raise ``InputError`` (``json_invalid``, ``record_empty``)."""
    try:
        members = _ARRAY.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise InputError("json_invalid", f"not valid JSON: {err}") from err
    if not members:
        raise InputError("record_empty", "the array has no members")
    return members


def is_whole_json(body: bytes) -> bool:
    """Whether a body is one JSON document rather than one document per line."""
    text = body.strip(_SPACE)
    if text.startswith(b"["):
        return not _is_json(text.partition(b"\n")[0]) or b"\n" not in text
    first, newline, _ = text.partition(b"\n")
    return bool(newline) and not _is_json(first) and _is_json(text)


def _is_json(text: bytes) -> bool:
    try:
        _ANY.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True

"""Strict parsing of untrusted JSON: no duplicate keys, lone surrogates, NaN or unbounded nesting (RFC 8259, I-JSON).

Parsers disagree about which value of a duplicate key counts, so such a text is rejected.
"""

import json
from typing import Any

import msgspec

from auditsvc.ground.errors import InputError

_GAPS = ((b" ", b" :"), (b"\t", b"\t:"), (b"\n", b"\n:"), (b"\r", b"\r:"))
"""JSON's white space, and each character of it before a colon."""


def decode_json(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        InputError: ``json_invalid`` for anything but JSON in UTF-8, and for a duplicate key.
    """
    try:
        value = msgspec.json.decode(text)
        refuse_duplicate_keys(text, _count_keys(value))
    except (msgspec.DecodeError, UnicodeDecodeError) as err:
        raise InputError("json_invalid", f"not valid JSON: {err}") from err
    except RecursionError as err:
        raise InputError("json_invalid", "not valid JSON: objects and arrays are nested too deep") from err
    return value


def refuse_duplicate_keys(text: bytes, expected: int) -> None:
    """Raise ``InputError`` (``json_invalid``) when an object of a valid JSON text has a duplicate key.

    Counting ``":`` is cheap and never undercounts, unless white space precedes a colon. The text is parsed again, slowly,
    only when that may be the case or when the count differs from ``expected``.
    """
    if text.count(b'":') == expected and not any(space in text and gap in text for space, gap in _GAPS):
        return
    json.loads(text, object_pairs_hook=_refuse_pairs)


def _refuse_pairs(pairs: list[tuple[str, Any]]) -> None:
    """Raise for a duplicate key."""
    seen = set()
    for key, _ in pairs:
        if key in seen:
            raise InputError("json_invalid", f"duplicate key `{key[:64]}`")
        seen.add(key)


def _count_keys(value: Any) -> int:
    """Return the number of keys of all objects in a JSON value."""
    if isinstance(value, dict):
        return len(value) + sum(_count_keys(inner) for inner in value.values() if isinstance(inner, (dict, list)))
    if isinstance(value, list):
        return sum(_count_keys(inner) for inner in value if isinstance(inner, (dict, list)))
    return 0

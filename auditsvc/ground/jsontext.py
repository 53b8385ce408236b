"""JSON from outside, read strictly: every key once, no lone surrogates, no NaN, no nesting without end (RFC 8259, I-JSON).

A key that stands twice means different things to different readers, so such a text is refused instead of one of its
readings chosen.
"""

import json
from typing import Any

import msgspec

from auditsvc.ground.errors import InputError

_GAPS = ((b" ", b" :"), (b"\t", b"\t:"), (b"\n", b"\n:"), (b"\r", b"\r:"))
"""JSON's white space, and how it looks before a colon."""


def decode_json(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        InputError: ``json_invalid`` for what is no JSON in UTF-8 and for a key that stands twice in one object.
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
    """Raise ``InputError`` (``json_invalid``) when an object of a valid JSON text has a key twice.

    Counting ``":`` is cheap, and counts no key too few unless white space stands before a colon. Only when that may be
    so, or when other than the ``expected`` number is found, is the text parsed again, slowly, to be sure.
    """
    if text.count(b'":') == expected and not any(space in text and gap in text for space, gap in _GAPS):
        return
    json.loads(text, object_pairs_hook=_refuse_pairs)


def _refuse_pairs(pairs: list[tuple[str, Any]]) -> None:
    """Raise for a repeated key."""
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

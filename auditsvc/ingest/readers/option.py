"""Reading a source's options: each look-up names the place in its error, so that a wrong option is found at once."""

from collections.abc import Mapping
from typing import Any

from auditsvc.ground.errors import InputError


def refuse(place: str, message: str) -> InputError:
    """Return the error of an option at ``place``."""
    return InputError("input_invalid", f"options.{place}: {message}")


def refuse_unknown(options: Mapping[str, Any], known: frozenset[str], place: str = "") -> None:
    """Raise ``InputError`` when ``options`` has a key that is not ``known``."""
    for key in options:
        if key not in known:
            raise refuse(f"{place}{key}", f"unknown option; known are {', '.join(sorted(known))}")


def find_text(options: Mapping[str, Any], key: str, place: str = "") -> str | None:
    """Return the text under ``key``; None when absent; raise ``InputError`` for anything but text."""
    value = options.get(key)
    if value is None or (isinstance(value, str) and value):
        return value
    raise refuse(f"{place}{key}", f"expected text, got `{value}`")


def find_texts(options: Mapping[str, Any], key: str, place: str = "") -> tuple[str, ...]:
    """Return the list of texts under ``key``, empty when absent."""
    value = options.get(key, [])
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise refuse(f"{place}{key}", "expected a list of texts")


def find_mapping(options: Mapping[str, Any], key: str, place: str = "") -> Mapping[str, Any]:
    """Return the mapping under ``key``, empty when absent."""
    value = options.get(key, {})
    if isinstance(value, Mapping):
        return value
    raise refuse(f"{place}{key}", "expected a mapping")


def find_mappings(options: Mapping[str, Any], key: str, place: str = "") -> list[Mapping[str, Any]]:
    """Return the list of mappings under ``key``, empty when absent."""
    value = options.get(key, [])
    if isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        return value
    raise refuse(f"{place}{key}", "expected a list of mappings")

"""Constants of conditions: conversion of text to the value of a field's type, checked against the field catalogue."""

import unicodedata
from datetime import date

from auditsvc.condition.ast import Operator
from auditsvc.condition.calendar import count_local_ns
from auditsvc.condition.match import MAX_PATTERN, build_glob, build_regex, compile_pattern, parse_network
from auditsvc.event.fields import Field, Kind
from auditsvc.event.model import Scalar
from auditsvc.event.native import parse_address
from auditsvc.event.time import parse_time_ns
from auditsvc.ground.document import resolve_scalar
from auditsvc.ground.errors import InputError

MAX_INTEGER = 2**63 - 1


def parse_constant(known: Field, operator: Operator, text: str, *, quoted: bool, zone: str | None = None) -> Scalar:
    """Return the value of ``text`` for a comparison of ``known`` by ``operator``.

    Args:
        known: the field to compare.
        operator: decides whether the text is a value, a pattern or a network.
        text: as in the document or query.
        quoted: it was written in quotes; then it is text, and ``"10"`` is not a number.
        zone: IANA name of the time zone in which a date without a time begins; None refuses such dates.

    Raises:
        InputError: ``field_invalid``, with what was expected and what was got.
    """
    if operator is Operator.CIDR:
        return _parse_network(text)
    if operator is Operator.RE or operator is Operator.GLOB:
        return _parse_pattern(operator, unicodedata.normalize("NFC", text))
    match known.kind:
        case Kind.INTEGER | Kind.NUMBER:
            return _parse_number(known, text, quoted)
        case Kind.BOOLEAN:
            return _parse_boolean(text, quoted)
        case Kind.TIME:
            return _parse_time(text, zone)
        case Kind.IP:
            return parse_address(known.name, text)
        case _:
            return _parse_text(known, operator, text, quoted)


def _wrong(expected: str, text: str) -> InputError:
    return InputError("field_invalid", f"expected {expected}, got `{text[:64]}`")


def _parse_text(known: Field, operator: Operator, text: str, quoted: bool) -> str:
    """Return text in NFC; an enum's value must be one of its own when compared whole."""
    if not quoted and text in {"", "null", "~"}:
        raise InputError("field_invalid", "null is not a value; ask for it with `|null: true` or `|exists: false`")
    if known.kind is Kind.ENUM and operator is Operator.EQ and text not in known.values:
        raise _wrong(f"one of {', '.join(known.values)}", text)
    return unicodedata.normalize("NFC", text)


def _parse_number(known: Field, text: str, quoted: bool) -> int | float:
    """Return an integer, or for number fields also a decimal."""
    value = resolve_scalar(text, quoted=quoted)
    kinds = (int,) if known.kind is Kind.INTEGER else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool) or abs(value) > MAX_INTEGER:
        raise _wrong("an integer" if known.kind is Kind.INTEGER else "a number", f'"{text}"' if quoted else text)
    return value if known.kind is Kind.INTEGER else float(value)


def _parse_boolean(text: str, quoted: bool) -> bool:
    """Return true or false."""
    value = resolve_scalar(text, quoted=quoted)
    if not isinstance(value, bool):
        raise _wrong("true or false", text)
    return value


def _parse_time(text: str, zone: str | None) -> int:
    """Return the nanoseconds of an instant, or of the beginning of a date in ``zone``."""
    if zone is not None and len(text) == 10:
        try:
            return count_local_ns(date.fromisoformat(text), zone)
        except ValueError as err:
            raise _wrong("a date such as 2026-11-22 or a time with an offset", text) from err
    return parse_time_ns(text)


def _parse_network(text: str) -> str:
    """Return the text of a network without host bits, or of a single address."""
    try:
        parse_network(text)
    except ValueError as err:
        raise InputError("address_invalid", f"expected a network such as 10.0.0.0/8: {err}") from err
    return text


def _parse_pattern(operator: Operator, text: str) -> str:
    """Return a pattern that compiles."""
    if len(text) > MAX_PATTERN:
        raise _wrong(f"a pattern of at most {MAX_PATTERN} characters", text)
    try:
        if operator is Operator.GLOB:
            build_glob(text)
        elif "\\C" in text:
            raise ValueError("`\\C` matches bytes, not characters")
        else:
            compile_pattern(build_regex(text))
    except ValueError as err:
        raise InputError("field_invalid", f"not a valid pattern: {err}: `{text[:64]}`") from err
    return text

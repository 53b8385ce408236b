"""Text patterns as trees of character sets: the subset with the same meaning in RE2 and Lucene."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from auditsvc.ground.errors import PolicyError

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Ranges of characters, ends inclusive, sorted, neither overlapping nor adjacent."""
LAST_CHAR = 0x10FFFF


class UnsupportedPatternError(PolicyError):
    """A pattern without an exact equivalent in Lucene."""

    def __init__(self, message: str) -> None:
        """Name the syntax that Lucene lacks."""
        super().__init__("condition_unsupported", message)


@dataclass(frozen=True, slots=True)
class Chars:
    """One character from any of the ranges."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Chain:
    """A concatenation of patterns; with none, the empty text."""

    parts: tuple["Pattern", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several patterns."""

    parts: tuple["Pattern", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A pattern ``least`` to ``most`` times, None for no limit."""

    part: "Pattern"
    least: int
    most: int | None


Pattern: TypeAlias = Chars | Chain | Choice | Repeat

ANY_CHAR = Chars(((0, LAST_CHAR),))
ANY_TEXT = Repeat(ANY_CHAR, 0, None)
_WILDCARDS: dict[str, Pattern] = {"*": ANY_TEXT, "?": ANY_CHAR}


def parse_glob(glob: str) -> Pattern:
    """Return the pattern of a glob that :func:`auditsvc.condition.match.build_glob` accepts."""
    parts: list[Pattern] = []
    escaped = False
    for char in glob:
        if char == "\\" and not escaped:
            escaped = True
            continue
        parts.append(_build_char(char, nocase=False) if escaped or char not in _WILDCARDS else _WILDCARDS[char])
        escaped = False
    return Chain(tuple(parts))


def build_literal(text: str, *, nocase: bool = False) -> Pattern:
    """Return the pattern of a text itself; with ``nocase`` A to Z and a to z are the same."""
    return Chain(tuple(_build_char(char, nocase) for char in text))


def _build_char(char: str, nocase: bool) -> Chars:
    if nocase and char.isascii() and char.isalpha():
        return Chars(((ord(char.upper()),) * 2, (ord(char.lower()),) * 2))
    return Chars(((ord(char), ord(char)),))


def invert_ranges(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the complement of the ranges."""
    gaps, first = [], 0
    for low, high in merge_ranges(ranges):
        if first < low:
            gaps.append((first, low - 1))
        first = high + 1
    return (*gaps, (first, LAST_CHAR)) if first <= LAST_CHAR else tuple(gaps)


def merge_ranges(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the ranges sorted, overlapping and adjacent ones merged."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)

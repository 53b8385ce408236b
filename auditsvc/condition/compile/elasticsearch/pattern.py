"""Patterns of text as Lucene regular expressions, for the part of RE2 syntax that both read alike.

Lucene's syntax is another one (``@``, ``~``, ``&``, ``<1-5>``, no anchors, ``.`` matches a line feed), so nothing is
passed through: a pattern is parsed to a tree of sets of characters, and the tree is written out in the few Lucene
operators that mean exactly that. What the parser does not know raises; the caller then leaves the pattern to RE2 itself.

The server makes a deterministic automaton of every pattern and refuses one that takes too much work, so the work is
counted here first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias, assert_never

from auditsvc.ground.errors import PolicyError

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Ranges of characters, ends inclusive, sorted, neither overlapping nor adjacent."""
LAST_CHAR = 0x10FFFF
MAX_LENGTH = 1_000
"""``index.max_regex_length`` of a server that was not told otherwise, in UTF-16 units."""
MAX_POSITIONS = 500
"""Most characters of a pattern with its repetitions written out."""
MAX_EFFORT = 4_000
"""Most work to make a pattern deterministic: sum of the sizes of the sets of states that are met.

The server counts alike, over an automaton with two to three times the states, and refuses more than 100,000.
"""


class UnsupportedPatternError(PolicyError):
    """A pattern that Lucene cannot be asked for exactly."""

    def __init__(self, message: str) -> None:
        """Say what it has that Lucene has not."""
        super().__init__("condition_unsupported", message)


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of ranges."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Chain:
    """One pattern after the other; with none, the empty text."""

    parts: tuple["Pattern", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several patterns."""

    parts: tuple["Pattern", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A pattern ``least`` to ``most`` times, None for no end."""

    part: "Pattern"
    least: int
    most: int | None


Pattern: TypeAlias = Chars | Chain | Choice | Repeat

ANY_CHAR = Chars(((0, LAST_CHAR),))
ANY_TEXT = Repeat(ANY_CHAR, 0, None)
_WILDCARDS: dict[str, Pattern] = {"*": ANY_TEXT, "?": ANY_CHAR}


def build_literal(text: str, *, nocase: bool = False) -> Pattern:
    """Return the pattern of a text itself; with ``nocase`` A to Z and a to z are the same."""
    return Chain(tuple(_build_char(char, nocase) for char in text))


def _build_char(char: str, nocase: bool) -> Chars:
    """Return the set of one character, with its other case."""
    if nocase and char.isascii() and char.isalpha():
        return Chars(((ord(char.upper()),) * 2, (ord(char.lower()),) * 2))
    return Chars(((ord(char), ord(char)),))


def parse_glob(glob: str) -> Pattern:
    """Return the pattern of a glob that :func:`auditsvc.condition.match.build_glob` takes."""
    parts: list[Pattern] = []
    escaped = False
    for char in glob:
        if char == "\\" and not escaped:
            escaped = True
            continue
        parts.append(_build_char(char, nocase=False) if escaped or char not in _WILDCARDS else _WILDCARDS[char])
        escaped = False
    return Chain(tuple(parts))


def merge_ranges(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return any ranges sorted and joined where they touch."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def invert_ranges(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return every other character."""
    gaps, first = [], 0
    for low, high in merge_ranges(ranges):
        if first < low:
            gaps.append((first, low - 1))
        first = high + 1
    return (*gaps, (first, LAST_CHAR)) if first <= LAST_CHAR else tuple(gaps)


def format_lucene(pattern: Pattern, *, negated: bool = False) -> str:
    """Return a Lucene regular expression for exactly the texts of the pattern, or with ``negated`` for all others.

    It is to be used with ``flags`` ``COMPLEMENT``.

    Raises:
        UnsupportedPatternError: the server would refuse its length or the work it takes.
    """
    _check_effort(pattern)
    text = f"~({_format(pattern)})" if negated else _format(pattern)
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > MAX_LENGTH:
        raise UnsupportedPatternError(f"a pattern longer than {MAX_LENGTH} characters")
    return text


def _format(pattern: Pattern) -> str:
    """Return a pattern in Lucene's syntax."""
    match pattern:
        case Chars(ranges):
            return _format_chars(ranges)
        case Chain(parts):
            return "".join(f"({_format(p)})" if isinstance(p, Choice) else _format(p) for p in parts) or "()"
        case Choice(parts):
            return "|".join(_format(part) for part in parts)
        case Repeat(part, least, most):
            inner = _format(part) if isinstance(part, Chars) else f"({_format(part)})"
            return inner + _format_bounds(least, most)
        case _:
            assert_never(pattern)


def _format_bounds(least: int, most: int | None) -> str:
    """Return a repetition in Lucene's syntax."""
    simple = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((least, most))
    return simple or "{" + f"{least}," + ("" if most is None else str(most)) + "}"


def _format_chars(ranges: Ranges) -> str:
    """Return a set of characters in Lucene's syntax, the short way round."""
    if ranges == ANY_CHAR.ranges:
        return "."
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _format_char(ranges[0][0])
    negated = ranges[0][0] == 0
    listed = invert_ranges(ranges) if negated else ranges
    spans = [_format_char(a) if a == b else f"{_format_char(a)}-{_format_char(b)}" for a, b in listed]
    return ("[^" if negated else "[") + "".join(spans) + "]"


def _format_char(code: int) -> str:
    """Return one character, escaped where it could mean more: a letter or digit after a backslash would."""
    char = chr(code)
    return f"\\{char}" if char.isascii() and char.isprintable() and not char.isalnum() else char


@dataclass(frozen=True, slots=True)
class _Automaton:
    """Places of a pattern's characters, as Glushkov numbers them: those it may start and end with."""

    nullable: bool
    first: frozenset[int]
    last: frozenset[int]


class _Builder:
    """Numbers the characters of a pattern with its repetitions written out."""

    def __init__(self) -> None:
        """Start with no places."""
        self.chars: list[Ranges] = []
        self.follow: list[set[int]] = []

    def build(self, pattern: Pattern) -> _Automaton:
        """Return the automaton of a pattern, adding its places.

        Raises:
            UnsupportedPatternError: there are more than :data:`MAX_POSITIONS`.
        """
        match pattern:
            case Chars(ranges):
                return self._add(ranges)
            case Chain(parts):
                return self._chain(self.build(part) for part in parts)
            case Choice(parts):
                built = [self.build(part) for part in parts]
                return _Automaton(
                    any(one.nullable for one in built),
                    frozenset[int]().union(*(one.first for one in built)),
                    frozenset[int]().union(*(one.last for one in built)),
                )
            case Repeat(part, least, most):
                return self._chain(self._repeat(part, least, most))
            case _:
                assert_never(pattern)

    def _add(self, ranges: Ranges) -> _Automaton:
        """Return the automaton of one character."""
        place = frozenset({len(self.chars)})
        if len(self.chars) >= MAX_POSITIONS:
            raise UnsupportedPatternError(f"a pattern of more than {MAX_POSITIONS} characters")
        self.chars.append(ranges)
        self.follow.append(set())
        return _Automaton(False, place, place)

    def _join(self, last: frozenset[int], first: frozenset[int]) -> None:
        """Let every place of ``first`` follow every one of ``last``."""
        for place in last:
            self.follow[place] |= first

    def _chain(self, parts: Iterable[_Automaton]) -> _Automaton:
        """Return one automaton after the other."""
        whole = _Automaton(True, frozenset(), frozenset())
        for part in parts:
            self._join(whole.last, part.first)
            whole = _Automaton(
                whole.nullable and part.nullable,
                whole.first | part.first if whole.nullable else whole.first,
                whole.last | part.last if part.nullable else part.last,
            )
        return whole

    def _repeat(self, part: Pattern, least: int, most: int | None) -> Iterator[_Automaton]:
        """Give the copies of a repeated pattern, those that may be left out after those that may not."""
        for _ in range(least):
            yield self.build(part)
        if most is None:
            loop = self.build(part)
            self._join(loop.last, loop.first)
            yield _Automaton(True, loop.first, loop.last)
        for _ in range((most or 0) - least):
            copy = self.build(part)
            yield _Automaton(True, copy.first, copy.last)


@lru_cache(maxsize=1024)
def _check_effort(pattern: Pattern) -> None:
    """Raise ``UnsupportedPatternError`` when making the pattern deterministic takes more than :data:`MAX_EFFORT`."""
    builder = _Builder()
    start = builder.build(pattern).first
    edges = sorted({edge for ranges in builder.chars for low, high in ranges for edge in (low, high + 1)})
    takes = [
        frozenset(n for n, ranges in enumerate(builder.chars) if any(a <= edge <= b for a, b in ranges))
        for edge in edges
    ]
    seen, waiting, effort = {start}, [start], 0
    while waiting:
        places = waiting.pop()
        effort += len(places) + 1
        if effort > MAX_EFFORT:
            raise UnsupportedPatternError("a pattern with too many ways to match")
        for chars in takes:
            reached = places & chars
            after = frozenset[int]().union(*(builder.follow[place] for place in reached))
            if after not in seen:
                seen.add(after)
                waiting.append(after)

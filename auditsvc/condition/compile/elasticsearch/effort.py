"""The work that a pattern causes: the server determinises its automaton, and refuses a pattern that takes too much effort."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from auditsvc.condition.compile.elasticsearch.pattern import (
    Chain,
    Chars,
    Choice,
    Pattern,
    Ranges,
    Repeat,
    UnsupportedPatternError,
)

MAX_POSITIONS = 500
"""Maximum characters of a pattern with its repetitions expanded."""
MAX_EFFORT = 4_000
"""Maximum effort to determinise a pattern: sum of the sizes of the state sets encountered.

The server counts in the same way, over an automaton with two to three times the states, and refuses more than 100,000.
"""


@lru_cache(maxsize=1024)
def check_effort(pattern: Pattern) -> None:
    """Refuse a pattern that takes too much work.

    Raises:
        UnsupportedPatternError: it has more than :data:`MAX_POSITIONS` characters, or determinising it takes more
            than :data:`MAX_EFFORT`.
    """
    builder = _GlushkovBuilder()
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


@dataclass(frozen=True, slots=True)
class _GlushkovAutomaton:
    """The first and last positions of a pattern, in Glushkov's construction."""

    nullable: bool
    first: frozenset[int]
    last: frozenset[int]


class _GlushkovBuilder:
    """Numbers the characters of a pattern with its repetitions expanded."""

    def __init__(self) -> None:
        """Start without positions."""
        self.chars: list[Ranges] = []
        self.follow: list[set[int]] = []

    def build(self, pattern: Pattern) -> _GlushkovAutomaton:
        """Return the automaton of a pattern, adding its positions.

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
                return _GlushkovAutomaton(
                    any(one.nullable for one in built),
                    frozenset[int]().union(*(one.first for one in built)),
                    frozenset[int]().union(*(one.last for one in built)),
                )
            case Repeat(part, least, most):
                return self._chain(self._repeat(part, least, most))
            case _:
                assert_never(pattern)

    def _add(self, ranges: Ranges) -> _GlushkovAutomaton:
        place = frozenset({len(self.chars)})
        if len(self.chars) >= MAX_POSITIONS:
            raise UnsupportedPatternError(f"a pattern of more than {MAX_POSITIONS} characters")
        self.chars.append(ranges)
        self.follow.append(set())
        return _GlushkovAutomaton(False, place, place)

    def _repeat(self, part: Pattern, least: int, most: int | None) -> Iterator[_GlushkovAutomaton]:
        """Yield the copies of a repeated pattern, the mandatory ones first."""
        for _ in range(least):
            yield self.build(part)
        if most is None:
            loop = self.build(part)
            self._join(loop.last, loop.first)
            yield _GlushkovAutomaton(True, loop.first, loop.last)
        for _ in range((most or 0) - least):
            copy = self.build(part)
            yield _GlushkovAutomaton(True, copy.first, copy.last)

    def _chain(self, parts: Iterable[_GlushkovAutomaton]) -> _GlushkovAutomaton:
        """Return the concatenation of automata."""
        whole = _GlushkovAutomaton(True, frozenset(), frozenset())
        for part in parts:
            self._join(whole.last, part.first)
            whole = _GlushkovAutomaton(
                whole.nullable and part.nullable,
                whole.first | part.first if whole.nullable else whole.first,
                whole.last | part.last if part.nullable else part.last,
            )
        return whole

    def _join(self, last: frozenset[int], first: frozenset[int]) -> None:
        """Let every position of ``first`` follow every one of ``last``."""
        for place in last:
            self.follow[place] |= first

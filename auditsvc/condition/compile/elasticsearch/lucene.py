"""Patterns of text as Lucene regular expressions.

Lucene's syntax is not RE2's (``@``, ``~``, ``&``, ``<1-5>``, no anchors, ``.`` matches a line feed), so nothing is
passed through: a pattern is parsed to a tree of character sets, and the tree is formatted in the few Lucene operators
that mean exactly that. Syntax unknown to the parser raises; the caller then leaves the pattern to RE2.
"""

from typing import assert_never

from auditsvc.condition.compile.elasticsearch.effort import check_effort
from auditsvc.condition.compile.elasticsearch.pattern import (
    ANY_CHAR,
    Chain,
    Chars,
    Choice,
    Pattern,
    Ranges,
    Repeat,
    UnsupportedPatternError,
    invert_ranges,
)

MAX_LENGTH = 1_000
"""Default ``index.max_regex_length`` of a server, in UTF-16 code units."""
_SIMPLE_BOUNDS = {(0, None): "*", (1, None): "+", (0, 1): "?"}


def format_lucene(pattern: Pattern, *, negated: bool = False) -> str:
    """Return a Lucene regular expression for exactly the texts of the pattern, or with ``negated`` for all others.

    It must be used with ``flags`` ``COMPLEMENT``.

    Raises:
        UnsupportedPatternError: the server would refuse its length or the effort it takes.
    """
    check_effort(pattern)
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
    return _SIMPLE_BOUNDS.get((least, most)) or "{" + f"{least}," + ("" if most is None else str(most)) + "}"


def _format_chars(ranges: Ranges) -> str:
    """Return a set of characters in Lucene's syntax, negated if that is shorter."""
    if ranges == ANY_CHAR.ranges:
        return "."
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _format_char(ranges[0][0])
    negated = ranges[0][0] == 0
    listed = invert_ranges(ranges) if negated else ranges
    spans = [_format_char(a) if a == b else f"{_format_char(a)}-{_format_char(b)}" for a, b in listed]
    return ("[^" if negated else "[") + "".join(spans) + "]"


def _format_char(code: int) -> str:
    """Return one character, escaped where needed; a letter or digit never is, since a backslash would change its meaning."""
    char = chr(code)
    return f"\\{char}" if char.isascii() and char.isprintable() and not char.isalnum() else char

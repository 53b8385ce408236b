"""The subset of RE2 syntax that Lucene can express, parsed to a tree of character sets."""

import re

from auditsvc.condition.compile.elasticsearch.pattern import (
    LAST_CHAR,
    Chain,
    Chars,
    Choice,
    Pattern,
    Ranges,
    Repeat,
    UnsupportedPatternError,
    invert_ranges,
    merge_ranges,
)

_NOT_LINE_FEED = Chars(((0, 9), (11, LAST_CHAR)))
_CLASSES = {
    "d": ((48, 57),),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "s": ((9, 10), (12, 13), (32, 32)),
}
_CONTROLS = {"a": 7, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_REPEAT = re.compile(r"\{(\d{1,4})(,(\d{1,4})?)?\}", re.ASCII)
_SIMPLE_REPEATS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def parse_regex(text: str) -> Pattern:
    """Return the pattern of an RE2 expression that is matched against the whole of a text.

    Raises:
        UnsupportedPatternError: it uses anything other than characters, sets, groups, choices and repetitions.
    """
    return _RegexReader(text).read()


class _RegexReader:
    """Reads one expression from left to right."""

    def __init__(self, text: str) -> None:
        """Start before the first character."""
        self._text = text
        self._at = 0

    def read(self) -> Pattern:
        """Return the whole expression."""
        pattern = self._read_choice(depth=0)
        if self._at < len(self._text):
            raise self._unsupported()
        return pattern

    def _read_choice(self, depth: int) -> Pattern:
        """Return the alternatives up to the end or a closing parenthesis."""
        parts = [self._read_sequence(depth)]
        while self._take("|"):
            parts.append(self._read_sequence(depth))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _read_sequence(self, depth: int) -> Pattern:
        """Return one alternative; anchors at the ends are redundant in a full match."""
        parts: list[Pattern] = []
        if depth == 0:
            self._take("^")
        while self._peek() not in {"", "|", ")"}:
            if depth == 0 and self._peek(2) in {"$", "$|"}:
                self._at += 1
                break
            parts.append(self._read_repeated(depth))
        return Chain(tuple(parts))

    def _read_repeated(self, depth: int) -> Pattern:
        """Return one atom with its repetition; a lazy one matches the same texts, since matches are full."""
        atom = self._read_atom(depth)
        bounds = self._read_bounds()
        if bounds is None:
            return atom
        self._take("?")
        if self._peek() in {"*", "+", "?", "{"}:
            raise self._unsupported()
        return Repeat(atom, *bounds)

    def _read_bounds(self) -> tuple[int, int | None] | None:
        """Return least and most of a repetition, None when none follows."""
        if self._peek() in _SIMPLE_REPEATS:
            self._at += 1
            return _SIMPLE_REPEATS[self._text[self._at - 1]]
        if self._peek() != "{":
            return None
        found = _REPEAT.match(self._text, self._at)
        if found is None:
            raise self._unsupported()
        self._at = found.end()
        least = int(found[1])
        return least, least if found[2] is None else int(found[3]) if found[3] else None

    def _read_atom(self, depth: int) -> Pattern:
        """Return a character, a set or a group."""
        if self._peek() in {"*", "+", "?", "{", "^", "$"}:
            raise self._unsupported()
        if self._take("."):
            return _NOT_LINE_FEED
        if self._take("["):
            return self._read_set()
        if self._take("\\"):
            return Chars(self._read_escape())
        if self._take("(?:") or (self._peek(2) != "(?" and self._take("(")):
            inner = self._read_choice(depth + 1)
            if not self._take(")"):
                raise self._unsupported()
            return inner
        if self._peek() == "(":
            raise self._unsupported()
        return Chars(self._read_char())

    def _read_set(self) -> Chars:
        """Return a set in brackets; named classes and unescaped brackets inside are left to RE2."""
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        while not self._take("]"):
            if self._peek() == "-" and (not ranges or self._peek(2) == "-]"):
                ranges += self._read_char()
            else:
                ranges += self._read_range()
        found = invert_ranges(ranges) if negated else merge_ranges(ranges)
        if not ranges or not found:
            raise self._unsupported()
        return Chars(found)

    def _read_range(self) -> Ranges:
        """Return a character, a range of characters or a class in a set."""
        first = self._read_member()
        if self._peek() != "-" or self._peek(2) == "-]":
            return first
        self._at += 1
        last = self._read_member()
        low, high = first[0][0], last[-1][1]
        if first != ((low, low),) or last != ((high, high),) or low > high:
            raise self._unsupported()
        return ((low, high),)

    def _read_member(self) -> Ranges:
        """Return the set of one character or escape in a set."""
        if self._take("\\"):
            return self._read_escape()
        if self._peek() in {"[", "]", "-"}:
            raise self._unsupported()
        return self._read_char()

    def _read_escape(self) -> Ranges:
        """Return the set of what follows a backslash."""
        char = self._peek()
        if char in _CONTROLS:
            found: Ranges = ((_CONTROLS[char],) * 2,)
        elif char.lower() in _CLASSES:
            found = _CLASSES[char.lower()] if char.islower() else invert_ranges(_CLASSES[char.lower()])
        elif char.isascii() and char.isprintable() and char and not char.isalnum():
            found = ((ord(char), ord(char)),)
        else:
            raise self._unsupported()
        self._at += 1
        return found

    def _read_char(self) -> Ranges:
        """Return the set of the literal character at the current position."""
        char = self._peek()
        if not char or 0xD800 <= ord(char) <= 0xDFFF:
            raise self._unsupported()
        self._at += 1
        return ((ord(char), ord(char)),)

    def _take(self, expected: str) -> bool:
        """Consume ``expected`` if it comes next."""
        if self._text.startswith(expected, self._at):
            self._at += len(expected)
            return True
        return False

    def _peek(self, length: int = 1) -> str:
        """Return the next character, ``""`` at the end."""
        return self._text[self._at : self._at + length]

    def _unsupported(self) -> UnsupportedPatternError:
        """Return the error for the syntax at the current position."""
        return UnsupportedPatternError(f"no exact Lucene pattern for `{self._text[self._at : self._at + 16]}`")

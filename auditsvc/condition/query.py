"""Conditions from a search box: ``user.id:u17 action:download rows>100 -outcome:success time>=2026-11-01``.

Grammar, loosest first: ``OR``; juxtaposition or ``AND``; ``-`` or ``NOT``; parentheses; a term. A term is a field, one
of ``: = != < <= > >=``, and a value: a word, ``"quoted text"``, or ``(a OR b)``. In a word after ``:``, ``*`` and
``?`` are wildcards on text fields, ``field:*`` tests for presence, and an address with ``/`` is a network.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from auditsvc.condition.ast import (
    ALWAYS,
    ORDERED_KINDS,
    TEXT_KINDS,
    All,
    AnyOf,
    Compare,
    Exists,
    Node,
    Not,
    Operator,
    Place,
)
from auditsvc.condition.values import parse_constant
from auditsvc.event.fields import FIELDS, Field, Kind, find_field
from auditsvc.ground.errors import InputError

MAX_QUERY = 4096
"""Longest query in characters."""
MAX_NESTING = 32

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<open>\()|(?P<close>\))"""
    r"""|(?P<operator>!=|<=|>=|[:=<>])|(?P<minus>-(?=[A-Za-z(]))|(?P<word>[^\s()"]+)""",
    re.DOTALL,
)
_FIELD = re.compile(r"(-?)([A-Za-z_][\w.\-]*)(!=|<=|>=|[:=<>])")
_OPERATORS = {"<": Operator.LT, "<=": Operator.LTE, ">": Operator.GT, ">=": Operator.GTE}


@dataclass(frozen=True, slots=True)
class _Token:
    """One piece of the query; ``column`` is 1-based."""

    kind: str
    text: str
    column: int


def parse_search(text: str, zone: str) -> Node:
    """Return the condition of a query; see :func:`auditsvc.condition.parse.parse_query`."""
    if len(text) > MAX_QUERY:
        raise InputError("query_invalid", f"a query has at most {MAX_QUERY} characters", column=1)
    parser = _Parser(_split(text), zone, len(text) + 1)
    return parser.parse()


def _refuse(column: int, message: str) -> NoReturn:
    raise InputError("query_invalid", f"column {column}: {message}", column=column)


def _split(text: str) -> list[_Token]:
    """Return the tokens; a field and its operator are one token each, and a value begins right after."""
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        column = position + 1
        after_operator = bool(tokens) and tokens[-1].kind == "operator"
        term = None if after_operator else _FIELD.match(text, position)
        if term is not None:
            if term.group(1):
                tokens.append(_Token("minus", "-", column))
            tokens.append(_Token("field", term.group(2), term.start(2) + 1))
            tokens.append(_Token("operator", term.group(3), term.start(3) + 1))
            position = term.end()
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            _refuse(column, "a quote is opened and not closed")
        kind = str(match.lastgroup)
        word = match.group()
        if after_operator and kind in {"operator", "minus"}:
            match = re.compile(r'[^\s()"]+').match(text, position)
            kind, word = "word", match.group() if match else word
        if kind != "space":
            tokens.append(_Token(kind, word, column))
        position += len(word)
    return tokens


class _Parser:
    """Recursive descent over the tokens of one query."""

    def __init__(self, tokens: list[_Token], zone: str, end: int) -> None:
        self.tokens = tokens
        self.zone = zone
        self.end = end
        self.position = 0
        self.nesting = 0

    def parse(self) -> Node:
        """Return the condition of the whole query; an empty one matches every event."""
        if not self.tokens:
            return ALWAYS
        node = self.parse_or()
        token = self.peek()
        if token is not None:
            _refuse(token.column, f"`{token.text}` closes nothing")
        return node

    def peek(self) -> _Token | None:
        """Return the next token without taking it, None at the end."""
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def is_word(self, *words: str) -> bool:
        """Return whether the next token is one of the words, which must be in upper case."""
        token = self.peek()
        return token is not None and token.kind == "word" and token.text in words

    def take(self, expected: str) -> _Token:
        """Consume and return the next token, which must exist."""
        token = self.peek()
        if token is None:
            _refuse(self.end, f"expected {expected}, the query ends here")
        self.position += 1
        return token

    def parse_or(self) -> Node:
        """Return a disjunction."""
        nodes = [self.parse_and()]
        while self.is_word("OR"):
            self.take("OR")
            nodes.append(self.parse_and())
        return nodes[0] if len(nodes) == 1 else AnyOf(tuple(nodes))

    def parse_and(self) -> Node:
        """Return a conjunction."""
        nodes = [self.parse_unary()]
        while (token := self.peek()) is not None and token.kind != "close" and not self.is_word("OR"):
            if self.is_word("AND"):
                self.take("AND")
            nodes.append(self.parse_unary())
        return nodes[0] if len(nodes) == 1 else All(tuple(nodes))

    def parse_unary(self) -> Node:
        """Return a term, a group, or the negation of one."""
        token = self.take("a term such as `action:download`")
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            _refuse(token.column, f"nested deeper than {MAX_NESTING} levels")
        try:
            if token.kind == "minus" or (token.kind == "word" and token.text in {"NOT", "-"}):
                return Not(self.parse_unary())
            if token.kind == "open":
                node = self.parse_or()
                self.close(token)
                return node
            if token.kind == "field":
                return self.parse_term(token)
        finally:
            self.nesting -= 1
        _refuse(token.column, f"expected a term such as `action:download`, got `{token.text[:64]}`")

    def close(self, opened: _Token) -> None:
        """Consume the parenthesis that closes ``opened``."""
        token = self.peek()
        if token is None or token.kind != "close":
            _refuse(opened.column, "this parenthesis is not closed")
        self.position += 1

    def parse_term(self, name: _Token) -> Node:
        """Return the comparison of a field that was just consumed."""
        known = find_field(name.text)
        if known is None:
            _refuse(name.column, f"unknown field `{name.text}`{_suggest(name.text)}")
        operator = self.take("an operator")
        value = self.take(f"a value for `{name.text}`")
        if value.kind != "open":
            node = self.build_leaf(known, operator, value)
        else:
            if operator.text not in {":", "=", "!="}:
                _refuse(value.column, f"`{operator.text}` takes one value")
            leaves = [self.build_leaf(known, operator, self.take("a value"))]
            while self.is_word("OR"):
                self.take("OR")
                leaves.append(self.build_leaf(known, operator, self.take("a value")))
            self.close(value)
            node = leaves[0] if len(leaves) == 1 else AnyOf(tuple(leaves))
        return Not(node) if operator.text == "!=" else node

    def build_leaf(self, known: Field, operator: _Token, value: _Token) -> Node:
        """Return the leaf of one field, operator and value; ``!=`` is negated by the caller."""
        if value.kind not in {"word", "quoted"}:
            _refuse(value.column, f"expected a value for `{known.name}`, got `{value.text}`")
        quoted = value.kind == "quoted"
        text = re.sub(r"\\(.)", r"\1", value.text[1:-1], flags=re.DOTALL) if quoted else value.text
        place = Place(1, value.column)
        if operator.text == ":" and text == "*" and not quoted:
            return Exists(known, place)
        compare = _OPERATORS.get(operator.text, Operator.EQ)
        if compare is not Operator.EQ and known.kind not in ORDERED_KINDS:
            _refuse(
                operator.column, f"`{operator.text}` needs a number or a time; `{known.name}` is {known.kind.value}"
            )
        if operator.text == ":" and not quoted:
            if known.kind is Kind.IP and "/" in text:
                compare = Operator.CIDR
            elif known.kind in TEXT_KINDS and ("*" in text or "?" in text):
                compare = Operator.GLOB
        try:
            constant = parse_constant(known, compare, text, quoted=quoted or known.kind in TEXT_KINDS, zone=self.zone)
        except InputError as err:
            _refuse(value.column, f"`{known.name}`: {err.message}")
        return Compare(known, compare, (constant,), place=place)


def _suggest(name: str) -> str:
    """Return a hint that lists fields which contain or end with the text entered."""
    near = [known.name for known in FIELDS if name in known.name or known.name.rpartition(".")[2] == name][:3]
    return f"; did you mean {', '.join(f'`{word}`' for word in near)}?" if near else ""

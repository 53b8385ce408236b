"""Comparisons of text, single or in lists, as Elasticsearch queries over exact ``keyword`` terms.

An index can find documents that have *some* element that matches. *Each* is expressed as its negation, no element
fails, so every test here provides both the query for passing elements and that for failing ones. What only RE2 or
Unicode rules can decide is a superset and marked as such.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from auditsvc.condition.ast import Compare, InList, Operator, Quantifier
from auditsvc.condition.compile.elasticsearch.lucene import format_lucene
from auditsvc.condition.compile.elasticsearch.path import is_label, is_overlong
from auditsvc.condition.compile.elasticsearch.pattern import (
    ANY_TEXT,
    Chain,
    Choice,
    Pattern,
    UnsupportedPatternError,
    build_literal,
    parse_glob,
)
from auditsvc.condition.compile.elasticsearch.query import (
    NOTHING,
    Both,
    Either,
    FoldedTerm,
    OneOf,
    Prefix,
    Query,
    Regexp,
    Remainder,
    Superset,
    Wildcard,
    Within,
    Without,
)
from auditsvc.condition.compile.elasticsearch.regex import parse_regex
from auditsvc.condition.compile.elasticsearch.scope import ElasticScope, IndexedField
from auditsvc.condition.compile.elasticsearch.truth import UNKNOWN, TruthQueries, decide
from auditsvc.condition.match import fold_case

MAX_LITERAL = 200
"""Maximum characters of a text in wildcards or case-insensitive: within the effort the server accepts for ``aaa…``."""
MAX_FOLDED = 256
"""Maximum number of texts compared case-insensitively: each is a clause of its own."""
MAX_GAPS = 256
"""Maximum number of texts whose gaps are queried as ranges to find other elements."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Never part of a stored text: it is not a character."""
_FOLDED_LETTER = re.compile("[A-Za-z]")


class _ElementTest(Protocol):
    """A test of the elements of a field."""

    @property
    def refutes_overlong(self) -> bool:
        """Whether no text that is too long for the index can pass."""

    def find_passing(self) -> Query:
        """Return where an indexed element passes."""

    def find_failing(self) -> Query:
        """Return where an indexed element fails; used for lists only."""


def compile_text(node: Compare, scope: ElasticScope) -> TruthQueries:
    """Return where a text compares with at least one constant, and where with none."""
    known = scope.locate(node.field)
    values = [str(value) for value in node.values]
    if node.operator is Operator.EQ:
        return _quantify(known, node.quantifier, _build_equality(known, values, nocase=node.nocase))
    return _quantify(known, node.quantifier, _PatternTest(known, node, values))


def compile_in_list(node: InList, scope: ElasticScope) -> TruthQueries:
    """Return where a text is in at least one of some named lists, and where in none; unknown when one is not loaded."""
    lists = scope.context.lists
    if any(name not in lists for name in node.lists):
        return UNKNOWN
    known = scope.locate(node.field)
    members = {member for name in node.lists for member in lists[name]}
    return _quantify(known, node.quantifier, _build_equality(known, members, nocase=node.nocase))


def _quantify(known: IndexedField, quantifier: Quantifier, test: _ElementTest) -> TruthQueries:
    """Return where any, or each, of a field's elements passes, and where not."""
    refuted = known.overlong == NOTHING or (test.refutes_overlong and not known.field.multi)
    undecided = NOTHING if refuted else Superset(known.overlong)
    if quantifier is Quantifier.ANY or not known.field.multi:
        return decide(known.present, Either([test.find_passing(), undecided]))
    # where the failing ones are not known exactly: if each element passes, some does, or none is in the index
    passing = Superset(Both([known.present, Either([test.find_passing(), Without(known.indexed)])]))
    failing = Either([test.find_failing(), undecided])
    return TruthQueries(Remainder(known.present, failing, fallback=passing), failing)


def _build_equality(known: IndexedField, values: Iterable[str], *, nocase: bool) -> "_EqualityTest":
    """Return the test of being one of some texts."""
    storable = (value for value in values if not _LONE_SURROGATE.search(value))
    wanted = sorted({fold_case(value) if nocase else value for value in storable})
    texts = [value for value in wanted if not is_overlong(value)]
    return _EqualityTest(known, texts, nocase, refutes_overlong=len(texts) == len(wanted))


@dataclass(frozen=True, slots=True)
class _EqualityTest:
    """Whether an element is one of some sorted texts; with ``nocase`` they are folded."""

    known: IndexedField
    texts: Sequence[str]
    nocase: bool
    refutes_overlong: bool

    def find_passing(self) -> Query:
        if not self.nocase:
            return OneOf(self.known.path, self.texts)
        folded = [text for text in self.texts if _FOLDED_LETTER.search(text)]
        if len(folded) > MAX_FOLDED:
            return Superset(self.known.indexed)
        plain = OneOf(self.known.path, [text for text in self.texts if not _FOLDED_LETTER.search(text)])
        return Either([plain, *(_find_folded(self.known, text) for text in folded)])

    def find_failing(self) -> Query:
        if not self.nocase:
            return _find_beside(self.known, self.texts)
        if sum(bool(_FOLDED_LETTER.search(text)) for text in self.texts) > MAX_FOLDED:
            return Superset(self.known.indexed)
        return _find_unlike(self.known, (build_literal(text, nocase=True) for text in self.texts))


@dataclass(frozen=True, slots=True)
class _PatternTest:
    """Whether an element matches at least one of some patterns."""

    known: IndexedField
    node: Compare
    values: Sequence[str]
    refutes_overlong: bool = False

    def find_passing(self) -> Query:
        if self.node.operator in {Operator.GLOB, Operator.RE}:
            return Either([_find_matching(self.known, self.node, value) for value in self.values])
        return Either([_find_containing(self.known, self.node, value) for value in self.values])

    def find_failing(self) -> Query:
        return _find_unlike(self.known, (_build_pattern(self.node, value) for value in self.values))


def _find_folded(known: IndexedField, text: str) -> Query:
    """Return where an element is a text, whatever the case of A to Z."""
    if len(text) > MAX_LITERAL:
        return Superset(Prefix(known.path, text[:MAX_LITERAL], nocase=True))
    # for a label the server folds the key too, so `labels.X` would match `labels.x`
    return Superset(FoldedTerm(known.path, text)) if is_label(known.field) else FoldedTerm(known.path, text)


def _find_beside(known: IndexedField, texts: Sequence[str]) -> Query:
    """Return where an element is none of some texts: it is in a gap between them. UTF-8 has the same order as code points."""
    if not texts:
        return known.indexed
    if len(texts) > MAX_GAPS:
        return Superset(known.indexed)
    gaps = [Within(known.path, gt=low, lt=high) for low, high in pairwise(texts)]
    return Either([Within(known.path, lt=texts[0]), *gaps, Within(known.path, gt=texts[-1])])


def _find_matching(known: IndexedField, node: Compare, value: str) -> Query:
    """Return where an element matches a glob or a regular expression; the server does not support that for labels."""
    if is_label(known.field):
        return Superset(known.indexed)
    try:
        return Regexp(known.path, format_lucene(_build_pattern(node, value)))
    except UnsupportedPatternError:
        return Superset(known.indexed)


def _find_containing(known: IndexedField, node: Compare, value: str) -> Query:
    """Return where an element contains a text, starts or ends with it; for a long text, a part of it."""
    if _LONE_SURROGATE.search(value):
        return NOTHING
    if value == "":
        return known.indexed
    ends = node.operator is Operator.ENDSWITH
    part = value[-MAX_LITERAL:] if ends else value[:MAX_LITERAL]
    if node.operator is Operator.STARTSWITH:
        exact = part == value and not (node.nocase and is_label(known.field))
        found = Prefix(known.path, part, node.nocase)
        return found if exact else Superset(found)
    if is_label(known.field):
        return Superset(known.indexed)
    escaped = re.sub(r"[\\*?]", r"\\\g<0>", part)
    like = Wildcard(known.path, f"*{escaped}" if ends else f"*{escaped}*", node.nocase)
    return like if part == value else Superset(like)


def _find_unlike(known: IndexedField, patterns: Iterable[Pattern]) -> Query:
    """Return where an element matches none of some patterns, iterating over which may raise."""
    try:
        return Regexp(known.path, format_lucene(Choice(tuple(patterns)), negated=True))
    except UnsupportedPatternError:
        return Superset(known.indexed)


def _build_pattern(node: Compare, value: str) -> Pattern:
    """Return the pattern of one constant; raise ``UnsupportedPatternError`` when Lucene has none."""
    match node.operator:
        case Operator.GLOB:
            return parse_glob(value)
        case Operator.RE:
            return parse_regex(value)
        case _:
            literal = build_literal(value, nocase=node.nocase)
            before = [] if node.operator is Operator.STARTSWITH else [ANY_TEXT]
            after = [] if node.operator is Operator.ENDSWITH else [ANY_TEXT]
            return Chain((*before, literal, *after))

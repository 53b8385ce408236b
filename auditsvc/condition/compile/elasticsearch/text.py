"""Comparisons of text, single or in lists, as Elasticsearch queries over exact ``keyword`` terms.

An index answers which documents have *some* element that passes. For *each* element the question is turned round: no
element fails, so every test here says both which elements pass and which fail. What only RE2 or Unicode can decide is
a superset and marked as such.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from auditsvc.condition.ast import Compare, InList, Operator, Quantifier
from auditsvc.condition.compile.elasticsearch.path import is_label, is_overlong, text_path
from auditsvc.condition.compile.elasticsearch.pattern import (
    ANY_TEXT,
    Chain,
    Choice,
    Pattern,
    UnsupportedPatternError,
    build_literal,
    format_lucene,
    parse_glob,
)
from auditsvc.condition.compile.elasticsearch.query import (
    NOTHING,
    UNKNOWN,
    Bound,
    Query,
    Truths,
    both,
    decide,
    either,
    prefix,
    regexp,
    same_text,
    terms,
    wildcard,
    within,
    without,
)
from auditsvc.condition.compile.elasticsearch.regex import parse_regex
from auditsvc.condition.compile.elasticsearch.scope import Scope, find_indexed
from auditsvc.condition.match import fold_case
from auditsvc.event.fields import Field

MAX_LITERAL = 200
"""Most characters of a text inside wildcards or without case: within the work the server does for ``aaa…``."""
MAX_FOLDED = 256
"""Most texts compared without case: each is a clause of its own."""
MAX_GAPS = 256
"""Most texts around which ranges are laid to find the elements that are none of them."""


_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Test:
    """One test of elements.

    Attributes:
        passing: where an indexed element passes.
        failing: where an indexed element fails; asked for lists only.
        refutes_overlong: no text that is too long for the index passes.
    """

    passing: Bound
    failing: Callable[[], Bound]
    refutes_overlong: bool


def compile_text(node: Compare, scope: Scope) -> Truths:
    """Return the truths of a comparison of text with constants."""
    values = [str(value) for value in node.values]
    if node.operator is Operator.EQ:
        return _apply(node.field, node.quantifier, _test_equal(node.field, values, node.nocase), scope)
    return _apply(node.field, node.quantifier, _test_patterns(node, values), scope)


def compile_in_list(node: InList, scope: Scope) -> Truths:
    """Return the truths of membership in named lists; unknown when one is not loaded."""
    lists = scope.context.lists
    if any(name not in lists for name in node.lists):
        return UNKNOWN
    members = sorted({member for name in node.lists for member in lists[name]})
    return _apply(node.field, node.quantifier, _test_equal(node.field, members, node.nocase), scope)


def _apply(field: Field, quantifier: Quantifier, test: _Test, scope: Scope) -> Truths:
    """Return the truths of a test of any or each of a field's elements."""
    present, overlong = scope.find_present(field), scope.find_overlong(field)
    refuted = overlong == NOTHING or (test.refutes_overlong and not field.multi)
    undecided = Bound(NOTHING) if refuted else Bound(overlong, exact=False)
    if quantifier is Quantifier.ANY or not field.multi:
        return decide(present, Bound.either([test.passing, undecided]))
    failing = Bound.either([test.failing(), undecided])
    if failing.exact:
        return decide(present, failing).negate()
    # what is certain of the true ones: each element passes, so some does, or there is none in the index
    true = both([present, either([test.passing.query, without(find_indexed(field))])])
    return Truths(Bound(true, exact=False), failing)


def _is_storable(text: str) -> bool:
    """Return whether a document can have the text at all: a lone surrogate is no character."""
    return _SURROGATE.search(text) is None


def _has_letters(text: str) -> bool:
    """Return whether a text has a letter whose case is folded."""
    return any(char.isascii() and char.isalpha() for char in text)


def _test_equal(field: Field, values: Sequence[str], nocase: bool) -> _Test:
    """Return the test of being one of some texts."""
    wanted = sorted({fold_case(value) if nocase else value for value in values if _is_storable(value)})
    short = [value for value in wanted if not is_overlong(value)]
    path = text_path(field)
    if not nocase:
        return _Test(Bound(terms(path, short)), lambda: _find_others(field, short), len(short) == len(wanted))
    folded = [value for value in short if _has_letters(value)]
    plain = Bound(terms(path, [value for value in short if not _has_letters(value)]))
    if len(folded) > MAX_FOLDED:
        undecided = Bound(find_indexed(field), exact=False)
        return _Test(undecided, lambda: undecided, len(short) == len(wanted))
    passing = Bound.either([plain, *(_find_folded(field, value) for value in folded)])
    pattern = Choice(tuple(build_literal(value, nocase=True) for value in short))
    return _Test(passing, lambda: _find_unlike(field, pattern), len(short) == len(wanted))


def _find_folded(field: Field, text: str) -> Bound:
    """Return where an element is a text, whatever the case of A to Z."""
    path = text_path(field)
    if len(text) > MAX_LITERAL:
        return Bound(prefix(path, text[:MAX_LITERAL], nocase=True), exact=False)
    # of a label the server folds the key too, so `labels.X` would answer for `labels.x`
    return Bound(same_text(path, text), exact=not is_label(field))


def _find_others(field: Field, values: Sequence[str]) -> Bound:
    """Return where an element is none of some texts: it lies in a gap between them. UTF-8 and characters order alike."""
    if not values:
        return Bound(find_indexed(field))
    if len(values) > MAX_GAPS:
        return Bound(find_indexed(field), exact=False)
    path = text_path(field)
    gaps = [within(path, gt=low, lt=high) for low, high in pairwise(values)]
    return Bound(either([within(path, lt=values[0]), *gaps, within(path, gt=values[-1])]))


def _find_unlike(field: Field, pattern: Pattern) -> Bound:
    """Return where an element does not match a pattern."""
    try:
        return Bound(regexp(text_path(field), format_lucene(pattern, negated=True)))
    except UnsupportedPatternError:
        return Bound(find_indexed(field), exact=False)


def _test_patterns(node: Compare, values: Sequence[str]) -> _Test:
    """Return the test of matching at least one of some patterns."""
    passing = Bound.either([_find_like(node, value) for value in values])

    def find_failing() -> Bound:
        """Return where an element matches none."""
        try:
            pattern = Choice(tuple(_build_pattern(node, value) for value in values))
        except UnsupportedPatternError:
            return Bound(find_indexed(node.field), exact=False)
        return _find_unlike(node.field, pattern)

    return _Test(passing, find_failing, refutes_overlong=False)


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


def _find_like(node: Compare, value: str) -> Bound:
    """Return where an element matches the pattern of one constant."""
    field, indexed = node.field, find_indexed(node.field)
    if node.operator in {Operator.GLOB, Operator.RE}:
        try:
            text = format_lucene(_build_pattern(node, value))
        except UnsupportedPatternError:
            return Bound(indexed, exact=False)
        return Bound(indexed, exact=False) if is_label(field) else Bound(regexp(text_path(field), text))
    if not _is_storable(value):
        return Bound(NOTHING)
    if value == "":
        return Bound(indexed)
    if node.operator is Operator.STARTSWITH:
        exact = len(value) <= MAX_LITERAL and not (node.nocase and is_label(field))
        return Bound(prefix(text_path(field), value[:MAX_LITERAL], nocase=node.nocase), exact)
    if is_label(field):
        return Bound(indexed, exact=False)
    return _find_inside(node, value)


def _find_inside(node: Compare, value: str) -> Bound:
    """Return where an element contains a text or ends with it; of a long one, with a part of it."""
    ends = node.operator is Operator.ENDSWITH
    part = value[-MAX_LITERAL:] if ends else value[:MAX_LITERAL]
    escaped = "".join(f"\\{char}" if char in "\\*?" else char for char in part)
    query: Query = wildcard(text_path(node.field), f"*{escaped}" if ends else f"*{escaped}*", nocase=node.nocase)
    return Bound(query, exact=part == value)

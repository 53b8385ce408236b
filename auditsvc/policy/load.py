"""A policy set from a bundle of YAML documents; every problem of every file is reported at once.

A document is a mapping with one key, its kind: ``policy``, ``list``, ``calendar`` or ``legal``.
"""

import re
from collections.abc import Sequence
from typing import TypeVar

from auditsvc.condition.ast import ALWAYS, InCalendar, InList, Node, iter_leaves
from auditsvc.condition.calendar import Calendar
from auditsvc.condition.evaluate import Context
from auditsvc.condition.parse import collect_condition
from auditsvc.event.fields import find_field
from auditsvc.ground.bilingual import Text
from auditsvc.ground.document import Bundle, Value
from auditsvc.ground.errors import DocumentError, Problem
from auditsvc.ground.mapping_reader import MappingReader
from auditsvc.policy.inline import read_inline_test
from auditsvc.policy.model import (
    DEFAULT_ON_MISSING,
    AlertRule,
    Effect,
    LegalAct,
    LegalBasis,
    OnMissing,
    Policy,
    PolicyException,
    PolicySet,
    PolicyStatus,
    Severity,
)
from auditsvc.policy.resource import read_calendar, read_legal, read_list
from auditsvc.policy.scalars import (
    CODE,
    MAX_COUNT,
    find_title,
    open_mapping,
    parse_duration,
    parse_instant_in,
    read_title,
)

KINDS = ("policy", "list", "calendar", "legal")
DEFAULT_ZONE = "Asia/Shanghai"
DEFAULT_SUPPRESS_S = 3600
MAX_EXCEPTION_NS = 366 * 86_400 * 1_000_000_000
"""Longest exception: a year; a longer one is a change of the policy."""
T = TypeVar("T")
POLICY_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
"""Form of the ids of policies and exceptions."""


def load_policy_set(bundle: Bundle) -> PolicySet:
    """Return the policy set in a bundle.

    Raises:
        DocumentError: ``document_invalid`` for broken YAML, else ``policy_invalid`` with every problem of the bundle.
    """
    problems: list[Problem] = []
    found: dict[str, list[Value]] = {kind: [] for kind in KINDS}
    for document in bundle.documents():
        keys = list(document.mapping or ())
        if len(keys) != 1 or keys[0] not in KINDS or document.mapping is None:
            problems.append(document.problem(CODE, f"expected a mapping with one key of {', '.join(KINDS)}"))
            continue
        found[keys[0]].append(document.mapping[keys[0]])
    lists = _unique("list", [(value, *read_list(value, problems)) for value in found["list"]], problems)
    calendars: dict[str, Calendar] = {}
    for value in found["calendar"]:
        calendar = read_calendar(value, problems)
        calendars.update(_unique("calendar", [(value, calendar.name, calendar)], problems, calendars))
    legal: dict[str, LegalAct] = {}
    for value in found["legal"]:
        act = read_legal(value, problems)
        legal.update(_unique("legal act", [(value, act.id, act)], problems, legal))
    context = Context(lists, calendars)
    policies = [
        _PolicyReader(value, context, legal, bundle.files[value.file], problems).read() for value in found["policy"]
    ]
    _check_versions(policies, problems)
    if problems:
        raise DocumentError(CODE, sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column)))
    policies.sort(key=lambda policy: (policy.id, policy.version))
    return PolicySet(tuple(policies), context, legal, bundle.digest)


def _unique(
    what: str, items: Sequence[tuple[Value, str, T]], problems: list[Problem], known: dict[str, T] | None = None
) -> dict[str, T]:
    """Return the items by id; a duplicate id is a problem."""
    result: dict[str, T] = {}
    for value, name, item in items:
        if name in result or name in (known or {}):
            problems.append(value.problem(CODE, f"duplicate {what} `{name}`"))
        result[name] = item
    return result


def _check_versions(policies: Sequence[Policy], problems: list[Problem]) -> None:
    """Report duplicate versions of a policy."""
    seen: dict[tuple[str, int], Policy] = {}
    for policy in policies:
        first = seen.setdefault((policy.id, policy.version), policy)
        if first is not policy:
            text = f"duplicate version {policy.version} of `{policy.id}`, first in {first.file}:{first.line}"
            problems.append(Problem(policy.file, policy.line, 1, CODE, text))


class _PolicyReader:
    """Reads one policy document."""

    def __init__(
        self, value: Value, context: Context, legal: dict[str, LegalAct], text: str, problems: list[Problem]
    ) -> None:
        self.value = value
        self.context = context
        self.legal = legal
        self.text = text
        self.problems = problems
        self.reader = open_mapping(value, "policy", problems)
        self.zone = self.reader.find_zone("zone", DEFAULT_ZONE)

    def read(self) -> Policy:
        """Return the policy; on problems, a placeholder that is never used."""
        reader = self.reader
        policy_id = reader.parsed("id", _parse_id, "?")
        title = read_title(reader, "title")
        kind, body = self.read_body()
        valid_from, valid_until = self.read_valid()
        status = reader.member("status", PolicyStatus, PolicyStatus.DRAFT)
        severity = reader.member("severity", Severity, Severity.LOW)
        policy = Policy(
            id=policy_id,
            version=reader.integer("version", 1, MAX_COUNT),
            title=title,
            description=find_title(reader, "description", title),
            status=status,
            severity=severity,
            owner=reader.text("owner"),
            approved_by=reader.texts("approved_by"),
            legal_basis=self.read_legal_basis(status),
            valid_from_ns=valid_from,
            valid_until_ns=valid_until,
            target=self.read_condition(reader, "target"),
            kind=kind,
            body=body,
            exceptions=self.read_exceptions(),
            alert=self.read_alert(title),
            on_missing=reader.find_member("on_missing", OnMissing, DEFAULT_ON_MISSING[kind]),
            tests=tuple(read_inline_test(item, valid_from, self.problems) for item in reader.items("tests")),
            source_text=self.text,
            file=self.value.file,
            line=self.value.line,
        )
        reader.finish()
        return policy

    def read_body(self) -> tuple[Effect, Node]:
        """Return the only effect and its condition."""
        limit = self.reader.find("limit")
        if limit is not None:
            text = "`limit` policies are not judged by this version; it judges permit, forbid and require"
            self.problems.append(self.value.key_problem("limit", CODE, text))
        present = [effect for effect in Effect if self.reader.find(effect.value) is not None]
        if len(present) != 1:
            if limit is None:
                self.reader.note_at(self.value, "policy: expected exactly one of permit, forbid and require")
            return Effect.REQUIRE, ALWAYS
        return present[0], self.read_condition(self.reader, present[0].value)

    def read_condition(self, reader: MappingReader, key: str) -> Node:
        """Return the condition of a key, one that is always true if absent; the names it refers to must exist."""
        value = reader.find(key)
        if value is None:
            return ALWAYS
        node = collect_condition(value, self.problems)
        for leaf in iter_leaves(node):
            known: Sequence[str] = ()
            names: Sequence[str] = ()
            if isinstance(leaf, InList):
                names, known = leaf.lists, list(self.context.lists)
            elif isinstance(leaf, InCalendar):
                names, known = leaf.calendars, list(self.context.calendars)
            for name in names:
                if name not in known:
                    what = "list" if isinstance(leaf, InList) else "calendar"
                    place = leaf.place
                    text = f"there is no {what} `{name}` in this policy set"
                    self.problems.append(Problem(value.file, place.line, place.column, CODE, text))
        return node

    def read_valid(self) -> tuple[int, int | None]:
        """Return the interval in which the version judges."""
        inner = self.reader.reader("valid")
        if inner is None:
            self.reader.note_at(self.value, "policy: `valid` is missing; it says from when the version judges")
            return 0, None
        first = inner.parsed("from", self.parse_instant, 0)
        last = inner.find_parsed("until", self.parse_instant, None)
        inner.finish()
        if last is not None and last <= first:
            inner.note_at(inner.value, "valid: `until` is not after `from`")
        return first, last

    def parse_instant(self, text: str) -> int:
        """Return an instant; a date alone begins at midnight in the policy's zone."""
        return parse_instant_in(text, self.zone)

    def read_legal_basis(self, status: PolicyStatus) -> tuple[LegalBasis, ...]:
        """Return the articles that are the policy's legal basis; their acts must be in the policy set."""
        items = self.reader.readers("legal_basis", "legal_basis")
        if not items and status is PolicyStatus.ACTIVE:
            self.reader.note_at(self.value, "policy: an active policy needs at least one `legal_basis`")
        basis = []
        for inner in items:
            name, article = inner.text("act"), inner.text("article")
            inner.finish()
            act = self.legal.get(name)
            if act is None:
                inner.note("act", f"there is no legal act `{name}` in this policy set")
            elif article not in act.articles:
                inner.note("article", f"`{name}` has no article `{article}` in this policy set")
            else:
                basis.append(LegalBasis(act, article))
        return tuple(basis)

    def read_exceptions(self) -> tuple[PolicyException, ...]:
        """Return the exceptions; each must have an end, an approval and a reason."""
        exceptions: list[PolicyException] = []
        for inner in self.reader.readers("exceptions", "exception"):
            inner.get("match")
            exception = PolicyException(
                inner.parsed("id", _parse_id, "?"),
                self.read_condition(inner, "match"),
                inner.parsed("from", self.parse_instant, 0),
                inner.parsed("until", self.parse_instant, 1),
                inner.text("approved_by"),
                inner.text("basis"),
                inner.text("reason"),
            )
            inner.finish()
            if not 0 < exception.until_ns - exception.from_ns <= MAX_EXCEPTION_NS:
                inner.note_at(inner.value, f"{inner.what}: `from` is before `until`, by at most 366 days")
            if any(exception.id == other.id for other in exceptions):
                inner.note("id", f"duplicate `{exception.id}`")
            exceptions.append(exception)
        return tuple(exceptions)

    def read_alert(self, fallback: Text) -> AlertRule:
        """Return how findings are grouped; by default by user, one alert an hour, under the policy's title."""
        inner = self.reader.reader("alert")
        if inner is None:
            return AlertRule(("user.id",), DEFAULT_SUPPRESS_S, fallback)
        by = inner.texts("by")
        for name in by:
            if find_field(name) is None:
                inner.note_member("by", name, f"unknown field `{name}`")
        rule = AlertRule(
            by or ("user.id",),
            inner.find_parsed("suppress", parse_duration, DEFAULT_SUPPRESS_S),
            find_title(inner, "title", fallback),
        )
        inner.finish()
        return rule


def _parse_id(text: str) -> str:
    """Return an identifier; raise ``ValueError`` for anything else."""
    if re.fullmatch(POLICY_ID, text) is None:
        raise ValueError(f"expected letters, digits, `_`, `.` and `-`, at most 64, got `{text[:64]}`")
    return text

"""Policies, and the set of them in force with its lists, calendars and legal acts, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from auditsvc.condition.ast import Node
from auditsvc.condition.evaluate import Context
from auditsvc.event.model import Event
from auditsvc.ground.bilingual import Text


class PolicyStatus(Enum):
    """The stage of a policy's life cycle; only ``shadow`` and ``active`` ones judge."""

    DRAFT = "draft"
    SHADOW = "shadow"
    ACTIVE = "active"
    RETIRED = "retired"


class Severity(Enum):
    """The severity of a violation."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Effect(Enum):
    """What a policy does to the events it targets."""

    PERMIT = "permit"
    FORBID = "forbid"
    REQUIRE = "require"


class OnMissing(Enum):
    """The result when the truth value of the body is unknown."""

    VIOLATE = "violate"
    PASS = "pass"  # noqa: S105 - a verdict, not a password
    INDETERMINATE = "indeterminate"


DEFAULT_ON_MISSING: Mapping[Effect, OnMissing] = {
    Effect.REQUIRE: OnMissing.VIOLATE,
    Effect.FORBID: OnMissing.INDETERMINATE,
    Effect.PERMIT: OnMissing.INDETERMINATE,
}
JUDGING = frozenset({PolicyStatus.SHADOW, PolicyStatus.ACTIVE})


@dataclass(frozen=True, slots=True)
class LegalAct:
    """A law or other norm, with its dates.

    Attributes:
        id: used in policies.
        title: official title and a translation.
        issued_by: who issued it.
        effective_from: first day in force.
        source: where the text here was taken from.
        verified: whether someone compared it with the official text.
        articles: article label to what it requires.
    """

    id: str
    title: Text
    issued_by: str
    effective_from: date
    source: str
    verified: bool
    articles: Mapping[str, Text] = field(hash=False)


@dataclass(frozen=True, slots=True)
class LegalBasis:
    """The legal basis of a policy: an article of an act in the policy set's legal data."""

    act: LegalAct
    article: str

    @property
    def text(self) -> Text:
        """What the article requires."""
        return self.act.articles[self.article]


@dataclass(frozen=True, slots=True)
class PolicyException:
    """A dated, approved exception: matching violations in ``[from_ns, until_ns)`` are excepted."""

    id: str
    match: Node
    from_ns: int
    until_ns: int
    approved_by: str
    basis: str
    reason: str


@dataclass(frozen=True, slots=True)
class AlertRule:
    """How findings become alerts: one per group of ``by``, at most one per ``suppress_s`` seconds."""

    by: tuple[str, ...]
    suppress_s: int
    title: Text


@dataclass(frozen=True, slots=True)
class Expectation:
    """What an inline test expects of all its events together."""

    violations: int
    excepted: int
    indeterminate: int


@dataclass(frozen=True, slots=True)
class InlineTest:
    """Events with the outcome their author expects of this one policy."""

    name: str
    given: tuple[Event, ...]
    lists: Mapping[str, frozenset[str]] = field(hash=False)
    expect: Expectation
    line: int


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of one policy.

    Attributes:
        valid_from_ns, valid_until_ns: the version judges events with ``valid_from_ns <= time < valid_until_ns``; None
            means no end.
        target: which events the policy applies to.
        body: what is permitted, forbidden or required of them, by ``kind``.
        approved_by: who approved this version.
        source_text: text of its YAML file, as reviewed.
        file, line: its location.
    """

    id: str
    version: int
    title: Text
    description: Text
    status: PolicyStatus
    severity: Severity
    owner: str
    approved_by: tuple[str, ...]
    legal_basis: tuple[LegalBasis, ...]
    valid_from_ns: int
    valid_until_ns: int | None
    target: Node
    kind: Effect
    body: Node
    exceptions: tuple[PolicyException, ...]
    alert: AlertRule
    on_missing: OnMissing
    tests: tuple[InlineTest, ...]
    source_text: str
    file: str
    line: int

    def is_valid_at(self, instant_ns: int) -> bool:
        """Return whether the version is valid at an instant."""
        return self.valid_from_ns <= instant_ns and (self.valid_until_ns is None or instant_ns < self.valid_until_ns)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies with the lists, calendars and acts they refer to, under one digest.

    Attributes:
        policies: every version of every policy, ordered by id and version.
        digest: SHA-256 of the bundle, 32 bytes; what a ``policy`` leaf of the ledger carries.
    """

    policies: tuple[Policy, ...]
    context: Context
    legal: Mapping[str, LegalAct]
    digest: bytes

    @property
    def lists(self) -> Mapping[str, frozenset[str]]:
        """Named lists."""
        return self.context.lists

    def find_policy(self, policy_id: str, version: int | None = None) -> Policy | None:
        """Return a version of a policy, the latest by default; None when there is none."""
        versions = [policy for policy in self.policies if policy.id == policy_id and version in (None, policy.version)]
        return versions[-1] if versions else None

    def in_force(self, instant_ns: int) -> tuple[Policy, ...]:
        """Return the version of each policy that judges events at an instant, in order of ids.

        It is the highest version valid at the instant; a retired version ends the policy, a draft is skipped.
        """
        chosen: dict[str, Policy] = {}
        for policy in self.policies:
            if policy.status is not PolicyStatus.DRAFT and policy.is_valid_at(instant_ns):
                chosen[policy.id] = policy
        return tuple(policy for policy in chosen.values() if policy.status in JUDGING)

    def edges(self) -> tuple[int, ...]:
        """Return the instants at which the policies in force can change, ascending."""
        edges = {policy.valid_from_ns for policy in self.policies}
        edges |= {policy.valid_until_ns for policy in self.policies if policy.valid_until_ns is not None}
        return tuple(sorted(edges))


@dataclass(frozen=True, slots=True)
class Violation:
    """A policy that an event violates, is excepted from or cannot be decided by.

    Attributes:
        status: ``active`` or ``shadow``; a shadow policy's violation is a finding without a verdict or an alert.
        exception_id: ids of the exceptions that excuse it, joined by ``,``; None when none does.
        reason: expected and actual values, in English.
    """

    policy_id: str
    version: int
    severity: str
    status: str
    exception_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The combined result of all policies on one event.

    Attributes:
        verdict: permitted, violated, excepted, indeterminate or not_covered; active policies only.
        violations, excepted, indeterminate: by policy, shadow ones included, in order of policy ids.
        untargetable: policies whose target was unknown for the event.
    """

    verdict: str
    violations: tuple[Violation, ...]
    excepted: tuple[Violation, ...]
    indeterminate: tuple[Violation, ...]
    untargetable: int

"""The bit-vector index: all policies are judged at once, and only those an event may violate one by one.

The policies in force change at few instants; between two of them lies an *epoch*. In an epoch, policies whose target
names values of one field (most often ``resource.code``) are *partitioned* by it: an event meets only the policies that
name its value and those that name none. A partition holds the policies' rows (:mod:`auditsvc.policy.rows`) and one
table per field (:mod:`auditsvc.policy.probe`). The AND of the tables' masks tells for every row whether it is true,
unknown or false. A policy with a row against the event is then decided by the reference, reason and exceptions
included; so the index only skips policies that cannot change the verdict.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from auditsvc.condition.ast import All, Compare, Node, Operator, Quantifier, collect_fields
from auditsvc.condition.evaluate import Context, has_type
from auditsvc.event.fields import get_field
from auditsvc.event.model import Event
from auditsvc.policy.decide import build_verdict, decide_policy, judge_reference
from auditsvc.policy.model import Effect, Policy, PolicySet, PolicyStatus, Verdict
from auditsvc.policy.probe import MISSING, Group, build_tables
from auditsvc.policy.rows import Conjunction, build_rows, split_conjunction

MIN_PARTITIONED = 4
"""Minimum number of policies that must name a field for it to partition an epoch."""
MAX_KNOWN = 1 << 14
"""Maximum number of partitions an epoch caches before the cache is cleared."""


class Partition:
    """The policies that can apply to events with one key value, as rows and tables."""

    def __init__(self, policies: Sequence[Policy], context: Context, dropped: frozenset[Node]) -> None:
        """Build rows and tables; parts of targets in ``dropped`` are true for every event of this partition."""
        self.policies = list(policies)
        self.context = context
        groups = _Groups(dropped)
        self.targets: list[int] = []
        self.against_bits: list[int] = []
        satisfied = {PolicyStatus.ACTIVE: 0, PolicyStatus.SHADOW: 0}
        permits = {PolicyStatus.ACTIVE: 0, PolicyStatus.SHADOW: 0}
        self.active = 0
        for policy in policies:
            rows = build_rows(policy)
            target = groups.add(rows.target)
            self.targets.append(target)
            self.against_bits.append(sum(groups.add(row) for row in rows.against))
            self.active |= target if policy.status is PolicyStatus.ACTIVE else 0
            if policy.kind is Effect.PERMIT:
                permits[policy.status] |= target
                satisfied[policy.status] |= sum(groups.add(row) for row in rows.satisfied)
        self.size = groups.size
        self.all_targets = sum(self.targets)
        self.against = sum(self.against_bits)
        self.permits = [(permits[status], satisfied[status]) for status in permits if permits[status]]
        self.full = (1 << 2 * self.size) - 1
        tables = build_tables(groups.build(), context, self.size)
        self.values, self.finders, self.tied = tables.values, tables.finders, tables.tied
        self.quiet: dict[tuple[bool, int], Verdict] = {}

    def judge(self, event: Event) -> Verdict:
        """Return the verdict of an event of this partition."""
        mask = self.full
        get = event.get
        for name, table in self.values:
            mask &= table[get(name, MISSING)]
        for name, find in self.finders:
            mask &= find(get(name, MISSING))
        for rows, find in self.tied:
            if mask & rows:
                mask &= find(event)
        true = mask >> self.size
        targeted = true & self.all_targets
        unsatisfied = 0
        for permits, satisfied in self.permits:
            if targeted & permits and not true & satisfied:
                unsatisfied |= permits
        # a row is not false wherever it is true, so this is the count of targets that are unknown
        untargetable = ((mask & self.all_targets) ^ targeted).bit_count()
        if mask & self.against or unsatisfied:
            return self.judge_closely(event, mask, unsatisfied, untargetable)
        key = (targeted & self.active != 0, untargetable)
        verdict = self.quiet.get(key)
        return verdict if verdict is not None else self.build_quiet(*key)

    def build_quiet(self, is_covered: bool, untargetable: int) -> Verdict:
        """Return, and cache, the verdict of events that violate nothing."""
        verdict = build_verdict([], is_covered=is_covered, untargetable=untargetable)
        return self.quiet.setdefault((is_covered, untargetable), verdict)

    def judge_closely(self, event: Event, mask: int, unsatisfied: int, untargetable: int) -> Verdict:
        """Return the verdict, deciding by the reference every policy of which a row is true or unknown for the event.

        ``unsatisfied`` has the target bits of permit policies, if none of the same status is satisfied.
        """
        targeted = (mask >> self.size) & self.all_targets
        decisions = [
            decide_policy(policy, event, self.context)
            for policy, target, against in zip(self.policies, self.targets, self.against_bits, strict=True)
            if targeted & target and (mask & against or unsatisfied & target)
        ]
        return build_verdict(decisions, is_covered=targeted & self.active != 0, untargetable=untargetable)


class _Groups:
    """Collects rows into groups of probes by field."""

    def __init__(self, dropped: frozenset[Node]) -> None:
        self.dropped = dropped
        self.size = 0
        self.by_key: dict[object, tuple[tuple[str, ...], dict[Node, int]]] = {}

    def add(self, row: Conjunction) -> int:
        """Add a row and return its low bit; its parts on one field become one probe."""
        bit = 1 << self.size
        self.size += 1
        parts: dict[object, list[Node]] = {}
        for node in dict.fromkeys(row):
            if node in self.dropped:
                continue
            names = tuple(known.name for known in collect_fields(node))
            parts.setdefault(names[0] if len(names) == 1 else node, []).append(node)
        for key, nodes in parts.items():
            probe = nodes[0] if len(nodes) == 1 else All(tuple(nodes))
            names = tuple(known.name for known in collect_fields(probe))
            probes = self.by_key.setdefault(key, (names, {}))[1]
            probes[probe] = probes.get(probe, 0) | bit
        return bit

    def build(self) -> list[Group]:
        """Return the groups."""
        return [
            Group(tuple(get_field(name) for name in names), list(probes.items()))
            for names, probes in self.by_key.values()
        ]


@dataclass(frozen=True, slots=True)
class _Keyed:
    """A policy with the part of its target that names values of the partitioning field, if it has one."""

    policy: Policy
    part: Compare | None


class Epoch:
    """The policies in force over a span of time, partitioned by one field."""

    def __init__(self, policies: Sequence[Policy], context: Context) -> None:
        """Choose the field that most targets name values of."""
        self.policies = policies
        self.context = context
        counts = Counter(name for policy in policies for name in {part.field.name for part in _key_parts(policy)})
        best = max(sorted(counts), key=lambda name: counts[name], default="")
        self.key = best if counts[best] >= MIN_PARTITIONED else ""
        self.keyed = [_Keyed(policy, self.find_part(policy)) for policy in policies]
        self.by_value: dict[str, list[int]] = {}
        for number, keyed in enumerate(self.keyed):
            for value in keyed.part.values if keyed.part else ():
                self.by_value.setdefault(str(value), []).append(number)
        self.general = [number for number, keyed in enumerate(self.keyed) if keyed.part is None]
        self.partitions: dict[frozenset[str], Partition] = {}
        self.known: dict[object, Partition] = {}
        self.whole: Partition | None = None

    def find_part(self, policy: Policy) -> Compare | None:
        """Return the part of a policy's target that names values of the key field, None when there is none."""
        return next((part for part in _key_parts(policy) if part.field.name == self.key), None)

    def build_all(self) -> None:
        """Build the partitions of all named values in advance, so that judging does not have to."""
        self.get_partition(frozenset())
        for value in self.by_value:
            self.get_partition(frozenset((value,)))

    def judge(self, event: Event) -> Verdict:
        """Return the verdict of an event of this epoch."""
        value = event.get(self.key)
        try:
            partition = self.known.get(tuple(value) if value.__class__ is list else value)
            if partition is None:
                partition = self.find_partition(value)
            return partition.judge(event)
        except TypeError:
            # a value of a wrong, unhashable type, which no table contains
            return _judge_slowly(self.policies, self.context, event)

    def find_partition(self, value: object) -> Partition:
        """Return, and cache, the partition of an event's key value."""
        if not self.key or not has_type(get_field(self.key), value):
            if self.whole is None:
                self.whole = Partition(self.policies, self.context, frozenset())
            if value is None:
                self.known[None] = self.whole
            return self.whole
        items = tuple(value) if isinstance(value, list) else (str(value),)
        partition = self.get_partition(frozenset(item for item in items if item in self.by_value))
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        self.known[items if isinstance(value, list) else value] = partition
        return partition

    def get_partition(self, values: frozenset[str]) -> Partition:
        """Return the partition of events with these named values."""
        partition = self.partitions.get(values)
        if partition is None:
            numbers = sorted({*self.general, *(number for value in values for number in self.by_value[value])})
            dropped = frozenset(part for number in numbers if (part := self.keyed[number].part) is not None)
            policies = [self.keyed[number].policy for number in numbers]
            if len(self.partitions) >= MAX_KNOWN:
                self.partitions.clear()
            partition = self.partitions[values] = Partition(policies, self.context, dropped)
        return partition


def _key_parts(policy: Policy) -> Iterator[Compare]:
    """Yield the parts of a policy's target that name whole values of a text field."""
    for part in split_conjunction(policy.target):
        match part:
            case Compare(known, Operator.EQ, _, Quantifier.ANY, False) if known.name in PARTITIONING:
                yield part


PARTITIONING = ("resource.code", "interface.id", "project.id", "agreement.id", "consumer.org", "provider.org")
"""Fields that may partition: identifiers with many values in one city."""


def _judge_slowly(policies: Sequence[Policy], context: Context, event: Event) -> Verdict:
    """Return the verdict by the reference alone."""
    return judge_reference(PolicySet(tuple(policies), context, {}, b""), event)


class Judge:
    """Judges events by one policy set; equivalent to :func:`judge_reference`.

    Not thread-safe, since a judge caches what it has seen.
    """

    def __init__(self, policy_set: PolicySet) -> None:
        """Build the index of the latest epoch; earlier ones are built on demand."""
        self.policy_set = policy_set
        self.edges = policy_set.edges()
        self.epochs: list[Epoch | None] = [None] * (len(self.edges) + 1)
        self.get_epoch(len(self.edges)).build_all()

    def get_epoch(self, number: int) -> Epoch:
        """Return the epoch that ends before edge ``number``, 0 being the epoch before any policy."""
        epoch = self.epochs[number]
        if epoch is None:
            policies = self.policy_set.in_force(self.edges[number - 1]) if number else ()
            epoch = self.epochs[number] = Epoch(policies, self.policy_set.context)
        return epoch

    def judge(self, event: Event) -> Verdict:
        """Return the verdict of a flat, enriched event."""
        time = event.get("time")
        if time.__class__ is not int:
            return judge_reference(self.policy_set, event)
        number = bisect_right(self.edges, time)
        epoch = self.epochs[number]
        return (epoch if epoch is not None else self.get_epoch(number)).judge(event)


def compile_policy_set(policy_set: PolicySet) -> Judge:
    """Return a judge for ``policy_set``; slow for thousands of policies, so call it before events are judged."""
    return Judge(policy_set)

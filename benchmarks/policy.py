"""Policy verdicts: the bit-vector index against the plain reference, and against reading the fields alone.

Run ``python -m benchmarks.policy [policies…]``. 50 resources, 3 to 6 conditions a policy, 20 % forbid, a third require,
the rest permit; 20,000 events of which a few in a hundred violate something. Prints microseconds per event, the ratio to
the reference judged in the same run (on fewer events, because it is slow), and the ratio to a *limit*: a loop that only
reads each field the policies name and combines one integer per field.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence

from auditsvc.condition.ast import All, Compare, Exists, Node, Operator, build_equals, collect_fields
from auditsvc.condition.evaluate import EMPTY_CONTEXT
from auditsvc.event.fields import ACTIONS, get_field
from auditsvc.event.model import Event
from auditsvc.ground.bilingual import Text
from auditsvc.policy.judge import compile_policy_set, judge_reference
from auditsvc.policy.model import AlertRule, Effect, OnMissing, Policy, PolicySet, PolicyStatus, Severity

RESOURCES = tuple(f"R{number:03d}" for number in range(50))
ORGS = tuple(f"ORG{number:03d}" for number in range(60))
PURPOSES = tuple(f"purpose-{number}" for number in range(20))
EVENTS = 20_000
ROUNDS = 5


def build_condition(chance: random.Random, strict: bool) -> Node:
    """Return one condition; a strict one is seldom met."""
    pick = chance.randrange(6)
    if pick == 0:
        return Compare(get_field("rows"), Operator.GT if strict else Operator.LTE, (chance.randrange(9_000, 9_990),))
    if pick == 1:
        share = 2 if strict else 59
        return build_equals("consumer.org", *chance.sample(ORGS, share))
    if pick == 2:
        return build_equals("action", *(chance.sample(ACTIONS[8:], 2) if strict else ACTIONS[:8]))
    if pick == 3:
        return build_equals("purpose", *chance.sample(PURPOSES, 1 if strict else 19))
    if pick == 4:
        return build_equals("network", "internet" if strict else "extranet")
    limit = 5 if strict else 1
    return Compare(get_field("resource.sensitivity"), Operator.GTE, (limit,))


def build_policy(number: int, chance: random.Random) -> Policy:
    """Return one policy on one resource."""
    kind = Effect.FORBID if chance.random() < 0.2 else chance.choice((Effect.REQUIRE, Effect.PERMIT))
    strict = kind is Effect.FORBID
    count = chance.randrange(2, 5)
    target = All((build_equals("resource.code", RESOURCES[number % len(RESOURCES)]), Exists(get_field("user.id"))))
    body = All(tuple(build_condition(chance, strict) for _ in range(count)))
    title = Text("策略", "policy")
    return Policy(
        id=f"B-{number:05d}", version=1, title=title, description=title, status=PolicyStatus.ACTIVE, severity=Severity.LOW,
        owner="o", approved_by=(), legal_basis=(), valid_from_ns=0, valid_until_ns=None, target=target, kind=kind,
        body=body, exceptions=(), alert=AlertRule(("user.id",), 60, title), on_missing=OnMissing.VIOLATE, tests=(),
        source_text="", file="f", line=1,
    )  # fmt: skip


def build_event(number: int, chance: random.Random) -> Event:
    """Return one access; most are ordinary, one in fifty goes too far."""
    odd = chance.random() < 0.02
    return {
        "time": 1_790_000_000_000_000_000 + number,
        "resource.code": [chance.choice(RESOURCES)],
        "user.id": f"u{chance.randrange(5_000)}",
        "consumer.org": ORGS[0],
        "action": "query",
        "purpose": PURPOSES[0] if not odd else PURPOSES[7],
        "network": "internet" if odd else "extranet",
        "rows": chance.randrange(9_990, 20_000) if odd else chance.randrange(1, 9_000),
        "resource.sensitivity": chance.randrange(1, 5),
    }


def pick_policies(count: int, chance: random.Random) -> list[Policy]:
    """Return policies whose plain events satisfy them, so that the quiet path is what is measured."""
    ordinary = [build_event(number, random.Random(number)) for number in range(60)]
    plain = [event for event in ordinary if event["network"] == "extranet"][:10]
    chosen: list[Policy] = []
    number = 0
    while len(chosen) < count:
        policy = build_policy(len(chosen), chance)
        alone = PolicySet((policy,), EMPTY_CONTEXT, {}, b"")
        number += 1
        code = [RESOURCES[len(chosen) % len(RESOURCES)]]
        if all(judge_reference(alone, {**event, "resource.code": code}).verdict == "permitted" for event in plain):
            chosen.append(policy)
    return chosen


def measure(judge: Callable[[Event], object], events: Sequence[Event], rounds: int = ROUNDS) -> float:
    """Return the median microseconds per event."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        for event in events:
            judge(event)
        times.append((time.process_time() - start) / len(events) * 1e6)
    return sorted(times)[len(times) // 2]


def build_limit(policies: Sequence[Policy]) -> Callable[[Event], int]:
    """Return a function that only reads the fields the policies name, and combines an integer for each."""
    names = list({known.name for policy in policies for known in collect_fields(All((policy.target, policy.body)))})

    def read(event: Event) -> int:
        mask = -1
        get = event.get
        for name in names:
            get(name)
            mask &= 1023
        return mask

    return read


def run(count: int) -> None:
    """Measure one number of policies and print a line."""
    chance = random.Random(7)
    policies = pick_policies(count, chance)
    events = [build_event(number, chance) for number in range(EVENTS)]
    policy_set = PolicySet(tuple(policies), EMPTY_CONTEXT, {}, b"")
    start = time.process_time()
    judge = compile_policy_set(policy_set)
    compiled = time.process_time() - start
    sample = events[: max(20, 20_000 // count)]
    for event in sample:
        if judge.judge(event) != judge_reference(policy_set, event):
            raise SystemExit("the index and the reference differ")
    quiet = [event for event in events if not judge.judge(event).violations]
    all_us, quiet_us = measure(judge.judge, events), measure(judge.judge, quiet)
    naive_us = measure(lambda event: judge_reference(policy_set, event), sample, 1)
    limit_us = measure(build_limit(policies), events)
    print(
        f"{count:6d} policies: {all_us:6.2f} us/event ({quiet_us:.2f} where nothing is against the event, "
        f"{1 - len(quiet) / len(events):.1%} violate), compile {compiled * 1e3:.0f} ms; "
        f"reference {naive_us:.0f} us = {naive_us / all_us:.0f}x; limit {limit_us:.2f} us = 1/{all_us / limit_us:.1f}"
    )


def main() -> None:
    """Measure the numbers of policies given, by default 200 and 10,000."""
    for count in [int(word) for word in sys.argv[1:]] or [200, 10_000]:
        run(count)


if __name__ == "__main__":
    main()

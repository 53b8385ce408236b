"""What the service found, set against what was planted; both as (policy, access)."""

from collections.abc import Iterable
from typing import TypeAlias

from auditsvc.event.time import format_time_ns
from examples.laiwu.city import City
from examples.laiwu.rhythm import END_NS, START_NS
from examples.laiwu.traffic import Planted

Violation: TypeAlias = tuple[str, str]
"""Policy id, and the access: the correlation of a call both sides log, else ``<source> <event id>``."""


def name_access(source: str, event_id: str, correlation: str | None) -> str:
    """Return the name of an access."""
    return correlation or f"{source} {event_id}"


def build_planted(planted: Iterable[Planted]) -> set[Violation]:
    """Return the truth as violations."""
    return {(one.policy, name_access(one.source, one.event_id, one.correlation)) for one in planted}


def find_violations(city: City) -> set[Violation]:
    """Return every violation of the period the service shows through its API."""
    span = {"from": format_time_ns(START_NS), "to": format_time_ns(END_NS), "limit": 500}
    found = set()
    for row in city.pages("/events", query="verdict:violated", **span):
        event = row["event"]
        access = name_access(event["source_id"], event["id"], event.get("correlation"))
        found |= {(policy, access) for policy in event["violations"]}
    return found

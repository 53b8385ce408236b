"""Grouping of findings into alerts, by the policy's own fields and quiet time. Pure.

A finding joins the open alert of its policy and group whose opening finding is less than the quiet time away in event
time, the nearest of several; otherwise it opens one. A closed alert accepts no more findings: what comes after a
person's decision is new to that person.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from auditsvc.event.time import NS
from auditsvc.store.rows import Finding


@dataclass(slots=True)
class OpenAlert:
    """An alert that still accepts findings, with those that joined it here."""

    id: str
    anchor_ns: int
    is_opened_here: bool
    joined: list[Finding] = field(default_factory=list)


def format_group(group: Mapping[str, str]) -> str:
    """Return the group's canonical text; a missing field is absent, which makes it a different group from an empty one."""
    return json.dumps(dict(group), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def build_group_key(policy_id: str, group: Mapping[str, str]) -> bytes:
    """Return the 16-byte key of a group of a policy's findings."""
    return hashlib.sha256(f"{policy_id}\n{format_group(group)}".encode()).digest()[:16]


def find_nearest(alerts: Iterable[OpenAlert], time: int, suppress_s: int) -> OpenAlert | None:
    """Return the alert whose anchor is nearest to ``time`` and less than ``suppress_s`` seconds away; of two, the earlier."""
    reach = suppress_s * NS
    near = [alert for alert in alerts if abs(alert.anchor_ns - time) < reach]
    return min(near, key=lambda alert: (abs(alert.anchor_ns - time), alert.anchor_ns), default=None)


def fill_title(title: str, group: Mapping[str, str]) -> str:
    """Return a title with each ``{field}`` replaced by the group's value, or by a dash if it has none."""
    return _PLACEHOLDER.sub(lambda match: group.get(match[1], "–"), title)


_PLACEHOLDER = re.compile(r"\{([a-z0-9_.]+)\}")

"""The shipped policies are independent: each can be violated without violating another."""

from typing import Any

import pytest

from auditsvc.event.time import parse_time_ns
from auditsvc.policy.judge import compile_policy_set, judge_reference
from tests.support.policy import load_shipped

LAWFUL: dict[str, Any] = {
    "time": parse_time_ns("2026-10-13T09:30:00+08:00"), "action": "query", "outcome": "success", "user.id": "u17",
    "source.ip": "10.4.7.9", "network": "extranet", "domain": "administrative_service", "consumer.org": "ORG-A",
    "provider.org": "ORG-P", "resource.share_type": "conditional", "resource.sensitivity": 3,
    "resource.personal": True, "resource.code": ["R-1"], "agreement.resources": ["R-1"],
    "purpose": "eligibility-check", "matter": "M-1", "subject.hash": ["k1:00"],
    "fields": ["name"], "rows": 1, "agreement.id": "AG-1", "agreement.status": "active",
    "agreement.consumer": "ORG-A", "agreement.purposes": ["eligibility-check"],
    "agreement.fields": ["name", "district"], "agreement.max_rows": 100,
}  # fmt: skip

PLANTED: dict[str, dict[str, Any]] = {
    "GDS-001": {"purpose": None},
    "GDS-002": {"action": "download", "time": parse_time_ns("2026-10-13T23:30:00+08:00")},
    "GDS-003": {"resource.share_type": "none"},
    "GDS-004": {"agreement.status": "expired"},
    "GDS-005": {"consumer.org": "ORG-B"},
    "GDS-006": {"purpose": "marketing"},
    "GDS-007": {"fields": ["name", "phone"]},
    "GDS-008": {"rows": 101},
    "GDS-009": {"network": "internet"},
    "GDS-010": {"matter": None},
    "GDS-011": {"resource.code": ["R-2"]},
}


def test_a_lawful_access_is_permitted() -> None:
    assert judge_reference(load_shipped(), LAWFUL).verdict == "permitted"


@pytest.mark.parametrize("policy_id", list(PLANTED))
def test_a_planted_violation_is_found_by_its_policy_alone(policy_id: str) -> None:
    policy_set = load_shipped()
    event = {**LAWFUL, **PLANTED[policy_id]}
    verdict = compile_policy_set(policy_set).judge(event)
    assert [violation.policy_id for violation in verdict.violations] == [policy_id]
    assert verdict.verdict == "violated"
    assert not verdict.indeterminate
    assert verdict == judge_reference(policy_set, event)


def test_a_refused_attempt_violates_nothing() -> None:
    for change in PLANTED.values():
        assert judge_reference(load_shipped(), {**LAWFUL, **change, "outcome": "denied"}).violations == ()

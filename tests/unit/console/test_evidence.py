"""A proof of no steps proves nothing."""

from typing import Any

import pytest

from auditsvc.console.evidence import FAIL, PASS, EventEvidence, ProofCheck


def build_evidence(*states: str) -> EventEvidence:
    checks = tuple(ProofCheck("record_hash", state, "") for state in states)
    values: dict[str, Any] = dict.fromkeys(EventEvidence.__slots__)
    return EventEvidence(**{**values, "checks": checks})


@pytest.mark.parametrize(
    ("states", "is_proven"), [((), False), ((PASS,), True), ((PASS, FAIL), False), ((FAIL,), False)]
)
def test_only_steps_that_were_done_and_passed_prove(states: tuple[str, ...], is_proven: bool) -> None:
    assert build_evidence(*states).is_proven is is_proven

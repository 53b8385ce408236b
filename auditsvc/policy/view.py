"""Policies and explanations as plain data, for JSON output; keys are stable."""

from typing import Any

from auditsvc.condition.describe import ConditionStep, format_node
from auditsvc.event.time import format_time_ns
from auditsvc.policy.explain import Explanation
from auditsvc.policy.model import Policy, Verdict, Violation


def dump_policy(policy: Policy) -> dict[str, Any]:
    """Return a policy as plain data, conditions as text."""
    return {
        "id": policy.id,
        "version": policy.version,
        "title": {"zh": policy.title.zh, "en": policy.title.en},
        "description": {"zh": policy.description.zh, "en": policy.description.en},
        "status": policy.status.value,
        "severity": policy.severity.value,
        "owner": policy.owner,
        "approved_by": list(policy.approved_by),
        "valid_from": format_time_ns(policy.valid_from_ns),
        "valid_until": None if policy.valid_until_ns is None else format_time_ns(policy.valid_until_ns),
        "kind": policy.kind.value,
        "target": format_node(policy.target),
        "body": format_node(policy.body),
        "on_missing": policy.on_missing.value,
        "exceptions": [exception.id for exception in policy.exceptions],
        "legal_basis": [
            {
                "act": basis.act.id,
                "title": {"zh": basis.act.title.zh, "en": basis.act.title.en},
                "article": basis.article,
                "verified": basis.act.verified,
            }
            for basis in policy.legal_basis
        ],
        "file": policy.file,
        "line": policy.line,
    }


def dump_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as plain data."""
    return {
        "verdict": verdict.verdict,
        "violations": [dump_violation(violation) for violation in verdict.violations],
        "excepted": [dump_violation(violation) for violation in verdict.excepted],
        "indeterminate": [dump_violation(violation) for violation in verdict.indeterminate],
        "untargetable": verdict.untargetable,
    }


def dump_violation(violation: Violation) -> dict[str, Any]:
    """Return a violation as plain data."""
    return {
        "policy": violation.policy_id,
        "version": violation.version,
        "severity": violation.severity,
        "status": violation.status,
        "exception": violation.exception_id,
        "reason": violation.reason,
    }


def dump_explanation(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as plain data."""
    return {
        **dump_verdict(explanation.verdict),
        "policies": [
            {
                "policy": step.policy.id,
                "version": step.policy.version,
                "kind": step.policy.kind.value,
                "state": step.state.value,
                "reason": step.reason,
                "exceptions": list(step.exceptions),
                "target": _dump_step(step.target),
                "body": _dump_step(step.body),
            }
            for step in explanation.policies
        ],
    }


def _dump_step(step: ConditionStep) -> dict[str, Any]:
    """Return one node of a condition as plain data."""
    return {
        "condition": step.text,
        "truth": step.truth.value,
        "seen": step.seen,
        "steps": [_dump_step(inner) for inner in step.steps],
    }

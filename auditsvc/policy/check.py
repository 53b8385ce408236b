"""The runner of inline tests: each policy alone, whatever its status, on the events its author wrote down."""

from collections import Counter
from dataclasses import dataclass

from auditsvc.condition.evaluate import Context
from auditsvc.ground.errors import PolicyError
from auditsvc.policy.decide import PolicyState, decide_policy
from auditsvc.policy.model import Expectation, InlineTest, Policy, PolicySet


@dataclass(frozen=True, slots=True)
class TestResult:
    """The result of one inline test.

    Attributes:
        message: expected and got; empty when the test passed.
    """

    __test__ = False

    policy_id: str
    version: int
    name: str
    file: str
    line: int
    passed: bool
    message: str


def require_policies(policy_set: PolicySet) -> None:
    """Refuse a policy set without policies.

    Raises:
        PolicyError: ``policy_invalid`` when it contains no policy.
    """
    if not policy_set.policies:
        raise PolicyError("policy_invalid", "expected at least one policy, got none; name the folder that holds them")


def run_tests(policy_set: PolicySet) -> list[TestResult]:
    """Return the result of every inline test, in order of policies."""
    return [run_test(policy, test, policy_set.context) for policy in policy_set.policies for test in policy.tests]


def run_test(policy: Policy, test: InlineTest, context: Context) -> TestResult:
    """Return the result of one inline test; its own lists take precedence over those of the policy set."""
    own = Context({**context.lists, **test.lists}, context.calendars)
    decisions = [decide_policy(policy, event, own) for event in test.given]
    states = Counter(decision.state for decision in decisions)
    got = Expectation(states[PolicyState.VIOLATED], states[PolicyState.EXCEPTED], states[PolicyState.INDETERMINATE])
    reasons = "; ".join(decision.reason for decision in decisions if decision.reason)
    message = (
        ""
        if got == test.expect
        else f"expected {_format(test.expect)}, got {_format(got)}" + (f" ({reasons})" if reasons else "")
    )
    return TestResult(policy.id, policy.version, test.name, policy.file, test.line, not message, message)


def _format(counts: Expectation) -> str:
    """Return counts as text."""
    return f"{counts.violations} violations, {counts.excepted} excepted, {counts.indeterminate} indeterminate"

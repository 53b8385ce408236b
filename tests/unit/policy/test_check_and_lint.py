"""Inline tests and lint: the shipped policies are clean, and each mistake is found."""

import pytest

from auditsvc.policy.check import run_tests
from auditsvc.policy.lint import lint
from tests.support.policy import build_policy_yaml, load_shipped, load_texts

TESTS = """  tests:
    - {name: hit, given: [{purpose: a}], expect: {violations: 1}}
    - {name: miss, given: [{purpose: b}], expect: none}
"""


def test_the_shipped_policies_pass_their_tests_and_lint() -> None:
    policy_set = load_shipped()
    results = run_tests(policy_set)
    assert [result.message for result in results if not result.passed] == []
    for policy in policy_set.policies:
        expected = {test.expect.violations > 0 for test in policy.tests}
        assert expected == {True, False}, policy.id
    assert lint(policy_set) == []


def test_a_failing_inline_test_says_expected_got_and_why() -> None:
    body = "  forbid: {purpose: a}\n  tests: [{name: t, given: [{purpose: a}], expect: none}]\n"
    result = run_tests(load_texts(a=build_policy_yaml(body)))[0]
    assert not result.passed
    assert result.message == (
        "expected 0 violations, 0 excepted, 0 indeterminate, got 1 violations, 0 excepted, 0 indeterminate "
        "(forbid `purpose: a` holds: purpose is a)"
    )


def test_an_inline_test_brings_its_own_lists() -> None:
    body = (
        "  forbid: {purpose|in_list: x}\n"
        "  tests: [{name: t, lists: {x: [b]}, given: [{purpose: b}], expect: {violations: 1}}]\n"
    )
    policy_set = load_texts(a=build_policy_yaml(body), x="list: {id: x, values: [a]}")
    assert run_tests(policy_set)[0].passed


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("  target: {action: query}\n  forbid: {purpose: a, all: [{purpose: b}]}\n", "lint_contradiction"),
        ("  forbid: {rows|gt: 5, all: [{rows|lte: 5}], purpose: a}\n", "lint_contradiction"),
        ("  forbid: {purpose: a, not: {purpose: a}}\n", "lint_contradiction"),
        ("  target: {purpose: a}\n  forbid: {purpose: a}\n", "lint_constant"),
        ('  forbid: {purpose|re: "a|b|c"}\n', "lint_regex"),
        (
            "  target: {purpose: a}\n  forbid: {rows: 1}\n  exceptions: [{id: E, match: {purpose: a}, from: 2026-01-01,"
            " until: 2026-02-01, approved_by: a, basis: b, reason: r}]\n",
            "lint_exception",
        ),
    ],
)
def test_lint_finds(body: str, code: str) -> None:
    assert {problem.code for problem in lint(load_texts(a=build_policy_yaml(body + TESTS)))} == {code}


def test_lint_wants_a_test_that_matches_and_one_that_does_not() -> None:
    problems = lint(load_texts(a=build_policy_yaml("  forbid: {purpose: a}\n")))
    assert [problem.code for problem in problems] == ["lint_tests", "lint_tests"]


def test_lint_wants_two_approvers_of_a_critical_policy() -> None:
    text = build_policy_yaml("  forbid: {purpose: a}\n" + TESTS, "  approved_by: [x, x]\n").replace(
        ": low", ": critical"
    )
    assert [problem.code for problem in lint(load_texts(a=text))] == ["lint_approval"]


def test_lint_finds_a_permit_that_a_forbid_shadows() -> None:
    permit = build_policy_yaml("  target: {action: query}\n  permit: {purpose: b}\n" + TESTS)
    forbid = build_policy_yaml("  target: {action: query}\n  forbid: {purpose: b}\n" + TESTS).replace("T-1", "T-2")
    assert [problem.code for problem in lint(load_texts(a=permit, b=forbid))] == ["lint_unreachable"]


def test_ranges_that_touch_in_one_value_do_not_contradict() -> None:
    body = "  forbid: {rows|gte: 5, all: [{rows|lte: 5}], purpose: a}\n"
    assert lint(load_texts(a=build_policy_yaml(body + TESTS))) == []

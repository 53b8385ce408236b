"""Policy documents: what is read, and every problem of every file at once."""

import pytest

from auditsvc.ground.errors import DocumentError
from auditsvc.policy.model import OnMissing, PolicyStatus
from tests.support.policy import build_policy_yaml, load_shipped, load_texts


def refuse(**texts: str) -> str:
    with pytest.raises(DocumentError) as caught:
        load_texts(**texts)
    assert caught.value.code == "policy_invalid"
    return str(caught.value)


def test_the_shipped_set_has_eleven_active_policies_each_on_a_legal_basis() -> None:
    policy_set = load_shipped()
    assert [policy.id for policy in policy_set.policies] == [f"GDS-{number:03d}" for number in range(1, 12)]
    assert all(policy.status is PolicyStatus.ACTIVE and policy.legal_basis for policy in policy_set.policies)
    assert all(policy.title.zh and policy.title.en and policy.alert.title.zh for policy in policy_set.policies)
    assert all(policy.source_text.startswith("policy:") for policy in policy_set.policies)


def test_on_missing_defaults_to_violate_for_require_and_indeterminate_for_forbid() -> None:
    required = load_texts(a=build_policy_yaml("  require: {purpose: a}\n")).policies[0]
    forbidden = load_texts(a=build_policy_yaml("  forbid: {purpose: a}\n")).policies[0]
    assert (required.on_missing, forbidden.on_missing) == (OnMissing.VIOLATE, OnMissing.INDETERMINATE)


def test_dates_begin_at_midnight_in_the_policys_zone() -> None:
    policy = load_texts(a=build_policy_yaml("  zone: UTC\n  require: {purpose: a}\n")).policies[0]
    assert policy.valid_from_ns == 1_767_225_600_000_000_000
    policy = load_texts(a=build_policy_yaml("  require: {purpose: a}\n")).policies[0]
    assert policy.valid_from_ns == 1_767_225_600_000_000_000 - 8 * 3_600_000_000_000


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("  limit: {measure: count}\n", "a.yaml:9:3: `limit` policies are not judged by this version"),
        ("", "expected exactly one of permit, forbid and require"),
        ("  permit: {rows: 1}\n  forbid: {rows: 1}\n", "expected exactly one of permit, forbid and require"),
        ("  require: {rows: 1}\n  colour: red\n", "a.yaml:10:3: policy: unknown key `colour`"),
        ("  require: {rows: 1}\n  on_missing: shrug\n", "expected one of violate, pass, indeterminate, got `shrug`"),
        ("  require: {purpose|in_list: x}\n", "there is no list `x` in this policy set"),
        ("  require: {time|calendar: x}\n", "there is no calendar `x` in this policy set"),
        ("  require: {rows: 1}\n  legal_basis: [{act: x, article: y}]\n", "there is no legal act `x`"),
        ("  require: {rows: 1}\n  zone: Mars/Base\n", "expected an IANA zone"),
        ("  require: {rows: 1}\n  alert: {by: [nobody]}\n", "a.yaml:10:16: by: unknown field `nobody`"),
        ("  require: {rows: 1}\n  alert: {suppress: 4 hours}\n", "expected a duration such as 30m"),
        ("  require: {rows: 1}\n  tests: [{name: t, given: [], expect: none}]\n", "`given` needs at least one event"),
        ("  require: {rows: 1}\n  tests: [{name: t, given: [{row: 1}], expect: none}]\n", "unknown field `row`"),
        (
            "  require: {rows: 1}\n  tests: [{name: t, given: [{rows: a}], expect: none}]\n",
            "`rows`: expected an integer",
        ),
        ("  require: {rows: 1}\n  tests: [{name: t, given: [{rows: 1}]}]\n", "`expect` is missing"),
    ],
)
def test_a_wrong_policy_is_refused(body: str, message: str) -> None:
    assert message in refuse(a=build_policy_yaml(body))


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        ("{id: E, match: {rows: 1}, from: 2026-01-01, approved_by: a, basis: b, reason: r}", "`until` is missing"),
        ("{id: E, match: {rows: 1}, from: 2026-01-01, until: 2026-01-01, approved_by: a, basis: b, reason: r}", "at most 366 days"),
        ("{id: E, match: {rows: 1}, from: 2026-01-01, until: 2027-01-03, approved_by: a, basis: b, reason: r}", "at most 366 days"),
        ("{id: E, from: 2026-01-01, until: 2026-02-01, approved_by: a, basis: b, reason: r}", "`match` is missing"),
        ("{id: E, match: {rows: 1}, from: 2026-01-01, until: 2026-02-01, basis: b, reason: r}", "`approved_by` is missing"),
    ],
)  # fmt: skip
def test_an_exception_ends_is_approved_and_says_for_whom(exception: str, message: str) -> None:
    assert message in refuse(a=build_policy_yaml(f"  require: {{rows: 1}}\n  exceptions: [{exception}]\n"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "version: 1",
            'version: "1"',
            "a.yaml:3:12: version: expected a whole number from 1 to 1000000000000000, got `1`",
        ),
        ("version: 1", "version: 0", "version: expected a whole number from 1 to"),
        ("owner: o", "owner: ~", "a.yaml:7:10: owner: expected a text, got `~`"),
        ("id: T-1", "id: T 1", "id: expected letters, digits, `_`, `.` and `-`, at most 64, got `T 1`"),
        ("title: a test", "title: {zh: 甲}", "title: `en` is missing"),
        ("from: 2026-01-01", "from: 2026-13-01", "from: expected a date such as 2026-11-23, got `2026-13-01`"),
        ("2026-01-01}", "2026-01-01, until: 2026-01-01}", "valid: `until` is not after `from`"),
        ("severity: low", "severety: low", "unknown key `severety`; known are alert, approved_by,"),
    ],
)
def test_a_wrong_head_is_refused(old: str, new: str, message: str) -> None:
    assert message in refuse(a=build_policy_yaml("  require: {rows: 1}\n").replace(old, new))


def test_a_calendar_says_whether_it_was_verified() -> None:
    text = "calendar: {id: c, source: s, verified: perhaps, zone: UTC, from: 2026-01-01, until: 2027-01-01}"
    assert "a.yaml:1:40: verified: expected true or false, got `perhaps`" in refuse(a=text)


def test_an_active_policy_needs_a_legal_basis() -> None:
    text = build_policy_yaml("  require: {rows: 1}\n").replace("status: shadow", "status: active")
    assert "an active policy needs at least one `legal_basis`" in refuse(a=text)


def test_problems_of_all_files_come_at_once_in_order() -> None:
    text = refuse(
        b=build_policy_yaml("  require: {usr: 1}\n"), a=build_policy_yaml("  require: {rows: x}\n"), c="x: 1\n"
    )
    assert [line.split(":")[0] for line in text.splitlines()] == ["a.yaml", "b.yaml", "b.yaml", "c.yaml"]
    assert "duplicate version 1 of `T-1`, first in a.yaml:2" in text
    assert "expected a mapping with one key of policy, list, calendar, legal" in text


def test_a_calendar_with_overlapping_hours_or_a_day_twice_is_refused() -> None:
    head = "calendar: {id: c, source: s, verified: false, zone: UTC, from: 2026-01-01, until: 2027-01-01, "
    assert "expected ascending hours" in refuse(a=head + 'weekly: {mon: ["09:00-12:00", "11:00-13:00"]}}')
    twice = "holidays: [{date: 2026-05-01}, {date: 2026-05-01}]}"
    assert "2026-05-01 is a duplicate or outside" in refuse(a=head + twice)

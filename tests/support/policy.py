"""Policy sets for tests: generated ones, the shipped one, and ones from a few lines of YAML."""

from datetime import date
from pathlib import Path

from hypothesis import strategies as st

from auditsvc.condition.ast import ALWAYS, All, Node, build_equals
from auditsvc.ground.document import build_bundle, load_bundle
from auditsvc.policy.load import load_policy_set
from auditsvc.policy.model import (
    AlertRule,
    Effect,
    LegalAct,
    OnMissing,
    Policy,
    PolicyException,
    PolicySet,
    PolicyStatus,
    Severity,
    Text,
)
from tests.support.condition import CONTEXT, TIMES, nodes
from tests.support.policy_schema import check_documents

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "policies"
CODES = ("R1", "R2", "R3")
ACT = LegalAct("act", Text("法", "act"), "x", date(2020, 1, 1), "x", False, {"1": Text("条", "article")})


def load_shipped() -> PolicySet:
    """Return the policy set the project ships."""
    return load_policy_set(load_bundle(SHIPPED))


def build_policy_yaml(body: str, head: str = "") -> str:
    """Return the YAML of a policy that states ``body`` (two spaces of indent, from ``target`` on)."""
    return f"""policy:
  id: T-1
  version: 1
  title: a test
  status: shadow
  severity: low
  owner: o
  valid: {{from: 2026-01-01}}
{head}{body}"""


def load_texts(**texts: str) -> PolicySet:
    """Return the policy set of YAML texts by file name without ending."""
    bundle = build_bundle({f"{name}.yaml": text for name, text in texts.items()})
    policy_set = load_policy_set(bundle)
    check_documents(bundle)
    return policy_set


def build_policy(
    number: int, *, kind: Effect, target: Node, body: Node, status: PolicyStatus = PolicyStatus.ACTIVE, version: int = 1,
    on_missing: OnMissing = OnMissing.VIOLATE, first: int = 0, last: int | None = None,
    exceptions: tuple[PolicyException, ...] = (),
) -> Policy:  # fmt: skip
    """Return a policy made without a document."""
    return Policy(
        id=f"P-{number:05d}", version=version, title=Text("策略", "policy"), description=Text("", ""), status=status,
        severity=Severity.LOW, owner="o", approved_by=(), legal_basis=(), valid_from_ns=first, valid_until_ns=last,
        target=target, kind=kind, body=body, exceptions=exceptions,
        alert=AlertRule(("user.id",), 60, Text("", "")), on_missing=on_missing, tests=(), source_text="", file="f",
        line=1,
    )  # fmt: skip


def build_set(policies: list[Policy]) -> PolicySet:
    """Return a policy set of policies made without documents."""
    ordered = sorted(policies, key=lambda policy: (policy.id, policy.version))
    return PolicySet(tuple(ordered), CONTEXT, {"act": ACT}, b"")


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Return any policy; most name resource codes in their targets."""
    codes = draw(st.lists(st.sampled_from(CODES), max_size=2, unique=True))
    rest = draw(st.one_of(st.just(ALWAYS), nodes()))
    target = All((build_equals("resource.code", *codes), rest)) if codes else rest
    first, last = draw(st.sampled_from(((0, None), (TIMES[10], None), (0, TIMES[10]), (TIMES[4], TIMES[20]))))
    exceptions = tuple(
        PolicyException(f"E{number}", draw(st.one_of(st.just(ALWAYS), nodes())), TIMES[2], TIMES[25], "a", "b", "r")
        for number in range(draw(st.integers(0, 2)))
    )
    return build_policy(
        draw(st.integers(1, 8)),
        kind=draw(st.sampled_from(Effect)),
        target=target,
        body=draw(nodes()),
        status=draw(
            st.sampled_from(
                (
                    PolicyStatus.ACTIVE,
                    PolicyStatus.ACTIVE,
                    PolicyStatus.SHADOW,
                    PolicyStatus.RETIRED,
                    PolicyStatus.DRAFT,
                )
            )
        ),
        version=draw(st.integers(1, 3)),
        on_missing=draw(st.sampled_from(OnMissing)),
        first=first,
        last=last,
        exceptions=exceptions,
    )


def policy_sets() -> st.SearchStrategy[PolicySet]:
    """Return policy sets of a few policies, versions unique."""
    unique = st.lists(policies(), min_size=1, max_size=8, unique_by=lambda policy: (policy.id, policy.version))
    return unique.map(build_set)

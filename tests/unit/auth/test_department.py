"""A department reader without a department reads nothing, and not everything."""

import pytest

from auditsvc.api.events import find_own_condition
from auditsvc.auth.model import Person
from auditsvc.auth.roles import Role
from auditsvc.condition.ast import AnyOf, build_equals
from auditsvc.ground.errors import AuthError


def build_person(role: Role | None, department: str | None) -> Person:
    return Person("1", "lin", "Lin", () if role is None else (role,), department, None, False, 1)


@pytest.mark.parametrize("department", [None, ""])
@pytest.mark.parametrize("role", [Role.DEPARTMENT_READER, None])
def test_no_department_is_refused(role: Role | None, department: str | None) -> None:
    with pytest.raises(AuthError, match="no department to read for"):
        find_own_condition(build_person(role, department))


def test_a_department_limits_and_only_the_right_to_read_everything_lifts_the_limit() -> None:
    own = AnyOf((build_equals("provider.org", "D"), build_equals("consumer.org", "D")))
    assert find_own_condition(build_person(Role.DEPARTMENT_READER, "D")) == own
    assert find_own_condition(build_person(Role.AUDITOR, None)) is None

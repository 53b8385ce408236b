"""Every route of the core process declares a permission, and the gate holds callers to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.routing import Rule

from auditsvc.auth.roles import PERMISSIONS, PUBLIC, ROLES, Role, declared_permissions
from tests.support.service import Service, open_service

PUBLIC_ENDPOINTS = {
    "health.show_live",
    "health.show_ready",
    "metrics.show_metrics",
    "api-docs.show_document",
    "api-docs.show_page",
    "api-tokens.Tokens",
    "console.sign_in",
    "console.static",
    "console.send_favicon",
    "console.switch_language",
    "console.switch_theme",
}
"""What everybody may call; a new entry here is a decision."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with open_service(tmp_path_factory.mktemp("core")) as opened:
        yield opened


def methods_of(rule: Rule) -> list[str]:
    return sorted((rule.methods or set()) - {"OPTIONS"})


def test_every_route_declares_its_permission(service: Service) -> None:
    undeclared = []
    for rule in service.app.url_map.iter_rules():
        view = service.app.view_functions[rule.endpoint]
        for method in methods_of(rule):
            permissions = declared_permissions(view, method)
            if permissions is None or not set(permissions) <= PERMISSIONS | {PUBLIC}:
                undeclared.append(f"{method} {rule.rule} ({rule.endpoint}): {permissions}")
    assert not undeclared, "\n".join(undeclared)


def test_only_the_listed_routes_are_public(service: Service) -> None:
    public = {
        rule.endpoint
        for rule in service.app.url_map.iter_rules()
        for method in methods_of(rule)
        if PUBLIC in (declared_permissions(service.app.view_functions[rule.endpoint], method) or ())
    }
    assert public <= PUBLIC_ENDPOINTS


def test_every_permission_is_asked_for_by_a_route(service: Service) -> None:
    asked = {
        permission
        for rule in service.app.url_map.iter_rules()
        for method in methods_of(rule)
        for permission in declared_permissions(service.app.view_functions[rule.endpoint], method) or ()
    } - {PUBLIC}
    assert asked == PERMISSIONS


def fill(rule: Rule) -> str:
    values = {
        name: 1 if type(rule._converters[name]).__name__ == "IntegerConverter" else "x1" for name in rule.arguments
    }
    built = rule.build(values)
    assert built is not None
    return built[1]


def test_a_caller_without_a_token_gets_nothing(service: Service) -> None:
    for rule in service.app.url_map.iter_rules():
        if not rule.rule.startswith("/api/") or rule.endpoint in PUBLIC_ENDPOINTS:
            continue
        for method in methods_of(rule):
            answer = service.client.open(fill(rule), method=method, json={})
            assert answer.status_code == 401, f"{method} {rule.rule}: {answer.status_code}"
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("role", list(Role))
def test_each_role_passes_exactly_the_gates_of_its_permissions(service: Service, role: Role) -> None:
    for rule in service.app.url_map.iter_rules():
        if not rule.rule.startswith("/api/v1/") or rule.endpoint in PUBLIC_ENDPOINTS:
            continue
        for method in methods_of(rule):
            needed = declared_permissions(service.app.view_functions[rule.endpoint], method) or ()
            if "self.manage" in needed and method != "GET":
                continue  # would end the session this test runs in
            allowed = bool(ROLES[role].permissions & set(needed))
            answer = service.call(role, method, fill(rule), json={"unknown": 1} if method in {"POST", "PUT"} else None)
            assert (answer.status_code != 403) == allowed, f"{method} {rule.rule} {role}: {answer.text}"
            assert answer.status_code < 500, answer.text


def test_the_three_administrators_never_read_events_alerts_or_reports() -> None:
    for role in (Role.SYSTEM_ADMINISTRATOR, Role.SECURITY_ADMINISTRATOR, Role.AUDIT_ADMINISTRATOR):
        held = ROLES[role].permissions
        assert not {name for name in held if name.startswith(("event.", "alert.", "report.", "quarantine."))}, role


def test_a_route_that_declares_nothing_is_refused(tmp_path: Path) -> None:
    with open_service(tmp_path) as fresh:
        fresh.app.add_url_rule("/api/v1/forgotten", "forgotten", lambda: "secret")
        answer = fresh.call(Role.AUDITOR, "GET", "/api/v1/forgotten")
        assert answer.status_code == 403
        assert "declares no permission" in answer.get_json()["detail"]


def test_a_refusal_names_the_roles_that_may(service: Service) -> None:
    answer = service.call(Role.SYSTEM_ADMINISTRATOR, "GET", "/api/v1/events")
    assert answer.get_json()["context"]["roles"] == ["security_officer", "auditor", "department_reader"]


def test_the_permission_table_of_the_document_is_the_one_in_force() -> None:
    text = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    for permission in PERMISSIONS:
        cells = " | ".join("yes" if permission in info.permissions else "" for info in ROLES.values())
        assert f"| `{permission}` | {cells} |" in text

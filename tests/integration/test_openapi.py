"""Whatever a program sends, every answer is one the OpenAPI document names, and none is a 5xx."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from auditsvc.auth.roles import ADMINISTRATORS, Role
from tests.support.examples import one_in
from tests.support.service import Service, open_service

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CALLERS = [*ADMINISTRATORS, Role.SECURITY_OFFICER, Role.AUDITOR]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with open_service(tmp_path_factory.mktemp("core")) as opened:
        assert opened.services.checkpointer is not None
        for role in CALLERS:
            opened.call(role, "GET", "/api/v1/self")
        opened.services.checkpointer.sign_now()
        yield opened


@pytest.fixture(scope="module")
def document(service: Service) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_wsgi("/api/openapi.json", service.app)


def test_the_document_describes_every_route_with_a_summary(service: Service) -> None:
    paths = service.client.get("/api/openapi.json").get_json()["paths"]
    routes = {rule.rule for rule in service.app.url_map.iter_rules() if rule.rule.startswith("/api/v1/")}
    assert len(paths) == len(routes)
    for path, operations in paths.items():
        for method, operation in operations.items():
            if method != "parameters":
                assert operation.get("summary"), f"{method} {path}"


def list_operations(document: schemathesis.BaseSchema) -> list[APIOperation]:
    found = [result.ok() for result in document.get_all_operations()]
    return [operation for operation in found if not operation.path.startswith(("/api/v1/tokens", "/api/v1/self"))]


def test_every_answer_is_documented(document: schemathesis.BaseSchema, service: Service) -> None:
    operations = list_operations(document)
    assert len(operations) > 30
    for operation in operations:

        @given(case=operation.as_strategy() | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
        @settings(
            max_examples=one_in(6),  # for each operation, each asked by one role after another
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),  # the strategies are the library's
        )
        def check(case: Case) -> None:
            for role in CALLERS:
                headers = {"Authorization": f"Bearer {service.tokens[str(role)]}"}
                answer = case.call(headers=headers)
                case.validate_response(answer, checks=CHECKS)
                if answer.status_code != 403:
                    return

        check()

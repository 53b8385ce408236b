"""The API answers as docs/api.md says, over a real database, store and ledger."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from auditsvc.auth.bearer import LIFETIME
from auditsvc.auth.roles import Role
from auditsvc.ledger.format.tree import verify_inclusion
from tests.support.service import PASSWORD, Service, open_service

OFFICER, AUDITOR, SYSTEM = Role.SECURITY_OFFICER, Role.AUDITOR, Role.SYSTEM_ADMINISTRATOR
SECURITY, AUDIT = Role.SECURITY_ADMINISTRATOR, Role.AUDIT_ADMINISTRATOR


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with open_service(tmp_path) as opened:
        yield opened


def test_a_one_time_password_gets_a_token_that_only_sets_a_new_password(service: Service) -> None:
    made = service.services.accounts.create_administrators()[0]
    token = service.sign_in("sysadmin", made.one_time_password)
    headers = {"Authorization": f"Bearer {token}"}
    refused = service.client.get("/api/v1/accounts", headers=headers)
    assert refused.status_code == 403
    assert refused.get_json()["context"]["must_change_password"] is True
    body = {"old": made.one_time_password, "new": PASSWORD}
    assert service.client.put("/api/v1/self/password", json=body, headers=headers).status_code == 204
    assert service.client.get("/api/v1/self", headers=headers).status_code == 401
    fresh = {"Authorization": f"Bearer {service.sign_in('sysadmin')}"}
    assert service.client.get("/api/v1/accounts", headers=fresh).status_code == 200


def test_a_token_ends_after_its_lifetime_and_when_given_back(service: Service) -> None:
    assert service.call(AUDITOR, "GET", "/api/v1/self").status_code == 200
    service.clock.instant += LIFETIME
    assert service.call(AUDITOR, "GET", "/api/v1/self").status_code == 401
    service.tokens.clear()
    service.tokens[str(AUDITOR)] = service.sign_in("auditor")
    assert service.call(AUDITOR, "DELETE", "/api/v1/tokens/current").status_code == 204
    assert service.call(AUDITOR, "GET", "/api/v1/self").status_code == 401


def test_a_cookie_counts_for_nothing_below_the_api(service: Service) -> None:
    service.make_account(AUDITOR)
    client = service.app.test_client()
    person = service.services.accounts.sign_in("auditor", PASSWORD)
    with client.session_transaction() as session:
        session["_user_id"] = person.get_id()
    assert client.get("/api/v1/self").status_code == 401


def test_five_wrong_passwords_lock_and_say_when_to_come_back(service: Service) -> None:
    service.make_account(AUDITOR)
    for _ in range(5):
        body = {"name": "auditor", "password": "wrong password"}
        assert service.client.post("/api/v1/tokens", json=body).status_code == 401
    answer = service.client.post("/api/v1/tokens", json={"name": "auditor", "password": PASSWORD})
    assert (answer.status_code, answer.get_json()["code"]) == (429, "locked_out")
    assert answer.headers["Retry-After"] == "900"
    service.clock.instant += timedelta(minutes=15)
    service.sign_in("auditor")


def test_errors_are_problem_documents_and_keep_their_headers(service: Service) -> None:
    answer = service.call(AUDITOR, "DELETE", "/api/v1/status")
    assert answer.status_code == 405
    assert answer.mimetype == "application/problem+json"
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    assert answer.get_json()["code"] == "method_not_allowed"
    missing = service.call(AUDITOR, "GET", "/api/v1/nothing")
    assert (missing.status_code, missing.mimetype) == (404, "application/problem+json")
    text = service.client.post("/api/v1/tokens", data="name=x", content_type="text/plain")
    assert (text.status_code, text.get_json()["code"]) == (415, "media_type_unsupported")


@pytest.mark.parametrize(
    "body",
    [
        "{",
        '{"name": "a", "name": "b"}',
        '{"name": "a", "password": "\\ud800"}',
        "[" * 400_000,
        "9" * 5000,
        "NaN",
        '{"name": "a", "password": NaN}',
        '{"name": "a", "password": [-Infinity]}',
        "\xff",
    ],
)
def test_a_body_that_is_no_strict_json_is_the_callers_fault(service: Service, body: str) -> None:
    answer = service.client.post("/api/v1/tokens", data=body.encode("latin-1"), content_type="application/json")
    assert (answer.status_code, answer.get_json()["code"]) == (422, "json_invalid")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/api/v1/events?actoin=read", "actoin: Unknown field"),
        ("/api/v1/status?x=1", "`x` is not known here"),
        ("/api/v1/events?limit=1&limit=2", "`limit` is given 2 times"),
        ("/api/v1/events?limit=0", "limit"),
        ("/api/v1/events?cursor=zzz", "cursor"),
        ("/api/v1/events?from=2026-11-01T00:00:00", "first|from"),
        ("/api/v1/events?from=2026-11-02T00:00:00Z%26to=2026-11-01T00:00:00Z", "from"),
        ("/api/v1/events?query=user.id", ""),
        ("/api/v1/events?query=nofield:1", "nofield"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_name(service: Service, path: str, why: str) -> None:
    answer = service.call(AUDITOR, "GET", path)
    assert answer.status_code == 422, answer.text
    assert any(part in answer.get_json()["detail"] for part in why.split("|"))


def test_a_search_is_an_act_in_the_log_and_the_security_administrator_sees_it(service: Service) -> None:
    answer = service.call(AUDITOR, "GET", "/api/v1/events?query=action:query")
    assert answer.get_json() == {"items": [], "next": None}
    acts = service.call(SECURITY, "GET", "/api/v1/acts").get_json()["items"]
    searches = [act for act in acts if act["act"] == "event_search"]
    assert [(act["actor"], act["detail"]["query"]) for act in searches] == [("auditor", "action:query")]
    assert all(act["actor"] != "auditor" for act in service.call(AUDIT, "GET", "/api/v1/acts").get_json()["items"])


def test_acts_come_in_pages_newest_first_each_once(service: Service) -> None:
    for role in (OFFICER, AUDITOR):
        service.make_account(role)
    whole = service.call(AUDIT, "GET", "/api/v1/acts").get_json()
    assert whole["next"] is None
    seqs, cursor = [], ""
    while True:
        page = service.call(AUDIT, "GET", f"/api/v1/acts?limit=2{cursor}").get_json()
        seqs += [act["seq"] for act in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seqs == sorted(set(seqs), reverse=True)
    assert seqs == [act["seq"] for act in whole["items"]]


def test_system_and_security_administrators_make_an_account_together(service: Service) -> None:
    made = service.call(SYSTEM, "POST", "/api/v1/accounts", json={"name": "lin"}).get_json()
    assert made["account"]["roles"] == []
    assert service.call(SYSTEM, "PUT", "/api/v1/accounts/lin/roles/auditor").status_code == 403
    given = service.call(SECURITY, "PUT", "/api/v1/accounts/lin/roles/auditor")
    assert given.get_json()["roles"] == ["auditor"]
    clash = service.call(SECURITY, "PUT", "/api/v1/accounts/lin/roles/system_administrator")
    assert (clash.status_code, clash.get_json()["code"]) == (409, "conflict")
    assert service.call(SECURITY, "POST", "/api/v1/accounts", json={"name": "wu"}).status_code == 403
    again = service.call(SYSTEM, "POST", "/api/v1/accounts", json={"name": "lin"})
    assert again.status_code == 409


def test_accounts_come_in_pages(service: Service) -> None:
    for role in Role:
        if role is not Role.DEPARTMENT_READER:
            service.make_account(role)
    service.tokens[str(SYSTEM)] = service.sign_in("system-administrator")
    first = service.call(SYSTEM, "GET", "/api/v1/accounts?limit=3").get_json()
    second = service.call(SYSTEM, "GET", f"/api/v1/accounts?limit=3&cursor={first['next']}").get_json()
    names = [account["name"] for account in first["items"] + second["items"]]
    assert names == sorted(names)
    assert len(names) == 5
    assert second["next"] is None


def test_an_inclusion_proof_from_the_api_holds(service: Service) -> None:
    service.make_account(AUDITOR)
    assert service.call(OFFICER, "GET", "/api/v1/checkpoints/latest").status_code == 404
    assert service.services.checkpointer is not None
    service.services.checkpointer.sign_now()
    proof = service.call(OFFICER, "GET", "/api/v1/proofs/inclusion?seq=2").get_json()
    verify_inclusion(
        base64.b64decode(proof["leaf_hash"]),
        proof["seq"],
        proof["checkpoint"]["size"],
        [base64.b64decode(part) for part in proof["path"]],
        base64.b64decode(proof["checkpoint"]["root_hash"]),
    )
    assert service.call(OFFICER, "GET", "/api/v1/leaves/2").get_json()["header"] == proof["header"]
    size = proof["checkpoint"]["size"]
    assert service.call(OFFICER, "GET", f"/api/v1/proofs/consistency?first=1&second={size}").status_code == 200
    beyond = service.call(OFFICER, "GET", f"/api/v1/proofs/consistency?first=1&second={10**9}")
    assert beyond.status_code == 422
    assert service.call(OFFICER, "GET", f"/api/v1/proofs/inclusion?seq={10**9}").status_code == 404


def test_pages_for_people_have_a_strict_policy_and_the_api_is_not_cached(service: Service) -> None:
    page = service.client.get("/api/docs")
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert f'nonce="{nonce}"' in page.text
    answer = service.call(AUDITOR, "GET", "/api/v1/self")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_status_counts_leaves_and_what_is_signed(service: Service) -> None:
    answer = service.call(SYSTEM, "GET", "/api/v1/status").get_json()
    assert answer["signed_size"] == 0
    assert answer["lag"] == answer["log_size"] > 0
    assert answer["events"] == 0

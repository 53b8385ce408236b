"""Events, alerts, sources and policies over the API, with a small judged ledger behind it."""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from auditsvc.auth.roles import Role
from auditsvc.event.time import MAX_TIME_NS
from auditsvc.figures.search import EventSearch
from auditsvc.ground.errors import StorageError
from auditsvc.ledger.format.tree import verify_inclusion
from auditsvc.store.rows import StoredEvent
from tests.support.catalog import CIVIL, TOWN
from tests.support.engine import build_record
from tests.support.service import Service, open_judged

OFFICER, AUDITOR, SYSTEM = Role.SECURITY_OFFICER, Role.AUDITOR, Role.SYSTEM_ADMINISTRATOR
AUDIT = Role.AUDIT_ADMINISTRATOR
SECURITY, READER = Role.SECURITY_ADMINISTRATOR, Role.DEPARTMENT_READER
SPAN = "from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z"
RECORDS = (
    build_record("a", rows=1),
    build_record("b", rows=5000),
    build_record("c", consumer__org=TOWN),
    b"{not json\n",
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with open_judged(tmp_path_factory.mktemp("core"), *RECORDS) as opened:
        opened.tokens[str(READER)] = opened.sign_in(opened.make_account(READER, "town-reader", TOWN))
        yield opened


def list_events(service: Service, role: Role, more: str = "") -> list[dict[str, object]]:
    answer = service.call(role, "GET", f"/api/v1/events?{SPAN}{more}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.get_json()["items"]
    return found


def ids(events: list[dict[str, object]]) -> set[str]:
    return {str(item["event"]["id"]) for item in events}  # type: ignore[index]


def test_a_search_finds_what_its_query_says(service: Service) -> None:
    assert ids(list_events(service, AUDITOR)) == {"a", "b", "c"}
    assert ids(list_events(service, AUDITOR, "&query=rows>100")) == {"b"}
    assert list_events(service, AUDITOR)[0]["event"]["time"] == "2026-11-22T02:00:00Z"  # type: ignore[index]


def test_pages_of_a_search_give_every_event_once(service: Service) -> None:
    found, cursor = [], ""
    for _ in range(5):
        page = service.call(AUDITOR, "GET", f"/api/v1/events?{SPAN}&limit=1{cursor}").get_json()
        found += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(found) == 3
    assert ids(found) == {"a", "b", "c"}


def test_a_department_reader_sees_the_own_department_and_nothing_else_exists(service: Service) -> None:
    assert ids(list_events(service, READER)) == {"c"}
    assert list_events(service, READER, f"&query=consumer.org:{CIVIL}") == []
    other = next(item for item in list_events(service, AUDITOR) if item["event"]["id"] == "a")  # type: ignore[index]
    own = list_events(service, READER)[0]
    for path in (f"/api/v1/events/{other['uid']}", f"/api/v1/events/{other['uid']}/proof"):
        assert service.call(READER, "GET", path).status_code == 404
        assert service.call(AUDITOR, "GET", path).status_code == 200
    assert service.call(READER, "GET", f"/api/v1/events/{own['uid']}").status_code == 200
    bars = service.call(READER, "GET", f"/api/v1/events/histogram?{SPAN}").get_json()
    assert bars["total"] == 1


def export(service: Service, role: Role, more: str = "") -> tuple[list[dict[str, object]], dict[str, object]]:
    """Return the events of an export, and its last line."""
    answer = service.call(role, "GET", f"/api/v1/events/export?{SPAN}{more}")
    assert (answer.status_code, answer.mimetype) == (200, "application/x-ndjson"), answer.text
    *events, end = [json.loads(line) for line in answer.text.splitlines()]
    return events, end


def test_an_export_gives_what_a_search_finds_and_says_that_it_is_whole(service: Service) -> None:
    events, end = export(service, AUDITOR)
    assert events == list_events(service, AUDITOR, "&order=oldest")
    assert end == {"end": True, "events": 3}
    assert ids(export(service, AUDITOR, "&query=rows>100")[0]) == {"b"}


def test_an_export_gives_a_department_reader_the_own_department_only(service: Service) -> None:
    events, end = export(service, READER)
    assert (ids(events), end["events"]) == ({"c"}, 1)


def test_an_export_is_one_act_in_the_log(service: Service) -> None:
    export(service, AUDITOR, "&query=rows>4321")
    acts = service.call(SECURITY, "GET", "/api/v1/acts").get_json()["items"]
    assert [act["actor"] for act in acts if act["act"] == "event_export" and act["detail"]["query"] == "rows>4321"] == [
        "auditor"
    ]


def test_an_export_that_breaks_off_ends_with_a_line_that_says_so(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = service.services.store.iter_events

    def break_off(*args: Any, **options: Any) -> Iterator[StoredEvent]:
        yield next(whole(*args, **options))
        raise StorageError("storage_unavailable", "a node is away")

    monkeypatch.setattr(
        type(service.services.store), "iter_events", lambda _store, *args, **more: break_off(*args, **more)
    )
    events, end = export(service, AUDITOR)
    assert (ids(events), end) == (
        {"a"}, {"end": False, "events": 1, "code": "storage_unavailable", "detail": "a node is away"},
    )  # fmt: skip


@pytest.mark.parametrize("uid", ["zz", "00", "0" * 32, "0" * 34])
def test_an_event_that_is_not_there_is_not_found(service: Service, uid: str) -> None:
    assert service.call(AUDITOR, "GET", f"/api/v1/events/{uid}").status_code == 404


def test_the_proof_of_an_event_leads_to_a_signed_root(service: Service) -> None:
    event = list_events(service, AUDITOR, "&query=id:b")[0]
    answer = service.call(AUDITOR, "GET", f"/api/v1/events/{event['uid']}/proof").get_json()
    proof = answer["proof"]
    assert answer["record"] == 1
    assert len(bytes.fromhex(answer["leaf_sha256"])) == 32
    assert proof["header"].splitlines()[0].endswith("/batch/v1")
    verify_inclusion(
        base64.b64decode(proof["leaf_hash"]),
        proof["seq"],
        proof["checkpoint"]["size"],
        [base64.b64decode(part) for part in proof["path"]],
        base64.b64decode(proof["checkpoint"]["root_hash"]),
    )


def test_the_unreadable_record_is_in_quarantine_with_its_reason(service: Service) -> None:
    items = service.call(AUDITOR, "GET", "/api/v1/quarantine").get_json()["items"]
    assert [(item["source"], item["record"], item["code"]) for item in items] == [("gateway", 3, "json_invalid")]
    counts = service.call(SYSTEM, "GET", "/api/v1/quarantine/counts").get_json()["items"]
    assert counts == [{"source": "gateway", "code": "json_invalid", "count": 1}]
    assert service.call(SYSTEM, "GET", "/api/v1/quarantine").status_code == 403


def test_an_alert_is_acknowledged_and_closed_once_by_an_officer_only(service: Service) -> None:
    alerts = service.call(AUDITOR, "GET", "/api/v1/alerts?state=new").get_json()["items"]
    assert [(alert["policy_id"], alert["count"]) for alert in alerts] == [("P-ROWS", 1)]
    path = f"/api/v1/alerts/{alerts[0]['id']}"
    findings = service.call(AUDITOR, "GET", f"{path}/findings").get_json()["items"]
    event = service.call(AUDITOR, "GET", f"/api/v1/events/{findings[0]['uid']}").get_json()
    assert event["event"]["id"] == "b"
    assert service.call(AUDITOR, "POST", f"{path}/acknowledgement", json={}).status_code == 403
    taken = service.call(OFFICER, "POST", f"{path}/acknowledgement", json={"note": "looking"})
    assert taken.get_json()["state"] == "acknowledged"
    assert service.call(OFFICER, "POST", f"{path}/acknowledgement", json={}).status_code == 409
    assert service.call(OFFICER, "POST", f"{path}/closure", json={}).status_code == 422
    assert service.call(OFFICER, "POST", f"{path}/closure", json={"reason": "bored"}).status_code == 422
    closed = service.call(OFFICER, "POST", f"{path}/closure", json={"reason": "true_violation"})
    assert closed.get_json()["close_reason"] == "true_violation"
    steps = service.call(AUDITOR, "GET", path).get_json()["transitions"]
    assert [step["to_state"] for step in steps] == ["new", "acknowledged", "closed"]
    assert steps[-1]["actor"] == "security-officer"


def test_a_place_between_pages_is_written_as_on_the_console(service: Service) -> None:
    page = service.call(AUDITOR, "GET", f"/api/v1/events?{SPAN}&limit=1&order=oldest").get_json()
    (first,) = service.services.events.find_page(EventSearch(None, 0, MAX_TIME_NS), limit=1, order="oldest").events
    place = (first.event["time"], first.seq, first.record, first.item)
    assert page["items"][0]["uid"] == first.uid.hex()
    assert page["next"] == ".".join(map(str, place))
    for wrong in (page["next"] + ".0", "-" + page["next"], "٣" + page["next"][1:]):
        answer = service.call(AUDITOR, "GET", f"/api/v1/events?{SPAN}&cursor={wrong}")
        assert (answer.status_code, answer.get_json()["code"]) == (422, "field_invalid")


def test_a_source_key_is_made_shown_once_and_revoked_on_record(service: Service) -> None:
    made = service.call(SYSTEM, "POST", "/api/v1/sources/gateway/keys", json={"label": "shipper", "days": 30})
    assert made.status_code == 201, made.text
    key, secret = made.get_json()["key"], made.get_json()["secret"]
    listed = service.call(SYSTEM, "GET", "/api/v1/sources/gateway/keys")
    assert key["key_id"] in listed.text
    assert secret not in listed.text
    assert service.call(OFFICER, "POST", "/api/v1/sources/gateway/keys", json={}).status_code == 403
    assert service.call(SYSTEM, "POST", "/api/v1/sources/nobody/keys", json={}).status_code == 404
    revoked = service.call(SYSTEM, "DELETE", f"/api/v1/source-keys/{key['key_id']}").get_json()
    assert revoked["revoked"] is not None
    acts = service.call(AUDIT, "GET", "/api/v1/acts").get_json()["items"]
    own = [act for act in acts if act["subject"] == key["key_id"]]
    assert [(act["actor"], act["act"]) for act in own] == [
        ("system-administrator", "source_key_revoke"),
        ("system-administrator", "source_key_create"),
    ]
    assert {(act["detail"]["source"], act["detail"]["label"]) for act in own} == {("gateway", "shipper")}
    assert service.call(SYSTEM, "DELETE", f"/api/v1/source-keys/{key['key_id']}").status_code == 409


def test_policies_and_catalogue_are_shown_as_in_force(service: Service) -> None:
    policies = service.call(SECURITY, "GET", "/api/v1/policies").get_json()
    assert [policy["id"] for policy in policies["items"]] == ["P-ROWS"]
    detail = service.call(SECURITY, "GET", "/api/v1/policies/P-ROWS").get_json()
    assert "id: P-ROWS" in detail["source_text"]
    assert service.call(SECURITY, "GET", "/api/v1/policies/P-ROWS?version=2").status_code == 404
    counts = service.call(SYSTEM, "GET", "/api/v1/catalog").get_json()["counts"]
    for kind, number in counts.items():
        things = service.call(SYSTEM, "GET", f"/api/v1/catalog/{kind}").get_json()
        assert len(things["items"]) == number
    shown = service.call(SYSTEM, "GET", f"/api/v1/catalog/organisations/{CIVIL}").get_json()
    assert shown["versions"][0]["uscc"] == CIVIL


def test_the_receipts_of_a_batch_can_be_shown_again(service: Service) -> None:
    proof = service.call(AUDITOR, "GET", "/api/v1/leaves/2").get_json()
    batch = next(line.split()[1] for line in proof["header"].splitlines() if line.startswith("batch-id "))
    items = service.call(AUDITOR, "GET", f"/api/v1/receipts/{batch}").get_json()["items"]
    assert [(item["records"], item["seq"]) for item in items] == [(len(RECORDS), 2)]
    assert service.call(AUDITOR, "GET", "/api/v1/receipts/none").status_code == 404


def test_the_status_adds_up(service: Service) -> None:
    state = service.call(SYSTEM, "GET", "/api/v1/status").get_json()
    assert (state["records"], state["events"], state["quarantined"], state["lag_records"]) == (4, 3, 1, 0)


def test_a_report_is_made_fetched_and_verified_and_a_changed_figure_is_named(service: Service) -> None:
    body = {"kind": "compliance", "first": "2026-11-01", "last": "2026-11-30", "languages": ["en"]}
    assert service.call(OFFICER, "POST", "/api/v1/reports", json=body).status_code == 403
    made = service.call(AUDITOR, "POST", "/api/v1/reports", json=body)
    assert made.status_code == 201, made.text
    path = f"/api/v1/reports/{made.get_json()['id']}"
    listed = service.call(OFFICER, "GET", "/api/v1/reports").get_json()["items"]
    assert [report["id"] for report in listed] == [made.get_json()["id"]]
    names = [file["name"] for file in service.call(OFFICER, "GET", path).get_json()["files"]]
    files = {name: fetch(service, f"{path}/files/{name}") for name in names}
    assert {"report.json", "report.jws", "report.en.pdf", "report.bundle.tar"} <= set(files)
    assert service.call(AUDITOR, "GET", f"{path}/files/..%2F..%2Fauditsvc.db").status_code == 404
    assert verify(service, files)["exit_code"] == 0
    changed = {**files, "report.json": files["report.json"].replace(b"P-ROWS", b"P-ROWZ", 1)}
    checked = verify(service, changed)
    assert checked["exit_code"] == 1
    assert any(step["state"] == "fail" and step["code"] for step in checked["steps"])


def verify(service: Service, files: dict[str, bytes]) -> dict[str, Any]:
    uploads = [(io.BytesIO(data), name) for name, data in files.items() if name != "trust.json"]
    answer = service.call(AUDITOR, "POST", "/api/v1/reports/verification", data={"files": uploads})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def fetch(service: Service, path: str) -> bytes:
    with service.call(AUDITOR, "GET", path) as answer:
        assert answer.status_code == 200, answer.text
        data: bytes = answer.data
        return data

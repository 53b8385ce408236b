"""X-Road operational monitoring records."""

import json
from typing import Any

import pytest

from auditsvc.ingest.readers.model import ReadResult
from auditsvc.ingest.readers.registry import read_batch
from tests.support.ingest import build_source, hash_plainly

RECORD = {
    "clientMemberClass": "GOV", "clientMemberCode": "00000001", "clientSubsystemCode": "desk",
    "clientXRoadInstance": "EE", "messageId": "m-1", "messageIssue": "453465", "messageUserId": "EE37701010101",
    "monitoringDataTs": 1477633845, "representedPartyClass": "COM", "representedPartyCode": "MEMBER123",
    "requestInTs": 1477633844973, "responseOutTs": 1477633845243, "requestSize": 1629, "responseSize": 1518,
    "securityServerType": "Client", "serviceXRoadInstance": "EE", "serviceMemberClass": "GOV",
    "serviceMemberCode": "2", "serviceSubsystemCode": "pop", "serviceCode": "getPerson", "serviceVersion": "v1",
    "serviceType": "WSDL", "succeeded": True, "xRequestId": "fd83f20e", "somethingNew": {"a": 1},
}  # fmt: skip
OPTIONS = {
    "interfaces": [
        {"service": "EE/GOV/2/pop/getPerson/v2", "id": "if-2"},
        {"service": "*/getPerson", "id": "if-1", "action": "query"},
    ],
    "members": {"EE/GOV/00000001": "91370100MA3C000018"},
}


def read(document: Any) -> ReadResult:
    source = build_source("xroad", options=OPTIONS)
    return read_batch(json.dumps(document).encode() + b"\n", "lines", source, hash_plainly)


def event_of(**changes: Any) -> dict[str, Any]:
    result = read({key: value for key, value in {**RECORD, **changes}.items() if value is not None})
    assert not result.rejects, result.rejects[0].message
    return dict(result.events[0][2])


def test_a_record_becomes_an_event_with_the_user_hashed() -> None:
    event = event_of()
    assert event == {
        "time": 1477633844_973_000_000, "end": 1477633845_243_000_000, "duration_ms": 270.0, "id": "Client:fd83f20e",
        "correlation": "fd83f20e", "side": "consumer", "consumer.org": "91370100MA3C000018", "consumer.system": "desk",
        "provider.system": "pop", "on_behalf_of": "MEMBER123", "user.id": "k1:<EE37701010101>", "case_no": "453465",
        "interface.id": "if-1", "interface.version": "v1", "interface.protocol": "WSDL", "action": "query",
        "bytes": 1518, "outcome": "success",
    }  # fmt: skip


def test_both_sides_of_a_call_share_the_correlation_but_not_the_id() -> None:
    consumer, provider = event_of(), event_of(securityServerType="Producer")
    assert consumer["correlation"] == provider["correlation"]
    assert consumer["id"] != provider["id"]
    assert (consumer["side"], provider["side"]) == ("consumer", "provider")


def test_without_request_id_the_message_id_correlates() -> None:
    assert event_of(xRequestId=None)["correlation"] == "m-1"
    nameless = event_of(xRequestId=None, messageId=None)
    assert "correlation" not in nameless
    assert nameless["quality"] == ["derived_id"]


def test_a_rule_with_version_wins_when_it_stands_first() -> None:
    assert event_of(serviceVersion="v2")["interface.id"] == "if-2"


def test_an_unknown_member_is_named_by_its_code() -> None:
    assert event_of(clientMemberCode="7")["consumer.org"] == "7"


def test_faults_and_refusals_are_told_apart() -> None:
    failed = event_of(succeeded=False, faultCode="Server.X", faultString="no answer")
    assert (failed["outcome"], failed["error.code"], failed["reason"]) == ("failure", "Server.X", "no answer")
    assert event_of(succeeded=False, statusCode=403)["outcome"] == "denied"
    assert event_of(succeeded=None, statusCode=500)["outcome"] == "failure"
    assert event_of(succeeded=None)["outcome"] == "unknown"


def test_a_records_envelope_becomes_items() -> None:
    result = read({"records": [RECORD, {"bad": 1}, 5, RECORD]})
    assert [(record, item) for record, item, _ in result.events] == [(0, 0), (0, 3)]
    assert [reject.item for reject in result.rejects] == [1, 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"requestInTs": None}, "requestInTs: missing"),
        ({"requestInTs": "x"}, "requestInTs: expected a whole number"),
        ({"requestInTs": 10**13}, "outside 1970 to 2199"),
        ({"securityServerType": "Proxy"}, "expected `Client` or `Producer`"),
        ({"securityServerType": None}, "expected `Client` or `Producer`"),
        ({"serviceCode": "other"}, "no interface rule matches `EE/GOV/2/pop/other`"),
        ({"succeeded": "yes"}, "succeeded: expected true or false"),
        ({"messageUserId": ["x"]}, "messageUserId: expected text"),
        ({"responseSize": -1}, "responseSize: expected a whole number"),
    ],
)
def test_a_record_that_lacks_what_an_event_must_have_is_rejected(changes: dict[str, Any], words: str) -> None:
    result = read({key: value for key, value in {**RECORD, **changes}.items() if value is not None})
    assert not result.events
    assert words in result.rejects[0].message


def test_an_empty_envelope_is_rejected() -> None:
    assert [reject.code for reject in read({"records": []}).rejects] == ["record_empty"]

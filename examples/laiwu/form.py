"""From an access of the model to the bytes a gateway, security server or web server would have logged.

An access is a flat event (short field names) with ``ms``, its instant within the period, beside it. Each writer gives
one line without its line feed.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from examples.laiwu.rhythm import format_combined, format_local, to_epoch_ms

_NESTED = ("source", "user", "consumer", "interface", "agreement", "subject", "auth", "http", "error", "labels")


@dataclass(slots=True)
class Access:
    """One record to be written.

    Attributes:
        ms: instant, milliseconds since the period's start.
        source: id of the log it goes into.
        event: flat event without ``time`` and ``id``.
        policies: ids of the policies it is planted to violate.
        event_id: the id its event will have, set when it is written.
    """

    ms: int
    source: str
    event: dict[str, Any]
    policies: tuple[str, ...] = ()
    event_id: str = field(default="")


def write_native(access: Access, number: int) -> bytes:
    """Return a line of native JSON, members nested by the dots of their names."""
    access.event_id = f"{access.source[0]}{number:08d}"
    nested: dict[str, Any] = {"time": format_local(access.ms), "id": access.event_id, "sequence": number}
    for name, value in access.event.items():
        group, dot, key = name.partition(".")
        if dot and group in _NESTED:
            nested.setdefault(group, {})[key] = value
        else:
            nested[name] = value
    return _dump(nested)


def write_kong(access: Access, number: int) -> bytes:
    """Return a line as the Kong gateway's log plug-ins write it; what the city asks of callers stands in headers."""
    event = access.event
    access.event_id = f"kong-{number:08d}"
    heartbeat = event["action"] == "heartbeat"
    interface = event["interface.id"]
    headers = {"x-request-id": access.event_id, "x-sequence": str(number)}
    for name, header in _KONG_HEADERS:
        if name in event:
            headers[header] = event[name]
    answer = {"x-rows": str(event["rows"])} if "rows" in event else {}
    if "fields" in event:
        answer["x-fields"] = ",".join(event["fields"])
    if "error.code" in event:
        answer["x-fault"] = event["error.code"]
    took = event.get("duration_ms", 1)
    uri = f"/health/{interface}" if heartbeat else f"/{interface}/{event['action']}?page=1"
    return _dump(
        {
            "latencies": {"request": took, "kong": 1, "proxy": max(took - 1, 0)},
            "service": {"name": interface, "protocol": "http"},
            "route": {"name": interface},
            "request": {"method": "GET" if heartbeat else "POST", "uri": uri, "size": "412", "headers": headers},
            "response": {"status": event["http.status"], "size": str(event.get("bytes", 2)), "headers": answer},
            "client_ip": event["source.ip"],
            "consumer": {"custom_id": event["consumer.org"], "username": event.get("consumer.system", "probe")},
            "started_at": to_epoch_ms(access.ms),
        }
    )


_KONG_HEADERS = (
    ("user.id", "x-user"),
    ("agreement.id", "x-agreement"),
    ("purpose", "x-purpose"),
    ("matter", "x-matter"),
    ("network", "x-network"),
    ("labels.traffic", "x-traffic"),
)


def write_bus(access: Access, number: int) -> bytes:
    """Return an operational monitoring record of an X-Road security server."""
    event = access.event
    side = "Client" if event["side"] == "consumer" else "Producer"
    access.event_id = f"{side}:{event['correlation']}"
    start, took = to_epoch_ms(access.ms), int(event["duration_ms"])
    success = event["outcome"] == "success"
    record: dict[str, Any] = {
        "monitoringDataTs": start // 1000 + 5,
        "securityServerType": side,
        "requestInTs": start,
        "responseOutTs": start + took,
        "clientXRoadInstance": "LW",
        "clientMemberClass": "GOV",
        "clientMemberCode": event["consumer.org"],
        "clientSubsystemCode": event["consumer.system"],
        "clientSecurityServerAddress": event["source.ip"],
        "serviceXRoadInstance": "LW",
        "serviceMemberClass": "GOV",
        "serviceMemberCode": event["provider.org"],
        "serviceSubsystemCode": event["provider.system"],
        "serviceCode": _find_service(event),
        "serviceType": "REST",
        "serviceSecurityServerAddress": "ss.bus.laiwu.example",
        "messageId": event["correlation"],
        "xRequestId": event["correlation"],
        "messageProtocolVersion": "1",
        "requestSize": 900,
        "responseSize": event.get("bytes", 300),
        "succeeded": success,
        "statusCode": event["http.status"],
    }
    if "user.id" in event:
        record["messageUserId"] = event["user.id"]
    if "case_no" in event:
        record["messageIssue"] = event["case_no"]
    if not success:
        record["faultCode"] = event.get("error.code", "Server.ServerProxy.AccessDenied")
        record["faultString"] = "service failed" if "error.code" in event else "request is not allowed"
    return _dump(record)


def _find_service(event: Mapping[str, Any]) -> str:
    """Return the service code the sources' rules expect."""
    if event["action"] == "heartbeat":
        return f"health.{event['interface.id']}"
    return "listMethods" if event["interface.id"] == "bus-list-methods" else str(event["interface.id"])


def write_combined(access: Access, number: int) -> bytes:
    """Return a line of a web server's combined log."""
    event = access.event
    line = (
        f'{event["source.ip"]} - - [{format_combined(access.ms)}] "GET {event["url.path"]} HTTP/1.1" '
        f'{event["http.status"]} {event["bytes"]} "-" "{event["user_agent"]}"'
    ).encode()
    access.event_id = hashlib.sha256(line).hexdigest()[:32]
    return line


def _dump(value: Mapping[str, Any]) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


WRITERS: Mapping[str, Callable[[Access, int], bytes]] = {
    "native": write_native,
    "mapped": write_kong,
    "xroad": write_bus,
    "combined": write_combined,
}
"""Reader of a source to the writer of its logs."""

ENDINGS = {"native": "ndjson", "mapped": "jsonl", "xroad": "jsonl", "combined": "log"}

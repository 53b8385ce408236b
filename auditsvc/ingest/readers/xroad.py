"""X-Road operational monitoring records, single or as ``{"records": [...]}``; unknown keys are allowed."""

from collections.abc import Iterable, Mapping
from typing import Any

from auditsvc.catalog.model import Source
from auditsvc.event.fields import ACTIONS, MAX_KEYWORD, MAX_TEXT
from auditsvc.event.model import Event
from auditsvc.event.native import MAX_INTEGER, HashSubject, parse_address
from auditsvc.event.time import NS, check_time_ns
from auditsvc.ground.errors import InputError
from auditsvc.ground.mapping_reader import MappingReader
from auditsvc.ingest.readers.identity import read_items
from auditsvc.ingest.readers.mapped import decode_repaired
from auditsvc.ingest.readers.native import is_whole_json
from auditsvc.ingest.readers.route import METHOD_ACTIONS, compile_glob, outcome_of_status

_MILLI = NS // 1000
_SIDES = {"Client": "consumer", "Producer": "provider"}
_SERVICE = ("XRoadInstance", "MemberClass", "MemberCode", "SubsystemCode")
_TEXTS = (
    ("messageIssue", "case_no", MAX_KEYWORD),
    ("clientSubsystemCode", "consumer.system", MAX_KEYWORD),
    ("serviceSubsystemCode", "provider.system", MAX_KEYWORD),
    ("serviceVersion", "interface.version", MAX_KEYWORD),
    ("serviceType", "interface.protocol", MAX_KEYWORD),
    ("serviceSecurityServerAddress", "server.address", MAX_KEYWORD),
    ("restMethod", "http.method", MAX_KEYWORD),
    ("restPath", "url.path", MAX_TEXT),
    ("faultCode", "error.code", MAX_KEYWORD),
    ("faultString", "error.message", MAX_TEXT),
)
"""Key of the record, field of the event, longest text."""


class XRoadReader:
    """Reads operational monitoring records of an X-Road security server."""

    def __init__(self, source: Source, options: MappingReader) -> None:
        """Read the source's options."""
        self._rules = []
        for rule in options.readers("interfaces", "rule"):
            service, interface = compile_glob(rule.text("service")), rule.text("id")
            self._rules.append((service, interface, rule.find_choice("action", ACTIONS)))
            rule.finish()
        self._default_interface = options.find_text("default_interface")
        self._default_action = options.find_choice("default_action", ACTIONS)
        members = options.reader("members")
        self._members = {} if members is None else {key: members.text(key) for key in members.keys}

    @property
    def interfaces(self) -> frozenset[str]:
        """Every interface the rules can yield."""
        defaults = () if self._default_interface is None else (self._default_interface,)
        return frozenset(interface for _, interface, _ in self._rules).union(defaults)

    def is_whole(self, body: bytes) -> bool:
        """Whether the body is one JSON document spanning several lines."""
        return is_whole_json(body)

    def read(self, record: bytes, hash_subject: HashSubject) -> Iterable[Event | InputError]:
        """Return the record's events; raise ``InputError`` (``json_invalid``, ``field_invalid``, ``record_empty``)."""
        document, repaired = decode_repaired(record)
        items = document.get("records", document) if isinstance(document, dict) else document
        if not isinstance(items, list):
            items = [items]
        if not items:
            raise InputError("record_empty", "`records` has no members")
        return read_items(items, lambda item: self._read_item(item, hash_subject, repaired))

    def _read_item(self, item: Any, hash_subject: HashSubject, repaired: bool) -> Event:
        """Return the event of one monitoring record."""
        if not isinstance(item, dict):
            raise InputError("field_invalid", f"expected an object, got {type(item).__name__}")
        event: Event = {}
        _set_times(event, item)
        for key, name, limit in _TEXTS:
            text = _find_text(item, key)
            if text is not None:
                event[name] = text[:limit]
        self._set_parties(event, item, hash_subject)
        self._set_call(event, item)
        _set_outcome(event, item)
        if repaired:
            event["quality"] = ["repaired"]
        return event

    def _set_parties(self, event: Event, item: Mapping[str, Any], hash_subject: HashSubject) -> None:
        """Set consumer, represented party, user and address, and which side reports the call."""
        side = _SIDES.get(_find_text(item, "securityServerType") or "")
        if side is None:
            raise InputError("field_invalid", "securityServerType: expected `Client` or `Producer`")
        event["side"] = side
        member = "/".join(_find_text(item, f"client{part}") or "" for part in _SERVICE[:3])
        consumer = self._members.get(member) or _find_text(item, "clientMemberCode")
        if consumer is not None:
            event["consumer.org"] = consumer[:MAX_KEYWORD]
        represented = _find_text(item, "representedPartyCode")
        if represented is not None:
            event["on_behalf_of"] = represented[:MAX_KEYWORD]
        user = _find_text(item, "messageUserId")
        if user is not None:
            event["user.id"] = hash_subject(user)
        address = _find_text(item, "clientSecurityServerAddress")
        if address is not None:
            _set_address(event, address)

    def _set_call(self, event: Event, item: Mapping[str, Any]) -> None:
        """Set ids, interface and action."""
        correlation = _find_text(item, "xRequestId") or _find_text(item, "messageId")
        if correlation is not None:
            event["correlation"] = correlation[:MAX_KEYWORD]
            event["id"] = f"{item['securityServerType']}:{correlation}"[:MAX_KEYWORD]
        service = "/".join([*(_find_text(item, f"service{part}") or "" for part in _SERVICE), _code(item)])
        versioned = f"{service}/{_find_text(item, 'serviceVersion') or ''}"
        found: tuple[str | None, str | None] = (self._default_interface, None)
        for pattern, rule_interface, rule_action in self._rules:
            if pattern.match(service) or pattern.match(versioned):
                found = (rule_interface, rule_action)
                break
        interface, action = found
        if interface is None:
            raise InputError("interface_unmatched", f"no interface rule matches `{service[:128]}`")
        event["interface.id"] = interface
        method = _find_text(item, "restMethod") or ""
        event["action"] = action or self._default_action or METHOD_ACTIONS.get(method, "exchange")


def _code(item: Mapping[str, Any]) -> str:
    """Return the service code, empty when the record has none."""
    return _find_text(item, "serviceCode") or ""


def _find_text(item: Mapping[str, Any], key: str) -> str | None:
    """Return the text at ``key``, numbers as text; None when absent or empty."""
    value = item.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, (dict, list, bool)):
        raise InputError("field_invalid", f"{key}: expected text, got {type(value).__name__}")
    return str(value).replace("\0", "\\x00")


def _find_integer(item: Mapping[str, Any], key: str) -> int | None:
    """Return the integer at ``key``; None when absent."""
    value = item.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INTEGER:
        raise InputError("field_invalid", f"{key}: expected a whole number, got `{str(value)[:64]}`")
    return value


def _set_times(event: Event, item: Mapping[str, Any]) -> None:
    """Set begin, end and duration from the server's own clock."""
    start, end = _find_integer(item, "requestInTs"), _find_integer(item, "responseOutTs")
    if start is None:
        raise InputError("field_invalid", "requestInTs: missing")
    event["time"] = check_time_ns(start * _MILLI, start)
    if end is not None:
        event["end"] = check_time_ns(end * _MILLI, end)
        event["duration_ms"] = float(end - start)


def _set_outcome(event: Event, item: Mapping[str, Any]) -> None:
    """Set the outcome and the size of the response."""
    size, status = _find_integer(item, "responseSize"), _find_integer(item, "statusCode")
    if size is not None:
        event["bytes"] = size
    if status is not None:
        event["http.status"] = status
    succeeded = item.get("succeeded")
    if not isinstance(succeeded, bool | None):
        raise InputError("field_invalid", "succeeded: expected true or false")
    if succeeded is None:
        event["outcome"] = outcome_of_status(status)
    else:
        event["outcome"] = "success" if succeeded else ("denied" if status in (401, 403) else "failure")
    reason = event.get("error.message")
    if event["outcome"] != "success" and reason is not None:
        event["reason"] = reason


def _set_address(event: Event, address: str) -> None:
    """Set the caller's address if it is valid; keep a host name as a label."""
    try:
        event["source.ip"] = parse_address("source.ip", address)
    except InputError:
        event["labels.client"] = address[:MAX_KEYWORD]

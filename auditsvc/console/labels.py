"""Labels of closed sets of values, for people: severities, verdicts, actions, outcomes, states, quality flags, languages."""

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext

from auditsvc.alerts.model import CLOSE_REASON_TITLES
from auditsvc.console.text import CHINESE, current_language

LANGUAGES: Mapping[str, str] = {"zh": "中文", "en": "English"}
"""Native names of languages."""
THEMES: Mapping[str, Any] = {
    "system": lazy_gettext("As the system"),
    "light": lazy_gettext("Light"),
    "dark": lazy_gettext("Dark"),
}
"""Names of colour themes."""

LABELS: Mapping[str, Mapping[str, Any]] = {
    "severity": {
        "critical": lazy_gettext("Critical"),
        "high": lazy_gettext("High"),
        "medium": lazy_gettext("Medium"),
        "low": lazy_gettext("Low"),
    },
    "alert_state": {
        "new": lazy_gettext("New"),
        "acknowledged": lazy_gettext("Acknowledged"),
        "closed": lazy_gettext("Closed"),
    },
    "verdict": {
        "permitted": lazy_gettext("Permitted"),
        "violated": lazy_gettext("Violated"),
        "excepted": lazy_gettext("Excepted"),
        "indeterminate": lazy_gettext("Indeterminate"),
        "not_covered": lazy_gettext("Not covered"),
    },
    "outcome": {
        "success": lazy_gettext("Success"),
        "failure": lazy_gettext("Failure"),
        "denied": lazy_gettext("Denied"),
        "unknown": lazy_gettext("Unknown"),
    },
    "action": {
        "query": lazy_gettext("query"),
        "verify": lazy_gettext("verification"),
        "list": lazy_gettext("listing"),
        "download": lazy_gettext("download"),
        "push": lazy_gettext("push"),
        "subscribe": lazy_gettext("subscription"),
        "exchange": lazy_gettext("exchange"),
        "create": lazy_gettext("creation"),
        "update": lazy_gettext("update"),
        "delete": lazy_gettext("deletion"),
        "login": lazy_gettext("login"),
        "grant": lazy_gettext("granting"),
        "heartbeat": lazy_gettext("heartbeat"),
    },
    "truth": {
        "true": lazy_gettext("true"),
        "false": lazy_gettext("false"),
        "unknown": lazy_gettext("unknown"),
    },
    "step": {
        "pass": lazy_gettext("Passed"),
        "fail": lazy_gettext("Failed"),
        "not done": lazy_gettext("Not done"),
    },
    "quality": {
        "missing_consumer": lazy_gettext("no using organisation"),
        "missing_user": lazy_gettext("no operator or service account"),
        "missing_purpose": lazy_gettext("conditional or personal resource without a stated purpose"),
        "missing_agreement": lazy_gettext("conditional resource without an agreement"),
        "missing_subject": lazy_gettext("personal resource without data subject"),
        "missing_resource": lazy_gettext("no resource, neither in the record nor joined from the interface"),
        "unknown_interface": lazy_gettext("the interface is not in the catalogue at the event's time"),
        "unknown_consumer": lazy_gettext("the using organisation is not in the catalogue"),
        "unknown_resource": lazy_gettext("a resource code is not in the catalogue"),
        "unknown_agreement": lazy_gettext("the agreement is not in the catalogue"),
        "assumed_zone": lazy_gettext("the record had no offset; the zone declared for its source was used"),
        "clock_skew": lazy_gettext("more than five minutes later than the time the ledger accepted it"),
        "late": lazy_gettext("accepted more than seven days after it happened"),
        "duplicate": lazy_gettext("the same event was stored before; not judged and not counted again"),
        "id_conflict": lazy_gettext("another event with the same id but other content was stored before"),
        "paired": lazy_gettext("second half of a call whose first half was stored before; not counted again"),
        "repaired": lazy_gettext("the record was not valid as written and was repaired while reading"),
        "derived_id": lazy_gettext("the record had no id; one was derived from source and record"),
    },
    "report_kind": {
        "compliance": lazy_gettext("Compliance report"),
        "project": lazy_gettext("Project report"),
    },
    "report_verdict": {
        "clean": lazy_gettext("No violations found"),
        "violations": lazy_gettext("Violations found"),
        "qualified": lazy_gettext("Qualified: the evidence is incomplete"),
        "met": lazy_gettext("Targets met"),
        "missed": lazy_gettext("Targets missed"),
        "not_assessed": lazy_gettext("Not assessed"),
    },
    "report_file": {
        "report.json": lazy_gettext("every figure, for programs"),
        "report.jws": lazy_gettext("the same, signed (ES256)"),
        "report.zh.pdf": lazy_gettext("the report in Chinese, signed"),
        "report.en.pdf": lazy_gettext("the report in English, signed"),
        "report.bundle.tar": lazy_gettext("the part of the log it rests on, with proofs"),
        "trust.json": lazy_gettext("the keys to check against; get it by another way too"),
    },
}
"""Labels of values by name of the set; a value without a label is shown unchanged."""


def show_label(value: Any, kind: str) -> str:
    """Return the label for ``value`` of the set ``kind``; None is a dash."""
    if value is None:
        return "—"
    plain = getattr(value, "value", value)
    return str(LABELS[kind].get(plain, plain))


def name_close_reasons() -> dict[str, str]:
    """Return the reasons for closing an alert with their titles in the page's language."""
    place = 0 if current_language() == CHINESE else 1
    return {reason.value: titles[place] for reason, titles in CLOSE_REASON_TITLES.items()}

"""Events come back from documents as they were, and documents hold nothing the mapping does not know."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditsvc.event.fields import FIELDS, Field, Kind
from auditsvc.event.time import MAX_TIME_NS, parse_time_ns
from auditsvc.ground.ids import EventUid
from auditsvc.store.elasticsearch.document import build_document, read_document, round_number
from auditsvc.store.elasticsearch.mapping import build_event_mapping, build_template
from auditsvc.store.month import name_month
from auditsvc.store.rows import EventDigest, NewEvent
from tests.support.store_contract import build_row

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.KEYWORD: TEXT,
    Kind.TEXT: TEXT | st.just("\U00020000" * 8192),
    Kind.ENUM: TEXT,
    Kind.IP: st.ip_addresses().map(str) | st.just("fe80::1%eth0") | TEXT,
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    Kind.BOOLEAN: st.booleans(),
    Kind.TIME: st.integers(0, MAX_TIME_NS - 1),
}


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """Give a field's values, null among them."""
    single = VALUES[field.kind]
    return st.none() | (st.lists(single, max_size=3) if field.multi else single)


EVENTS = st.builds(
    lambda plain, labels: {**plain, **{f"labels.{name}": value for name, value in labels.items()}},
    st.fixed_dictionaries({}, optional={field.name: values_of(field) for field in FIELDS}),
    st.dictionaries(TEXT.filter(bool), st.none() | TEXT, max_size=3),
)
IDS = st.none() | st.binary(min_size=16, max_size=16)


def list_paths(properties: dict[str, Any], head: str = "") -> set[str]:
    """Return the paths of a mapping."""
    found: set[str] = set()
    for name, body in properties.items():
        found |= list_paths(body["properties"], f"{head}{name}.") if "properties" in body else {head + name}
    return found


PATHS = list_paths(build_event_mapping()["properties"])


@given(EVENTS, IDS, IDS)
def test_an_event_comes_back_as_it_was(event: dict[str, Any], key: bytes | None, partner: bytes | None) -> None:
    row = NewEvent(event, EventUid(b"u" * 16), EventDigest("d"), key, None if partner is None else EventUid(partner))
    document = build_document(row)
    assert document.keys() <= PATHS
    back = read_document(msgspec.json.decode(msgspec.json.encode(document)))
    assert (back.event, back.uid, back.access_key, back.partner) == (event, row.uid, key, partner)


def test_other_programs_find_what_ecs_says() -> None:
    event = {"outcome": "denied", "duration_ms": 1.0000005, "time": parse_time_ns("2026-11-22T19:31:54.25+08:00")}
    document = build_document(build_row(0, **event))
    assert (document["event.outcome"], document["event.type"]) == ("failure", ["denied"])
    assert document["event.duration"] == 1_000_001
    assert document["@timestamp"] == "2026-11-22T11:31:54.250000000Z"
    assert document["govshare.time"] == event["time"]


@pytest.mark.parametrize(("value", "units"), [(0.1, 100_000), (-0.0000005, -1), (1e300, int(1e306)), (2.5, 2_500_000)])
def test_numbers_are_rounded_to_their_last_summed_digit(value: float, units: int) -> None:
    assert round_number(value) == units


@pytest.mark.parametrize(
    ("text", "month"),
    [
        ("2026-10-31T23:59:59.999999999Z", "2026.10"),
        ("2026-11-01T00:00:00Z", "2026.11"),
        ("2026-11-01T00:00:00+08:00", "2026.10"),
        ("2014-12-31T23:59:59Z", "old"),
        ("2015-01-01T00:00:00Z", "2015.01"),
        ("2049-12-31T23:59:59Z", "2049.12"),
        ("2050-01-01T00:00:00Z", "far"),
    ],
)
def test_an_event_goes_to_the_index_of_its_utc_month(text: str, month: str) -> None:
    assert name_month(parse_time_ns(text)) == month


def test_templates_refuse_unknown_paths_and_losing_what_was_acknowledged() -> None:
    templates = build_template("p", replicas=1)
    assert set(templates.index) >= {
        f"p-{table}" for table in ("events", "state", "findings", "quarantine", "batches", "undecided", "dead")
    }
    for name, body in templates.index.items():
        assert "p-settings" in body["composed_of"]
        mapping = body["template"].get("mappings", {"dynamic": "strict"})
        assert name == "p-state" or mapping["dynamic"] == "strict"
    (settings,) = (body["template"]["settings"]["index"] for body in templates.component.values())
    assert settings["translog.durability"] == "request"
    assert settings["write.wait_for_active_shards"] == "2"
    assert settings["unassigned.node_left.delayed_timeout"] == "10s"

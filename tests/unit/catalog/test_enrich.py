"""What the catalogue adds to an event, as of the event's own time."""

from typing import Any

import pytest

from auditsvc.catalog import enrich
from auditsvc.catalog.enrich import Enricher
from auditsvc.event.model import QUALITY_FLAGS, Event
from auditsvc.event.time import parse_time_ns
from tests.support.catalog import CIVIL, POLICE, TOWN, load_small

CATALOG = load_small()


def enriched(time: str = "2026-03-01T10:00:00+08:00", **changes: Any) -> Event:
    event: Event = {
        "time": parse_time_ns(time),
        "action": "query",
        "outcome": "success",
        "interface.id": "pop-query",
        "consumer.org": CIVIL,
        "user.id": "u-1",
        "agreement.id": "AG-1",
        "purpose": "relief-review",
        "subject.hash": ["k1:00"],
    }
    for name, value in changes.items():
        key = name.replace("__", ".")
        if value is ...:
            del event[key]
        else:
            event[key] = value
    Enricher(CATALOG).enrich(event)
    return event


def test_a_complete_access_gets_everything_the_catalogue_knows_and_no_flag() -> None:
    event = enriched()
    assert event["interface.name"] == "人口查询"
    assert event["interface.protocol"] == "rest"
    assert event["provider.org"] == POLICE
    assert event["provider.system"] == "population"
    assert event["domain"] == "administrative_service"
    assert event["network"] == "extranet"
    assert event["consumer.level"] == "city"
    assert event["consumer.division"] == "371200"
    assert event["resource.code"] == ["101001/000001"]
    assert event["resource.library"] == "population"
    assert event["resource.share_type"] == "conditional"
    assert event["resource.sensitivity"] == 3
    assert event["resource.personal"] is True
    assert event["project.id"] == "P-POP"
    assert event["project.phase"] == "operation"
    assert event["traffic"] == "business"
    assert event["catalog_version"] == CATALOG.version
    assert "quality" not in event


@pytest.mark.parametrize(
    ("time", "status", "fields"),
    [
        ("2025-12-31T23:59:59.999999999+08:00", "not_yet", ["name", "address"]),
        ("2026-01-01T00:00:00+08:00", "active", ["name", "address"]),
        ("2026-05-31T23:59:59.999999999+08:00", "active", ["name", "address"]),
        ("2026-06-01T00:00:00+08:00", "active", ["name"]),
        ("2026-12-31T23:59:59.999999999+08:00", "active", ["name"]),
        ("2027-01-01T00:00:00+08:00", "expired", ["name"]),
    ],
)
def test_the_agreement_is_read_as_of_the_events_time(time: str, status: str, fields: list[str]) -> None:
    event = enriched(time)
    assert (event["agreement.status"], event["agreement.fields"]) == (status, fields)


def test_one_enricher_answers_for_different_times_of_the_same_combination() -> None:
    enricher = Enricher(CATALOG)
    found = []
    for time in ("2026-05-31T23:59:59+08:00", "2026-06-01T00:00:00+08:00", "2026-05-31T23:59:59+08:00"):
        event: Event = {
            "time": parse_time_ns(time), "interface.id": "pop-query", "consumer.org": CIVIL, "agreement.id": "AG-1",
        }  # fmt: skip
        enricher.enrich(event)
        found.append(event.get("agreement.max_rows"))
    assert found == [100, None, 100]


def test_the_end_of_the_agreement_is_exclusive_and_given() -> None:
    assert enriched()["agreement.until"] == parse_time_ns("2026-06-01T00:00:00+08:00")


def test_the_only_fitting_agreement_is_joined_when_the_record_names_none() -> None:
    event = enriched(agreement__id=...)
    assert (event["agreement.id"], event["agreement.status"]) == ("AG-1", "active")
    assert "quality" not in event


def test_no_agreement_is_joined_for_another_consumer_or_after_its_end() -> None:
    assert enriched(agreement__id=..., consumer__org=TOWN)["quality"] == ["missing_agreement"]
    late = enriched("2027-01-01T00:00:00+08:00", agreement__id=None)
    assert late["quality"] == ["missing_agreement"]
    assert "agreement.status" not in late


def test_an_agreement_the_catalogue_lacks_is_unknown() -> None:
    event = enriched(agreement__id="AG-9")
    assert event["agreement.status"] == "unknown"
    assert event["quality"] == ["unknown_agreement"]


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"user__id": ...}, "missing_user"),
        ({"user__id": None}, "missing_user"),
        ({"purpose": ...}, "missing_purpose"),
        ({"subject__hash": ...}, "missing_subject"),
        ({"consumer__org": ...}, "missing_consumer"),
        ({"consumer__org": "nobody"}, "unknown_consumer"),
        ({"resource__code": ["9/9"]}, "unknown_resource"),
        ({"interface__id": "nothing", "resource__code": ["101001/000001"]}, "unknown_interface"),
    ],
)
def test_what_is_missing_or_unknown_is_flagged_and_nothing_else(change: dict[str, Any], flag: str) -> None:
    assert enriched(**change)["quality"] == [flag]


def test_a_number_of_subjects_is_as_good_as_their_hashes() -> None:
    assert "quality" not in enriched(subject__hash=..., subject__count=3)


def test_an_unknown_interface_without_resources_has_two_flags() -> None:
    assert enriched(interface__id="nothing")["quality"] == ["unknown_interface", "missing_resource"]


def test_an_interface_before_its_registration_is_unknown() -> None:
    event = enriched("2017-12-31T00:00:00+08:00", agreement__id=...)
    assert "unknown_interface" in (event["quality"] or [])  # type: ignore[operator]


def test_of_several_resources_the_strictest_holds() -> None:
    event = enriched(interface__id="both")
    assert event["resource.code"] == ["301001/000001", "101001/000001"]
    assert event["resource.name"] == ["目录", "人口"]
    assert (event["resource.share_type"], event["resource.sensitivity"]) == ("conditional", 3)
    assert event["resource.personal"] is True
    assert event["resource.library"] == "department"


def test_resources_the_record_names_win_over_those_of_the_interface() -> None:
    event = enriched(resource__code=["301001/000001"])
    assert event["resource.code"] == ["301001/000001"]
    assert event["resource.share_type"] == "unconditional"


@pytest.mark.parametrize("stated", [[], None])
def test_a_record_that_names_no_resource_has_those_of_the_interface(stated: list[str] | None) -> None:
    event = enriched(resource__code=stated)
    assert (event["resource.code"], event["resource.name"]) == (["101001/000001"], ["人口"])


def test_an_intranet_interface_has_no_domain_and_gives_its_network_where_none_is_stated() -> None:
    event = enriched(interface__id="both")
    assert "domain" not in event
    assert event["network"] == "intranet"
    assert enriched(network="internet")["network"] == "internet"


def test_flags_the_reader_set_stay_first_and_once() -> None:
    event = enriched(quality=["derived_id", "missing_user"], user__id=..., purpose=...)
    assert event["quality"] == ["derived_id", "missing_user", "missing_purpose"]


def test_a_heartbeat_is_a_probe_and_misses_nothing() -> None:
    event = enriched(action="heartbeat", user__id=..., purpose=..., subject__hash=..., agreement__id=...)
    assert event["traffic"] == "probe"
    assert "quality" not in event


def test_the_interfaces_own_class_of_traffic_wins_over_a_label() -> None:
    event = enriched(interface__id="methods", labels__traffic="test", agreement__id=...)
    assert event["traffic"] == "metadata"
    assert "quality" not in event


@pytest.mark.parametrize(("label", "traffic"), [("test", "test"), ("probe", "probe"), ("nonsense", "business")])
def test_a_label_marks_test_accesses(label: str, traffic: str) -> None:
    assert enriched(labels__traffic=label)["traffic"] == traffic


def test_an_application_that_calls_itself_is_internal() -> None:
    assert enriched(consumer__org=POLICE, consumer__system="population")["traffic"] == "internal"
    assert enriched(consumer__org=POLICE, consumer__system="other")["traffic"] == "business"
    assert enriched(consumer__org=CIVIL, consumer__system="population")["traffic"] == "business"


@pytest.mark.parametrize(
    ("time", "phase"),
    [
        ("2018-07-14T23:59:59+08:00", "building"),
        ("2018-07-15T00:00:00+08:00", "trial"),
        ("2018-12-01T00:00:00+08:00", "accepted"),
        ("2019-11-30T23:59:59+08:00", "accepted"),
        ("2019-12-01T00:00:00+08:00", "operation"),
    ],
)
def test_the_projects_phase_follows_its_dates(time: str, phase: str) -> None:
    assert enriched(time)["project.phase"] == phase


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrich, "MAX_REMEMBERED", 3)
    enricher = Enricher(CATALOG)
    for number in range(10):
        event: Event = {"time": 0, "interface.id": f"made-up-{number}", "consumer.org": CIVIL}
        enricher.enrich(event)
        assert len(enricher._remembered) <= 3


def test_every_flag_given_is_a_documented_one() -> None:
    event = enriched(
        interface__id="nothing", consumer__org=..., user__id=..., agreement__id="AG-9", resource__code=["9/9"]
    )
    flags = event["quality"]
    assert isinstance(flags, list)
    assert set(flags) <= set(QUALITY_FLAGS)

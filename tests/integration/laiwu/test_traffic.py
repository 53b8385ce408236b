"""The worked city's logs: what was planted is found, and nothing else."""

import json
from pathlib import Path

import pytest

from auditsvc.catalog.model import Catalog
from auditsvc.ingest.readers.registry import check_source
from examples.laiwu.planted import PLANTS
from examples.laiwu.rhythm import START_NS
from examples.laiwu.traffic import GAP, GAP_INTERFACES, OUTAGE_INTERFACE, RESENT, Traffic, generate
from tests.support.laiwu import POLICIES, Judged, judge_logs, load_city, name_planted

EVENTS = 20_000


@pytest.fixture(scope="module")
def city() -> Catalog:
    return load_city()


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    return generate(tmp_path_factory.mktemp("logs"), events=EVENTS)


@pytest.fixture(scope="module")
def judged(traffic: Traffic, city: Catalog) -> Judged:
    return judge_logs(traffic, city)


def test_violations_found_equal_the_planted_ones_in_both_directions(traffic: Traffic, judged: Judged) -> None:
    planted = set(name_planted(traffic.violations))
    assert len(planted) == len(traffic.violations)
    assert judged.violations - planted == set()
    assert planted - judged.violations == set()


def test_every_shipped_policy_has_violations_planted(traffic: Traffic) -> None:
    shipped = {path.name[:7] for path in POLICIES.glob("GDS-*.yaml")}
    assert {planted.policy for planted in traffic.violations} == shipped
    assert len(PLANTS) == len(shipped) + 1


def test_nothing_is_left_undecided(judged: Judged) -> None:
    assert set(judged.verdicts) == {"permitted", "violated", "not_covered"}


def test_exactly_the_broken_lines_are_rejected(traffic: Traffic, judged: Judged) -> None:
    assert judged.rejected == traffic.quarantined
    assert all(traffic.quarantined.values())


def test_there_are_as_many_events_as_asked_for(traffic: Traffic, judged: Judged) -> None:
    assert traffic.events == EVENTS
    assert sum(len(events) for events in judged.events.values()) == EVENTS
    assert traffic.records == EVENTS + sum(len(lines) for lines in traffic.quarantined.values())


def test_the_truth_names_the_line_and_the_id_of_each_violation(traffic: Traffic, judged: Judged) -> None:
    ids = {(source, record): event["id"] for source, events in judged.events.items() for record, event in events}
    for planted in traffic.violations:
        assert ids[planted.source, planted.line] == planted.event_id


def test_ids_repeat_only_where_a_record_was_sent_twice(traffic: Traffic, judged: Judged) -> None:
    for source, events in judged.events.items():
        ids = [str(event["id"]) for _, event in events]
        assert len(ids) - len(set(ids)) == len(traffic.resent[source])
    assert len(traffic.resent["share-gateway"]) == RESENT


def test_both_sides_of_a_call_are_logged_within_a_minute(judged: Judged) -> None:
    sides = [
        {str(event["correlation"]): event for _, event in judged.events[source] if event["action"] != "heartbeat"}
        for source in ("bus-client", "bus-provider")
    ]
    assert sides[0].keys() == sides[1].keys()
    for call, event in sides[0].items():
        other = sides[1][call]
        assert (event["side"], other["side"]) == ("consumer", "provider")
        assert abs(int(str(event["time"])) - int(str(other["time"]))) < 60 * 10**9
        assert (event["outcome"], event["consumer.org"]) == (other["outcome"], other["consumer.org"])


def test_every_event_is_known_to_the_catalogue(judged: Judged) -> None:
    unknown = {flag for _, flag in judged.flags if flag.startswith("unknown")}
    assert unknown == set()


def test_the_services_gateway_is_silent_in_its_gap(judged: Judged) -> None:
    events = [event for _, event in judged.events["service-gateway"] if event["interface.id"] in GAP_INTERFACES]
    first, last = (START_NS + edge * 1_000_000 for edge in GAP)
    assert events
    assert not [event for event in events if first <= int(str(event["time"])) < last]


def test_the_truth_counts_calls_once(traffic: Traffic, judged: Judged) -> None:
    successes = sum(
        event["outcome"] == "success" and event["traffic"] == "business"
        for _, event in judged.events["bus-client"]
        if event["interface.id"] == "tax-status"
    )
    assert traffic.calls["tax-status"]["success"] == successes


def test_the_outage_shows_as_failures(traffic: Traffic) -> None:
    assert traffic.calls[OUTAGE_INTERFACE]["failure"] >= 1


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    runs = [generate(tmp_path / name, events=2_000, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    first, second, third = ({source: path.read_bytes() for source, path in run.files.items()} for run in runs)
    assert first == second
    assert first != third


def test_the_truth_file_says_what_was_written(traffic: Traffic) -> None:
    truth = json.loads(traffic.truth.read_text(encoding="utf-8"))
    assert truth["period"] == {"first": "2026-10-01", "last": "2026-10-30", "zone": "Asia/Shanghai"}
    assert truth["records"] == traffic.records
    assert len(truth["violations"]) == len(traffic.violations)
    assert {source: (traffic.truth.parent / name) for source, name in truth["files"].items()} == traffic.files


def test_the_readers_take_the_options_of_every_source(city: Catalog) -> None:
    assert [problem for source in city.sources.values() for problem in check_source(source)] == []

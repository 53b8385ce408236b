"""What Prometheus reads is what the stores hold, and what cannot be read is missing rather than 0."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from auditsvc.api import metrics
from auditsvc.auth.roles import Role
from auditsvc.event.time import parse_time_ns
from auditsvc.ground.errors import StorageError
from auditsvc.runtime import readiness
from auditsvc.store.rows import BatchStat, Chunk, DeadLetter, LedgerPlace, Position
from tests.support.service import Service, open_service
from tests.support.store_contract import build_finding, build_row

Labels = frozenset[tuple[str, str]]


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(readiness, "KEEP_S", 0.0)
    monkeypatch.setattr(metrics, "KEEP_S", 0.0)
    with open_service(tmp_path) as opened:
        yield opened


def scrape(service: Service) -> dict[tuple[str, Labels], float]:
    answer = service.client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "Set-Cookie" not in answer.headers
    return {
        (sample.name.removeprefix("auditsvc_"), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: dict[tuple[str, Labels], float], name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def names(samples: dict[tuple[str, Labels], float]) -> set[str]:
    return {name for name, _ in samples}


def test_a_new_service_tells_nothing_but_zeros_and_its_checks(service: Service) -> None:
    found = scrape(service)
    assert value(found, "records_accepted_total") == value(found, "events_judged_total") == 0
    assert value(found, "store_state", kind="duckdb", state="ok") == 1
    assert value(found, "store_state", kind="duckdb", state="unavailable") == 0
    assert value(found, "check_ready", check="archive") == 1
    assert value(found, "check_ready", check="engine") == 0  # nothing runs by itself here
    assert value(found, "engine_failed") == 1
    assert value(found, "checkpoint_leaves") == 0
    assert "checkpoint_age_seconds" not in names(found)  # there is none, so it has no age
    assert value(found, "dead_letters") == 0


def test_figures_are_those_of_the_store(service: Service) -> None:
    service.make_account(Role.AUDITOR)  # an act, the leaf the store will have followed
    start = parse_time_ns("2026-11-23T00:00:00Z")
    stat = BatchStat(0, 0, "gateway", start, 4, 3, 0, 0, 0, 1, 0)
    findings = [build_finding(0), build_finding(1, severity="low"), build_finding(2, status="shadow")]
    rows = [build_row(number) for number in range(3)]
    service.services.store.write(Chunk(LedgerPlace(0), Position(LedgerPlace(1)), rows, findings, batches=[stat]))
    found = scrape(service)
    assert value(found, "events_judged_total") == 3
    assert value(found, "records_quarantined_total") == 1
    assert value(found, "findings_total", severity="high") == 1
    assert value(found, "findings_total", severity="low") == 1
    assert value(found, "findings_total", severity="critical") == 0


def test_lag_is_the_age_of_the_first_leaf_not_judged(service: Service) -> None:
    service.make_account(Role.AUDITOR)  # acts, each a leaf
    service.clock.instant += timedelta(seconds=90)
    assert value(scrape(service), "lag_seconds") == 90
    assert service.services.event_engine is not None
    service.services.event_engine.catch_up()
    assert value(scrape(service), "lag_seconds") == 0


def test_a_checkpoint_has_a_size_and_an_age(service: Service) -> None:
    service.make_account(Role.AUDITOR)
    assert service.services.checkpointer is not None
    signed = service.services.checkpointer.sign_now()
    assert signed is not None
    service.clock.instant += timedelta(seconds=30)
    found = scrape(service)
    assert value(found, "checkpoint_leaves") == value(found, "log_leaves") == signed.size
    assert value(found, "checkpoint_age_seconds") == 30


def test_a_store_that_is_away_leaves_its_figures_out(service: Service) -> None:
    service.services.store.close()
    found = scrape(service)
    assert value(found, "store_state", kind="duckdb", state="unavailable") == 1
    assert value(found, "part_unreadable", part="store") == 1
    assert value(found, "part_unreadable", part="ledger") == 0
    assert value(found, "check_ready", check="store") == 0
    assert names(found).isdisjoint({"events_judged_total", "lag_records", "lag_seconds", "dead_letters"})
    assert "records_accepted_total" in names(found)


def test_a_database_that_fails_leaves_its_figures_out(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_session: object) -> None:
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    monkeypatch.setattr(metrics, "count_open_alerts", fail)
    found = scrape(service)
    assert value(found, "part_unreadable", part="alerts") == 1
    assert value(found, "part_unreadable", part="ledger") == 0
    assert "alerts_open" not in names(found)


def test_no_label_can_be_chosen_by_a_delivery(service: Service) -> None:
    labels = {label for _, pairs in scrape(service) for label, _ in pairs}
    assert labels == {"check", "kind", "state", "part", "severity"}


def test_callers_within_a_second_share_one_reading(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "KEEP_S", 60.0)
    before = service.client.get("/metrics").text
    service.make_account(Role.AUDITOR)
    assert service.client.get("/metrics").text == before


def test_the_table_of_the_document_names_every_metric(service: Service) -> None:
    service.make_account(Role.AUDITOR)
    assert service.services.checkpointer is not None
    service.services.checkpointer.sign_now()
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    missing = [name for name in sorted(names(scrape(service))) if f"| `auditsvc_{name}" not in text]
    assert not missing


def test_the_status_names_the_store(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    state = service.call(Role.AUDITOR, "GET", "/api/v1/status").get_json()
    assert state["store"] == {"kind": "duckdb", "state": "ok", "lag": 0, "dead_letters": 0}
    letter = DeadLetter(0, 1, 0, "events", "too long", json.dumps({}))
    monkeypatch.setattr(type(service.services.store), "count_dead_letters", lambda _store: len([letter]))
    assert service.call(Role.AUDITOR, "GET", "/api/v1/status").get_json()["store"]["dead_letters"] == 1


def test_the_status_of_a_store_that_is_away_is_an_answer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_store: object) -> int:
        raise StorageError("storage_unavailable", "no connection to elasticsearch")

    monkeypatch.setattr(type(service.services.store), "count_dead_letters", refuse)
    answer = service.call(Role.AUDITOR, "GET", "/api/v1/status")
    assert answer.status_code == 200
    state = answer.get_json()
    assert state["store"] == {
        "kind": "duckdb", "state": "no connection to elasticsearch", "lag": None, "dead_letters": None,
    }  # fmt: skip
    assert (state["events"], state["lag"], state["sources"]) == (None, None, [])
    assert state["log_size"] > 0

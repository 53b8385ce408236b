"""Grouping of findings into alerts, their life, and the leaves that record it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from auditsvc.alerts.group import fill_title
from auditsvc.alerts.model import MAX_NOTE, Alert, AlertFilter, AlertState, AlertTemplate, CloseReason
from auditsvc.alerts.service import (
    acknowledge,
    apply_findings,
    close,
    count_alerts,
    get_position,
    list_alerts,
    list_evidence,
    list_transitions,
    set_position,
)
from auditsvc.event.time import NS
from auditsvc.ground.database import read_session, write_session
from auditsvc.ground.errors import AuditError
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.leaf import get_leaf
from auditsvc.ledger.ledger import Ledger
from auditsvc.store.rows import Finding, FindingKind, LedgerPlace
from tests.support.engine import World
from tests.support.store_contract import START, build_finding

QUIET_S = 100


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def ledger(world: World) -> Ledger:
    return world.ledger


def template_of(_finding: Finding) -> AlertTemplate:
    return AlertTemplate(QUIET_S, "标题", "title")


def at(number: int, second: int, **changes: object) -> Finding:
    return build_finding(number, time=START + second * NS, **changes)


def apply(world: World, ledger: Ledger, *findings: Finding) -> int:
    with write_session(world.engine_db) as session:
        return apply_findings(session, ledger, findings, template_of)


def list_all(world: World, chosen: AlertFilter | None = None) -> list[Alert]:
    with read_session(world.engine_db) as session:
        return sorted(list_alerts(session, chosen).alerts, key=lambda alert: alert.anchor_ns)


def test_findings_less_than_the_quiet_time_from_the_first_join_it(world: World, ledger: Ledger) -> None:
    assert apply(world, ledger, at(1, 1000), at(2, 1099), at(3, 901), at(4, 1100)) == 2
    first, second = list_all(world)
    assert (first.count, first.anchor_ns, first.first_ns, first.last_ns) == (
        3,
        START + 1000 * NS,
        START + 901 * NS,
        START + 1099 * NS,
    )
    assert (second.count, second.anchor_ns) == (1, START + 1100 * NS)


def test_applying_in_parts_or_again_comes_to_the_same(world: World, ledger: Ledger) -> None:
    findings = [at(number, 1000 + number * 30) for number in range(10)]
    for finding in findings:
        apply(world, ledger, finding)
    assert apply(world, ledger, *findings, findings[3]) == 0
    assert [alert.count for alert in list_all(world)] == [4, 4, 2]


def test_other_groups_policies_and_missing_fields_have_alerts_of_their_own(world: World, ledger: Ledger) -> None:
    opened = apply(
        world,
        ledger,
        at(1, 0, group={"consumer.org": "C"}),
        at(2, 0, group={"consumer.org": "D"}),
        at(3, 0, group={"consumer.org": ""}),
        at(4, 0, group={}),
        at(5, 0, policy_id="P-2"),
    )
    assert opened == 5


def test_shadow_and_excepted_findings_raise_nothing(world: World, ledger: Ledger) -> None:
    assert apply(world, ledger, at(1, 0, status="shadow"), at(2, 0, kind=FindingKind.EXCEPTED)) == 0
    assert not list_all(world)


def test_an_alert_is_acknowledged_and_closed_and_each_step_is_a_leaf(world: World, ledger: Ledger) -> None:
    apply(world, ledger, at(1, 0))
    (alert,) = list_all(world)
    world.clock.instant += timedelta(minutes=5)
    with write_session(world.engine_db) as session:
        taken = acknowledge(session, ledger, alert.id, actor="officer")
    assert (taken.state, taken.acknowledged_by) == (AlertState.ACKNOWLEDGED, "officer")
    assert taken.acknowledged_at == world.clock.now()
    with write_session(world.engine_db) as session:
        closed = close(session, ledger, alert.id, actor="officer", reason=CloseReason.AUTHORISED, note="文号 7")
    assert (closed.state, closed.close_reason, closed.close_note) == (
        AlertState.CLOSED,
        CloseReason.AUTHORISED,
        "文号 7",
    )
    with read_session(world.engine_db) as session:
        steps = list_transitions(session, alert.id)
        headers = [parse_header(get_leaf(session.connection(), step.leaf_seq).header).fields for step in steps]
    assert [step.to_state for step in steps] == list(AlertState)
    assert [fields["act"] for fields in headers] == ["alert.open", "alert.acknowledge", "alert.close"]
    assert {fields["subject"] for fields in headers} == {alert.id}


def test_a_step_that_the_state_does_not_allow_is_refused_and_leaves_no_leaf(world: World, ledger: Ledger) -> None:
    apply(world, ledger, at(1, 0))
    (alert,) = list_all(world)
    with write_session(world.engine_db) as session:
        close(session, ledger, alert.id, actor="officer", reason=CloseReason.TEST)
    for act in (
        lambda session: acknowledge(session, ledger, alert.id, actor="officer"),
        lambda session: close(session, ledger, alert.id, actor="officer", reason=CloseReason.TEST),
    ):
        with pytest.raises(AuditError, match="got closed") as caught, write_session(world.engine_db) as session:
            act(session)
        assert caught.value.code == "conflict"
    with read_session(world.engine_db) as session:
        assert len(list_transitions(session, alert.id)) == 2


def test_an_unknown_alert_and_a_note_too_long_are_refused(world: World, ledger: Ledger) -> None:
    apply(world, ledger, at(1, 0))
    (alert,) = list_all(world)
    with pytest.raises(AuditError, match="no alert `nothing`"), write_session(world.engine_db) as session:
        acknowledge(session, ledger, "nothing", actor="officer")
    with pytest.raises(AuditError, match="longer than 4000"), write_session(world.engine_db) as session:
        acknowledge(session, ledger, alert.id, actor="officer", note="x" * (MAX_NOTE + 1))
    assert list_all(world)[0].state is AlertState.NEW


def test_what_comes_after_closing_is_a_new_alert(world: World, ledger: Ledger) -> None:
    apply(world, ledger, at(1, 0))
    (alert,) = list_all(world)
    with write_session(world.engine_db) as session:
        close(session, ledger, alert.id, actor="officer", reason=CloseReason.FALSE_DATA)
    assert apply(world, ledger, at(2, 1)) == 1
    assert sorted(alert.state.value for alert in list_all(world)) == ["closed", "new"]


def test_an_alert_names_its_findings_in_order_of_time(world: World, ledger: Ledger) -> None:
    apply(world, ledger, at(1, 5), at(2, 3))
    (alert,) = list_all(world)
    with read_session(world.engine_db) as session:
        assert [item.time for item in list_evidence(session, alert.id)] == [START + 3 * NS, START + 5 * NS]


def test_lists_are_filtered_and_paged(world: World, ledger: Ledger) -> None:
    apply(world, ledger, *(at(n, n * 1000, severity="low" if n % 2 else "high") for n in range(7)))
    assert len(list_all(world, AlertFilter(severities=("low",)))) == 3
    assert len(list_all(world, AlertFilter(consumer="C", policies=("P-1",), states=(AlertState.NEW,)))) == 7
    assert not list_all(world, AlertFilter(opened_until=world.clock.now()))
    with read_session(world.engine_db) as session:
        seen, after = list[str](), None
        while True:
            page = list_alerts(session, limit=3, after=after)
            seen += [alert.id for alert in page.alerts]
            after = page.after
            if after is None:
                break
        assert len(seen) == len(set(seen)) == 7
        assert count_alerts(session) == {("low", AlertState.NEW): 3, ("high", AlertState.NEW): 4}


def test_the_stage_remembers_its_place(world: World) -> None:
    with read_session(world.engine_db) as session:
        assert get_position(session) == LedgerPlace(0)
    for place in (LedgerPlace(3, 4), LedgerPlace(5)):
        with write_session(world.engine_db) as session:
            set_position(session, place)
        with read_session(world.engine_db) as session:
            assert get_position(session) == place


def test_titles_name_the_group() -> None:
    assert fill_title("{user.id} took {rows}", {"user.id": "u{x}"}) == "u{x} took –"

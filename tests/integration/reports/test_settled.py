"""A report says whether the log stood still while its figures were computed, and is computed anew until it did."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from auditsvc.ground.database import begin_write
from auditsvc.ledger.write.checkpoint import Checkpointer
from auditsvc.reports import service
from auditsvc.reports.service import create_report, find_report_file
from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.rows import LedgerPlace, Position
from tests.support.engine import World, build_policies, build_policy, build_record
from tests.support.issued import DAYS


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.activate_small()
    made.deliver("gateway", build_record("a"), build_record("b"))
    yield made
    made.close()


def make(world: World, store: DuckStore) -> dict[str, Any]:
    """Make a report and return what was signed."""
    sign = Checkpointer(world.ledger, world.settings).sign_now
    report = create_report(
        world.ledger, world.versions, store, world.settings,
        kind="compliance", period=DAYS, actor="auditor", languages=("en",), sign_checkpoint=sign,
    )  # fmt: skip
    content: dict[str, Any] = json.loads(find_report_file(world.settings, report.id, "report.json").read_bytes())
    return content


def disturb(
    world: World, store: DuckStore, monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None], times: int
) -> None:
    """Let something happen to the log, and be judged, while the figures are computed the first ``times``."""
    build, done = service.build_compliance, iter(range(times))

    def build_disturbed(*arguments: Any) -> dict[str, Any]:
        content = build(*arguments)
        number = next(done, None)
        if number is not None:
            act(number)
            world.build_engine(store).catch_up()
        return content

    monkeypatch.setattr(service, "build_compliance", build_disturbed)


def test_figures_of_a_log_that_stood_still_are_settled(world: World) -> None:
    with world.judged() as store:
        content = make(world, store)
    assert (content["settled"], content["summary"]["events"]) == (True, 2)


@pytest.mark.parametrize(("times", "settled", "events"), [(1, True, 3), (2, True, 4), (3, False, 4)])
def test_figures_are_computed_anew_until_nothing_came_in_or_it_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, times: int, settled: bool, events: int
) -> None:
    assert service.TRIES == 3
    with world.judged() as store:
        disturb(world, store, monkeypatch, lambda n: void(world.deliver("gateway", build_record(f"n{n}"))), times)
        content = make(world, store)
    assert (content["settled"], content["summary"]["events"]) == (settled, events)


def activate_new_policy(world: World) -> None:
    world.activate("policy", build_policies(build_policy("P-NEW")))


def act(world: World) -> None:
    with begin_write(world.engine_db) as connection:
        world.ledger.record_act(connection, actor="li", act="alert-close", subject="alert-7", detail={})


@pytest.mark.parametrize(("happens", "looks", "policy"), [(activate_new_policy, 2, "P-NEW"), (act, 1, "P-ROWS")])
def test_new_policies_change_figures_and_an_act_does_not(
    world: World, monkeypatch: pytest.MonkeyPatch, happens: Callable[[World], None], looks: int, policy: str
) -> None:
    looked: list[object] = []
    look = service._find_basis
    monkeypatch.setattr(service, "_find_basis", lambda maker: looked.append(maker) or look(maker))
    with world.judged() as store:
        disturb(world, store, monkeypatch, lambda _: happens(world), 1)
        content = make(world, store)
    assert (content["settled"], len(looked)) == (True, looks)
    assert {row["id"] for row in content["policies"]} == {policy}


def test_figures_of_half_a_batch_are_not_settled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.judged() as store:
        whole = store.position()
        half = Position(LedgerPlace(whole.next.seq - 1, 1), whole.catalog_seq, whole.policy_seq)
        monkeypatch.setattr(store, "position", lambda: half)
        assert make(world, store)["settled"] is False


def void(_: object) -> None:
    """Give nothing back."""

"""Accesses at night are those from 00:00 to before 05:00 of the report's zone, whatever the hour is elsewhere."""

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from auditsvc.catalog.load import load_catalog
from auditsvc.figures.period import build_period
from auditsvc.figures.project_use import measure_project_use
from auditsvc.figures.scope import Scope
from auditsvc.ground.document import build_bundle
from auditsvc.reports.indicators.gaming import list_signals
from tests.support.catalog import SMALL
from tests.support.engine import World, build_record

SHANGHAI = ZoneInfo("Asia/Shanghai")
CATALOG = load_catalog(build_bundle({"catalog.yaml": SMALL}))
BY_NIGHT = ["2026-11-10T00:00:00.000", "2026-11-10T04:59:59.999", "2026-11-11T00:00:00.000", "2026-11-20T02:30:00.000"]
BY_DAY = [
    "2026-11-09T23:59:59.999", "2026-11-10T05:00:00.000", "2026-11-10T08:00:00.000", "2026-11-10T12:59:59.999",
    "2026-11-10T16:00:00.000", "2026-11-10T20:59:59.999", "2026-11-10T13:00:00.000",
]  # fmt: skip


def count_night(folder: Path, times: list[str], zone: ZoneInfo = SHANGHAI, **changes: object) -> tuple[int, int]:
    """Return the successes by night and all of them, of accesses at these times of Shanghai."""
    world = World(folder)
    world.activate_small()
    world.deliver("gateway", *(build_record(f"e{n}", time=f"{time}+08:00", **changes) for n, time in enumerate(times)))
    with world.judged() as store:
        scope = Scope.of_days(store, zone, build_period(date(2026, 11, 1), date(2026, 11, 30)))
        use = measure_project_use(scope, CATALOG, CATALOG.projects["P-POP"])
    world.close()
    return use.night, use.successes


@pytest.mark.parametrize("time", BY_NIGHT)
def test_an_access_by_night_is_counted(tmp_path: Path, time: str) -> None:
    assert count_night(tmp_path, [time]) == (1, 1)


def test_accesses_by_day_are_not_counted(tmp_path: Path) -> None:
    assert count_night(tmp_path, BY_DAY) == (0, len(BY_DAY))


def test_the_night_is_that_of_the_reports_zone(tmp_path: Path) -> None:
    assert count_night(tmp_path, ["2026-11-10T08:00:00.000", "2026-11-10T02:00:00.000"], ZoneInfo("UTC")) == (1, 2)


def test_what_was_denied_by_night_is_no_use(tmp_path: Path) -> None:
    assert count_night(tmp_path, BY_NIGHT, outcome="denied") == (0, 0)


def test_the_sign_is_raised_above_thirty_of_a_hundred(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.activate_small()
    times = [f"2026-11-10T0{4 if number < 4 else 6}:10:00+08:00" for number in range(10)]
    world.deliver("gateway", *(build_record(f"e{number}", time=time) for number, time in enumerate(times)))
    with world.judged() as store:
        scope = Scope.of_days(store, SHANGHAI, build_period(date(2026, 11, 1), date(2026, 11, 30)))
        signs = {sign.id: sign for sign in list_signals(measure_project_use(scope, CATALOG, CATALOG.projects["P-POP"]))}
    world.close()
    night = signs["night_calls"]
    assert (str(night.share), night.count, night.of, night.raised) == ("40.00", 4, 10, True)

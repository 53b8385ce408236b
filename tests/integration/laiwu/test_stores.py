"""The worked city on both event stores: same findings, and every figure of every report the same, field by field."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.laiwu.test_run import run_city
from tests.support.elastic import open_cluster, open_prefix

OF_THE_RUN = {"id", "created", "checkpoint", "accepted", "seq", "leaves", "size", "last_source_seq", "batches"}
"""Members that name this run's ledger, which has other times, keys and administrative entries."""


def list_figures(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Give every leaf of a report with its place, without those that are of the run."""
    if isinstance(value, dict):
        for key, inner in sorted(value.items()):
            if key not in OF_THE_RUN or place.endswith("coverage"):
                yield from list_figures(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from list_figures(inner, f"{place}[{number}]")
    else:
        yield place, value


@pytest.mark.slow
def test_reports_are_equal_on_both_stores(tmp_path: Path) -> None:
    with open_prefix() as (_, prefix):
        run_city(
            tmp_path / "elastic", "--store", "elasticsearch", "--elasticsearch", open_cluster(), "--prefix", prefix
        )
    run_city(tmp_path / "duck")
    for name in ("report", "project"):
        mine, theirs = (
            dict(list_figures(json.loads((tmp_path / store / "out" / f"{name}.json").read_bytes())))
            for store in ("duck", "elastic")
        )
        assert len(mine) > 200
        assert theirs == mine

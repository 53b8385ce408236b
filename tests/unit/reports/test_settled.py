"""Figures are computed anew while events come in, a bounded number of times."""

from types import SimpleNamespace
from typing import Any

import pytest

from auditsvc.reports import service


@pytest.mark.parametrize(
    ("moves", "builds", "settled"), [([], 1, True), ([True], 2, True), ([True] * 2, 3, True), ([True] * 9, 3, False)]
)
def test_a_report_is_built_until_nothing_came_in_meanwhile(
    moves: list[bool], builds: int, settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, Any]] = []

    def build(_: Any, is_settled: bool) -> dict[str, Any]:
        made.append({"number": len(made), "settled": is_settled})
        return made[-1]

    monkeypatch.setattr(service, "_find_basis", lambda maker: SimpleNamespace(position=None))
    monkeypatch.setattr(service, "_has_moved", lambda maker, before: bool(moves) and moves.pop())
    content = service._build_settled(None, build)  # type: ignore[arg-type]
    assert len(made) == builds
    assert content == {"number": builds - 1, "settled": settled}

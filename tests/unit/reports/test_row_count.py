"""A report is refused when the store holds other numbers of rows than its batches' figures say."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import pytest

from auditsvc.figures.row_count_check import check_held
from auditsvc.ground.errors import StorageError
from auditsvc.store.port import EventStore
from auditsvc.store.rows import BatchStat, Inventory, MonthFigure


@dataclass
class Counting:
    """A store that holds ``rows`` in two months; ``followed`` are the events of its batches at each time of asking."""

    rows: int
    followed: tuple[int, ...]
    dead_letters: int = 0
    removed: tuple[str, ...] = ()
    asked: Iterator[int] = field(init=False)

    def __post_init__(self) -> None:
        self.asked = iter(self.followed)

    def batch_stats(self, *_: int) -> list[BatchStat]:
        events = next(self.asked)
        return [
            BatchStat(seq, 0, source, 0, count, count, 0, 0, 0, 0, 0)
            for seq, source, count in ((0, "a", events // 2), (1, "b", events - events // 2))
        ]

    def inventory(self) -> Inventory:
        months = (MonthFigure("2026.10", self.rows - 1, None), MonthFigure("2026.11", 1, None))
        return Inventory(months, self.removed, 0, 0, self.dead_letters, 0)


FINE = [
    Counting(10, (10, 10)),
    Counting(10, (10, 12)),
    Counting(11, (10, 12)),
    Counting(12, (10, 12)),
    Counting(8, (10, 10), dead_letters=2),
    Counting(9, (10, 10), dead_letters=2),
    Counting(10, (10, 10), dead_letters=2),
    Counting(1, (10, 10), removed=("2026.09",)),
]
WRONG = [
    (Counting(9, (10, 10)), "expected 10 events, .* got 9"),
    (Counting(11, (10, 10)), "expected 10 events, .* got 11"),
    (Counting(9, (10, 12)), "expected 10 to 12 events, .* got 9"),
    (Counting(13, (10, 12)), "expected 10 to 12 events, .* got 13"),
    (Counting(7, (10, 10), dead_letters=2), "expected 10 events, .* got 7"),
    (Counting(11, (10, 10), dead_letters=2), "expected 10 events, .* got 11"),
    (Counting(11, (10, 10), removed=("2026.09",)), "expected 10 events, .* got 11"),
]


@pytest.mark.parametrize("store", FINE, ids=str)
def test_what_is_accounted_for_passes(store: Counting) -> None:
    check_held(cast(EventStore, store))


@pytest.mark.parametrize(("store", "said"), WRONG, ids=str)
def test_a_row_too_many_or_too_few_is_refused(store: Counting, said: str) -> None:
    with pytest.raises(StorageError, match=said) as caught:
        check_held(cast(EventStore, store))
    assert caught.value.code == "storage_unavailable"

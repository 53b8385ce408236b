"""Which index has a write that is not known to be on all its copies."""

from typing import Any

import pytest

from auditsvc.store.elasticsearch.confirm import find_uncopied


def build_copy(last: int, everywhere: int, *, is_first: bool = True) -> dict[str, Any]:
    """Return one copy's figures: its last write, and the last that it knows to be on all copies."""
    return {"routing": {"primary": is_first}, "seq_no": {"max_seq_no": last, "global_checkpoint": everywhere}}


def build_stats(*copies: dict[str, Any]) -> dict[str, Any]:
    """Return figures of index ``i``, of one shard."""
    return {"i": {"shards": {"0": list(copies)}}}


def test_what_all_copies_have_is_copied() -> None:
    copies = (build_copy(7, 7), build_copy(7, 6, is_first=False))
    assert find_uncopied(build_stats(*copies), ["i"]) is None, "a second copy hears of the others a little later"
    assert find_uncopied(build_stats(build_copy(-1, -1)), ["i"]) is None


@pytest.mark.parametrize(
    "stats",
    [
        build_stats(build_copy(7, 6), build_copy(6, 6, is_first=False)),
        build_stats(build_copy(7, 7, is_first=False)),
        build_stats(),
        {},
        {"i": {"shards": {"0": [build_copy(7, 7)], "1": [build_copy(3, 2)]}}},
    ],
    ids=["on its way", "no first copy", "no copy", "no index", "another shard"],
)
def test_what_is_on_its_way_or_not_told_is_not(stats: dict[str, Any]) -> None:
    assert find_uncopied(stats, ["i"]) == "i"

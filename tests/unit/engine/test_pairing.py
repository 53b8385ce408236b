"""Pairing of the two sides of a call, beside a count by hand."""

from hypothesis import given
from hypothesis import strategies as st

from auditsvc.event.time import NS
from auditsvc.ground.ids import EventUid
from auditsvc.pipeline.pairing import REACH_NS, Pairs
from auditsvc.store.rows import Half

KEY = b"k" * 16


def uid(number: int) -> EventUid:
    return EventUid(number.to_bytes(16, "big"))


def test_the_nearest_half_still_alone_is_the_partner() -> None:
    pairs = Pairs(())
    for number, second in enumerate((0, 50, 20)):
        assert pairs.add(KEY, "consumer", second * NS, uid(number)) is None
    assert pairs.add(KEY, "provider", 25 * NS, uid(10)) == uid(2)
    assert pairs.add(KEY, "provider", 25 * NS, uid(11)) == uid(0)
    assert pairs.add(KEY, "provider", 110 * NS, uid(12)) == uid(1)
    assert pairs.add(KEY, "provider", 111 * NS, uid(13)) is None


def test_the_reach_is_inclusive_in_both_directions() -> None:
    for away, partner in ((REACH_NS, uid(1)), (-REACH_NS, uid(1)), (REACH_NS + 1, None), (-REACH_NS - 1, None)):
        pairs = Pairs(())
        pairs.add(KEY, "provider", 10**12, uid(1))
        assert pairs.add(KEY, "consumer", 10**12 + away, uid(2)) == partner


def test_the_same_side_and_another_call_do_not_pair() -> None:
    pairs = Pairs(())
    pairs.add(KEY, "consumer", 0, uid(1))
    assert pairs.add(KEY, "consumer", 0, uid(2)) is None
    assert pairs.add(b"x" * 16, "provider", 0, uid(3)) is None


halves = st.lists(
    st.tuples(st.sampled_from(["consumer", "provider"]), st.integers(0, 300).map(lambda second: second * NS)),
    max_size=20,
)


@given(halves=halves, cut=st.integers(0, 20))
def test_pairing_goes_on_from_what_is_stored_as_if_it_had_not_stopped(halves: list[tuple[str, int]], cut: int) -> None:
    whole = Pairs(())
    expected = [whole.add(KEY, side, time, uid(number)) for number, (side, time) in enumerate(halves)]
    stored = [
        Half(KEY, uid(number), side, time, expected[number], 0, number, 0)
        for number, (side, time) in enumerate(halves[:cut])
    ]
    again = Pairs([*stored, *stored])
    got = [again.add(KEY, side, time, uid(cut + number)) for number, (side, time) in enumerate(halves[cut:])]
    assert got == expected[cut:]
    assert len({partner for partner in expected if partner}) == sum(partner is not None for partner in expected)

"""What every rebuild of a store must do. A store's test module makes a subclass that gives the settings."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from auditsvc.event.time import to_datetime
from auditsvc.ground.clock import FixedClock
from auditsvc.ground.settings.model import Settings
from auditsvc.store.open import Rebuilding, open_rebuild, open_store
from auditsvc.store.port import EventStore
from auditsvc.store.rows import LedgerPlace
from auditsvc.store.summary import count_rows
from tests.support.store_contract import EVERY_ROW, NOVEMBER, OCTOBER, START, build_finding, build_row, write

CLOCK = FixedClock(to_datetime(START))


@contextmanager
def opened(settings: Settings) -> Iterator[EventStore]:
    """Give the store in use, prepared."""
    with closing(open_store(settings, CLOCK)) as store:
        store.prepare()
        yield store


@contextmanager
def rebuilding(settings: Settings) -> Iterator[Rebuilding]:
    """Give a new store beside the one in use, its draft prepared."""
    with closing(open_rebuild(settings, CLOCK)) as rebuild:
        rebuild.draft.prepare()
        yield rebuild


class RebuildContract:
    """The shared tests; ``settings`` name a store that is not there yet."""

    @pytest.fixture
    def settings(self) -> Settings:
        raise NotImplementedError

    def test_a_swapped_in_store_is_the_one_in_use_whole(self, settings: Settings) -> None:
        with opened(settings) as store:
            write(store, [build_row(0)])
        with rebuilding(settings) as rebuild:
            write(rebuild.draft, [build_row(number) for number in range(1, 4)], findings=[build_finding(1)])
            write(rebuild.draft, [build_row(4, seq=1)])
            digest = rebuild.draft.digest()
            rebuild.swap()
        with opened(settings) as store:
            assert (store.digest(), store.position().next) == (digest, LedgerPlace(2))
            assert [found.event["id"] for found in store.iter_events(EVERY_ROW)] == ["e1", "e2", "e3", "e4"]
            write(store, [build_row(5, seq=2)])
            assert count_rows(store, EVERY_ROW) == 5

    def test_the_store_in_use_stays_when_nothing_is_swapped_in(self, settings: Settings) -> None:
        with opened(settings) as store:
            write(store, [build_row(0)])
            before = store.digest()
        for _ in range(2):  # the second begins where the first was given up
            with rebuilding(settings) as rebuild:
                assert rebuild.draft.position().next == LedgerPlace(0)
                write(rebuild.draft, [build_row(1)])
            with opened(settings) as store:
                assert store.digest() == before

    def test_the_digest_before_is_given_at_the_same_place_only(self, settings: Settings) -> None:
        with rebuilding(settings) as rebuild:
            assert (rebuild.read_previous(LedgerPlace(0)), rebuild.read_removed()) == (None, None)
            rebuild.swap()
        with opened(settings) as store:
            write(store, [build_row(0)])
            before = store.digest()
        with rebuilding(settings) as rebuild:
            assert rebuild.read_previous(LedgerPlace(0)) is None
            assert rebuild.read_previous(LedgerPlace(1)) == before
            assert rebuild.read_removed() == ()

    def test_removed_months_are_handed_from_store_to_store(self, settings: Settings) -> None:
        rows = [build_row(0, time=OCTOBER), build_row(1, time=NOVEMBER)]
        with opened(settings) as store:
            write(store, rows)
            store.delete_month("2026.10", NOVEMBER)
            before = store.digest()
        with rebuilding(settings) as rebuild:
            write(rebuild.draft, rows)
            assert rebuild.read_removed() == ("2026.10",)
            assert rebuild.draft.delete_month("2026.10", NOVEMBER) == 1
            assert rebuild.draft.digest() == rebuild.read_previous(LedgerPlace(1)) == before
            rebuild.swap()
        with opened(settings) as store:
            assert store.inventory().removed == ("2026.10",)
            write(store, [build_row(2, time=OCTOBER, seq=1)])
            assert count_rows(store, EVERY_ROW) == 1

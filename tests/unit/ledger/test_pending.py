"""What waits to be written is counted, bounded, and forgotten once it is written."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from auditsvc.ground.errors import InputError, StorageError
from auditsvc.ledger.receipt import Receipt
from auditsvc.ledger.write import committer as committer_module
from auditsvc.ledger.write.committer import Committer
from tests.support.ledger import TestLedger, build_delivery, open_ledger

SIZE = len(build_delivery(10).body)
"""Bytes of every delivery with a number of two digits."""


def wait_until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.001)


@dataclass
class Held:
    """A committer that stands still in the middle of its first group until it is let go."""

    committer: Committer
    groups: list[int] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def submit(self, number: int) -> None:
        """Submit from a thread, and return once it waits."""
        before = len(self.committer._pending) + sum(self.groups)
        thread = threading.Thread(target=lambda: self.receipts.append(self.committer.submit(build_delivery(number))))
        self.threads.append(thread)
        thread.start()
        wait_until(lambda: len(self.committer._pending) + sum(self.groups) > before)

    def let_go(self) -> None:
        """Let it write everything, and wait for every receipt."""
        self.gate.set()
        for thread in self.threads:
            thread.join(60)


@contextmanager
def hold(ledger: TestLedger, limit: int) -> Iterator[Held]:
    """Give a committer that holds one delivery in its hands and has room for ``limit`` more bytes."""
    committer = Committer(ledger.ledger, replace(ledger.settings, max_pending_bytes=limit))
    held = Held(committer)
    commit = committer._commit

    def wait_and_commit(group: list[committer_module._Pending]) -> None:
        held.groups.append(len(group))
        assert held.gate.wait(60)
        commit(group)

    try:
        for number in range(20, 25):
            committer.submit(build_delivery(number))
        committer._commit = wait_and_commit  # type: ignore[method-assign]
        held.submit(10)
        wait_until(lambda: held.groups == [1])
        yield held
        held.let_go()
    finally:
        held.gate.set()
        committer.close()


def test_bytes_that_were_written_no_longer_count_as_waiting(tmp_path: Path) -> None:
    with hold(open_ledger(tmp_path), 2 * SIZE) as held:
        held.submit(11)
        held.submit(12)
        held.let_go()
        assert len(held.receipts) == 3
    assert held.committer._pending_bytes == 0


def test_no_more_than_the_bound_waits_and_exactly_as_much_does(tmp_path: Path) -> None:
    with hold(open_ledger(tmp_path), 2 * SIZE) as held:
        held.submit(11)
        held.submit(12)
        with pytest.raises(InputError, match="too many bytes are waiting") as caught:
            held.committer.submit(build_delivery(13))
        assert caught.value.code == "overloaded"
        held.let_go()
        assert not held.committer.submit(build_delivery(13)).replayed


def test_one_larger_than_the_bound_is_taken_when_nothing_waits(tmp_path: Path) -> None:
    with hold(open_ledger(tmp_path), SIZE - 1) as held:
        held.submit(11)
        with pytest.raises(InputError, match="too many bytes are waiting"):
            held.committer.submit(build_delivery(12))


@pytest.mark.parametrize(
    ("name", "bound", "groups"),
    [("MAX_GROUP_DELIVERIES", 2, [1, 2, 1]), ("MAX_GROUP_BYTES", 2 * SIZE, [1, 2, 1])],
)
def test_a_group_takes_no_further_delivery_at_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, bound: int, groups: list[int]
) -> None:
    monkeypatch.setattr(committer_module, name, bound)
    with hold(open_ledger(tmp_path), 10 * SIZE) as held:
        for number in (11, 12, 13):
            held.submit(number)
    assert held.groups == groups


def test_a_refused_group_frees_its_bytes_and_a_later_one_clears_the_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(tmp_path)
    with ledger.committer() as committer:
        with monkeypatch.context() as patch:

            def fail(*_: object) -> None:
                raise StorageError("storage_unavailable", "no disk")

            patch.setattr(committer, "_commit", fail)
            with pytest.raises(StorageError, match="no disk"):
                committer.submit(build_delivery(10))
        assert committer.failure is not None
        committer.submit(build_delivery(10))
        wait_until(lambda: committer.failure is None)  # cleared after the receipts are given
        assert committer._pending_bytes == 0

"""Pairing the two sides of one call, so that no indicator counts it twice. Pure.

A consumer's and a provider's record with the same correlation id, at most :data:`REACH_NS` apart, are two halves of one
call. The half that comes second in the ledger is *paired* with the nearest unpaired half (ties: the one that came first);
every half pairs once. A half without a partner remains unpaired and is counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from auditsvc.event.time import NS
from auditsvc.ground.ids import EventUid
from auditsvc.store.rows import Half

REACH_NS = 60 * NS
"""Maximum time between the two halves, inclusive: clocks of two organisations differ by seconds."""
WINDOW_NS = 2 * REACH_NS + 1
"""How far around its events a chunk must know stored halves: a half in reach may have a partner within its own reach."""
OPPOSITE = {"consumer": "provider", "provider": "consumer"}
"""Sides that make up a call; gateways and stores write one record for both."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An unpaired half."""

    side: str
    time: int
    uid: EventUid


class Pairs:
    """The halves near a chunk: those stored, and those of the chunk as they are added in ledger order."""

    def __init__(self, stored: Iterable[Half]) -> None:
        """Start with the stored halves, which may contain duplicates."""
        self._waiting: dict[bytes, list[_Waiting]] = {}
        halves = sorted(set(stored), key=lambda half: (half.seq, half.record, half.item))
        taken = {(half.access_key, half.partner) for half in halves if half.partner is not None}
        for half in halves:
            if half.side in OPPOSITE and half.partner is None and (half.access_key, half.uid) not in taken:
                waiting = self._waiting.setdefault(half.access_key, [])
                waiting.append(_Waiting(half.side, half.time, half.uid))

    def add(self, access_key: bytes, side: str, time: int, uid: EventUid) -> EventUid | None:
        """Add the next half in ledger order; return its partner's uid when it completes a call."""
        waiting = self._waiting.setdefault(access_key, [])
        wanted = OPPOSITE[side]
        near = [half for half in waiting if half.side == wanted and abs(half.time - time) <= REACH_NS]
        if not near:
            waiting.append(_Waiting(side, time, uid))
            return None
        partner = min(near, key=lambda half: abs(half.time - time))
        waiting.remove(partner)
        return partner.uid

"""A digest over everything in a store; equal for two stores built from one ledger, whatever the order of rows."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from auditsvc.store.elasticsearch.scan import iter_all
from auditsvc.store.elasticsearch.state import StoreState
from auditsvc.store.elasticsearch.view import View
from auditsvc.store.rows import StoreDigest, TableDigest

_encode = msgspec.json.Encoder(order="deterministic").encode
_PRIME = 2**127 - 1


def digest_store(view: View) -> StoreDigest:
    """Return numbers of events, findings and quarantined records, and a digest over all their contents."""
    return StoreDigest.join(
        events=_digest_rows(iter_all(view.client, view.list_events(), view.state.build_visible())),
        findings=_digest_table(view, "findings"),
        quarantine=_digest_table(view, "quarantine"),
    )


def _digest_table(view: View, table: str) -> TableDigest:
    return _digest_rows(iter_all(view.client, [view.names.table(table)], _visible(view.state)))


def _visible(state: StoreState) -> Mapping[str, Any]:
    """Return the query of rows before the position in a table other than events."""
    return state.build_visible("seq", "record")


def _digest_rows(rows: Iterable[Mapping[str, Any]]) -> TableDigest:
    """Return the number of rows and a digest of the multiset; duplicate rows do not cancel out."""
    number = mixed = added = 0
    for row in rows:
        value = int.from_bytes(hashlib.blake2b(_encode(row), digest_size=16).digest(), "big")
        number += 1
        mixed ^= value
        added = (added + value) % _PRIME
    return TableDigest(number, f"{mixed:032x}{added:032x}")

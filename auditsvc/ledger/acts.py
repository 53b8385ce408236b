"""Reads administrative acts from the log, newest first."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from auditsvc.ledger.archive import Archive
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.leaf import Leaf, iter_latest
from auditsvc.ledger.ledger import Ledger

MAX_LOOKED_AT = 5_000
"""Acts scanned for one page; a page may be short when the reader may see few of them."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing a person, a shell or the installation did."""

    seq: int
    accepted: str
    actor: str
    act: str
    subject: str
    detail: dict[str, Any]


def list_acts(
    ledger: Ledger, *, before: int | None, limit: int, keep: Callable[[str], bool]
) -> tuple[list[Act], int | None]:
    """Return acts of the actors accepted by ``keep``, newest first, and where the next page starts.

    Args:
        ledger: its log has the acts, its archive their details.
        before: leaf index; only acts before it.
        limit: maximum number of acts.
        keep: returns whether the reader may see the acts of an actor.
    """
    acts: list[Act] = []
    with ledger.database.connect() as connection:
        for looked_at, leaf in enumerate(iter_latest(connection, "admin", before)):
            if looked_at == MAX_LOOKED_AT:
                return acts, before
            before = leaf.seq
            if keep(unquote(parse_header(leaf.header).fields["actor"])):
                acts.append(_build_act(ledger.archive, leaf))
                if len(acts) == limit:
                    return acts, before
    return acts, None


def _build_act(archive: Archive, leaf: Leaf) -> Act:
    """Return the act of a leaf with its detail."""
    fields = parse_header(leaf.header).fields
    detail: dict[str, Any] = json.loads(archive.get_object(bytes.fromhex(fields["detail-sha256"])))
    return Act(
        leaf.seq,
        fields["accepted"],
        unquote(fields["actor"]),
        unquote(fields["act"]),
        unquote(fields["subject"]),
        detail,
    )

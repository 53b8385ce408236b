"""Appending to the log in SQL: leaves, the nodes they complete, and the head, inside the caller's transaction.

INVARIANT: whoever appends has locked the head row first, so sequence numbers follow the order of commits, accepted
times never decrease, and the primary key of ``leaf`` makes a concurrent append fail instead of forking the log.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from auditsvc.ground.clock import Clock, format_instant
from auditsvc.ground.errors import LogError
from auditsvc.ledger.format.header import format_header
from auditsvc.ledger.format.tree import CompactRange, Node, hash_leaf
from auditsvc.ledger.leaf import Leaf
from auditsvc.ledger.tables import HEAD_ID, head, leaf, node
from auditsvc.ledger.write.proof_path import join_frontier, split_frontier

# Statements are built once: building one costs as much as executing it, and every group commit executes them all.
_READ_HEAD = select(head.c.size, head.c.frontier, head.c.last_accepted).where(head.c.id == HEAD_ID)
_LOCK_HEAD = _READ_HEAD.with_for_update()
_INSERT_LEAF = insert(leaf)
_INSERT_NODE = insert(node)
_MOVE_HEAD = update(head).where(head.c.id == HEAD_ID)


def read_head(connection: Connection, *, lock: bool = False) -> tuple[CompactRange, datetime | None]:
    """Return the head's frontier and last accepted time; with ``lock``, no one else can append until the transaction ends."""
    row = connection.execute(_LOCK_HEAD if lock else _READ_HEAD).one_or_none()
    if row is None:
        raise LogError("log_damaged", "log: the head is missing; restore the database from its backup")
    return CompactRange(row.size, split_frontier(row.frontier)), row.last_accepted


class Appender:
    """Collects the leaves of one transaction; :meth:`flush` writes them. Locks the head when created."""

    def __init__(self, connection: Connection, clock: Clock, origin: str) -> None:
        """Lock the head of the log named ``origin``; ``connection`` is inside ``begin_write``."""
        self._connection = connection
        self._origin = origin
        self._range, last = read_head(connection, lock=True)
        now = clock.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self.accepted_at = now if last is None else max(now, last)
        self.accepted = format_instant(self.accepted_at)
        self._leaves: list[Leaf] = []
        self._nodes: list[Node] = []

    @property
    def size(self) -> int:
        """Leaves of the log, those added here included."""
        return self._range.size

    def add(self, kind: str, fields: Mapping[str, str]) -> Leaf:
        """Add a leaf with ``fields``; ``seq`` and ``accepted`` are assigned here."""
        seq = self._range.size
        header = format_header(self._origin, kind, {**fields, "seq": str(seq), "accepted": self.accepted})
        entry = Leaf(seq, kind, header, hash_leaf(header.encode("ascii")))
        self._nodes += self._range.append(entry.leaf_hash)
        self._leaves.append(entry)
        return entry

    def flush(self) -> None:
        """Insert the leaves and their nodes, and update the head."""
        if not self._leaves:
            return
        rows = [
            {"seq": entry.seq, "kind": entry.kind, "header": entry.header, "leaf_hash": entry.leaf_hash}
            for entry in self._leaves
        ]
        self._connection.execute(_INSERT_LEAF, rows)
        if self._nodes:
            nodes = [{"level": item.level, "position": item.position, "hash": item.hash} for item in self._nodes]
            self._connection.execute(_INSERT_NODE, nodes)
        frontier = join_frontier(self._range.frontier)
        values = {"size": self._range.size, "frontier": frontier, "last_accepted": self.accepted_at}
        self._connection.execute(_MOVE_HEAD, values)
        self._leaves, self._nodes = [], []


def digest_header(header: str) -> bytes:
    """Return the SHA-256 of a header, as the next batch of the same source names it in ``prev``."""
    return hashlib.sha256(header.encode("ascii")).digest()

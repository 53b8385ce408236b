"""Proofs and checkpoints from SQL; every proof is verified before it is returned."""

from sqlalchemy import Connection, and_, or_, select

from auditsvc.ground.errors import LogError
from auditsvc.ledger.format.note import Checkpoint, parse_checkpoint
from auditsvc.ledger.format.tree import HASH_SIZE, CompactRange, verify_consistency, verify_inclusion
from auditsvc.ledger.leaf import Head
from auditsvc.ledger.tables import checkpoint, leaf, node
from auditsvc.ledger.write.appender import read_head
from auditsvc.ledger.write.proof_path import (
    GetNode,
    NodeName,
    build_consistency_path,
    build_inclusion_path,
    list_frontier,
)

_NO_HASH = bytes(HASH_SIZE)


class _Names:
    """Stands in for the stored nodes in a dry run, to learn which ones a proof needs."""

    def __init__(self) -> None:
        """Start without any names."""
        self.wanted: set[NodeName] = set()

    def get(self, name: NodeName) -> bytes:
        self.wanted.add(name)
        return _NO_HASH


def load_nodes(connection: Connection, names: set[NodeName]) -> dict[NodeName, bytes]:
    """Return stored hashes by name, leaves included.

    Raises:
        LogError: ``log_damaged`` when one is missing.
    """
    found: dict[NodeName, bytes] = {}
    leaves = [position for level, position in names if level == 0]
    inner = [(level, position) for level, position in names if level > 0]
    if leaves:
        rows = connection.execute(select(leaf.c.seq, leaf.c.leaf_hash).where(leaf.c.seq.in_(leaves)))
        found.update({(0, row.seq): row.leaf_hash for row in rows})
    if inner:
        # Not a list of pairs: SQLite answers that with a full scan, this with a search for each.
        one_of = or_(*(and_(node.c.level == level, node.c.position == position) for level, position in inner))
        rows = connection.execute(select(node.c.level, node.c.position, node.c.hash).where(one_of))
        found.update({(row.level, row.position): row.hash for row in rows})
    missing = names - found.keys()
    if missing:
        level, position = min(missing)
        raise LogError("log_damaged", f"log: node {position} of level {level} is missing")
    return found


def load_range(connection: Connection, size: int) -> CompactRange:
    """Return the frontier of the tree of the first ``size`` leaves, from stored nodes."""
    names = list_frontier(size)
    found = load_nodes(connection, set(names))
    return CompactRange(size, [found[name] for name in names])


def get_head(connection: Connection) -> Head:
    """Return the current state of the log."""
    tree, last_accepted = read_head(connection)
    return Head(tree.size, tree.root_hash(), last_accepted)


def get_root(connection: Connection, size: int) -> bytes:
    """Return the root hash of the first ``size`` leaves, ``0 <= size <= head size``."""
    return load_range(connection, size).root_hash()


def inclusion_proof(connection: Connection, seq: int, size: int) -> list[bytes]:
    """Return the path from leaf ``seq`` to the root of the first ``size`` leaves, leaf to root.

    Raises:
        LogError: ``proof_invalid`` when ``seq`` is not below ``size``; ``log_damaged`` or ``root_mismatch`` when the
            stored tree is inconsistent.
    """
    names = _Names()
    build_inclusion_path(seq, size, names.get)
    nodes = load_nodes(connection, {*names.wanted, (0, seq), *list_frontier(size)})
    path = build_inclusion_path(seq, size, nodes.__getitem__)
    verify_inclusion(nodes[0, seq], seq, size, path, _root_of(nodes.__getitem__, size))
    return path


def consistency_proof(connection: Connection, size1: int, size2: int) -> list[bytes]:
    """Return the proof that the first ``size2`` leaves extend the first ``size1``.

    Raises:
        LogError: ``proof_invalid`` unless ``0 < size1 <= size2``; ``log_damaged`` or ``root_mismatch`` when the stored
            tree does not hold together.
    """
    names = _Names()
    build_consistency_path(size1, size2, names.get)
    nodes = load_nodes(connection, {*names.wanted, *list_frontier(size1), *list_frontier(size2)})
    get_node = nodes.__getitem__
    path = build_consistency_path(size1, size2, get_node)
    verify_consistency(size1, size2, path, _root_of(get_node, size1), _root_of(get_node, size2))
    return path


def _root_of(get_node: GetNode, size: int) -> bytes:
    """Return the root of the first ``size`` leaves."""
    return CompactRange(size, [get_node(name) for name in list_frontier(size)]).root_hash()


def latest_checkpoint(connection: Connection) -> Checkpoint | None:
    """Return the checkpoint of the largest size, or None before the first."""
    query = select(checkpoint.c.note).order_by(checkpoint.c.size.desc()).limit(1)
    note = connection.execute(query).scalar_one_or_none()
    return None if note is None else parse_checkpoint(note)


def checkpoint_at_least(connection: Connection, size: int) -> Checkpoint | None:
    """Return the smallest checkpoint that covers ``size`` leaves, or None when none does yet."""
    query = select(checkpoint.c.note).where(checkpoint.c.size >= size).order_by(checkpoint.c.size).limit(1)
    note = connection.execute(query).scalar_one_or_none()
    return None if note is None else parse_checkpoint(note)

"""Building the Merkle tree and its proofs; pure, verified by :mod:`auditsvc.ledger.format.tree`.

A node is named by (level, position): level 0 are leaves, node (l, p) covers leaves ``[p << l, (p + 1) << l)``. Only
complete nodes are ever stored, so a stored hash never changes.
"""

from collections.abc import Callable, Sequence

from auditsvc.ledger.format.tree import (
    HASH_SIZE,
    ProofShapeError,
    hash_node,
)

NodeName = tuple[int, int]
"""(level, position) of a complete node."""
GetNode = Callable[[NodeName], bytes]


def list_frontier(size: int) -> list[NodeName]:
    """Return the names of the largest complete subtrees of a tree of ``size`` leaves, left to right."""
    return _split_range(0, size)


def _split_range(begin: int, end: int) -> list[NodeName]:
    """Return the largest complete nodes that cover ``[begin, end)``; ``begin`` is a multiple of the first node's span."""
    names = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        names.append((level, begin >> level))
        begin += 1 << level
    return names


def _hash_range(begin: int, end: int, get_node: GetNode) -> bytes:
    """Return the hash of the subtree over ``[begin, end)``."""
    hashes = [get_node(name) for name in _split_range(begin, end)]
    value = hashes[-1]
    for left in reversed(hashes[:-1]):
        value = hash_node(left, value)
    return value


def build_inclusion_path(index: int, size: int, get_node: GetNode) -> list[bytes]:
    """Return the path from leaf ``index`` to the root of a tree of ``size`` leaves, leaf to root.

    Raises:
        ProofShapeError: not ``0 <= index < size``.

    Source: RFC 9162, section 2.1.3.1.
    """
    if not 0 <= index < size:
        raise ProofShapeError(f"inclusion: index {index} is not in a tree of size {size}")
    path = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + (1 << ((end - begin - 1).bit_length() - 1))
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((begin, middle))
            begin = middle
    return [_hash_range(*part, get_node) for part in reversed(path)]


def build_consistency_path(size1: int, size2: int, get_node: GetNode) -> list[bytes]:
    """Return the proof that the tree of ``size2`` leaves extends that of ``size1``.

    Raises:
        ProofShapeError: not ``0 < size1 <= size2``.

    Source: RFC 9162, section 2.1.4.1.
    """
    if not 0 < size1 <= size2:
        raise ProofShapeError(f"consistency: sizes must be 0 < {size1} <= {size2}")
    parts: list[tuple[int, int]] = []
    begin, end = 0, size2
    while end != size1:
        middle = begin + (1 << ((end - begin - 1).bit_length() - 1))
        if size1 <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((begin, middle))
            begin = middle
    if begin:
        parts.append((begin, end))
    return [_hash_range(*part, get_node) for part in reversed(parts)]


def join_frontier(frontier: Sequence[bytes]) -> bytes:
    """Return a frontier as stored: its hashes concatenated."""
    return b"".join(frontier)


def split_frontier(data: bytes) -> list[bytes]:
    """Return the hashes of a stored frontier."""
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]

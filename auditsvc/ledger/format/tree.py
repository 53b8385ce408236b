"""Merkle tree hashing and proof checking, RFC 6962 and RFC 9162; pure functions on bytes.

Leaf hash: ``SHA-256(0x00 || entry)``; inner node: ``SHA-256(0x01 || left || right)``; empty tree: SHA-256 of nothing.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from auditsvc.ground.errors import LogError

HASH_SIZE = 32
"""Bytes of every hash in the log."""
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root hash of a tree without leaves."""
LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"


class ProofShapeError(LogError):
    """A proof's index, size or number of hashes is out of bounds."""

    def __init__(self, message: str) -> None:
        """Name the bound that is violated."""
        super().__init__("proof_invalid", message)


class RootMismatchError(LogError):
    """A well-formed proof leads to a different root hash."""

    def __init__(self, what: str, expected: bytes, calculated: bytes) -> None:
        """Name the expected and the calculated root hash."""
        message = f"{what}: expected root `{expected.hex()}`, calculated `{calculated.hex()}`"
        super().__init__("root_mismatch", message, expected=expected.hex(), calculated=calculated.hex())


def hash_leaf(entry: bytes) -> bytes:
    """Return the 32-byte leaf hash of an entry."""
    return hashlib.sha256(LEAF_PREFIX + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of the node above ``left`` and ``right``."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


def hash_lines(payload: bytes) -> list[bytes]:
    """Return the leaf hash of each record of LF-terminated ``payload``, the final LF of each left out.

    Raises:
        LogError: ``input_invalid`` when the payload is empty or its last record has no LF.
    """
    if not payload.endswith(b"\n"):
        raise LogError("input_invalid", "lines: every record must end with LF")
    records = payload.split(b"\n")
    del records[-1]
    sha256 = hashlib.sha256
    return [sha256(b"\x00" + record).digest() for record in records]


def hash_records(payload: bytes, kind: str) -> list[bytes]:
    """Return the leaf hashes of a payload: one per line of ``lines``, one for the whole of ``blob``."""
    return [hash_leaf(payload)] if kind == "blob" else hash_lines(payload)


def build_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root hash over ``leaf_hashes`` in order.

    Level by level, an odd last node moves up unchanged: the same tree as the recursive definition, without recursion.

    Source: RFC 9162, section 2.1.1.
    """
    if not leaf_hashes:
        return EMPTY_ROOT
    sha256 = hashlib.sha256
    level = leaf_hashes
    while len(level) > 1:
        pairs = iter(level)
        above = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
        if len(level) & 1:
            above.append(level[-1])
        level = above
    return level[0]


@dataclass(frozen=True, slots=True)
class Node:
    """A complete inner node, ``level >= 1``."""

    level: int
    position: int
    hash: bytes


class CompactRange:
    """The hashes of the largest complete subtrees of a tree, left to right: all that is needed to append."""

    def __init__(self, size: int = 0, frontier: Iterable[bytes] = ()) -> None:
        """Start from a tree of ``size`` leaves whose complete subtrees hash to ``frontier``."""
        self.size = size
        self.frontier = list(frontier)
        if len(self.frontier) != size.bit_count():
            raise ProofShapeError(f"frontier: {len(self.frontier)} hashes for size {size}")

    def append(self, leaf_hash: bytes) -> list[Node]:
        """Add a leaf; return the nodes that became complete, lowest first."""
        nodes = []
        value, position, level = leaf_hash, self.size, 0
        while position & 1:
            value = hash_node(self.frontier.pop(), value)
            position >>= 1
            level += 1
            nodes.append(Node(level, position, value))
        self.frontier.append(value)
        self.size += 1
        return nodes

    def root_hash(self) -> bytes:
        """Return the root hash of the tree so far."""
        if not self.frontier:
            return EMPTY_ROOT
        value = self.frontier[-1]
        for left in reversed(self.frontier[:-1]):
            value = hash_node(left, value)
        return value


def check_hashes(what: str, hashes: Sequence[bytes]) -> None:
    """Raise :class:`ProofShapeError` when one of ``hashes`` is not 32 bytes long."""
    for number, value in enumerate(hashes):
        if len(value) != HASH_SIZE:
            raise ProofShapeError(f"{what}: hash {number} has {len(value)} bytes, expected {HASH_SIZE}")


def verify_inclusion(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root_hash: bytes) -> None:
    """Check that one leaf is committed to by a root hash.

    Args:
        leaf_hash: 32 bytes, RFC 6962 leaf hash (not the entry).
        index: 0-based, ``0 <= index < size``.
        size: leaves under ``root_hash``, from a verified checkpoint.
        path: sibling hashes, leaf to root, 32 bytes each; the length follows from index and size.
        root_hash: 32 bytes, from the same checkpoint.

    Raises:
        ProofShapeError: a bound or length above does not hold.
        RootMismatchError: well formed, but leads to another root.

    Source: RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        raise ProofShapeError(f"inclusion: index {index} is not in a tree of size {size}")
    check_hashes("inclusion", [leaf_hash, root_hash, *path])
    position, last = index, size - 1
    value = leaf_hash
    for sibling in path:
        if last == 0:
            raise ProofShapeError(f"inclusion: {len(path)} hashes are too many for index {index} of size {size}")
        if position & 1 or position == last:
            value = hash_node(sibling, value)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            value = hash_node(value, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofShapeError(f"inclusion: {len(path)} hashes are too few for index {index} of size {size}")
    if value != root_hash:
        raise RootMismatchError(f"inclusion of leaf {index}", root_hash, value)


def verify_consistency(size1: int, size2: int, path: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Check that the tree of ``size2`` leaves extends the tree of ``size1`` leaves.

    Args:
        size1: leaves of the older tree, ``0 < size1 <= size2``; nothing can be shown about an empty tree.
        size2: leaves of the newer tree.
        path: hashes of 32 bytes each; none when the sizes are equal.
        root1: 32 bytes, root of the older tree.
        root2: 32 bytes, root of the newer tree.

    Raises:
        ProofShapeError: a bound or length does not hold.
        RootMismatchError: well formed, but leads to another root.

    Source: RFC 9162, section 2.1.4.2.
    """
    if not 0 < size1 <= size2:
        raise ProofShapeError(f"consistency: sizes must be 0 < {size1} <= {size2}")
    check_hashes("consistency", [root1, root2, *path])
    if size1 == size2:
        if path:
            raise ProofShapeError("consistency: equal sizes need no hashes")
        if root1 != root2:
            raise RootMismatchError(f"consistency at size {size1}", root1, root2)
        return
    position, last = size1 - 1, size2 - 1
    while position & 1:
        position >>= 1
        last >>= 1
    # A complete older tree is itself the first hash; the proof leaves it out.
    hashes = list(path) if position else [root1, *path]
    if not hashes:
        raise ProofShapeError(f"consistency: no hashes between sizes {size1} and {size2}")
    old = new = hashes[0]
    for value in hashes[1:]:
        if last == 0:
            raise ProofShapeError(f"consistency: too many hashes between sizes {size1} and {size2}")
        if position & 1 or position == last:
            old = hash_node(value, old)
            new = hash_node(value, new)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new = hash_node(new, value)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ProofShapeError(f"consistency: too few hashes between sizes {size1} and {size2}")
    if old != root1:
        raise RootMismatchError(f"consistency, older tree of size {size1}", root1, old)
    if new != root2:
        raise RootMismatchError(f"consistency, newer tree of size {size2}", root2, new)

"""The fast tree agrees with the recursive definition of RFC 9162, and its proofs hold and hold only where they should."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditsvc.ground.errors import LogError
from auditsvc.ledger.format.tree import (
    CompactRange,
    Node,
    build_root,
    hash_leaf,
    hash_lines,
    verify_consistency,
    verify_inclusion,
)
from auditsvc.ledger.write.proof_path import build_consistency_path, build_inclusion_path

SIZES = st.integers(1, 70)


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162, section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: list[bytes], complete: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162, section 2.1.4.1."""
    if m == len(leaves):
        return [] if complete else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, leaves[:k], complete), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def entries(size: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(size)]


def stored_nodes(leaves: list[bytes]) -> dict[tuple[int, int], bytes]:
    tree, nodes = CompactRange(), {}
    for seq, entry in enumerate(leaves):
        nodes[0, seq] = hash_leaf(entry)
        nodes.update({(node.level, node.position): node.hash for node in tree.append(hash_leaf(entry))})
    return nodes


@given(st.lists(st.binary(max_size=40), max_size=40))
def test_roots_equal_the_recursive_definition(leaves: list[bytes]) -> None:
    tree = CompactRange()
    for entry in leaves:
        tree.append(hash_leaf(entry))
    assert build_root([hash_leaf(entry) for entry in leaves]) == naive_root(leaves) == tree.root_hash()


@given(st.lists(st.binary(max_size=30).filter(lambda record: b"\n" not in record), min_size=1, max_size=20))
def test_a_record_is_hashed_without_its_final_line_feed(records: list[bytes]) -> None:
    assert hash_lines(b"".join(record + b"\n" for record in records)) == [hash_leaf(record) for record in records]


def test_appending_stores_exactly_the_complete_nodes() -> None:
    for size in range(1, 40):
        leaves = entries(size)
        for (level, position), value in stored_nodes(leaves).items():
            span = 1 << level
            assert (position + 1) * span <= size
            assert value == naive_root(leaves[position * span : (position + 1) * span])
        assert len(stored_nodes(leaves)) == sum(size >> level for level in range(size.bit_length()))


def test_every_proof_of_small_trees_equals_the_definition_and_holds() -> None:
    leaves = entries(24)
    nodes = stored_nodes(leaves)
    for size in range(1, 25):
        root = naive_root(leaves[:size])
        for index in range(size):
            path = build_inclusion_path(index, size, nodes.__getitem__)
            assert path == naive_path(index, leaves[:size])
            verify_inclusion(hash_leaf(leaves[index]), index, size, path, root)
        for size1 in range(1, size + 1):
            path = build_consistency_path(size1, size, nodes.__getitem__)
            assert path == naive_subproof(size1, leaves[:size], True)
            verify_consistency(size1, size, path, naive_root(leaves[:size1]), root)


@given(st.data(), SIZES)
def test_a_changed_inclusion_proof_is_refused(data: st.DataObject, size: int) -> None:
    leaves = entries(size)
    index = data.draw(st.integers(0, size - 1))
    path = naive_path(index, leaves)
    root, leaf = naive_root(leaves), hash_leaf(leaves[index])
    changes = [
        (leaf, index + 1, size, path, root),
        (leaf, index - 1, size, path, root),
        (leaf, index, size, [*path, bytes(32)], root),
        (leaf, index, size, path, bytes(32)),
        (leaf, index, size, path, root[:31]),
        (leaf[:31], index, size, path, root),
        (leaf, index, size, path, b""),
        (leaf, index, 0, [], root),
        (bytes(32), index, size, path, root),
    ]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        bit = data.draw(st.integers(0, 255))
        flipped = bytearray(path[at])
        flipped[bit // 8] ^= 1 << bit % 8
        changes += [
            (leaf, index, size, path[:-1], root),
            (leaf, index, size, [*path[:at], bytes(flipped), *path[at + 1 :]], root),
            (leaf, index, size, [*path[:at], path[at][:31], *path[at + 1 :]], root),
        ]
        if path != path[::-1]:
            changes.append((leaf, index, size, path[::-1], root))
    for change in changes:
        with pytest.raises(LogError):
            verify_inclusion(*change)


@given(st.data(), SIZES)
def test_a_changed_consistency_proof_is_refused(data: st.DataObject, size2: int) -> None:
    leaves = entries(size2)
    size1 = data.draw(st.integers(1, size2))
    path = naive_subproof(size1, leaves, True)
    root1, root2 = naive_root(leaves[:size1]), naive_root(leaves)
    fork = naive_root([b"other", *leaves[1:]])
    changes = [
        (0, size2, path, root1, root2),
        (size1, size1 - 1, path, root1, root2),
        (size1, size2, [*path, bytes(32)], root1, root2),
        (size1, size2, path, bytes(32), root2),
        (size1, size2, path, root1, fork),
        (size1, size2, path, b"", root2),
        (size1, size2, path, root1, b""),
    ]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        changes += [
            (size1, size2, path[:-1], root1, root2),
            (size1, size2, [], root1, root2),
            (size1, size2, [*path[:at], bytes(32), *path[at + 1 :]], root1, root2),
        ]
    for change in changes:
        with pytest.raises(LogError):
            verify_consistency(*change)


def test_a_consistency_proof_of_another_fork_is_refused() -> None:
    ours, theirs = entries(13), [b"other", *entries(13)[1:]]
    path = naive_subproof(7, theirs, True)
    with pytest.raises(LogError):
        verify_consistency(7, 13, path, naive_root(ours[:7]), naive_root(ours))


def test_an_inner_node_is_not_taken_for_a_leaf() -> None:
    leaves = entries(4)
    node = CompactRange()
    made: list[Node] = []
    for entry in leaves:
        made += node.append(hash_leaf(entry))
    left = next(item for item in made if (item.level, item.position) == (1, 0))
    right = next(item for item in made if (item.level, item.position) == (1, 1))
    # As a leaf of a tree of two it has a path, but no entry hashes to it, and the size is signed.
    with pytest.raises(LogError):
        verify_inclusion(left.hash, 0, 4, [right.hash], naive_root(leaves))
    assert hash_leaf(hash_leaf(leaves[0]) + hash_leaf(leaves[1])) != left.hash

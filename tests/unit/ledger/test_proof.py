"""Checkpoints are found at their bounds, and no proof of a stored tree that does not hold together is given out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from auditsvc.ground.errors import LogError
from auditsvc.ledger.proof import (
    checkpoint_at_least,
    consistency_proof,
    get_root,
    inclusion_proof,
    latest_checkpoint,
)
from tests.support.ledger import TestLedger, edit_database, fill_ledger, open_ledger


@pytest.fixture
def ledger(tmp_path: Path) -> TestLedger:
    """Return a log of eight leaves with checkpoints over four and eight."""
    made = open_ledger(tmp_path)
    fill_ledger(made)
    return made


@pytest.fixture
def connection(ledger: TestLedger) -> Iterator[Connection]:
    with ledger.engine.connect() as opened:
        yield opened


@pytest.mark.parametrize(("size", "found"), [(0, 4), (3, 4), (4, 4), (5, 8), (8, 8), (9, None)])
def test_the_first_checkpoint_over_so_many_leaves_is_found(
    connection: Connection, size: int, found: int | None
) -> None:
    checkpoint = checkpoint_at_least(connection, size)
    assert (checkpoint and checkpoint.size) == found


def test_the_latest_checkpoint_is_the_largest(connection: Connection) -> None:
    latest = latest_checkpoint(connection)
    assert latest is not None
    assert latest.size == 8


@pytest.mark.parametrize("statement", ["UPDATE node SET hash = zeroblob(32)", "DELETE FROM node"])
def test_no_proof_is_given_out_of_a_damaged_tree(ledger: TestLedger, statement: str) -> None:
    edit_database(ledger, f"{statement} WHERE level = 2 AND position = 1")
    code = "root_mismatch" if statement.startswith("UPDATE") else "log_damaged"
    with ledger.engine.connect() as connection:
        for prove in (lambda: inclusion_proof(connection, 0, 8), lambda: consistency_proof(connection, 3, 8)):
            with pytest.raises(LogError) as caught:
                prove()
            assert caught.value.code == code
            if code == "log_damaged":
                assert caught.value.message == "log: node 1 of level 2 is missing"
        assert len(inclusion_proof(connection, 0, 4)) == 2


@pytest.mark.parametrize(("seq", "size"), [(8, 8), (-1, 8), (0, 0), (4, 4)])
def test_a_leaf_that_is_not_below_the_size_has_no_proof(connection: Connection, seq: int, size: int) -> None:
    with pytest.raises(LogError, match="is not in a tree of size") as caught:
        inclusion_proof(connection, seq, size)
    assert caught.value.code == "proof_invalid"


@pytest.mark.parametrize(("size1", "size2"), [(0, 8), (5, 4), (-1, 1)])
def test_only_a_tree_of_some_leaves_is_extended_by_one_as_large(connection: Connection, size1: int, size2: int) -> None:
    with pytest.raises(LogError, match="sizes must be 0 < ") as caught:
        consistency_proof(connection, size1, size2)
    assert caught.value.code == "proof_invalid"


def test_the_root_of_no_leaves_is_known_and_a_tree_extends_itself(connection: Connection) -> None:
    assert get_root(connection, 0).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert consistency_proof(connection, 8, 8) == []

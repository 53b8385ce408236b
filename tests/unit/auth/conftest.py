"""Fixtures of the account tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from auditsvc.auth.service import Accounts
from tests.support.accounts import open_accounts


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    """An account service over a fresh database."""
    service = open_accounts(tmp_path)
    yield service
    service.ledger.database.dispose()

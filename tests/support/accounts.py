"""An account service over a fresh database in a temporary folder."""

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from auditsvc.auth.service import Accounts
from auditsvc.ground.clock import FixedClock
from auditsvc.ground.database import migrate, open_engine
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.leaf import iter_leaves
from auditsvc.ledger.ledger import Ledger


def open_accounts(folder: Path) -> Accounts:
    """Return the service with cheap password hashes and a clock that stands still."""
    settings = Settings(data_dir=folder, argon2_memory_kib=64, argon2_time_cost=1, argon2_parallelism=1)
    engine = open_engine(settings.database)
    migrate(engine)
    clock = FixedClock(datetime(2026, 11, 23, 4, 0, tzinfo=UTC))
    return Accounts.open(Ledger.open(engine, settings, clock), settings)


def list_recorded(connection: Connection) -> list[tuple[str, str, str]]:
    """Return (actor, act, subject) of every administrative act in the log."""
    found = []
    for leaf in iter_leaves(connection, 0):
        if leaf.kind == "admin":
            fields = parse_header(leaf.header).fields
            found.append((fields["actor"], fields["act"], fields["subject"]))
    return found

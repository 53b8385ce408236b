"""Counts failed sign-ins per name and locks the name temporarily.

Names without an account are counted the same way, so that a lock does not reveal which accounts exist. Unlocked rows that
did not change for :data:`FORGET` are deleted with the next failure.
"""

import math
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from auditsvc.auth.tables import SignInFailureRow
from auditsvc.ground.errors import AuthError

MAX_FAILURES = 5
"""Failures in a row after which a name is locked."""
LOCK = timedelta(minutes=15)
"""How long a name stays locked."""
FORGET = timedelta(hours=24)
"""The count is reset after this long without a failure."""


def check_open(session: Session, name: str, now: datetime) -> None:
    """Refuse a name that is locked at ``now``.

    Raises:
        AuthError: ``locked_out``, with ``retry_after_s``.
    """
    row = session.get(SignInFailureRow, name)
    if row is not None and row.locked_until is not None and now < row.locked_until:
        wait_s = math.ceil((row.locked_until - now).total_seconds())
        raise AuthError(
            "locked_out", f"too many failed sign-ins; try again in {-(-wait_s // 60)} minutes", retry_after_s=wait_s
        )


def count_failure(session: Session, name: str, now: datetime) -> bool:
    """Count a failure at ``now``; return whether it locked the name."""
    session.execute(delete(SignInFailureRow).where(SignInFailureRow.last < now - FORGET))
    row = session.get(SignInFailureRow, name)
    if row is None:
        session.add(SignInFailureRow(name=name, failures=1, last=now, locked_until=None))
        return False
    if row.locked_until is not None:
        row.failures, row.locked_until = 0, None
    row.failures += 1
    row.last = now
    if row.failures < MAX_FAILURES:
        return False
    row.locked_until = now + LOCK
    return True


def forget(session: Session, name: str) -> None:
    """Reset the count of failures of ``name``."""
    row = session.get(SignInFailureRow, name)
    if row is not None:
        session.delete(row)

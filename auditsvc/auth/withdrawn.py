"""What was given back before its end: bearer tokens and console sessions, remembered until they would have ended anyway.

Both are signed and kept by the caller alone, so a copy could outlive a sign-out if the service did not remember it.
"""

from datetime import datetime

from sqlalchemy import Engine, delete

from auditsvc.auth.tables import WithdrawnTokenRow
from auditsvc.ground.clock import Clock
from auditsvc.ground.database import read_session, write_session


def withdraw(engine: Engine, clock: Clock, token_id: str, expires: datetime) -> None:
    """Make a token or session useless from now on; after ``expires`` it is useless by itself."""
    with write_session(engine) as session:
        session.execute(delete(WithdrawnTokenRow).where(WithdrawnTokenRow.expires < clock.now()))
        session.merge(WithdrawnTokenRow(token_id=token_id, expires=expires))


def is_withdrawn(engine: Engine, token_id: str) -> bool:
    """Tell whether a token or session was given back."""
    with read_session(engine) as session:
        return session.get(WithdrawnTokenRow, token_id) is not None

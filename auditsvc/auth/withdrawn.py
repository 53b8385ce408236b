"""Bearer tokens and console sessions withdrawn before their expiry, which are stored until then.

Both are signed and held by the client only, so a copy would survive a sign-out if the service kept no record of it.
"""

from datetime import datetime

from sqlalchemy import Engine, delete

from auditsvc.auth.tables import WithdrawnTokenRow
from auditsvc.ground.clock import Clock
from auditsvc.ground.database import read_session, write_session


def withdraw(engine: Engine, clock: Clock, token_id: str, expires: datetime) -> None:
    """Invalidate a token or session from now on; after ``expires`` it is invalid in any case."""
    with write_session(engine) as session:
        session.execute(delete(WithdrawnTokenRow).where(WithdrawnTokenRow.expires < clock.now()))
        session.merge(WithdrawnTokenRow(token_id=token_id, expires=expires))


def is_withdrawn(engine: Engine, token_id: str) -> bool:
    """Return whether a token or session was withdrawn."""
    with read_session(engine) as session:
        return session.get(WithdrawnTokenRow, token_id) is not None

"""The services of one core process: created once by ``app.create_app``, stored in the application for API and console.

A route calls :func:`get_services` and passes what it needs to one service function; nothing else is shared between
requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app

from auditsvc.auth.bearer import BearerTokens
from auditsvc.auth.service import Accounts
from auditsvc.figures.lag import StoreStatus, read_store_status
from auditsvc.figures.search import EventIndex
from auditsvc.ground.database import begin_write
from auditsvc.ground.settings.model import Settings
from auditsvc.inforce.versions import Versions
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.write.checkpoint import Checkpointer
from auditsvc.pipeline.log_identity import Followed
from auditsvc.pipeline.loop import Engine
from auditsvc.runtime.workers import EngineWorker
from auditsvc.store.port import EventStore

EXTENSION = "auditsvc"
"""The services' key in ``app.extensions``."""


@dataclass(frozen=True, slots=True)
class Services:
    """The open services of one core process.

    Attributes:
        settings: what the operator set.
        ledger: the log with its archive, database and clock.
        versions: what is in force at a place of the ledger.
        followed: the event index, guarded by this log; this process is its only owner.
        accounts: people, their roles and passwords.
        tokens: bearer tokens of the API.
        event_engine: processes the ledger; None in a read-only process.
        worker: the thread that runs the engine; None in a read-only process.
        checkpointer: signs the log; None in a read-only process.
    """

    settings: Settings
    ledger: Ledger
    versions: Versions
    followed: Followed
    accounts: Accounts
    tokens: BearerTokens
    event_engine: Engine | None = None
    worker: EngineWorker | None = None
    checkpointer: Checkpointer | None = None

    @property
    def store(self) -> EventStore:
        """The event index.

        Raises:
            StorageError: ``storage_unavailable`` when it is unavailable or belongs to another log.
        """
        return self.followed.use()

    @property
    def events(self) -> EventIndex:
        """What faces ask about single events; raises as :attr:`store`."""
        return EventIndex(self.store)


def read_status(services: Services) -> StoreStatus:
    """Return the status of the event store; an unavailable one is a status, not an error."""
    return read_store_status(services.settings.event_store, services.followed, services.ledger)


def get_services() -> Services:
    """Return the services of the application that handles the current request."""
    services: Services = current_app.extensions[EXTENSION]
    return services


def record_reading(actor: str, act: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Record in the ledger that ``actor`` searched or fetched something; reading is an act like any other.

    Raises:
        StorageError: ``storage_unavailable``; then nothing may be returned to the reader.
    """
    ledger = get_services().ledger
    with begin_write(ledger.database) as connection:
        ledger.record_act(connection, actor=actor, act=act, subject=subject, detail=detail)

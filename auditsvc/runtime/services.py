"""What one core process has open: made once by ``app.create_app``, found by the API and the console in the application.

A route asks :func:`get_services` and hands what it needs to one service function; nothing else is shared between
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
    """The open parts of one core process.

    Attributes:
        settings: what the operator set.
        ledger: the log with its archive, database and clock.
        versions: what is in force at a place of the ledger.
        followed: the event index, held to this log; this process is its one owner.
        accounts: people, their roles and passwords.
        tokens: bearer tokens of the API.
        event_engine: follows the ledger; None where a process only reads.
        worker: the thread that runs the engine; None where a process only reads.
        checkpointer: signs the log; None where a process only reads.
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
            StorageError: ``storage_unavailable`` when it does not answer or follows another log.
        """
        return self.followed.use()

    @property
    def events(self) -> EventIndex:
        """What faces ask about single events; raises as :attr:`store`."""
        return EventIndex(self.store)


def read_status(services: Services) -> StoreStatus:
    """Return how the event store stands; one that does not answer is a status, not an error."""
    return read_store_status(services.settings.event_store, services.followed, services.ledger)


def get_services() -> Services:
    """Return the services of the application that answers the present request."""
    services: Services = current_app.extensions[EXTENSION]
    return services


def record_reading(actor: str, act: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Put in the ledger that ``actor`` searched or fetched something; reading is an act like any other.

    Raises:
        StorageError: ``storage_unavailable``; then the reader gets nothing.
    """
    ledger = get_services().ledger
    with begin_write(ledger.database) as connection:
        ledger.record_act(connection, actor=actor, act=act, subject=subject, detail=detail)

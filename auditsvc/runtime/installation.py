"""Finding and opening what an installation has: its ledger, its log key, and the event store that follows it.

Only ``init`` makes a ledger. Every other command asks :func:`open_database` or :func:`require_ledger`, so that a wrong
folder is reported as what it is, and does not become a second, empty ledger with a key of its own.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import OperationalError

from auditsvc.ground.clock import Clock, SystemClock
from auditsvc.ground.database import find_file, has_tables, migrate, open_engine
from auditsvc.ground.errors import SigningError, StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.keys import LOG_KEY_FILE
from auditsvc.ledger.ledger import Ledger
from auditsvc.pipeline.log_identity import Followed, check_followed
from auditsvc.runtime.locks import claim_folder
from auditsvc.store.open import open_store
from auditsvc.store.port import EventStore
from auditsvc.store.rows import Position


def open_database(settings: Settings) -> Engine:
    """Return an engine on the ledger's migrated database.

    Raises:
        StorageError: ``ledger_missing``; ``storage_unavailable`` when it cannot be used.
    """
    require_ledger(settings)
    engine = make_database(settings)
    event.listen(engine, "handle_error", _translate)
    return engine


def open_ledger(settings: Settings, clock: Clock | None = None) -> Ledger:
    """Return the ledger; raises as :func:`open_database`."""
    return Ledger.open(open_database(settings), settings, clock or SystemClock())


def make_database(settings: Settings) -> Engine:
    """Return an engine on the migrated database, made when missing."""
    engine = open_engine(settings.database)
    migrate(engine)
    return engine


def require_ledger(settings: Settings) -> None:
    """Refuse to go on where there is no ledger; makes nothing.

    Raises:
        StorageError: ``ledger_missing`` when database or archive is not where the settings say.
    """
    if not has_tables(settings.database):
        if settings.database_url:
            path = find_file(settings.database)
            place, setting = f"`{path}`" if path else "the database", "AUDITSVC_DATABASE_URL"
        else:
            place, setting = f"`{settings.data_dir.resolve()}`", "AUDITSVC_DATA_DIR"
        raise StorageError(
            "ledger_missing",
            f"there is no ledger in {place}; run `auditsvc init`, or set `{setting}` to where it is",
        )
    if not settings.archive_path.is_dir():
        raise StorageError(
            "ledger_missing",
            f"the ledger's archive is not in `{settings.archive_path.resolve()}`; mount it, or set "
            f"`{_name_setting(settings.archive_dir, 'AUDITSVC_ARCHIVE_DIR')}` to where it is",
        )


def require_log_key(settings: Settings) -> None:
    """Refuse to go on without the log's key: a new one would sign what the old one never signed.

    Raises:
        SigningError: ``key_unusable`` when it is not where the settings say.
    """
    path = settings.key_path / LOG_KEY_FILE
    if not path.is_file():
        raise SigningError(
            "key_unusable",
            f"the log's key is not at `{path.resolve()}`; restore it from the backup, or set "
            f"`{_name_setting(settings.key_dir, 'AUDITSVC_KEY_DIR')}` to where it is",
        )


def follows_ledger(settings: Settings, position: Position) -> bool:
    """Check that a store's position is one of this ledger's log; False where there is no ledger. Makes and migrates nothing.

    Raises:
        StorageError: ``storage_unavailable`` when it is another log's, or the database cannot be asked.
    """
    if not has_tables(settings.database):
        return False
    engine = open_engine(settings.database)
    event.listen(engine, "handle_error", _translate)
    try:
        check_followed(Ledger.open(engine, settings, SystemClock()), position)
    finally:
        engine.dispose()
    return True


@contextmanager
def use_store(settings: Settings, ledger: Ledger, name: str) -> Iterator[EventStore]:
    """Give the event store to a command that works while no core process runs, and close it.

    Args:
        settings: which store, and the data folder that is claimed meanwhile.
        ledger: the log that the store has to follow.
        name: what this process is, for whoever is refused.

    Raises:
        AuditError: ``folder_in_use`` when another process works in the data folder.
        StorageError: ``storage_unavailable`` when the store cannot be opened or follows another log.
    """
    with claim_folder(settings.data_dir, name), closing(open_store(settings, ledger.clock)) as opened:
        yield Followed(ledger, opened).use()


def _translate(context: ExceptionContext) -> None:
    """Tell of a database that fails in the middle of a command, which has nobody else to tell it."""
    if isinstance(context.sqlalchemy_exception, OperationalError):
        raise StorageError("storage_unavailable", f"database: {context.original_exception}") from None


def _name_setting(given: object, own: str) -> str:
    """Return the setting a folder follows from: its own one when given, else the data folder's."""
    return "AUDITSVC_DATA_DIR" if given is None else own

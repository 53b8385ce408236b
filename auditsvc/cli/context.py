"""Helpers of most commands: settings, the ledger's opened database, and output.

Only ``init`` creates a ledger. Every other command calls :func:`open_database` or :func:`require_ledger`, so that a wrong
folder is reported, and does not become a second, empty ledger with a key of its own.
"""

import getpass
import json
import os
from typing import Any

import click
from sqlalchemy import Engine, ExceptionContext, event
from sqlalchemy.exc import OperationalError

from auditsvc.auth.service import SHELL
from auditsvc.ground.clock import Clock, SystemClock
from auditsvc.ground.database import find_file, has_tables, migrate, open_engine
from auditsvc.ground.errors import SigningError, StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.keys import LOG_KEY_FILE
from auditsvc.ledger.ledger import Ledger
from auditsvc.pipeline.log_identity import check_followed
from auditsvc.store.rows import Position

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one document, on standard output.")


def load_settings() -> Settings:
    """Return the settings of this process's environment."""
    return Settings.from_mapping(os.environ)


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
    """Return an engine on the migrated database, which is created if missing."""
    engine = open_engine(settings.database)
    migrate(engine)
    return engine


def require_ledger(settings: Settings) -> None:
    """Raise unless there is a ledger; creates nothing.

    Raises:
        StorageError: ``ledger_missing`` when database or archive is not where the settings expect it.
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
    """Raise unless the log's key exists: a new one would sign checkpoints that the old one never signed.

    Raises:
        SigningError: ``key_unusable`` when it is not where the settings expect it.
    """
    path = settings.key_path / LOG_KEY_FILE
    if not path.is_file():
        raise SigningError(
            "key_unusable",
            f"the log's key is not at `{path.resolve()}`; restore it from the backup, or set "
            f"`{_name_setting(settings.key_dir, 'AUDITSVC_KEY_DIR')}` to where it is",
        )


def follows_ledger(settings: Settings, position: Position) -> bool:
    """Check that a store's position is in this ledger's log; False without a ledger. Creates and migrates nothing.

    Raises:
        StorageError: ``storage_unavailable`` when it is another log's, or the database is unavailable.
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


def _translate(context: ExceptionContext) -> None:
    """Translate a database error in the middle of a command into ours, since no other layer does."""
    if isinstance(context.sqlalchemy_exception, OperationalError):
        raise StorageError("storage_unavailable", f"database: {context.original_exception}") from None


def find_actor() -> str:
    """Return the actor name of this shell's user in the log."""
    return f"{SHELL}{getpass.getuser()}"


def print_json(value: Any) -> None:
    """Print ``value`` as one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _name_setting(given: object, own: str) -> str:
    """Return the setting that determines a folder: its own if given, else the data folder's."""
    return "AUDITSVC_DATA_DIR" if given is None else own

"""The relational database: one metadata object, one way to open it, one way to begin a write transaction.

SQLite runs in WAL mode with ``synchronous=FULL``. A transaction that will write must begin as one
(:func:`begin_write`): SQLite refuses to upgrade a read transaction when another connection has written since it began.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from flask import Flask, current_app, has_request_context
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, Connection, DateTime, Dialect, Engine, MetaData, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from auditsvc.ground.errors import AuditError, StorageError
from auditsvc.ground.files import make_folder

SQLITE_BUSY_MS = 60_000
"""How long a writer waits for the others; group commits take milliseconds, so this is never reached unless the disk hangs."""

_WRITE = "auditsvc_write"
_ENGINE = "auditsvc_engine"
_VERSION_TABLE = "alembic_version"
_MIGRATIONS = Path(__file__).parents[1] / "migrations"


class Base(DeclarativeBase):
    """Base of every table; constraint names are fixed so that migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class RequestDatabase(SQLAlchemy):
    """Flask-SQLAlchemy on the engine that is already open; by default it would create a second one, without our pragmas."""

    def install(self, app: Flask, engine: Engine) -> None:
        """Provide each request of ``app`` with a session on ``engine``, closed when the request ends."""
        app.config["SQLALCHEMY_DATABASE_URI"] = engine.url
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {_ENGINE: engine}
        self.init_app(app)

    def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: Flask) -> Engine:
        """Return the engine passed to :meth:`install`; the library offers no other hook for an existing engine."""
        engine: Engine = options[_ENGINE]
        return engine


db = RequestDatabase(model_class=Base)
"""The session of the current request; see :func:`read_session`."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant; SQLite drops the time zone, so it is restored when a value is read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; reject naive values."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware UTC instant."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def build_engine_options(url: str) -> dict[str, Any]:
    """Return the options with which every engine on ``url`` is created."""
    if _parse_url(url).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": SQLITE_BUSY_MS / 1000, "check_same_thread": False}}
    return {"pool_pre_ping": True}


def open_engine(url: str) -> Engine:
    """Return an engine on ``url``; for SQLite, create the file's folder and set the pragmas.

    Raises:
        AuditError: ``settings_invalid`` when ``url`` is not a supported database URL.
        StorageError: ``storage_unavailable`` when the folder cannot be created.
    """
    path = find_file(url)
    if path is not None:
        try:
            make_folder(path.parent)
        except OSError as err:
            message = f"folder `{path.parent}` of the database cannot be made: {err.strerror}; see `AUDITSVC_DATA_DIR`"
            raise StorageError("storage_unavailable", message) from err
    return _make_engine(url)


def has_tables(url: str) -> bool:
    """Return whether the database at ``url`` has this program's tables; creates nothing.

    Raises:
        AuditError: ``settings_invalid`` when ``url`` is not a supported database URL.
        StorageError: ``storage_unavailable`` when it cannot be queried.
    """
    path = find_file(url)
    if path is not None and not path.is_file():
        return False
    engine = _make_engine(url)
    try:
        return inspect(engine).has_table(_VERSION_TABLE)
    except DBAPIError as err:
        raise StorageError("storage_unavailable", f"database{_name(path)}: cannot be read: {_explain(err)}") from err
    finally:
        engine.dispose()


def find_file(url: str) -> Path | None:
    """Return the file of a SQLite URL, None for another database."""
    address = _parse_url(url)
    return Path(address.database) if address.get_backend_name() == "sqlite" and address.database else None


def _parse_url(url: str) -> URL:
    """Return the parsed URL; it may contain a password, so the parser's error text is not passed on."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError) as err:
        raise AuditError("settings_invalid", "AUDITSVC_DATABASE_URL: expected a database's address") from err


def _make_engine(url: str) -> Engine:
    """Return an engine with its pragmas set; does not connect."""
    try:
        engine = create_engine(url, **build_engine_options(url))
    except (ArgumentError, ImportError) as err:
        raise AuditError("settings_invalid", f"AUDITSVC_DATABASE_URL: no driver for this database: {err}") from err
    prepare_engine(engine)
    return engine


def _explain(err: DBAPIError) -> str:
    """Return the database's error message, with a remedy when it is about a file that cannot be written."""
    words = str(err.orig)
    unwritable = "readonly" in words or "unable to open" in words
    return f"{words}; this user has to be able to write the file and its folder" if unwritable else words


def _name(path: Path | None) -> str:
    return "" if path is None else f" `{path}`"


def prepare_engine(engine: Engine) -> None:
    """Configure SQLite connections for durability, and let :func:`begin_write` decide how a transaction begins."""
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is issued explicitly, below
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS:d}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def say_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def begin_write(engine: Engine) -> Iterator[Connection]:
    """Yield a connection inside a transaction that may write; commit at the end, roll back on an error."""
    with engine.connect().execution_options(**{_WRITE: True}) as connection, connection.begin():
        yield connection


@contextmanager
def report_failures() -> Iterator[None]:
    """Raise what SQLAlchemy raises inside as ``StorageError`` (``storage_unavailable``)."""
    try:
        yield
    except SQLAlchemyError as err:
        raise StorageError("storage_unavailable", f"database: {type(err).__name__}") from err


@contextmanager
def write_session(engine: Engine) -> Iterator[Session]:
    """Yield an ORM session inside a transaction that may write; commit at the end, roll back on an error.

    Pass ``session.connection()`` to ``ledger`` so that a change and its leaf are one transaction.
    Objects the request loaded before are refreshed afterwards.
    """
    with begin_write(engine) as connection, Session(bind=connection, expire_on_commit=False) as session:
        yield session
        session.flush()
    if _serves_request(engine):
        db.session.rollback()


@contextmanager
def read_session(engine: Engine) -> Iterator[Session]:
    """Yield an ORM session for reading: the current request's, or a new one outside a request.

    Within one request, all reads see the same snapshot of the database, taken at the first read, until something is
    written.
    """
    if _serves_request(engine):
        yield db.session()
        return
    with Session(engine, expire_on_commit=False) as session:
        yield session


def _serves_request(engine: Engine) -> bool:
    """Return whether the current context is a request of an application on ``engine``."""
    return has_request_context() and "sqlalchemy" in current_app.extensions and db.engine is engine


def migrate(engine: Engine) -> None:
    """Upgrade the database schema to this version of the program.

    Raises:
        StorageError: ``storage_unavailable`` when the database is unavailable or cannot be changed.
    """
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    try:
        with begin_write(engine) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as err:
        name = _name(find_file(engine.url.render_as_string(hide_password=True)))
        raise StorageError("storage_unavailable", f"database{name}: cannot migrate: {_explain(err)}") from err
    except CommandError as err:
        message = f"database: its tables are of another version of the program: {err}; run that version"
        raise StorageError("storage_unavailable", message) from err

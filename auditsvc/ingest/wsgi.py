"""The application of an ingest worker: a fast path for deliveries, Flask for everything else.

The fast path exists because Flask's request handling costs more than all other work on a single event. Both paths end in
the same :class:`~auditsvc.ingest.intake.Intake`.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask, Response, request
from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from auditsvc.ground.clock import Clock, SystemClock
from auditsvc.ground.database import migrate, open_engine
from auditsvc.ground.errors import AuditError, InputError, StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.inforce.versions import Versions
from auditsvc.ingest.answer import STATUS_LINES, Answer, build_answer, build_problem
from auditsvc.ingest.credentials import KeyRing
from auditsvc.ingest.intake import Intake
from auditsvc.ingest.view import CatalogView
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.write.committer import Committer

EVENTS_PATH = "/ingest/v1/events"
RECORDS_PREFIX = "/ingest/v1/sources/"
RECORDS_SUFFIX = "/records"

StartResponse = Callable[..., Any]
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
_log = logging.getLogger(__name__)


class IngestApp:
    """WSGI callable of one worker; owns the worker's database engine and committer until closed."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Open the archive and the database, recover this worker's segment, start the committer."""
        self.engine: Engine = open_engine(settings.database)
        migrate(self.engine)
        ledger = Ledger.open(self.engine, settings, clock)
        self.archive = ledger.archive
        self.committer = Committer(ledger, settings)
        view = CatalogView(Versions(ledger), clock)
        _warm(view)
        self.intake = Intake(KeyRing(self.engine, clock), view, self.committer, clock, settings)
        self.flask = _build_flask(self)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request."""
        if environ["REQUEST_METHOD"] == "POST":
            path = environ["PATH_INFO"]
            if path == EVENTS_PATH:
                return _send(self.answer(lambda: self.intake.take_events(environ)), start_response)
            name = find_source(path)
            if name is not None:
                return _send(self.answer(lambda: self.intake.take_records(environ, name)), start_response)
        return self.flask.wsgi_app(environ, start_response)

    def answer(self, take: Callable[[], Answer]) -> Answer:
        """Return the result of ``take``, or a problem document for any failure; the outermost handler of a delivery."""
        try:
            return take()
        except AuditError as err:
            if err.http_status >= 500:
                _log.error("delivery_failed", extra={"code": err.code, "reason": err.message})
            return build_problem(err)
        except SQLAlchemyError as err:
            _log.exception("delivery_failed")
            return build_problem(StorageError("storage_unavailable", f"database: {type(err).__name__}, send again"))
        except OSError as err:
            _log.exception("delivery_failed")
            return build_problem(StorageError("storage_unavailable", f"disk: {err.strerror}, send again"))
        except Exception:
            _log.exception("delivery_crashed")
            return build_problem(
                AuditError("internal", "the program failed; the operator finds the details in the log")
            )

    def check_ready(self) -> None:
        """Raise ``AuditError`` unless a delivery could be stored now; tested by a write and sync in the archive."""
        self.committer.check_ready()
        self.archive.check_writable()
        try:
            with self.engine.connect() as connection:
                connection.execute(text("select 1 from leaf limit 1"))
        except SQLAlchemyError as err:
            raise StorageError("storage_unavailable", f"database: {type(err).__name__}") from err

    def close(self) -> None:
        """Commit what is pending, stop the committer, close the database."""
        self.committer.close()
        self.engine.dispose()


def build_ingest_app(settings: Settings, clock: Clock | None = None) -> IngestApp:
    """Return the ingest application, ready to serve.

    Raises:
        AuditError: ``storage_unavailable`` when archive or database cannot be used.
    """
    return IngestApp(settings, clock or SystemClock())


def find_source(path: str) -> str | None:
    """Return the source in a path of the records endpoint, None for any other path."""
    if not (path.startswith(RECORDS_PREFIX) and path.endswith(RECORDS_SUFFIX)):
        return None
    name = path[len(RECORDS_PREFIX) : -len(RECORDS_SUFFIX)]
    if not name or "/" in name:
        return None
    return name.encode("latin-1", "replace").decode("utf-8", "replace")


def _warm(view: CatalogView) -> None:
    """Read the catalogue so that the first delivery need not wait; errors are reported to each delivery."""
    try:
        view.refresh()
    except AuditError as err:
        _log.error("catalog_not_read", extra={"code": err.code, "reason": err.message})


def _send(answer: Answer, start_response: StartResponse) -> list[bytes]:
    """Pass an answer to the server."""
    start_response(STATUS_LINES[answer.status], answer.headers)
    return [answer.body]


def _build_flask(app: IngestApp) -> Flask:
    """Return the Flask application for health and everything outside the fast path."""
    flask = Flask("auditsvc.ingest", static_folder=None)

    @flask.get("/health/live")
    def get_live() -> Response:
        """Report that the process is running."""
        return _respond(build_answer(200, {"status": "live"}))

    @flask.get("/health/ready")
    def get_ready() -> Response:
        """Report whether a delivery could be stored now."""
        return _respond(app.answer(lambda: _answer_ready(app)))

    @flask.post(EVENTS_PATH)
    def post_events() -> Response:
        """Store native events."""
        return _respond(app.answer(lambda: app.intake.take_events(request.environ)))

    @flask.post(f"{RECORDS_PREFIX}<source>{RECORDS_SUFFIX}")
    def post_records(source: str) -> Response:
        """Store records of a source."""
        return _respond(app.answer(lambda: app.intake.take_records(request.environ, source)))

    flask.register_error_handler(HTTPException, _answer_http_error)
    return flask


def _answer_ready(app: IngestApp) -> Answer:
    """Return the answer of a ready worker; raise the reason when it is not ready."""
    app.check_ready()
    return build_answer(200, {"status": "ready", "slot": app.committer.slot})


def _answer_http_error(error: HTTPException) -> Response:
    """Return the problem document for a request that no route matches, with its headers."""
    code = _HTTP_CODES.get(error.code or 500, "request_invalid")
    response = _respond(build_problem(InputError(code, (error.description or error.name).rstrip("."))))
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _respond(answer: Answer) -> Response:
    """Return an answer as a Flask response."""
    return Response(answer.body, answer.status, answer.headers)

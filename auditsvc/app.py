"""The composition root: the only place where the parts are put together, for the core process and the ingest workers.

The core process has one owner of everything that has to have one: the event store's file, the engine that follows the
ledger, the signer of checkpoints. It serves the console and the API beside them. Ingest workers hold none of these.
"""

import os
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from flask import Flask, Response, g, request
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect
from werkzeug.exceptions import HTTPException

from auditsvc.api.health import install_health
from auditsvc.api.install import install_api
from auditsvc.api.metrics import install_metrics
from auditsvc.api.problems import answer_crash, answer_error, answer_http_error
from auditsvc.auth.bearer import BearerTokens
from auditsvc.auth.gate import install_gate
from auditsvc.auth.roles import public
from auditsvc.auth.service import Accounts
from auditsvc.auth.session_key import load_or_create_session_key
from auditsvc.console import routes as console
from auditsvc.ground.clock import Clock, SystemClock
from auditsvc.ground.database import db, migrate, open_engine
from auditsvc.ground.errors import AuditError
from auditsvc.ground.logs import configure_logs
from auditsvc.ground.settings.model import Settings
from auditsvc.inforce.versions import Versions
from auditsvc.ingest.wsgi import build_ingest_app
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.write.checkpoint import Checkpointer
from auditsvc.pipeline.collector import spare_collector
from auditsvc.pipeline.log_identity import Followed
from auditsvc.pipeline.loop import Engine
from auditsvc.runtime.processes import at_exit, stop_with_parent
from auditsvc.runtime.services import EXTENSION, Services
from auditsvc.runtime.workers import EngineWorker
from auditsvc.store.open import open_store

PROGRAM_PATHS = ("/api/", "/health/", "/metrics")
"""Below these callers are programs: errors are problem documents, and no cookie is read or set."""
_CSP = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def open_services(settings: Settings, clock: Clock | None = None) -> Services:
    """Return the open parts of a core process: database migrated, keys made, nothing running yet.

    Raises:
        AuditError: a database, folder or key cannot be used, or another process owns the event store.
    """
    present = clock or SystemClock()
    engine_db = open_engine(settings.database)
    migrate(engine_db)
    ledger = Ledger.open(engine_db, settings, present)
    versions = Versions(ledger)
    store = open_store(settings, present)
    event_engine = Engine(ledger, versions, store, settings)
    return Services(
        settings=settings,
        ledger=ledger,
        versions=versions,
        followed=Followed(ledger, store),
        accounts=Accounts.open(ledger, settings),
        tokens=BearerTokens.open(engine_db, present, settings),
        event_engine=event_engine,
        worker=EngineWorker(event_engine),
        checkpointer=Checkpointer(ledger, settings),
    )


def start_services(services: Services) -> None:
    """Start what runs beside the requests: the engine and the signer of checkpoints."""
    if services.worker:
        services.worker.start()
    if services.checkpointer:
        services.checkpointer.start()


def close_services(services: Services) -> None:
    """Stop what runs and release what is open, in an order that leaves every file complete."""
    if services.worker:
        services.worker.stop()
    if services.checkpointer:
        services.checkpointer.stop()
    services.followed.close()
    services.ledger.database.dispose()


def create_app(settings: Settings, *, services: Services | None = None) -> Flask:
    """Return the core process's application: API, console, health.

    Args:
        settings: what the operator set.
        services: already open parts; opened here when left out. The caller starts and closes them.
    """
    app = Flask("auditsvc", static_folder=None)
    app.config.update(_build_config(settings))
    app.extensions[EXTENSION] = services or open_services(settings)
    opened: Services = app.extensions[EXTENSION]
    db.install(app, opened.ledger.database)
    _install_headers(app)  # first, so that a refusal at the gate has its nonce too
    install_gate(app, opened.accounts, opened.tokens)
    protect: Any = CSRFProtect  # the library has no types
    csrf = protect(app)
    install_health(app)
    install_metrics(app)
    install_api(app, csrf)
    console.install(app)
    _install_errors(app)
    _declare_static_files(app)
    return app


def create_core_app() -> Callable[..., Any]:
    """Return the application of the core process with its engine running; for the web server that serves it."""
    settings = Settings.from_mapping(os.environ)
    configure_logs(settings.log_level)
    stop_with_parent()
    services = open_services(settings)
    at_exit(partial(close_services, services))
    app = create_app(settings, services=services)
    spare_collector()
    start_services(services)
    return app


def create_ingest_app() -> Callable[..., Any]:
    """Return the application of one ingest worker; for the web server that serves it."""
    settings = Settings.from_mapping(os.environ)
    configure_logs(settings.log_level)
    stop_with_parent()
    application = build_ingest_app(settings)
    at_exit(application.close)
    return application


def _build_config(settings: Settings) -> dict[str, Any]:
    """Return the web framework's configuration."""
    return {
        "SECRET_KEY": load_or_create_session_key(settings.key_path),
        "SESSION_COOKIE_NAME": "auditsvc",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.secure_cookies,
        "PERMANENT_SESSION_LIFETIME": timedelta(minutes=settings.session_minutes),
        "MAX_CONTENT_LENGTH": settings.max_body_bytes,
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_CHECK_DEFAULT": True,
    }


def _install_headers(app: Flask) -> None:
    """Give every page its nonce and every answer its security headers."""

    @app.before_request
    def make_nonce() -> None:
        g.csp_nonce = secrets.token_urlsafe(16)

    @app.after_request
    def set_headers(response: Response) -> Response:
        nonce = g.get("csp_nonce", "")
        response.headers.setdefault("Content-Security-Policy", _CSP.format(nonce=nonce))
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        if app.config["SESSION_COOKIE_SECURE"]:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if not request.path.startswith("/static/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    app.jinja_env.globals["csp_nonce"] = lambda: g.csp_nonce


def _install_errors(app: Flask) -> None:
    """Answer programs with problem documents and people with pages."""

    @app.errorhandler(AuditError)
    def on_error(error: AuditError) -> ResponseReturnValue:
        return answer_error(error) if _is_program() else console.handle_error(error)

    @app.errorhandler(HTTPException)
    def on_http_error(error: HTTPException) -> ResponseReturnValue:
        if error.response is not None:
            return error.response
        return answer_http_error(error) if _is_program() else console.handle_error(error)

    @app.errorhandler(Exception)
    def on_crash(error: Exception) -> ResponseReturnValue:
        answer = answer_crash(error)
        return answer if _is_program() else console.handle_error(AuditError("internal", "the program failed"))


def _is_program() -> bool:
    """Tell whether the present request is a program's."""
    return request.path.startswith(PROGRAM_PATHS)


def _declare_static_files(app: Flask) -> None:
    """Say of the blueprints' file routes, which no decorator reaches, that everybody may read them."""
    for endpoint, view in list(app.view_functions.items()):
        if endpoint.rpartition(".")[2] == "static":
            app.view_functions[endpoint] = _serve_publicly(view)


def _serve_publicly(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``view`` with a declaration, which the framework's own function cannot carry."""

    @public
    def serve(**names: Any) -> Any:
        return view(**names)

    return serve

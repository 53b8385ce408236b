"""Health of the core process: live means that it answers; ready means that it can do all its work now."""

from flask import Blueprint, Flask, Response, current_app, jsonify

from auditsvc.auth.roles import public
from auditsvc.runtime.readiness import Readiness, ReadinessCheck
from auditsvc.runtime.services import EXTENSION

_READINESS = "auditsvc-readiness"

blueprint = Blueprint("health", __name__, url_prefix="/health")


def install_health(app: Flask) -> None:
    """Serve the health endpoints of ``app``'s services."""
    app.extensions[_READINESS] = Readiness(app.extensions[EXTENSION])
    app.register_blueprint(blueprint)


def find_checks() -> tuple[ReadinessCheck, ...]:
    """Return every check of the application that handles the current request."""
    readiness: Readiness = current_app.extensions[_READINESS]
    return readiness.check()


@blueprint.get("/live")
@public
def show_live() -> Response:
    """Report that the process is running."""
    return jsonify(status="live")


@blueprint.get("/ready")
@public
def show_ready() -> tuple[Response, int]:
    """Report whether the service can do all its work now; 503 with every reason when it cannot."""
    checks = find_checks()
    failed = {check.name: check.reason for check in checks if check.reason is not None}
    body = jsonify(
        status="not ready" if failed else "ready",
        checks={check.name: check.reason or "ok" for check in checks},
    )
    return body, 503 if failed else 200

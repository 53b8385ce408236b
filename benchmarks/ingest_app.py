"""The ingest worker for benchmarks/ingest.py, without the core process's packages."""

import os

from auditsvc.ground.logs import configure_logs
from auditsvc.ground.settings.model import Settings
from auditsvc.ingest.wsgi import IngestApp, build_ingest_app


def create() -> IngestApp:
    """Return the ingest application of this process's environment."""
    settings = Settings.from_mapping(os.environ)
    configure_logs("warning")
    return build_ingest_app(settings)

"""The ingest worker for benchmarks/ingest.py, without the core process's packages."""

import os

from auditsvc.ingest.wsgi import IngestApp, build_ingest_app
from auditsvc.logs import configure_logs
from auditsvc.settings import Settings


def create() -> IngestApp:
    """Return the ingest application of this process's environment."""
    settings = Settings.from_mapping(os.environ)
    configure_logs("warning")
    return build_ingest_app(settings)

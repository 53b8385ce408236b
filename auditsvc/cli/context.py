"""What most commands need: settings, an opened and migrated database, and one way to print."""

import json
import os
from typing import Any

import click
from sqlalchemy import Engine

from auditsvc.database import migrate, open_engine
from auditsvc.settings import Settings

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one document, on standard output.")


def load_settings() -> Settings:
    """Return the settings of this process's environment."""
    return Settings.from_mapping(os.environ)


def open_database(settings: Settings) -> Engine:
    """Return an engine on the migrated database."""
    engine = open_engine(settings.database)
    migrate(engine)
    return engine


def print_json(value: Any) -> None:
    """Print ``value`` as one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))

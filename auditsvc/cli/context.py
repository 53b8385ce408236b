"""What most commands need: settings, who asks, and one way to print."""

import getpass
import json
import os
from typing import Any

import click

from auditsvc.auth.service import SHELL
from auditsvc.ground.settings.model import Settings

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one document, on standard output.")


def load_settings() -> Settings:
    """Return the settings of this process's environment."""
    return Settings.from_mapping(os.environ)


def find_actor() -> str:
    """Return the actor name of this shell's user in the log."""
    return f"{SHELL}{getpass.getuser()}"


def print_json(value: Any) -> None:
    """Print ``value`` as one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))

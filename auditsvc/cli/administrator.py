"""Options to act as an Elasticsearch administrator, for the few commands that need more rights than the service has."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from auditsvc.ground.errors import InputError
from auditsvc.ground.settings.model import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


def administrator_options(command: Command) -> Command:
    """Add ``--user`` and ``--password-file`` to a command."""
    command = click.option(
        "--password-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="File with the administrator's password.",
    )(command)
    return click.option("--user", help="An administrator of Elasticsearch; default: the service's own user.")(command)


def as_administrator(settings: Settings, user: str | None, password_file: Path | None) -> Settings:
    """Return the settings with the administrator's name and password, if given.

    Raises:
        InputError: ``input_invalid`` when only one of the two is given, or the events are not in Elasticsearch.
    """
    if (user is None) != (password_file is None):
        raise InputError("input_invalid", "--user and --password-file belong together: expected both or none")
    if user is None:
        return settings
    if settings.event_store != "elasticsearch":
        raise InputError("input_invalid", "--user: event_store is `duckdb`, which has no users")
    return replace(
        settings,
        elasticsearch_user=user,
        elasticsearch_password_file=password_file,
        elasticsearch_api_key_file=None,
    )

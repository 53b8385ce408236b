"""``auditsvc reindex``: rebuild the event store from the archive."""

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from auditsvc.cli.administrator import administrator_options, as_administrator
from auditsvc.cli.context import json_option, load_settings, print_json
from auditsvc.ground.errors import EXIT_FINDING
from auditsvc.pipeline.collector import spare_collector
from auditsvc.pipeline.rebuild import reindex
from auditsvc.runtime.installation import open_ledger, require_log_key
from auditsvc.runtime.locks import claim_folder


@click.command()
@administrator_options
@click.option("--replace-other", is_flag=True, help="Also replace a store that follows another log than this ledger's.")
@json_option
def command(user: str | None, password_file: Path | None, replace_other: bool, as_json: bool) -> None:
    """Build the event store again from the archive, compare it with the present one, and put it in its place.

    With the embedded store the service must be stopped; with Elasticsearch it goes on and moves over by itself, and the
    user needs the right to manage the indices. A store that follows another log is refused: it is another ledger's, or this
    ledger was put back from a backup. Alerts stay as they are. Exit 1 when the present store held something
    else: what it held was not what the archive says, and is replaced.
    """
    settings = as_administrator(load_settings(), user, password_file)
    ledger = open_ledger(settings)
    require_log_key(
        settings
    )  # the key for data subjects is stored beside it, and a new one would change the stored hashes
    spare_collector()
    with ExitStack() as stack:
        if settings.event_store == "duckdb":
            stack.enter_context(claim_folder(settings.data_dir, "reindex"))
        done = reindex(
            ledger,
            settings,
            _print_progress,
            replaces_other=replace_other,
        )
    if as_json:
        print_json(
            {
                "leaves": done.position.seq,
                "events": done.digest.events,
                "findings": done.digest.findings,
                "quarantine": done.digest.quarantine,
                "digest": done.digest.digest,
                "identical": done.is_identical,
                "removed_months": None if done.removed is None else list(done.removed),
            }
        )
    else:
        answer = {True: "identical", False: "DIFFERENT", None: "not compared: no store at the same place"}
        click.echo(
            f"leaves {done.position.seq}, events {done.digest.events}, findings {done.digest.findings}, ", nl=False
        )
        click.echo(f"quarantined {done.digest.quarantine}; the store before: {answer[done.is_identical]}")
    _tell_removed(done.removed)
    if done.is_identical is False:
        sys.exit(EXIT_FINDING)


def _tell_removed(months: tuple[str, ...] | None) -> None:
    """Report what happened to months that retention removed."""
    if months is None:
        click.echo("the store before could not be read: months that had been removed from it are back", err=True)
    elif months:
        click.echo(f"months that stay removed: {', '.join(months)}", err=True)


def _print_progress(done: int, total: int) -> None:
    """Report the progress of the rebuild."""
    click.echo(f"leaf {done} of {total}", err=True)

"""``auditsvc reindex``: build the event store again from the archive."""

import sys

import click

from auditsvc.cli.claim import claim_folder
from auditsvc.cli.context import json_option, load_settings, open_database, print_json, require_log_key
from auditsvc.clock import SystemClock
from auditsvc.engine.rebuild import reindex
from auditsvc.errors import EXIT_FINDING
from auditsvc.ledger.archive import Archive


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Build the event store again from the archive, compare it with the present one, and put it in its place.

    The service must be stopped; alerts stay as they are. Exit 1 when the present store held something else: what it
    held was not what the archive says, and is replaced.
    """
    settings = load_settings()
    engine_db = open_database(settings)
    require_log_key(settings)  # the key of data subjects lies beside it, and a new one would change what is stored
    with claim_folder(settings.data_dir, "reindex"):
        done = reindex(engine_db, Archive(settings.archive_path), settings, SystemClock(), _print_progress)
    if as_json:
        print_json(
            {
                "leaves": done.position.seq,
                "events": done.digest.events,
                "findings": done.digest.findings,
                "quarantine": done.digest.quarantine,
                "digest": done.digest.digest,
                "identical": done.is_identical,
            }
        )
    else:
        answer = {True: "identical", False: "DIFFERENT", None: "not compared: no store at the same place"}
        click.echo(
            f"leaves {done.position.seq}, events {done.digest.events}, findings {done.digest.findings}, ", nl=False
        )
        click.echo(f"quarantined {done.digest.quarantine}; the store before: {answer[done.is_identical]}")
    if done.is_identical is False:
        sys.exit(EXIT_FINDING)


def _print_progress(done: int, total: int) -> None:
    """Tell how far the rebuild is."""
    click.echo(f"leaf {done} of {total}", err=True)

"""``auditsvc report``: make, list and fetch reports."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from auditsvc.cli.context import find_actor, json_option, load_settings, print_json
from auditsvc.ground.clock import format_instant
from auditsvc.ground.database import read_session
from auditsvc.ground.errors import InputError
from auditsvc.ground.files import SHARED, open_replacement
from auditsvc.inforce.versions import Versions
from auditsvc.ledger.service import sign_checkpoint
from auditsvc.reports.render import LANGUAGES
from auditsvc.reports.service import (
    KINDS,
    Report,
    create_report,
    find_report_file,
    get_report,
    list_report_files,
    list_reports,
)
from auditsvc.runtime.installation import open_database, open_ledger, require_log_key, use_store

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def command() -> None:
    """Create, list and fetch reports."""


@command.command()
@click.option("--kind", type=click.Choice(KINDS), default="compliance", show_default=True, help="What it is about.")
@click.option("--project", help="Project id, for a project report.")
@click.option("--from", "first", type=_DAY, metavar="DAY", required=True, help="First local day, such as 2026-11-01.")
@click.option("--to", "last", type=_DAY, metavar="DAY", required=True, help="Last local day, included.")
@click.option("--language", "languages", type=click.Choice(LANGUAGES), multiple=True, help="Default: all.")
@json_option
def create(
    kind: str,
    project: str | None,
    first: datetime,
    last: datetime,
    languages: tuple[str, ...],
    as_json: bool,
) -> None:
    """Create, sign and log a report.

    Opens the event store itself, so it works only while no core process runs; a running service makes reports through
    its console and API.
    """
    settings = load_settings()
    ledger = open_ledger(settings)
    require_log_key(settings)
    with use_store(settings, ledger, "report create") as store:
        report = create_report(
            ledger,
            Versions(ledger),
            store,
            settings,
            kind=kind,
            period=(first.date(), last.date()),
            project_id=project,
            languages=languages or LANGUAGES,
            actor=find_actor(),
            sign_checkpoint=lambda: sign_checkpoint(ledger, settings),
        )
    files = [str(find_report_file(settings, report.id, file.name)) for file in list_report_files(settings, report.id)]
    if as_json:
        print_json({**_describe(report), "files": files})
        return
    click.echo(f"report {report.id}, verdict {report.verdict}, leaf {report.leaf_seq}")
    for file in files:
        click.echo(file)


@command.command(name="list")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="Most reports.")
@json_option
def list_(limit: int, as_json: bool) -> None:
    """List reports, newest first."""
    engine = open_database(load_settings())
    with read_session(engine) as session:
        page = list_reports(session, limit=limit)
    if as_json:
        print_json([_describe(report) for report in page.reports])
        return
    for report in page.reports:
        subject = f" {report.project_id}" if report.project_id else ""
        click.echo(f"{report.id}  {report.kind}{subject}  {report.first} – {report.last}  {report.verdict}")


@command.command()
@click.argument("report_id")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Folder to copy to.")
def fetch(report_id: str, out: Path) -> None:
    """Copy a report's files into a folder."""
    settings = load_settings()
    engine = open_database(settings)
    with read_session(engine) as session:
        get_report(session, report_id)
    out.mkdir(parents=True, exist_ok=True)
    for file in list_report_files(settings, report_id):
        target = out / file.name
        if target.exists():
            raise InputError("conflict", f"`{target}` is there already; choose another folder with `--out`")
        with (
            find_report_file(settings, report_id, file.name).open("rb") as source,
            open_replacement(target, SHARED) as copy,
        ):
            shutil.copyfileobj(source, copy)
        click.echo(str(target))


def _describe(report: Report) -> dict[str, Any]:
    """Return a report as JSON-serialisable data."""
    return {
        "id": report.id,
        "kind": report.kind,
        "project": report.project_id,
        "first": report.first.isoformat(),
        "last": report.last.isoformat(),
        "languages": list(report.languages),
        "verdict": report.verdict,
        "created_at": format_instant(report.created_at),
        "actor": report.actor,
        "sha256": report.sha256.hex(),
        "leaf_seq": report.leaf_seq,
        "log_size": report.log_size,
    }

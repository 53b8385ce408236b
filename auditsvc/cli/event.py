"""``auditsvc event``: search and export events, and show one with its proof, through the running service."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from auditsvc.cli.client import ApiClient, api_options
from auditsvc.cli.context import json_option, load_settings, print_json
from auditsvc.event.time import format_time_ns, read_bound_ns
from auditsvc.ground.errors import StorageError

_INSTANT = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"])
_SHOWN = ("time", "interface.id", "consumer.org", "user.id", "action", "outcome", "verdict")
_TOLD_EVERY = 10_000
"""Number of exported events between progress messages."""

_repeats_option = click.option(
    "--repeats", is_flag=True, help="Also what is no access: repeats, second halves of calls, probes and heartbeats."
)


@click.group()
def command() -> None:
    """Search and export events, and show one with its proof; asks the running service, which owns the event store."""


@command.command()
@click.argument("query", default="")
@click.option("--from", "first", type=_INSTANT, metavar="TIME", help="First instant; default 30 days before the last.")
@click.option("--to", "last", type=_INSTANT, metavar="TIME", help="Instant after the last; default now.")
@_repeats_option
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="Most events.")
@click.option("--cursor", help="Where the page before ended.")
@api_options
@json_option
def search(
    query: str,
    first: datetime | None,
    last: datetime | None,
    repeats: bool,
    limit: int,
    cursor: str | None,
    url: str | None,
    token_file: Path,
    as_json: bool,
) -> None:
    """Print the events on which QUERY is true, newest first; docs/policy-language.md has its syntax.

    TIME is a day such as 2026-11-20, or 2026-11-20T10:00:00, with an offset such as +08:00 behind it or in the zone of
    the settings.
    """
    page = ApiClient(url, token_file).get(
        "/events",
        {**_build_span(query, first, last, repeats), "limit": limit, "cursor": cursor},
    )
    if as_json:
        print_json(page)
        return
    for row in page["items"]:
        event = row["event"]
        click.echo("\t".join([row["uid"], *(str(event.get(name, "-")) for name in _SHOWN)]))
    if page["next"]:
        click.echo(f"more: --cursor {page['next']}", err=True)


@command.command()
@click.argument("query", default="")
@click.option("--from", "first", type=_INSTANT, metavar="TIME", help="First instant; default 30 days before the last.")
@click.option("--to", "last", type=_INSTANT, metavar="TIME", help="Instant after the last; default now.")
@_repeats_option
@api_options
def export(
    query: str, first: datetime | None, last: datetime | None, repeats: bool, url: str | None, token_file: Path
) -> None:
    """Print all events on which QUERY is true, oldest first, one JSON document a line.

    TIME is as in `auditsvc event search`. Exit 3 when the service broke off: then what was printed is not all.
    """
    asked = _build_span(query, first, last, repeats)
    held: str | None = None  # the service's last line reports whether these are all
    printed = 0
    for line in ApiClient(url, token_file).iter_lines("/events/export", asked):
        if held is not None:
            click.echo(held)
            printed += 1
            if printed % _TOLD_EVERY == 0:
                click.echo(f"{printed} events", err=True)
        held = line
    _check_end(held, printed)
    click.echo(f"{printed} events, all there are", err=True)


def _check_end(line: str | None, printed: int) -> None:
    """Raise unless the last line of an export marks it as complete.

    Raises:
        StorageError: ``storage_unavailable``, saying that what was printed is not all.
    """
    try:
        end = json.loads(line or "")
    except ValueError:
        end = None
    if isinstance(end, dict) and end.get("end") is True and end.get("events") == printed:
        return
    reason = end.get("detail", "the answer broke off") if isinstance(end, dict) else "the answer broke off"
    raise StorageError("storage_unavailable", f"the export is not whole, {printed} events came: {reason}")


@command.command()
@click.argument("uid")
@api_options
@json_option
def show(uid: str, url: str | None, token_file: Path, as_json: bool) -> None:
    """Print the event UID with every field, its other rows and its proof in the ledger."""
    client = ApiClient(url, token_file)
    found = client.get(f"/events/{uid}")
    found["proof"] = client.get(f"/events/{uid}/proof")
    if as_json:
        print_json(found)
        return
    for name, value in sorted(found["event"].items()):
        click.echo(f"{name}\t{_show(value)}")
    click.echo(f"rows under this uid\t{len(found['rows'])}")
    click.echo(f"other sides of the call\t{len(found['partners'])}")
    proof = found["proof"]
    click.echo(f"leaf\t{proof['leaf']}\nrecord\t{proof['record']}\nleaf hash\t{proof['leaf_sha256']}")
    click.echo(f"checkpoint size\t{proof['proof']['checkpoint']['size']}")


def _show(value: Any) -> str:
    """Return a value as one line of text."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _build_span(query: str, first: datetime | None, last: datetime | None, repeats: bool) -> dict[str, Any]:
    """Return the query and time span as API arguments."""
    return {"query": query, "from": _format(first), "to": _format(last), "repeats": True if repeats else None}


def _format(instant: datetime | None) -> str | None:
    """Return an instant in the API's format; one without offset is local. Raises as :func:`read_bound_ns`."""
    if instant is None:
        return None
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=load_settings().zone)
    return format_time_ns(read_bound_ns(aware))

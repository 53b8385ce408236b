"""``auditsvc source``: log sources and their API keys."""

from datetime import timedelta
from typing import Any

import click

from auditsvc.cli.context import find_actor, json_option, load_settings, print_json
from auditsvc.ground.clock import format_instant
from auditsvc.ground.errors import InputError
from auditsvc.inforce.versions import Versions
from auditsvc.ingest.credentials import ApiKey, issue_key, list_keys, withdraw_key
from auditsvc.ingest.readers.registry import check_source
from auditsvc.runtime.installation import open_ledger


@click.group()
def command() -> None:
    """Log sources and their API keys."""


@command.group()
def key() -> None:
    """API keys; each belongs to one source."""


@command.command("list")
@json_option
def list_sources(as_json: bool) -> None:
    """List the sources of the catalogue in force, with what is wrong with them."""
    ledger = open_ledger(load_settings())
    catalog = Versions(ledger).find().get_catalog()
    keys = list_keys(ledger)
    rows: list[dict[str, Any]] = [
        {
            "id": source.id,
            "title": {"zh": source.title.zh, "en": source.title.en},
            "reader": source.reader,
            "interfaces": list(source.interfaces),
            "keys": sum(1 for item in keys if item.source == source.id and item.revoked is None),
            "problems": [problem.message for problem in check_source(source)],
        }
        for source in catalog.sources.values()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        title = f"{row['title']['en']} {row['title']['zh']}"
        count = len(row["interfaces"])
        click.echo(f"{row['id']}\t{row['reader']}\t{count} interfaces\t{row['keys']} keys\t{title}")
        for problem in row["problems"]:
            click.echo(f"{row['id']}\tproblem: {problem}")


@key.command("create")
@click.argument("source")
@click.option("--label", default="", help="What the key is for.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires; without: it does not.")
@json_option
def create(source: str, label: str, days: int | None, as_json: bool) -> None:
    """Create an API key for SOURCE and print it; it is shown only once."""
    ledger = open_ledger(load_settings())
    if Versions(ledger).find().get_catalog().find_source(source) is None:
        raise InputError("source_unknown", f"source `{source}` is not in the catalogue in force")
    lifetime = None if days is None else timedelta(days=days)
    made, secret = issue_key(ledger, source, actor=find_actor(), label=label, lifetime=lifetime)
    if as_json:
        print_json({**_describe(made), "key": secret})
    else:
        click.echo(secret)
        click.echo(f"key {made.key_id} of source {source}: keep it now, it cannot be shown again", err=True)


@key.command("list")
@click.option("--source", help="Only keys of this source.")
@json_option
def show_keys(source: str | None, as_json: bool) -> None:
    """List API keys, never their secrets."""
    rows = [_describe(item) for item in list_keys(open_ledger(load_settings()), source)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo("\t".join(str(value or "-") for value in row.values()))


@key.command("revoke")
@click.argument("key_id")
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """Revoke the API key KEY_ID; it stops working within two seconds."""
    revoked = withdraw_key(open_ledger(load_settings()), key_id, actor=find_actor())
    if as_json:
        print_json(_describe(revoked))
    else:
        click.echo(f"key {key_id} of source {revoked.source} is revoked", err=True)


def _describe(item: ApiKey) -> dict[str, Any]:
    """Return a key without its secret as JSON-serialisable data."""
    return {
        "key_id": item.key_id,
        "source": item.source,
        "label": item.label,
        "created": format_instant(item.created),
        "expires": None if item.expires is None else format_instant(item.expires),
        "revoked": None if item.revoked is None else format_instant(item.revoked),
    }

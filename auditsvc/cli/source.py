"""``auditsvc source``: log sources and their API keys."""

from datetime import timedelta
from typing import Any

import click

from auditsvc.cli.context import find_actor, json_option, load_settings, open_database, open_ledger, print_json
from auditsvc.ground.clock import format_instant
from auditsvc.ground.database import begin_write
from auditsvc.ground.errors import InputError
from auditsvc.inforce.versions import Versions
from auditsvc.ingest.credentials import ApiKey, create_key, get_key, list_keys, revoke_key
from auditsvc.ingest.readers.registry import check_source


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
    with ledger.database.connect() as connection:
        keys = list_keys(connection)
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
    with begin_write(ledger.database) as connection:
        key_id, secret = create_key(connection, ledger.clock, source, label=label, lifetime=lifetime)
        detail = _describe(get_key(connection, key_id))
        ledger.record_act(connection, actor=find_actor(), act="source_key_create", subject=key_id, detail=detail)
    if as_json:
        print_json({**detail, "key": secret})
    else:
        click.echo(secret)
        click.echo(f"key {key_id} of source {source}: keep it now, it cannot be shown again", err=True)


@key.command("list")
@click.option("--source", help="Only keys of this source.")
@json_option
def show_keys(source: str | None, as_json: bool) -> None:
    """List API keys, never their secrets."""
    engine = open_database(load_settings())
    with engine.connect() as connection:
        rows = [_describe(item) for item in list_keys(connection, source)]
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
    ledger = open_ledger(load_settings())
    with begin_write(ledger.database) as connection:
        detail = _describe(revoke_key(connection, ledger.clock, key_id))
        ledger.record_act(connection, actor=find_actor(), act="source_key_revoke", subject=key_id, detail=detail)
    if as_json:
        print_json(detail)
    else:
        click.echo(f"key {key_id} of source {detail['source']} is revoked", err=True)


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

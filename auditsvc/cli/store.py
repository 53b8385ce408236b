"""``auditsvc store``: setup and update for an Elasticsearch administrator, and status for an operator."""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from elasticsearch import Elasticsearch

from auditsvc.cli.administrator import administrator_options, as_administrator
from auditsvc.cli.context import json_option, load_settings, print_json
from auditsvc.cli.reindex import command as reindex
from auditsvc.ground.clock import SystemClock
from auditsvc.ground.errors import EXIT_FINDING, InputError, StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.runtime.installation import follows_ledger
from auditsvc.store.duckdb.store import DuckStore
from auditsvc.store.elasticsearch.client import check_server, open_client
from auditsvc.store.elasticsearch.migrate import Migrated, MigrationOutcome, migrate_indices, restore_alias
from auditsvc.store.elasticsearch.role import build_role
from auditsvc.store.elasticsearch.setup import install_templates, list_indices
from auditsvc.store.elasticsearch.store import ElasticStore
from auditsvc.store.rows import Inventory, Position


@click.group()
def command() -> None:
    """Set up, update, rebuild and look at the event store.

    All but `status` and `reindex` are for Elasticsearch; the embedded store needs none of them. docs/elasticsearch.md says which rights
    each command needs.
    """


command.add_command(reindex, "reindex")


@command.command()
@administrator_options
@json_option
def init(user: str | None, password_file: Path | None, as_json: bool) -> None:
    """Install the index templates in a new cluster, and check the server; safe to run again.

    Indices that are there stay as they are: after an update of the program run `auditsvc store migrate`.
    """
    settings = as_administrator(_load(), user, password_file)
    with _connect(settings) as client:
        facts = check_server(client)
        names = install_templates(client, settings)
        held = list_indices(client, settings)
    if as_json:
        print_json({"server": asdict(facts), "templates": list(names), "indices": list(held)})
    else:
        click.echo(f"Elasticsearch {facts.version}, licence {facts.licence}, {len(facts.nodes)} nodes")
        click.echo(f"templates installed: {', '.join(names)}")
    if held:
        click.echo(f"{len(held)} indices are there already; `auditsvc store migrate` brings them along", err=True)


@command.command()
@administrator_options
@json_option
def migrate(user: str | None, password_file: Path | None, as_json: bool) -> None:
    """Bring templates and the indices that are there to this version of the program; safe to run again.

    New fields are added in place; months that lost the alias for other programs get it back. Exit 1 when an index cannot be
    brought along, because the type of a field changed: then the store has to be built again, and the command for it is
    printed.
    """
    settings = as_administrator(_load(), user, password_file)
    with _connect(settings) as client:
        check_server(client)
        names = install_templates(client, settings)
        done = migrate_indices(client, settings)
        aliased = restore_alias(client, settings)
    stale = [one.name for one in done if one.outcome is MigrationOutcome.REBUILD]
    line = _spell_reindex(user, password_file) if stale else None
    if as_json:
        indices = [_describe(one) for one in done]
        print_json({"templates": list(names), "indices": indices, "aliased": list(aliased), "rebuild": line})
    else:
        click.echo(f"templates installed: {', '.join(names)}")
        for one in done:
            click.echo(f"{one.outcome.value:8}  {one.name}{f': {one.detail}' if one.detail else ''}")
        for index in aliased:
            click.echo(f"aliased   {index}")
        if line is not None:
            click.echo(f"{len(stale)} of {len(done)} indices cannot be brought along; build the store again: {line}")
    if stale:
        sys.exit(EXIT_FINDING)


@command.command()
def role() -> None:
    """Print the role the service's user needs, as the body of Elasticsearch's role API."""
    click.echo(json.dumps(build_role(_load().elasticsearch_prefix), indent=2))


@command.command()
@json_option
def status(as_json: bool) -> None:
    """Show position, months with their events, and what the store takes up.

    In Elasticsearch also server, indices and what was refused, with the service's own rights. The embedded store has one owner:
    the service must be stopped, and asked otherwise. A store that follows another log than this ledger's is not shown.
    """
    settings = load_settings()
    if settings.event_store == "elasticsearch":
        _show_elastic(settings, as_json=as_json)
    else:
        _show_embedded(settings, as_json=as_json)


def _show_embedded(settings: Settings, *, as_json: bool) -> None:
    """Print the content of the embedded store; creates no file.

    Raises:
        StorageError: ``not_found`` when there is no store yet; ``storage_unavailable`` when the service runs, or the store
            follows another log.
    """
    path = settings.duckdb_path
    if not path.exists():
        raise StorageError("not_found", f"event store: there is no `{path}` yet; the service makes it when it starts")
    with closing(DuckStore(path, settings)) as store:
        position = store.position()
        _check_log(settings, position)
        inventory = store.inventory()
    if as_json:
        print_json({"next": asdict(position.next), **asdict(inventory)})
        return
    click.echo(f"DuckDB, next leaf {position.next.seq} record {position.next.record}, {inventory.size_bytes} bytes")
    _print_inventory(inventory)


def _check_log(settings: Settings, position: Position) -> None:
    """Check that a store follows this ledger; without a ledger, report that this was not checked."""
    if not follows_ledger(settings, position):
        click.echo("whether the store follows this ledger was not looked at: there is no ledger here", err=True)


def _print_inventory(inventory: Inventory) -> None:
    """Print the inventory that both stores have."""
    for figure in inventory.months:
        size = "" if figure.size_bytes is None else f" {figure.size_bytes:>14} bytes"
        click.echo(f"{figure.month:8}{figure.events:>12} events{size}")
    click.echo(f"findings: {inventory.findings}, quarantined: {inventory.quarantine}")
    click.echo(f"removed months: {', '.join(inventory.removed) or 'none'}")
    click.echo(f"dead letters: {inventory.dead_letters}")


def _show_elastic(settings: Settings, *, as_json: bool) -> None:
    """Print the content of the store in Elasticsearch, and its indices.

    Raises:
        StorageError: ``storage_unavailable`` when it is unavailable, follows another log, or lacks an index.
    """
    with closing(ElasticStore(open_client(settings), settings, clock=SystemClock())) as store:
        facts = store.check_server()
        position = store.position()
        _check_log(settings, position)
        store.check_held()
        statistics, inventory = store.statistics(), store.inventory()
    if as_json:
        print_json(
            {
                "server": asdict(facts),
                "next": asdict(position.next),
                **asdict(inventory),
                **asdict(statistics),
            }
        )
        return
    click.echo(f"Elasticsearch {facts.version}, licence {facts.licence}, nodes {', '.join(facts.nodes)}")
    click.echo(f"generation {statistics.generation}, next leaf {position.next.seq} record {position.next.record}")
    for index in statistics.indices:
        click.echo(f"{index.health:8}{index.documents:>12} documents {index.size_bytes:>14} bytes  {index.name}")
    _print_inventory(inventory)


@command.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
def dead(limit: int, as_json: bool) -> None:
    """List what the server refused to store, with its reason; the records are in the archive."""
    settings = _load()
    with closing(ElasticStore(open_client(settings), settings, clock=SystemClock())) as store:
        letters = store.list_dead_letters(limit=limit)
    if as_json:
        print_json([asdict(letter) for letter in letters])
        return
    for letter in letters:
        click.echo(f"leaf {letter.seq} record {letter.record} item {letter.item} ({letter.table}): {letter.reason}")


def _describe(one: Migrated) -> dict[str, str]:
    """Return the result of migrating an index as JSON-serialisable data."""
    return {"name": one.name, "outcome": one.outcome.value, "detail": one.detail}


def _spell_reindex(user: str | None, password_file: Path | None) -> str:
    """Return the command that rebuilds the store, with the administrator's options as given."""
    given = [] if user is None else ["--user", user, "--password-file", str(password_file)]
    return shlex.join(["auditsvc", "store", "reindex", *given])


def _load() -> Settings:
    """Return the settings; raise ``InputError`` (``input_invalid``) when they name the embedded store."""
    settings = load_settings()
    if settings.event_store != "elasticsearch":
        raise InputError(
            "input_invalid", "event_store is `duckdb`, which needs no set-up; set `AUDITSVC_EVENT_STORE=elasticsearch`"
        )
    return settings


@contextmanager
def _connect(settings: Settings) -> Iterator[Elasticsearch]:
    """Yield a client, which is closed on exit."""
    client = open_client(settings)
    try:
        yield client
    finally:
        client.close()

"""``auditsvc store``: what an administrator of Elasticsearch does once, and what an operator looks at."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from elasticsearch import Elasticsearch

from auditsvc.cli.administrator import administrator_options, as_administrator
from auditsvc.cli.context import json_option, load_settings, print_json
from auditsvc.clock import SystemClock
from auditsvc.errors import InputError
from auditsvc.settings import Settings
from auditsvc.store.elastic.client import check_server, open_client
from auditsvc.store.elastic.role import build_role
from auditsvc.store.elastic.setup import install_templates, widen_mappings
from auditsvc.store.elastic.store import ElasticStore


@click.group()
def command() -> None:
    """Set up and look at the event store in Elasticsearch.

    The embedded store needs none of this. docs/elasticsearch.md says which rights each command needs.
    """


@command.command()
@administrator_options
@json_option
def init(user: str | None, password_file: Path | None, as_json: bool) -> None:
    """Install the index templates, and check the server; safe to run again, and after every update of the program."""
    settings = as_administrator(_load(), user, password_file)
    with _connect(settings) as client:
        facts = check_server(client)
        names = install_templates(client, settings)
        widened = widen_mappings(client, settings)
    if as_json:
        print_json({"server": asdict(facts), "templates": list(names), "widened": list(widened)})
        return
    click.echo(f"Elasticsearch {facts.version}, licence {facts.licence}, {len(facts.nodes)} nodes")
    click.echo(f"templates installed: {', '.join(names)}")
    if widened:
        click.echo(f"new fields added to: {', '.join(widened)}")


@command.command()
def role() -> None:
    """Print the role the service's user needs, as the body of Elasticsearch's role API."""
    click.echo(json.dumps(build_role(_load().elasticsearch_prefix), indent=2))


@command.command()
@json_option
def status(as_json: bool) -> None:
    """Show server, indices, position and what was refused; with the service's own rights."""
    settings = _load()
    with closing(ElasticStore(open_client(settings), settings, clock=SystemClock())) as store:
        facts = store.check_server()
        position, statistics = store.position(), store.statistics()
    if as_json:
        print_json(
            {"server": asdict(facts), "next": asdict(position.next), **asdict(statistics)},
        )
        return
    click.echo(f"Elasticsearch {facts.version}, licence {facts.licence}, nodes {', '.join(facts.nodes)}")
    click.echo(f"generation {statistics.generation}, next leaf {position.next.seq} record {position.next.record}")
    for index in statistics.indices:
        click.echo(f"{index.health:8}{index.documents:>12} documents {index.size_bytes:>14} bytes  {index.name}")
    click.echo(f"dead letters: {statistics.dead_letters}")


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
    """Give a client."""
    client = open_client(settings)
    try:
        yield client
    finally:
        client.close()

"""``auditsvc catalog``: check a catalogue, put it in force, and look at the one in force."""

import sys
from pathlib import Path
from typing import Any

import click

from auditsvc.catalog.load import load_catalog
from auditsvc.catalog.model import Catalog
from auditsvc.cli.context import find_actor, json_option, load_settings, print_json
from auditsvc.ground.bilingual import Text
from auditsvc.ground.database import begin_write
from auditsvc.ground.document import Bundle, load_bundle
from auditsvc.ground.errors import EXIT_FINDING, DocumentError, Problem
from auditsvc.inforce.versions import Versions
from auditsvc.ingest.readers.registry import check_source
from auditsvc.runtime.installation import open_ledger

folder_argument = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
SECTIONS = ("organisations", "resources", "interfaces", "agreements", "projects", "matters", "sources")


@click.group()
def command() -> None:
    """Check a catalogue and put it in force."""


@command.command()
@folder_argument
@json_option
def check(folder: Path, as_json: bool) -> None:
    """Check the catalogue in FOLDER: schema, references, options of the sources' readers.

    Exit code 1 when there is a problem; each is printed as file:line:column.
    """
    bundle = load_bundle(folder)
    catalog, problems = _examine(bundle)
    counts = {} if catalog is None else _count(catalog)
    if as_json:
        found = [str(problem) for problem in problems]
        print_json({"sha256": bundle.digest.hex(), "counts": counts, "problems": found})
    else:
        for problem in problems:
            click.echo(str(problem))
        for section, count in counts.items():
            click.echo(f"{count:6d} {section}")
    if problems:
        sys.exit(EXIT_FINDING)


@command.command()
@folder_argument
@json_option
def activate(folder: Path, as_json: bool) -> None:
    """Put the catalogue in FOLDER in force for every event judged from now on."""
    bundle = load_bundle(folder)
    _, problems = _examine(bundle)
    if problems:
        raise DocumentError("document_invalid", problems)
    ledger = open_ledger(load_settings())
    with begin_write(ledger.database) as connection:
        leaf = ledger.activate(connection, kind="catalog", bundle=bundle, actor=find_actor())
    if as_json:
        print_json({"seq": leaf.seq, "sha256": bundle.digest.hex()})
    else:
        click.echo(f"catalogue {bundle.digest.hex()[:16]} is in force from leaf {leaf.seq} on")


@command.command()
@click.argument("section", metavar="[SECTION]", type=click.Choice(SECTIONS), required=False)
@json_option
def show(section: str | None, as_json: bool) -> None:
    """Show the catalogue in force: counts, or the ids and names of one SECTION.

    SECTION is organisations, resources, interfaces, agreements, projects, matters or sources.
    """
    catalog = Versions(open_ledger(load_settings())).find().get_catalog()
    if section is None:
        counts = _count(catalog)
        if as_json:
            print_json({"sha256": catalog.digest.hex(), "city": catalog.city.name.en, "counts": counts})
            return
        click.echo(f"{catalog.city.name.zh} {catalog.city.name.en}, version {catalog.version}")
        for name, count in counts.items():
            click.echo(f"{count:6d} {name}")
        return
    rows = _list_section(catalog, section)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['id']}\t{row['zh']}\t{row['en']}")


def _examine(bundle: Bundle) -> tuple[Catalog | None, list[Problem]]:
    """Return the catalogue, if its documents make one, and every problem."""
    try:
        catalog = load_catalog(bundle)
    except DocumentError as err:
        return None, list(err.problems)
    return catalog, [problem for source in catalog.sources.values() for problem in check_source(source)]


def _count(catalog: Catalog) -> dict[str, int]:
    """Return how many things each section has, versions of one thing counted once."""
    return {section: len(_list_section(catalog, section)) for section in SECTIONS}


def _list_section(catalog: Catalog, section: str) -> list[dict[str, Any]]:
    """Return id and names of everything in a section."""
    names: dict[str, dict[str, Text]] = {
        "organisations": {key: org.name for key, org in catalog.orgs.items()},
        "resources": {key: resource.name for key, resource in catalog.resources.items()},
        "interfaces": {key: interface.name for key, interface in catalog.interfaces.items()},
        "agreements": {key: catalog.orgs[agreement.consumer].name for key, agreement in catalog.agreements.items()},
        "projects": {key: project.name for key, project in catalog.projects.items()},
        "matters": {key: matter.title for key, matter in catalog.matters.items()},
        "sources": {key: source.title for key, source in catalog.sources.items()},
    }
    return [{"id": key, "zh": name.zh, "en": name.en} for key, name in names[section].items()]

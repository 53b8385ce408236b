"""``auditsvc init``: sets up a new installation; idempotent."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from auditsvc.auth.bearer import load_or_create_token_key
from auditsvc.auth.roles import ROLES, Role
from auditsvc.auth.service import INSTALLATION, Accounts, NewAccount
from auditsvc.catalog.load import load_catalog
from auditsvc.cli.context import json_option, load_settings, print_json
from auditsvc.ground.clock import Clock, SystemClock
from auditsvc.ground.database import begin_write
from auditsvc.ground.document import Bundle, load_bundle
from auditsvc.ground.errors import AuditError
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.keys import load_log_vkey
from auditsvc.ledger.leaf import find_latest
from auditsvc.ledger.ledger import Ledger
from auditsvc.policy.check import require_policies
from auditsvc.policy.load import load_policy_set
from auditsvc.reports.keys import load_or_create_report_keys
from auditsvc.runtime.installation import make_database

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--policies", type=FOLDER, help="Put the policy set in this folder in force, if it is another one.")
@click.option("--catalog", type=FOLDER, help="Put the catalogue in this folder in force, if it is another one.")
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="NAME:ROLE",
    help="Also make this account with a business role, unless there is one of this name. May be given several times.",
)
@json_option
def command(policies: Path | None, catalog: Path | None, accounts: Sequence[str], as_json: bool) -> None:
    """Create keys, databases and the three administrators; safe to run again.

    Prints a one-time password for every account it makes, this once.
    """
    settings = load_settings()
    wanted = [_parse_account(text) for text in accounts]
    bundles = _load_bundles(policies, catalog)
    clock = SystemClock()
    engine = make_database(settings)
    ledger = Ledger.open(engine, settings, clock)
    log_vkey = _make_keys(settings, clock)
    changed = {kind: _activate(ledger, kind, bundle) for kind, bundle in bundles.items()}
    made: list[NewAccount] = []
    try:
        made.extend(_make_accounts(Accounts.open(ledger, settings), wanted))
    finally:  # one-time passwords cannot be shown again, so those set before a failure are printed too
        result = _describe(settings, log_vkey, bundles, changed, made)
        print_json(result) if as_json else _print(result)
        engine.dispose()


def _describe(
    settings: Settings,
    log_vkey: str,
    bundles: Mapping[str, Bundle],
    changed: Mapping[str, bool],
    made: Sequence[NewAccount],
) -> dict[str, Any]:
    """Return what was created, as JSON-serialisable data."""
    return {
        "origin": settings.origin,
        "data_dir": str(settings.data_dir),
        "log_vkey": log_vkey,
        "activated": {
            kind: {"sha256": bundle.digest.hex(), "changed": changed[kind]} for kind, bundle in bundles.items()
        },
        "accounts": [
            {
                "name": new.account.name,
                "roles": [str(role) for role in new.account.roles],
                "one_time_password": new.one_time_password,
            }
            for new in made
        ],
    }


def _parse_account(text: str) -> tuple[str, Role]:
    """Return the name and role of an ``--account``."""
    name, _, role = text.partition(":")
    if role not in set(Role):
        raise click.BadParameter(
            f"`{text}`: expected NAME:ROLE with ROLE one of {', '.join(Role)}", param_hint="--account"
        )
    return name, Role(role)


def _load_bundles(policies: Path | None, catalog: Path | None) -> dict[str, Bundle]:
    """Return the checked bundles to put in force by kind; the catalogue first, so that policies find their resources."""
    bundles: dict[str, Bundle] = {}
    if catalog is not None:
        bundles["catalog"] = load_bundle(catalog)
        load_catalog(bundles["catalog"])
    if policies is not None:
        bundles["policy"] = load_bundle(policies)
        require_policies(load_policy_set(bundles["policy"]))
    return bundles


def _make_keys(settings: Settings, clock: Clock) -> str:
    """Create missing keys and return the log's verifier key."""
    load_or_create_token_key(settings.key_path)
    load_or_create_report_keys(settings.key_path, clock, settings.origin)
    return load_log_vkey(settings.key_path, settings.origin)


def _activate(ledger: Ledger, kind: str, bundle: Bundle) -> bool:
    """Put a bundle in force unless it already is; return whether it was necessary."""
    with begin_write(ledger.database) as connection:
        present = find_latest(connection, kind)
        if present is not None and parse_header(present.header).fields["sha256"] == bundle.digest.hex():
            return False
        ledger.activate(connection, kind=kind, bundle=bundle, actor=INSTALLATION)
        return True


def _make_accounts(service: Accounts, wanted: Sequence[tuple[str, Role]]) -> Iterator[NewAccount]:
    """Create the missing administrators and requested accounts; yield each as soon as it exists."""
    yield from service.create_administrators()
    for name, role in wanted:
        try:
            service.get(name)
        except AuditError as err:
            if err.code != "not_found":
                raise
            info = ROLES[role]
            new = service.create(name, display_name=f"{info.zh} / {info.en}", duty=info.duty, actor=INSTALLATION)
            account = service.assign_role(name, role, actor=INSTALLATION)
            yield NewAccount(account, new.one_time_password)


def _print(result: Mapping[str, Any]) -> None:
    """Print what was created, for people."""
    click.echo(f"log        {result['origin']}")
    click.echo(f"log key    {result['log_vkey']}")
    for kind, state in result["activated"].items():
        click.echo(f"{kind:<10} {state['sha256']} {'put in force' if state['changed'] else 'already in force'}")
    if result["accounts"]:
        click.echo("\none-time passwords, shown this once; each must be changed at the first sign-in:")
    for account in result["accounts"]:
        click.echo(f"  {account['name']:<12} {account['one_time_password']}  ({', '.join(account['roles'])})")

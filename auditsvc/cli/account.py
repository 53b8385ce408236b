"""``auditsvc account``: accounts and their roles, for users with a shell on the machine."""

from dataclasses import asdict
from typing import Any

import click

from auditsvc.auth.roles import ROLES, Duty, Role
from auditsvc.auth.service import Account, Accounts, NewAccount
from auditsvc.cli.context import find_actor, json_option, load_settings, print_json
from auditsvc.runtime.installation import open_ledger

role_argument = click.argument("role", metavar="ROLE", type=click.Choice([str(role) for role in Role]))


@click.group()
def command() -> None:
    """Manage accounts and their roles.

    Every change is recorded in the log with `shell:<user>` as the actor: anyone with a shell on the machine can do this
    without an account, but not unnoticed.
    """


def open_accounts() -> Accounts:
    """Return the account service of this process's settings."""
    settings = load_settings()
    return Accounts.open(open_ledger(settings), settings)


@command.command("list")
@json_option
def list_accounts(as_json: bool) -> None:
    """List accounts with their roles."""
    accounts = open_accounts().list_accounts(limit=100_000)
    if as_json:
        print_json([describe_account(account) for account in accounts])
        return
    for account in accounts:
        roles = ", ".join(account.roles) or "no role"
        click.echo(f"{account.name}\t{roles}\t{'enabled' if account.enabled else 'disabled'}\t{account.display_name}")


@command.command()
@click.argument("name")
@click.option("--display-name", default="", help="Name for people; default: the sign-in name.")
@click.option("--role", "roles", multiple=True, type=click.Choice([str(role) for role in Role]), help="Give a role.")
@click.option("--department", help="USCC of the organisation a department reader reads for.")
@json_option
def create(name: str, display_name: str, roles: tuple[str, ...], department: str | None, as_json: bool) -> None:
    """Create the account NAME and print its one-time password."""
    service = open_accounts()
    duties = {ROLES[Role(role)].duty for role in roles} or {Duty.BUSINESS}
    if len(duties) > 1:
        raise click.UsageError("these roles exclude each other; make one account for each")
    made = service.create(name, display_name=display_name, duty=duties.pop(), department=department, actor=find_actor())
    for role in roles:
        service.assign_role(name, Role(role), actor=find_actor())
    print_new(made, as_json)


@command.command()
@click.argument("name")
@role_argument
def assign(name: str, role: str) -> None:
    """Assign the role ROLE to the account NAME; `account create --help` lists the roles."""
    open_accounts().assign_role(name, Role(role), actor=find_actor())


@command.command()
@click.argument("name")
@role_argument
def withdraw(name: str, role: str) -> None:
    """Withdraw the role ROLE from the account NAME; `account create --help` lists the roles."""
    open_accounts().withdraw_role(name, Role(role), actor=find_actor())


@command.command()
@click.argument("name")
def disable(name: str) -> None:
    """Disable the account NAME; ends its sessions and tokens."""
    open_accounts().set_enabled(name, enabled=False, actor=find_actor())


@command.command()
@click.argument("name")
def enable(name: str) -> None:
    """Enable the account NAME again."""
    open_accounts().set_enabled(name, enabled=True, actor=find_actor())


@command.command("reset-password")
@click.argument("name")
@json_option
def reset_password(name: str, as_json: bool) -> None:
    """Set a new one-time password for the account NAME and unlock it."""
    print_new(open_accounts().reset_password(name, actor=find_actor()), as_json)


def describe_account(account: Account) -> dict[str, Any]:
    """Return an account as JSON-serialisable data."""
    return {**asdict(account), "roles": [str(role) for role in account.roles]}


def print_new(made: NewAccount, as_json: bool) -> None:
    """Print a one-time password, which cannot be shown again."""
    if as_json:
        print_json({"name": made.account.name, "one_time_password": made.one_time_password})
    else:
        click.echo(f"{made.account.name}\t{made.one_time_password}")

"""``auditsvc alert``: list, show, acknowledge and close alerts, through the running service."""

from pathlib import Path
from typing import Any

import click

from auditsvc.alerts.model import AlertState, CloseReason
from auditsvc.cli.client import ApiClient, api_options
from auditsvc.cli.context import json_option, print_json

_note = click.option("--note", default="", help="Words for whoever reads it later.")


@click.group()
def command() -> None:
    """List, show, acknowledge and close alerts; uses the running service, with the token's account as actor."""


@command.command("list")
@click.option("--state", type=click.Choice([state.value for state in AlertState]), help="Only alerts in this state.")
@click.option("--policy", help="Only alerts of this policy.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="Most alerts.")
@click.option("--cursor", help="Where the page before ended.")
@api_options
@json_option
def list_command(
    state: str | None,
    policy: str | None,
    limit: int,
    cursor: str | None,
    url: str | None,
    token_file: Path,
    as_json: bool,
) -> None:
    """Print alerts, newest opened first."""
    query = {"state": state, "policy": policy, "limit": limit, "cursor": cursor}
    page = ApiClient(url, token_file).get("/alerts", query)
    if as_json:
        print_json(page)
        return
    for alert in page["items"]:
        _print_line(alert)
    if page["next"]:
        click.echo(f"more: --cursor {page['next']}", err=True)


@command.command()
@click.argument("alert_id")
@api_options
@json_option
def show(alert_id: str, url: str | None, token_file: Path, as_json: bool) -> None:
    """Print one alert with its time line."""
    alert = ApiClient(url, token_file).get(f"/alerts/{alert_id}")
    if as_json:
        print_json(alert)
        return
    _print_line(alert)
    for name, value in sorted(alert["group"].items()):
        click.echo(f"  {name}\t{value}")
    for step in alert["transitions"]:
        words = [step["at"], step["to_state"], step["actor"], step["reason"] or "-", step["note"] or "-"]
        click.echo("  " + "\t".join([*words, f"leaf {step['leaf_seq']}"]))


@command.command()
@click.argument("alert_id")
@_note
@api_options
@json_option
def acknowledge(alert_id: str, note: str, url: str | None, token_file: Path, as_json: bool) -> None:
    """Acknowledge the new alert ALERT_ID."""
    _print_changed(ApiClient(url, token_file).post(f"/alerts/{alert_id}/acknowledgement", {"note": note}), as_json)


@command.command()
@click.argument("alert_id")
@click.option("--reason", required=True, type=click.Choice([reason.value for reason in CloseReason]), help="Why.")
@_note
@api_options
@json_option
def close(alert_id: str, reason: str, note: str, url: str | None, token_file: Path, as_json: bool) -> None:
    """Close the alert ALERT_ID with a reason."""
    body = {"reason": reason, "note": note}
    _print_changed(ApiClient(url, token_file).post(f"/alerts/{alert_id}/closure", body), as_json)


def _print_changed(alert: dict[str, Any], as_json: bool) -> None:
    """Print an alert as it is after an act."""
    if as_json:
        print_json(alert)
    else:
        _print_line(alert)


def _print_line(alert: dict[str, Any]) -> None:
    words = [alert[name] for name in ("id", "state", "severity", "policy_id", "count", "first", "last", "title_en")]
    click.echo("\t".join(map(str, words)))

"""``auditsvc doctor``: one checklist of the installation; may run while the service runs, and changes nothing.

It writes one probe file in the archive and removes it. It creates no folder, key or table, migrates nothing, and never
takes the embedded store's lock.
"""

import sys
from collections.abc import Iterable
from dataclasses import asdict

import click

from auditsvc.cli.context import json_option, load_settings, print_json
from auditsvc.cli.doctor.check import Check, Outcome, failed, find_exit_code, passed
from auditsvc.cli.doctor.elasticsearch import check_elasticsearch
from auditsvc.cli.doctor.local import check_duckdb, check_installation
from auditsvc.ground.clock import Clock, SystemClock
from auditsvc.ground.errors import AuditError
from auditsvc.ground.settings.model import Settings

_MARKS = {Outcome.PASS: "pass", Outcome.WARN: "WARN", Outcome.FAIL: "FAIL", Outcome.SKIP: "  - "}


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Check the whole installation and advise what to do.

    Each line is pass, WARN or FAIL; `-` was not looked at, with the reason. Exit 0: nothing failed, 1: something has to
    be put right, 3: database, archive or event store cannot be used. docs/operations.md explains each check.
    """
    checks = examine()
    code = find_exit_code(checks)
    if as_json:
        print_json({"exit_code": code, "checks": [_build_document(check) for check in checks]})
    else:
        _print(checks)
    sys.exit(code)


def examine() -> list[Check]:
    """Return every check of the installation that the environment describes."""
    try:
        settings = load_settings()
    except AuditError as err:
        return [failed("settings", err.message, "docs/settings.md lists every setting; nothing else was looked at")]
    return [passed("settings", "every value can be used"), *examine_installation(settings, SystemClock())]


def examine_installation(settings: Settings, clock: Clock) -> list[Check]:
    """Return every check except that of the settings themselves."""
    store = check_elasticsearch if settings.event_store == "elasticsearch" else check_duckdb
    return [*check_installation(settings, clock), *store(settings)]


def _build_document(check: Check) -> dict[str, str]:
    """Return a check as JSON-serialisable data."""
    return {name: str(value) for name, value in asdict(check).items() if name != "is_down"}


def _print(checks: Iterable[Check]) -> None:
    """Print the checklist, with advice below each check, and a summary."""
    numbers = dict.fromkeys(Outcome, 0)
    for check in checks:
        numbers[check.outcome] += 1
        click.echo(f"{_MARKS[check.outcome]}  {check.name}: {check.text}")
        if check.advice:
            click.echo(f"      -> {check.advice}")
    click.echo(", ".join(f"{number} {outcome}" for outcome, number in numbers.items()))

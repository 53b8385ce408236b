"""``auditsvc doctor``: prints the checklist of the installation."""

import sys
from collections.abc import Iterable
from dataclasses import asdict

import click

from auditsvc.cli.context import json_option, load_settings, print_json
from auditsvc.ground.clock import SystemClock
from auditsvc.ground.errors import AuditError
from auditsvc.runtime.doctor.check import Check, CheckOutcome, failed, find_exit_code, passed
from auditsvc.runtime.doctor.service import examine_installation

_MARKS = {CheckOutcome.PASS: "pass", CheckOutcome.WARN: "WARN", CheckOutcome.FAIL: "FAIL", CheckOutcome.SKIP: "  - "}


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


def _build_document(check: Check) -> dict[str, str]:
    """Return a check as JSON-serialisable data."""
    return {name: str(value) for name, value in asdict(check).items() if name != "is_down"}


def _print(checks: Iterable[Check]) -> None:
    """Print the checklist, advice below what it is about, and a sum."""
    numbers = dict.fromkeys(CheckOutcome, 0)
    for check in checks:
        numbers[check.outcome] += 1
        click.echo(f"{_MARKS[check.outcome]}  {check.name}: {check.text}")
        if check.advice:
            click.echo(f"      -> {check.advice}")
    click.echo(", ".join(f"{number} {outcome}" for outcome, number in numbers.items()))

"""Exit codes and JSON steps shared by ``auditsvc verify`` and ``auditsvc ledger verify-archive``."""

import sys
from typing import Any

import click

from auditsvc.ground.errors import EXIT_NOT_BEGUN, AuditError
from auditsvc.ledger.verify import Step


class VerifyCommand(click.Command):
    """A command that exits with 3 when it cannot start, because 1 means "tampered" and 2 "incomplete evidence" here."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Return the context of a call, or exit with 3 on a usage error."""
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as err:
            err.show()
            sys.exit(EXIT_NOT_BEGUN)

    def invoke(self, ctx: click.Context) -> Any:
        """Run, or exit with 3 when a dependency is unavailable."""
        try:
            return super().invoke(ctx)
        except AuditError as err:
            click.echo(f"auditsvc: {err.message} [{err.code}]", err=True)
            sys.exit(EXIT_NOT_BEGUN)


def describe_step(step: Step) -> dict[str, Any]:
    """Return one step of a checklist as JSON-serialisable data."""
    return {
        "number": step.number,
        "name": {"en": step.name_en, "zh": step.name_zh},
        "state": step.state,
        "code": step.code,
        "where": step.where,
        "detail": step.detail,
    }

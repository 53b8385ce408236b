"""``auditsvc verify``: check reports, bundles and archives offline."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from auditsvc.cli.checklist import VerifyCommand, describe_step
from auditsvc.cli.context import json_option, print_json
from auditsvc.ground.errors import EXIT_FINDING, EXIT_INCOMPLETE, EXIT_OK
from auditsvc.reports.trust import load_trust_file
from auditsvc.reports.verify import Verification, verify_files

_MARKS = {"pass": "✓ pass    ", "fail": "✗ FAIL    ", "not done": "– not done"}
_VERDICTS = {
    EXIT_OK: "verified: every step was done and passed / 校验通过：所有步骤均已完成且通过",
    EXIT_FINDING: "TAMPERED: at least one step failed; do not rely on these files / 校验失败：至少一步不通过，不可采信",
    EXIT_INCOMPLETE: "incomplete: what was checked held, but not every step could be done / 证据不全：已检查的步骤均通过，但有步骤无法进行",
}


@click.command(cls=VerifyCommand)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--trust", "trust_file", type=click.Path(path_type=Path), help="Keys to trust, got apart from the report."
)
@json_option
def command(files: Sequence[Path], trust_file: Path | None, as_json: bool) -> None:
    """Check a report's FILES (PDF, report.json, report.jws, bundle), a bundle alone, or a data folder, offline.

    Exit codes: 0 verified, 1 tampered, 2 incomplete evidence, 3 usage.
    """
    trust = None if trust_file is None else load_trust_file(trust_file)
    verification = verify_files(files, trust, trust_file)
    if as_json:
        print_json(_describe(verification))
    else:
        _print(verification)
    sys.exit(verification.exit_code)


def _describe(verification: Verification) -> dict[str, Any]:
    """Return a checklist as JSON-serialisable data."""
    report = verification.report
    return {
        "exit_code": verification.exit_code,
        "report": None if report is None else {"id": report.get("id"), "kind": report.get("kind")},
        "not_checked": list(verification.not_checked),
        "steps": [describe_step(step) for step in verification.steps],
    }


def _print(verification: Verification) -> None:
    """Print the checklist for people, in both languages."""
    for step in verification.steps:
        click.echo(f"{step.number:>3}  {_MARKS[step.state]}  {step.name_en} / {step.name_zh}")
        code = f"{step.code} " if step.code else ""
        where = f"{step.where}: " if step.where else ""
        click.echo(f"                  {code}{where}{step.detail}")
    if verification.not_checked:
        names = ", ".join(map(repr, verification.not_checked))  # so that a line break in a name cannot imitate a step
        click.echo(f"not checked, of no known kind / 未校验，类型未知: {names}")
    click.echo(_VERDICTS[verification.exit_code])

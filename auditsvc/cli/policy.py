"""``auditsvc policy``: lint, test and explain policies, put a policy set in force, and look at the one in force."""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from auditsvc.catalog.enrich import Enricher
from auditsvc.catalog.load import load_catalog
from auditsvc.cli.context import find_actor, json_option, load_settings, print_json
from auditsvc.condition.describe import ConditionStep
from auditsvc.condition.evaluate import has_type
from auditsvc.event.fields import Kind, get_field
from auditsvc.event.model import Event
from auditsvc.event.native import read_native
from auditsvc.event.time import parse_time_ns
from auditsvc.ground.database import begin_write
from auditsvc.ground.document import Bundle, build_bundle, load_bundle
from auditsvc.ground.errors import EXIT_FINDING, InputError
from auditsvc.inforce.versions import Versions
from auditsvc.policy.check import require_policies, run_tests
from auditsvc.policy.judge import explain as explain_event
from auditsvc.policy.lint import lint as lint_policies
from auditsvc.policy.load import load_policy_set
from auditsvc.policy.model import PolicySet
from auditsvc.policy.view import dump_explanation, dump_policy
from auditsvc.runtime.installation import open_ledger

paths_argument = click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
policies_option = click.option(
    "--policies",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the policy set; without it, the one in force.",
)


@click.group()
def command() -> None:
    """Lint, test, explain and put policies in force."""


@command.command()
@paths_argument
@json_option
def lint(paths: Sequence[Path], as_json: bool) -> None:
    """Check the policies in PATHS (files or folders, read as one policy set) for likely mistakes.

    Exit code 1 when there is a finding; each is printed as file:line:column.
    """
    policy_set = load_policy_set(_gather(paths))
    require_policies(policy_set)
    problems = lint_policies(policy_set)
    if as_json:
        print_json({"policies": len(policy_set.policies), "problems": [str(problem) for problem in problems]})
    else:
        for problem in problems:
            click.echo(str(problem))
        click.echo(f"{len(policy_set.policies)} policies, {len(problems)} findings", err=True)
    if problems:
        sys.exit(EXIT_FINDING)


@command.command()
@paths_argument
@json_option
def test(paths: Sequence[Path], as_json: bool) -> None:
    """Run the inline tests of the policies in PATHS (files or folders, read as one policy set).

    Exit code 1 when one fails.
    """
    policy_set = load_policy_set(_gather(paths))
    require_policies(policy_set)
    results = run_tests(policy_set)
    failed = [result for result in results if not result.passed]
    if as_json:
        rows = [
            {"policy": r.policy_id, "version": r.version, "test": r.name, "passed": r.passed, "message": r.message}
            for r in results
        ]
        print_json({"passed": len(results) - len(failed), "failed": len(failed), "tests": rows})
    else:
        for result in results:
            mark = "pass" if result.passed else "FAIL"
            place = "" if result.passed else f" ({result.file}:{result.line}: {result.message})"
            click.echo(f"{mark}  {result.policy_id} v{result.version}  {result.name}{place}")
        click.echo(f"{len(results) - len(failed)} passed, {len(failed)} failed", err=True)
    if failed or not results:
        sys.exit(EXIT_FINDING)


@command.command()
@click.argument("event_file", metavar="EVENT.json", type=click.File("rb"))
@policies_option
@click.option(
    "--catalog",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the catalogue to enrich the event from first.",
)
@json_option
def explain(event_file: Any, policies: Path | None, catalog: Path | None, as_json: bool) -> None:
    """Explain why the event in EVENT.json (native JSON, or flat short names; - for standard input) is judged as it is."""
    event = _read_event(event_file.read())
    if catalog is not None:
        Enricher(load_catalog(load_bundle(catalog))).enrich(event)
    explanation = explain_event(_load(policies), event)
    if as_json:
        print_json(dump_explanation(explanation))
        return
    click.echo(f"verdict: {explanation.verdict.verdict}")
    for step in explanation.policies:
        click.echo(f"\n{step.policy.id} v{step.policy.version} {step.policy.title.zh} / {step.policy.title.en}")
        click.echo(f"  {step.state.value}{f': {step.reason}' if step.reason else ''}")
        if step.exceptions:
            click.echo(f"  excepted by {', '.join(step.exceptions)}")
        _print_step("target", step.target, 1)
        _print_step(step.policy.kind.value, step.body, 1)


@command.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
def activate(folder: Path, as_json: bool) -> None:
    """Put the policy set in FOLDER in force for every event judged from now on; its inline tests must pass."""
    bundle = load_bundle(folder)
    policy_set = load_policy_set(bundle)
    require_policies(policy_set)
    failed = [result for result in run_tests(policy_set) if not result.passed]
    for result in failed:
        click.echo(f"FAIL  {result.policy_id}  {result.name} ({result.message})", err=True)
    if failed:
        sys.exit(EXIT_FINDING)
    ledger = open_ledger(load_settings())
    with begin_write(ledger.database) as connection:
        leaf = ledger.activate(connection, kind="policy", bundle=bundle, actor=find_actor())
    if as_json:
        print_json({"seq": leaf.seq, "sha256": bundle.digest.hex()})
    else:
        click.echo(f"policy set {bundle.digest.hex()[:16]} is in force from leaf {leaf.seq} on")


@command.command(name="list")
@policies_option
@json_option
def list_(policies: Path | None, as_json: bool) -> None:
    """List the policies of a folder, or of the set in force."""
    policy_set = _load(policies)
    if as_json:
        rows = [dump_policy(policy) for policy in policy_set.policies]
        print_json({"sha256": policy_set.digest.hex(), "policies": rows})
        return
    for policy in policy_set.policies:
        click.echo(
            f"{policy.id}  v{policy.version}  {policy.status.value:7}  {policy.severity.value:8}  "
            f"{policy.kind.value:7}  {policy.title.zh} / {policy.title.en}"
        )


def _gather(paths: Sequence[Path]) -> Bundle:
    """Return the bundle of files and folders."""
    files: dict[str, str] = {}
    for path in paths:
        if path.is_dir():
            inner = load_bundle(path).files
            files.update({(path / name).as_posix(): text for name, text in inner.items()})
        else:
            files[path.as_posix()] = _read_text(path)
    return build_bundle(files)


def _read_text(path: Path) -> str:
    """Return a file's text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as err:
        raise InputError("input_invalid", f"`{path}` is not UTF-8 text: {err.reason}") from err


def _load(folder: Path | None) -> PolicySet:
    """Return the policy set of a folder, or the one in force."""
    if folder is not None:
        return load_policy_set(load_bundle(folder))
    found = Versions(open_ledger(load_settings())).find().find_policy_set()
    if found is None:
        raise InputError("not_found", "no policy set is in force; name a folder with --policies or activate one")
    return found


def _read_event(data: bytes) -> Event:
    """Return the flat event of native JSON, or of an object with short names as keys."""
    try:
        plain = json.loads(data)
    except ValueError as err:
        raise InputError("json_invalid", f"not valid JSON: {err}") from err
    if not isinstance(plain, dict):
        raise InputError("json_invalid", "expected one JSON object")
    if any(isinstance(value, dict) for value in plain.values()):
        return read_native(data, lambda number: f"explain:{hashlib.sha256(number.encode()).hexdigest()}")
    event: Event = {}
    for name, value in plain.items():
        known = get_field(name)
        if known.kind is Kind.TIME and isinstance(value, str):
            event[name] = parse_time_ns(value)
        elif value is None or has_type(known, value):
            event[name] = value
        else:
            raise InputError("field_invalid", f"{name}: expected {known.kind.value}, got {json.dumps(value)[:64]}")
    return event


def _print_step(label: str, step: ConditionStep, depth: int) -> None:
    """Print a node of a condition with those inside it."""
    seen = f"   ({step.seen})" if step.seen else ""
    click.echo(f"{'  ' * depth}{label}: {step.text} = {step.truth.value}{seen}")
    for inner in step.steps:
        _print_step("-", inner, depth + 1)

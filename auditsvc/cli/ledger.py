"""``auditsvc ledger``: look at the log, its checkpoints, proofs and archive."""

import base64
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from auditsvc.cli.checklist import VerifyCommand, describe_step
from auditsvc.cli.context import json_option, load_settings, print_json
from auditsvc.ground.clock import format_instant
from auditsvc.ground.errors import InputError
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.format.note import parse_vkey
from auditsvc.ledger.keys import load_log_vkey
from auditsvc.ledger.service import list_orphans, sign_checkpoint
from auditsvc.ledger.verify import LogTrust, Step, decide_exit_code, parse_log_trust, verify_archive
from auditsvc.runtime.installation import open_ledger, require_ledger, require_log_key

MAX_SIZE = 2**62
"""Upper bound of a log's size; larger numbers do not fit the database's integers."""
_MARKS = {"pass": "✓", "fail": "✗", "not done": "–"}


@click.group()
def command() -> None:
    """Look at the log, its checkpoints, proofs and archive."""


@command.command()
@json_option
def status(as_json: bool) -> None:
    """Print size, root hash, last checkpoint and the log's verifier key."""
    settings = load_settings()
    ledger = open_ledger(settings)
    require_log_key(settings)
    head, checkpoint = ledger.get_head(), ledger.find_checkpoint()
    facts = {
        "origin": settings.origin,
        "size": head.size,
        "root_hash": base64.b64encode(head.root_hash).decode(),
        "last_accepted": format_instant(head.last_accepted) if head.last_accepted else None,
        "checkpoint_size": checkpoint.size if checkpoint else None,
        "vkey": load_log_vkey(settings.key_path, settings.origin),
    }
    _print_facts(facts, as_json=as_json)


@command.command()
@click.option("--sign", is_flag=True, help="Sign one first if the log has grown; the core process does so by itself.")
@json_option
def checkpoint(sign: bool, as_json: bool) -> None:
    """Print the last checkpoint, a C2SP signed note."""
    settings = load_settings()
    ledger = open_ledger(settings)
    if sign:
        require_log_key(settings)
        sign_checkpoint(ledger, settings)
    found = ledger.find_checkpoint()
    if found is None:
        raise InputError("not_found", "there is no checkpoint yet; add `--sign` when no core process is running")
    if as_json:
        root_hash = base64.b64encode(found.root_hash).decode()
        print_json({"origin": found.origin, "size": found.size, "root_hash": root_hash, "note": found.note})
    else:
        click.echo(found.note, nl=False)


@command.group()
def proof() -> None:
    """Print proofs, hashes in base64."""


@proof.command()
@click.argument("seq", type=click.IntRange(0, MAX_SIZE - 1))
@click.option(
    "--size", type=click.IntRange(1, MAX_SIZE), help="Tree size; default that of the first checkpoint that covers it."
)
@json_option
def inclusion(seq: int, size: int | None, as_json: bool) -> None:
    """Show that leaf SEQ is in the log: its header, the path, and the checkpoint it leads to."""
    ledger = open_ledger(load_settings())
    covering = ledger.find_checkpoint(size or seq + 1)
    reached = size or (covering.size if covering else None)
    if reached is None:
        ledger.get_leaf(seq)  # one that is not there has no checkpoint to wait for
        raise InputError("conflict", f"no checkpoint covers leaf {seq} yet; wait a second and try again")
    proof = ledger.prove_inclusion(seq, reached)
    facts = {
        "seq": seq,
        "size": reached,
        "root_hash": base64.b64encode(proof.root_hash).decode(),
        "leaf_hash": base64.b64encode(proof.leaf.leaf_hash).decode(),
        "path": [base64.b64encode(value).decode() for value in proof.path],
        "header": proof.leaf.header,
        "checkpoint": covering.note if covering and covering.size == reached else None,
    }
    _print_facts(facts, as_json=as_json)


@proof.command()
@click.argument("size1", type=click.IntRange(1, MAX_SIZE))
@click.argument("size2", type=click.IntRange(1, MAX_SIZE))
@json_option
def consistency(size1: int, size2: int, as_json: bool) -> None:
    """Show that the log of SIZE2 leaves extends that of SIZE1."""
    proof = open_ledger(load_settings()).prove_consistency(size1, size2)
    facts = {
        "size1": size1,
        "size2": size2,
        "root_hash1": base64.b64encode(proof.root_hash1).decode(),
        "root_hash2": base64.b64encode(proof.root_hash2).decode(),
        "path": [base64.b64encode(value).decode() for value in proof.path],
    }
    _print_facts(facts, as_json=as_json)


@command.command()
@json_option
def orphans(as_json: bool) -> None:
    """List frames of the archive that no leaf names; ingest workers offer them to the log again when they start.

    While workers run, frames they are just committing may be among them.
    """
    found = [asdict(orphan) for orphan in list_orphans(open_ledger(load_settings()))]
    if as_json:
        print_json(found)
    for item in [] if as_json else found:
        click.echo(f"{item['segment']}@{item['offset']} {item['length']} bytes {item['kind']} {item['source'] or '-'}")
    if not found:
        click.echo("no orphan frames · 无孤立帧", err=True)


@command.command("verify-archive", cls=VerifyCommand)
@click.option(
    "--trust", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trust file with origin and log_vkey, kept elsewhere; default this installation's own key.",
)  # fmt: skip
@json_option
def verify_archive_command(trust: Path | None, as_json: bool) -> None:
    """Hash the whole archive and log again and compare them with the signed checkpoints.

    Exit codes: 0 verified, 1 tampered, 2 incomplete evidence, 3 usage or nothing there to verify. Reads a
    SQLite database; for PostgreSQL, write a period bundle and verify that.
    """
    settings = load_settings()
    if settings.database_url and not settings.database_url.startswith("sqlite:///"):
        raise InputError("input_invalid", "the database is not SQLite; make a report and verify its period bundle")
    require_ledger(settings)
    steps = verify_archive(
        Path(settings.database.removeprefix("sqlite:///")),
        settings.archive_path,
        settings.checkpoint_path,
        _load_trust(trust, settings),
    )
    if as_json:
        print_json({"exit_code": decide_exit_code(steps), "steps": [describe_step(step) for step in steps]})
    else:
        _print_steps(steps)
    sys.exit(decide_exit_code(steps))


def _load_trust(path: Path | None, settings: Settings) -> LogTrust:
    """Return the keys that the verification trusts."""
    if path is None:
        require_log_key(settings)
        return LogTrust(parse_vkey(load_log_vkey(settings.key_path, settings.origin)))
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise InputError("input_invalid", f"trust file `{path}` cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise InputError("input_invalid", f"trust file `{path}` is not JSON") from err
    if not isinstance(data, dict):
        raise InputError("input_invalid", f"trust file `{path}` is not a JSON object")
    return parse_log_trust(data)


def _print_steps(steps: Sequence[Step]) -> None:
    """Print the checklist."""
    for step in steps:
        place = f" {step.code} {step.where}".rstrip() if step.code else ""
        click.echo(f"{_MARKS[step.state]} {step.number} {step.name_zh} · {step.name_en}: {step.state}{place}")
        click.echo(f"    {step.detail}")


def _print_facts(facts: dict[str, Any], *, as_json: bool) -> None:
    """Print facts as JSON or one per line."""
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, list):
            click.echo(f"{name}:")
            for item in value:
                click.echo(f"  {item}")
        elif isinstance(value, str) and "\n" in value:
            click.echo(f"{name}:\n{value}", nl=False)
        else:
            click.echo(f"{name}: {'-' if value is None else value}")

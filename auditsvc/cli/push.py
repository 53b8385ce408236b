"""``auditsvc push``: send a log file to a running service."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from auditsvc.cli.context import json_option, load_settings, print_json
from auditsvc.ground.errors import InputError
from auditsvc.push import client as push

_LINE_EVERY_S = 2.0
"""How often a line is printed where there is no terminal for a bar."""


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", required=True, help="Source the records are of, as in the catalogue.")
@click.option("--url", help="Address of the ingest side; default: this machine's, from the settings.")
@click.option(
    "--key-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the source's API key.",
)
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="Where the place is kept.")
@click.option(
    "--batch-bytes",
    type=click.IntRange(1, push.MAX_BATCH_BYTES),
    default=push.DEFAULT_BATCH_BYTES,
    show_default=True,
    help="Most bytes sent at once.",
)
@click.option("--whole", is_flag=True, help="Send the file as one body, not line by line.")
@click.option("--patience", type=float, default=300.0, show_default=True, help="Seconds one batch is tried again.")
@json_option
def command(
    file: Path,
    source: str,
    url: str | None,
    key_file: Path,
    state: Path | None,
    batch_bytes: int,
    whole: bool,
    patience: float,
    as_json: bool,
) -> None:
    """Send FILE (plain, gzip or zstd) to a running service; started again, go on where it stopped."""
    settings = load_settings()
    address = _parse_address(url or settings.ingest_url)
    plan = push.PushPlan(
        file=file,
        source=source,
        key=_read_key(key_file),
        state_path=state or file.with_name(f"{file.name}.push.json"),
        batch_bytes=batch_bytes,
        whole=whole or push.is_array(file),
        patience_s=patience,
    )
    with httpx.Client(base_url=address, trust_env=False) as client, _show(file.name) as report:
        done = push.push_file(plan, client, report=report, sleep=time.sleep)
    if as_json:
        print_json(asdict(done))
    else:
        click.echo(
            f"{file.name}: {done.records} records, {done.accepted} events, {done.quarantined} in quarantine, "
            f"{done.duplicates} sent before"
        )


def _read_key(path: Path) -> str:
    """Return the API key in a file; raise ``InputError`` (``input_invalid``) when it holds none."""
    try:
        key = path.read_bytes().strip().decode("ascii")
    except OSError as err:
        raise InputError("not_found", f"cannot read `{path}`: {err.strerror}") from err
    except UnicodeDecodeError:
        key = ""
    if not key or not key.isprintable() or " " in key:
        raise InputError("input_invalid", f"`{path}` does not hold an API key")
    return key


def _parse_address(text: str) -> httpx.URL:
    """Return the URL to send to; raise ``InputError`` (``input_invalid``) unless it is an http(s) URL."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise InputError("input_invalid", f"--url: expected an address like http://127.0.0.1:8471, got `{text[:200]}`")
    return url


@contextmanager
def _show(name: str) -> Iterator[Callable[[push.PushProgress], None]]:
    """Give a function that shows progress on standard error: a bar on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        yield _print_lines(name)
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[records]:,} records"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None, records=0)
        yield lambda state: bar.update(task, total=state.size, completed=state.offset, records=state.records)


def _print_lines(name: str) -> Callable[[push.PushProgress], None]:
    """Return a function that prints a line when some time has passed, and for the last batch."""
    last = time.monotonic()

    def report(state: push.PushProgress) -> None:
        nonlocal last
        if state.offset < state.size and time.monotonic() - last < _LINE_EVERY_S:
            return
        last = time.monotonic()
        share = state.offset * 100 // state.size
        click.echo(f"{name}: {share} % of {state.size} bytes, {state.records} records", err=True)

    return report

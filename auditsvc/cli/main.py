"""The ``auditsvc`` command: a lazy group, so that ``--help`` and small commands do not load the service.

Data goes to standard output, messages to standard error. Exit codes: 0 success, 1 a finding or failed check, 2 usage,
3 a dependency is unavailable; verification has its own, see ``auditsvc verify --help``. A command exits with a
code other than 0 by raising an :class:`AuditError` or by ``sys.exit``.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from auditsvc import __version__
from auditsvc.ground.errors import EXIT_DEPENDENCY, EXIT_USAGE, AuditError, DocumentError

COMMANDS: Mapping[str, str] = {
    "serve": "Run ingest workers and the core process until told to stop.",
    "init": "Make keys, databases and the three administrators.",
    "push": "Send a log file to a running service, resumable.",
    "verify": "Check reports and archives offline.",
    "policy": "Lint, test, explain and put policies in force.",
    "catalog": "Check a catalogue and put it in force.",
    "source": "Log sources and their API keys.",
    "ledger": "Look at the log, its checkpoints, proofs and archive.",
    "event": "Search and export events, and show one with its proof.",
    "alert": "List, acknowledge and close alerts.",
    "report": "Make, list and fetch reports.",
    "account": "People and their roles.",
    "reindex": "Rebuild the event store from the archive.",
    "doctor": "Check the whole installation and say what to do.",
    "store": "Set up, update, rebuild and look at the event store.",
}
"""Command name to its one-line help; the module is ``auditsvc.cli.<name>`` and holds ``command``."""


class OutputClosedError(Exception):
    """The reader of standard output went away; no `OSError`, since click ends those of EPIPE with its own code 1."""


@contextmanager
def _naming_closed_output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as err:
        raise OutputClosedError from err


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command runs."""

    @_naming_closed_output()
    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Read the arguments as click does, which may print the help text."""
        return super().make_context(*args, **kwargs)

    @_naming_closed_output()
    def invoke(self, ctx: click.Context) -> Any:
        """Run the named command as click does."""
        return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, importing its module; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"auditsvc.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command list from the table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="auditsvc")
def cli() -> None:
    """Tamper-evident access logs, policy checks and signed audit reports.

    Settings come from AUDITSVC_* in the environment and from the TOML file named by AUDITSVC_CONFIG; see
    docs/settings.md.
    """


def main() -> None:
    """Run the command line; an error becomes one line on standard error and its exit code."""
    try:
        sys.exit(cli.main(standalone_mode=False))  # the code of `Context.exit`, which click returns instead of raising
    except AuditError as err:
        code = "" if isinstance(err, DocumentError) else f" [{err.code}]"  # whose lines each end with their code
        click.echo(f"auditsvc: {err.message}{code}", err=True)
        sys.exit(err.exit_code)
    except click.ClickException as err:
        err.show()
        sys.exit(EXIT_USAGE)
    except click.Abort:
        click.echo("auditsvc: stopped", err=True)
        sys.exit(130)
    except OutputClosedError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as err:  # an unusable file or folder, wherever it is
        place = f"`{err.filename}`: " if err.filename else ""
        click.echo(f"auditsvc: {place}{err.strerror or err} [storage_unavailable]", err=True)
        sys.exit(EXIT_DEPENDENCY)
    except Exception as err:  # not the interpreter's exit code 1, which here means a finding
        traceback.print_exc()
        click.echo(f"auditsvc: the program failed: {type(err).__name__}: {err} [internal]", err=True)
        sys.exit(EXIT_DEPENDENCY)

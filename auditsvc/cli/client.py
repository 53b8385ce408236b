"""Client of a running service: the event store has one owner, so commands that read it use the service's REST API with a
bearer token.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import httpx

from auditsvc.cli.context import load_settings
from auditsvc.ground.errors import CODES, AuditError, AuthError, InputError, StorageError

TIMEOUT_S = 60.0
"""Longest a request may take: a search over a year of events takes seconds."""
MAX_TOKEN = 8192


def api_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--url`` and ``--token-file`` to a command."""
    for option in (
        click.option(
            "--token-file",
            required=True,
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="File with a bearer token, from `POST /api/v1/tokens`.",
        ),
        click.option("--url", help="Address of the service; default: this machine's, from the settings."),
    ):
        command = option(command)
    return command


class ApiClient:
    """Calls ``/api/v1`` of one service; its problem documents become our errors."""

    def __init__(self, url: str | None, token_file: Path) -> None:
        """Use the address, by default the one in the settings, and the token.

        Raises:
            InputError: ``input_invalid`` when the file does not hold a token.
        """
        token = token_file.read_text(encoding="utf-8", errors="replace").strip()
        if not token or len(token) > MAX_TOKEN or not token.isascii() or not token.isprintable():
            raise InputError("input_invalid", f"`{token_file}` does not hold a token")
        if url is None:
            url = load_settings().console_url
        self.base = url.rstrip("/") + "/api/v1"
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Return the JSON of a GET; ``query`` members that are None are omitted."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._send("GET", path, params=given)

    def iter_lines(self, path: str, query: Mapping[str, Any]) -> Iterator[str]:
        """Yield the lines of a GET as they arrive; ``query`` members that are None are omitted.

        Raises:
            StorageError: ``storage_unavailable`` when the service is unavailable, or the answer is truncated.
            AuditError: with the code the service gave.
        """
        given = {name: value for name, value in query.items() if value is not None}
        headers = {**self._headers, "Accept": "application/x-ndjson, application/problem+json"}
        try:
            with httpx.stream("GET", self.base + path, params=given, headers=headers, timeout=TIMEOUT_S) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _build_error(answer)
                yield from answer.iter_lines()
        except httpx.InvalidURL as err:
            raise InputError("input_invalid", f"`{self.base}` is not an address: {err}") from err
        except httpx.HTTPError as err:
            raise self._build_silence(err) from err

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON of a POST."""
        return self._send("POST", path, json=dict(body))

    def _send(self, method: str, path: str, **more: Any) -> Any:
        """Send one request.

        Raises:
            StorageError: ``storage_unavailable`` when no service answers.
            AuditError: with the code the service gave.
        """
        try:
            answer = httpx.request(method, self.base + path, headers=self._headers, timeout=TIMEOUT_S, **more)
        except httpx.InvalidURL as err:
            raise InputError("input_invalid", f"`{self.base}` is not an address: {err}") from err
        except httpx.HTTPError as err:
            raise self._build_silence(err) from err
        if not answer.is_success:
            raise _build_error(answer)
        try:
            return answer.json()
        except ValueError as err:
            raise _build_stranger(answer) from err

    def _build_silence(self, err: httpx.HTTPError) -> StorageError:
        """Return the error for an unavailable service."""
        message = f"no service answers at `{self.base}`: {err}; start it with `auditsvc serve`"
        return StorageError("storage_unavailable", message)


def _build_error(answer: httpx.Response) -> AuditError:
    """Return the error in a problem document."""
    try:
        problem = answer.json()
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return _build_stranger(answer)
    if code not in CODES:
        code = "input_invalid"
    return AuthError(code, detail) if answer.status_code in (401, 403) else AuditError(code, detail)


def _build_stranger(answer: httpx.Response) -> AuditError:
    """Return the error for an answer of another program."""
    return StorageError("storage_unavailable", f"`{answer.url}` answered {answer.status_code}, not as auditsvc does")

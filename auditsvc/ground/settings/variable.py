"""The value of one setting: where somebody gave it, its type, its bounds, and what is wrong with it."""

import importlib.util
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from auditsvc.ground.errors import AuditError

_GIB = 1024**3
BOUNDS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "console_port": (1, 65535),
        "ingest_port": (1, 65535),
        "ingest_workers": (1, 64),  # each holds a slot of the archive, and there are 64
        "ingest_threads": (1, 1024),
        "max_body_bytes": (1, _GIB),  # a batch is one frame of the archive, which holds a GiB
        "max_record_bytes": (1, _GIB),
        "max_document_bytes": (1, _GIB),
        "max_pending_bytes": (1, 1024 * _GIB),
        "duplicate_horizon_days": (0, 3650),
        "duckdb_threads": (1, 256),
        "argon2_memory_kib": (8, 4 * 1024 * 1024),  # argon2 itself wants 8 KiB for each lane
        "argon2_time_cost": (1, 100),
        "argon2_parallelism": (1, 64),
        "session_minutes": (1, 7 * 24 * 60),
        "worker_slot": (-1, 63),
        "elasticsearch_timeout_s": (1, 600),
        "elasticsearch_replicas": (0, 9),
        "elasticsearch_month_shards": (1, 64),
        "elasticsearch_bulk_bytes": (65536, 67108864),  # the server refuses more than 100 MiB in one request
    }
)
"""Least and most of every whole number."""
_MEMORY = re.compile(r"[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
SQLITE = "sqlite:///"
POSTGRESQL = ("postgresql://", "postgresql+psycopg://")
_DRIVER = "psycopg"
_INDEX_PREFIX = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Given:
    """A value somebody gave, with where it stands: an environment variable, or file, line and key."""

    where: str
    raw: Any
    from_file: bool

    def refuse(self, expected: str, got: str | None = None) -> AuditError:
        """Return the error that names place, what was expected and what was got."""
        shown = f"`{self.raw}`" if got is None else got
        return AuditError("settings_invalid", f"{self.where}: expected {expected}, got {shown}")


def parse_value(name: str, given: Given, kind: Any) -> Any:
    """Return what is given as the setting's type, within its bounds."""
    if kind is int:
        return _parse_int(name, given)
    if kind is bool:
        return _parse_bool(given)
    if not isinstance(given.raw, str):
        raise given.refuse("text in quotes", f"`{json.dumps(given.raw, default=str)}`")
    if kind in (Path, Path | None):
        return _parse_path(given)
    choices = getattr(kind, "__args__", None)
    if choices and given.raw not in choices:
        raise given.refuse(f"one of {', '.join(choices)}")
    if name in _CHECKS:
        _CHECKS[name](given)
    return given.raw


def _parse_int(name: str, given: Given) -> int:
    """Return a whole number within the setting's bounds."""
    least, most = BOUNDS[name]
    expected = f"a whole number from {least} to {most}"
    if given.from_file and (not isinstance(given.raw, int) or isinstance(given.raw, bool)):
        raise given.refuse(expected, f"`{json.dumps(given.raw, default=str)}`")
    text = str(given.raw)
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise given.refuse(expected)
    return int(text)


def _parse_bool(given: Given) -> bool:
    """Return a truth value: TOML's own, or the words ``true``, ``false``, ``1`` and ``0`` of the environment."""
    if isinstance(given.raw, bool):
        return given.raw
    words = {"true": True, "1": True, "false": False, "0": False}
    word = str(given.raw).lower()
    if given.from_file or word not in words:
        raise given.refuse("true or false")
    return words[word]


def _parse_path(given: Given) -> Path:
    """Return a path; an empty one would silently be the present folder."""
    if not given.raw.strip() or "\0" in given.raw:
        raise given.refuse("a path; leave the setting out for its default")
    return Path(given.raw)


def _check_origin(given: Given) -> None:
    """Refuse what cannot be the name in a signed note."""
    origin = given.raw
    if not origin or not origin.isprintable() or any(char.isspace() or char == "+" for char in origin):
        raise given.refuse("a name without spaces and `+`, such as `audit.example.gov.cn/log`")


def _check_host(given: Given) -> None:
    """Refuse what the web server cannot listen on; it takes addresses, not names."""
    try:
        ipaddress.ip_address(given.raw)
    except ValueError as err:
        raise given.refuse("an IP address such as `127.0.0.1`, `0.0.0.0` or `::1`") from err


def _check_zone(given: Given) -> None:
    """Refuse a zone this machine does not know."""
    try:
        ZoneInfo(given.raw)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise given.refuse("a known IANA zone such as `Asia/Shanghai`") from err


def _check_memory(given: Given) -> None:
    """Refuse what the event store would not understand."""
    if not _MEMORY.fullmatch(given.raw):
        raise given.refuse("a number and a unit, such as `512MB` or `4GB`")


def _check_database(given: Given) -> None:
    """Refuse a database this program cannot use; an address may hold a password, so only its beginning is shown."""
    url = given.raw
    shown = f"`{url.partition('://')[0][:40]}://…`" if "://" in url else "something else"
    if not url or (url.startswith(SQLITE) and url != SQLITE and ":memory:" not in url and "?" not in url):
        return
    if not url.startswith(POSTGRESQL) or url in POSTGRESQL:
        raise given.refuse("`sqlite:///FILE` or `postgresql://USER@HOST/NAME`", shown)
    if importlib.util.find_spec(_DRIVER) is None:
        raise AuditError(
            "settings_invalid",
            f"{given.where}: PostgreSQL needs the package `{_DRIVER}`, which is not installed; "
            f"install `{_DRIVER}[binary]` beside auditsvc, or leave the setting out for SQLite",
        )


def _check_elasticsearch(given: Given) -> None:
    """Refuse what is no list of addresses; a password in one is not shown."""
    for url in split_urls(given.raw):
        problem = _find_url_problem(url)
        if problem:
            raise given.refuse(
                "addresses `https://HOST:PORT` with commas between, user and password in settings of their own", problem
            )


def _find_url_problem(url: str) -> str:
    """Return what is wrong with the address of a server, nothing when it is fine."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "one with a port or host that cannot be"
    if "@" in url:
        return "one with a user or password"
    if parts.scheme not in ("http", "https"):
        return "one that begins otherwise"
    if not parts.hostname or port is None:
        return f"`{url}` without host and port"
    if any(char.isspace() for char in url) or parts.query or parts.fragment:
        return f"`{url}`"
    return ""


def _check_prefix(given: Given) -> None:
    """Refuse what cannot begin the name of an index."""
    if not _INDEX_PREFIX.fullmatch(given.raw):
        raise given.refuse("up to 40 lower-case letters, digits, `_` and `-`, a letter or digit first")


_CHECKS: Mapping[str, Callable[[Given], None]] = MappingProxyType(
    {
        "origin": _check_origin,
        "database_url": _check_database,
        "console_host": _check_host,
        "ingest_host": _check_host,
        "duckdb_memory_limit": _check_memory,
        "elasticsearch_urls": _check_elasticsearch,
        "elasticsearch_prefix": _check_prefix,
        "time_zone": _check_zone,
    }
)
"""What a text has to be, where its type does not say."""


def split_urls(text: str) -> list[str]:
    """Return addresses that stand with commas between."""
    return [url.strip().rstrip("/") for url in text.split(",") if url.strip()]

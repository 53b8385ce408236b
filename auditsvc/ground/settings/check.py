"""Validators of single settings beyond their type, for marshmallow fields.

Each raises marshmallow's ``ValidationError``; its message says what was expected and got, not where. A value that may
contain a password is never shown in full.
"""

import importlib.util
import ipaddress
import re
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import ValidationError
from marshmallow.validate import Range

GIB = 1024**3
SQLITE = "sqlite:///"
POSTGRESQL = ("postgresql://", "postgresql+psycopg://")
_DRIVER = "psycopg"
_MEMORY = re.compile(r"[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B", re.ASCII | re.IGNORECASE)
_INDEX_PREFIX = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)


def between(least: int, most: int) -> Range:
    """Return the validator of an integer with ``least <= value <= most``."""
    return Range(least, most, error="expected a whole number from {min} to {max}, got `{input}`")


def check_path(path: str) -> None:
    """Refuse an empty path, which would silently mean the current folder."""
    if not path.strip() or "\0" in path:
        raise _refuse("a path; leave the setting out for its default", f"`{path}`")


def check_origin(origin: str) -> None:
    """Refuse what cannot be the name in a signed note."""
    if not origin or not origin.isprintable() or any(char.isspace() or char == "+" for char in origin):
        raise _refuse("a name without spaces and `+`, such as `audit.example.gov.cn/log`", f"`{origin}`")


def check_host(host: str) -> None:
    """Refuse what the web server cannot listen on; it takes addresses, not names."""
    try:
        ipaddress.ip_address(host)
    except ValueError as err:
        raise _refuse("an IP address such as `127.0.0.1`, `0.0.0.0` or `::1`", f"`{host}`") from err


def check_zone(zone: str) -> None:
    """Refuse a time zone this machine does not know."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise _refuse("a known IANA zone such as `Asia/Shanghai`", f"`{zone}`") from err


def check_memory(limit: str) -> None:
    """Refuse what the event store would not understand."""
    if not _MEMORY.fullmatch(limit):
        raise _refuse("a number and a unit, such as `512MB` or `4GB`", f"`{limit}`")


def check_database(url: str) -> None:
    """Refuse an unsupported database; its URL may contain a password, so only its beginning is shown."""
    shown = f"`{url.partition('://')[0][:40]}://…`" if "://" in url else "something else"
    if not url or (url.startswith(SQLITE) and url != SQLITE and ":memory:" not in url and "?" not in url):
        return
    if not url.startswith(POSTGRESQL) or url in POSTGRESQL:
        raise _refuse("`sqlite:///FILE` or `postgresql://USER@HOST/NAME`", shown)
    if importlib.util.find_spec(_DRIVER) is None:
        raise ValidationError(
            f"PostgreSQL needs the package `{_DRIVER}`, which is not installed; install `{_DRIVER}[binary]` beside "
            "auditsvc, or leave the setting out for SQLite"
        )


def check_elasticsearch(urls: str) -> None:
    """Refuse anything but a list of URLs; passwords in them are not shown."""
    for url in split_urls(urls):
        problem = _find_url_problem(url)
        if problem:
            raise _refuse(
                "addresses `https://HOST:PORT` with commas between, user and password in settings of their own", problem
            )


def _find_url_problem(url: str) -> str:
    """Return what is wrong with a server's URL, an empty text when it is fine."""
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


def check_prefix(prefix: str) -> None:
    """Refuse what cannot begin the name of an index."""
    if not _INDEX_PREFIX.fullmatch(prefix):
        raise _refuse("up to 40 lower-case letters, digits, `_` and `-`, a letter or digit first", f"`{prefix}`")


def _refuse(expected: str, got: str) -> ValidationError:
    """Return the error that says what was expected and what was got."""
    return ValidationError(f"expected {expected}, got {got}")


def split_urls(text: str) -> list[str]:
    """Return the URLs of a comma-separated list."""
    return [url.strip().rstrip("/") for url in text.split(",") if url.strip()]

"""Typed settings, read once from the environment (``AUDITSVC_*``) and an optional TOML file; unknown keys are refused.

Order: defaults, then the TOML file named by ``AUDITSVC_CONFIG``, then the environment. Secrets are given by file path.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from auditsvc.ground.errors import AuditError
from auditsvc.ground.settings.variable import POSTGRESQL, SQLITE, Given, parse_value, split_urls

PREFIX = "AUDITSVC_"
CONFIG_KEY = "AUDITSVC_CONFIG"
_CACHE_KEY = "AUDITSVC_CACHE"
"""Where the project's tools keep downloads; not the service's."""
_TEST_PREFIX = "AUDITSVC_TEST_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set. ``docs/settings.md`` lists the same keys with their meaning."""

    data_dir: Path = Path("var")
    """Folder for the archive, the databases and the keys."""
    origin: str = "auditsvc.localhost/log"
    """Name of the log in every checkpoint (C2SP tlog-checkpoint); chosen once, never changed."""
    database_url: str = ""
    """Address of the relational database, ``sqlite:///FILE`` or ``postgresql://USER@HOST/NAME`` (needs the package
    ``psycopg``); empty: SQLite in ``data_dir``."""
    archive_dir: Path | None = None
    """Folder of the archive; default ``data_dir/archive``."""
    key_dir: Path | None = None
    """Folder of the signing keys; default ``data_dir/keys``."""
    checkpoint_file: Path | None = None
    """Append-only file of signed checkpoints, best on another volume; default ``data_dir/checkpoints.log``."""
    console_host: str = "127.0.0.1"
    """IP address the console and the API listen on."""
    console_port: int = 8470
    """Port of the console and the API, 1 to 65535."""
    ingest_host: str = "127.0.0.1"
    """IP address the ingest workers listen on; best in another network than the console."""
    ingest_port: int = 8471
    """Port of the ingest workers, 1 to 65535."""
    ingest_workers: int = 2
    """Ingest worker processes, 1 to 64."""
    ingest_threads: int = 32
    """Threads of one ingest worker; they wait together for one group commit. 1 to 1024."""
    max_body_bytes: int = 64 * 1024 * 1024
    """Largest request body after decompression, at most 1 GiB."""
    max_record_bytes: int = 1024 * 1024
    """Largest single record of a body of lines, at most 1 GiB."""
    max_document_bytes: int = 16 * 1024 * 1024
    """Largest body that is one JSON document, such as an array: unlike lines, it is held in memory as a whole. At most
    1 GiB."""
    max_pending_bytes: int = 256 * 1024 * 1024
    """Bytes one ingest worker holds before it answers 429, at most 1 TiB."""
    duplicate_horizon_days: int = 7
    """How long the same body from the same source gets its first receipt, 0 to 3650."""
    event_store: Literal["duckdb", "elasticsearch"] = "duckdb"
    """Where events are indexed: in a file of this machine, or in Elasticsearch. Either can be built again from the archive."""
    elasticsearch_urls: str = ""
    """Addresses of Elasticsearch, ``https://HOST:PORT``, several with commas between; each is tried when another is away."""
    elasticsearch_ca_file: Path | None = None
    """Certificate of the authority that signed Elasticsearch's, in PEM; default the machine's own authorities."""
    elasticsearch_user: str = ""
    """User of Elasticsearch; needs ``elasticsearch_password_file``."""
    elasticsearch_password_file: Path | None = None
    """File with the user's password."""
    elasticsearch_api_key_file: Path | None = None
    """File with an API key of Elasticsearch in its encoded form, instead of user and password."""
    elasticsearch_prefix: str = "gs"
    """Beginning of every index's name: lower-case letters, digits, ``_`` and ``-``."""
    elasticsearch_timeout_s: int = 30
    """Seconds Elasticsearch may take for one answer, 1 to 600."""
    elasticsearch_replicas: int = 1
    """Copies of each index beside the first, 0 to 9; 0 for a single node, which then is the only one to have it."""
    elasticsearch_month_shards: int = 1
    """Shards of each month's index of events, 1 to 64; one for every 10 to 50 GB a month. Counts for months that are made from
    then on, after ``auditsvc store migrate``; a rebuild makes all of them anew."""
    elasticsearch_bulk_bytes: int = 4 * 1024 * 1024
    """Most bytes of one bulk request, 65536 to 67108864."""
    duckdb_memory_limit: str = "4GB"
    """Most memory the embedded event store takes: a number and KB, MB, GB, TB, KiB, MiB, GiB or TiB."""
    duckdb_threads: int = 2
    """Threads of the embedded event store, 1 to 256."""
    time_zone: str = "Asia/Shanghai"
    """IANA zone of days, hours and printed times in console and reports."""
    default_language: Literal["zh", "en"] = "zh"
    """Language of the console before a person chooses one."""
    argon2_memory_kib: int = 65536
    """Memory of one password hash, in KiB; at least 8 for each lane, at most 4194304."""
    argon2_time_cost: int = 3
    """Passes of one password hash, 1 to 100."""
    argon2_parallelism: int = 4
    """Lanes of one password hash, 1 to 64."""
    session_minutes: int = 30
    """Idle minutes after which a person has to sign in again, 1 to 10080."""
    secure_cookies: bool = False
    """Set when the console is reached over HTTPS."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""
    worker_slot: int = -1
    """Number of this ingest worker's segment, up to 63; -1 takes the first free one, as several workers must."""

    @property
    def archive_path(self) -> Path:
        """Folder of the archive."""
        return self.archive_dir or self.data_dir / "archive"

    @property
    def key_path(self) -> Path:
        """Folder of the signing keys."""
        return self.key_dir or self.data_dir / "keys"

    @property
    def checkpoint_path(self) -> Path:
        """Append-only file of signed checkpoints."""
        return self.checkpoint_file or self.data_dir / "checkpoints.log"

    @property
    def duckdb_path(self) -> Path:
        """The embedded event store's file."""
        return self.data_dir / "events.duckdb"

    @property
    def database(self) -> str:
        """SQLAlchemy address of the relational database, the driver named."""
        if self.database_url.startswith(POSTGRESQL[0]):
            return POSTGRESQL[1] + self.database_url.removeprefix(POSTGRESQL[0])
        return self.database_url or f"{SQLITE}{(self.data_dir / 'auditsvc.db').resolve()}"

    @property
    def console_url(self) -> str:
        """Address of the console and the API, as this machine reaches it."""
        return _format_url(self.console_host, self.console_port)

    @property
    def ingest_url(self) -> str:
        """Address of the ingest workers, as this machine reaches it."""
        return _format_url(self.ingest_host, self.ingest_port)

    @property
    def elasticsearch_hosts(self) -> tuple[str, ...]:
        """Addresses of Elasticsearch, one by one, without a trailing slash."""
        return tuple(split_urls(self.elasticsearch_urls))

    @property
    def zone(self) -> ZoneInfo:
        """The zone of days and hours."""
        return ZoneInfo(self.time_zone)

    @classmethod
    def from_mapping(cls, environ: Mapping[str, str]) -> "Settings":
        """Read settings from an environment and the TOML file it may name.

        Raises:
            AuditError: ``settings_invalid`` for an unknown key or a value of the wrong form.
        """
        given = _read_given(environ)
        known = {field.name: field for field in fields(cls)}
        for name, value in given.items():
            if name not in known:
                raise AuditError("settings_invalid", f"unknown setting `{value.where}`{_suggest(value, name, known)}")
        settings = cls(**{name: parse_value(name, value, known[name].type) for name, value in given.items()})
        _check_together(settings, lambda name: given[name].where if name in given else f"{PREFIX}{name.upper()}")
        return settings


def _read_given(environ: Mapping[str, str]) -> dict[str, Given]:
    """Return what the TOML file and the environment give, the environment winning."""
    config = environ.get(CONFIG_KEY)
    given = _read_toml(Path(config)) if config else {}
    for key, text in environ.items():
        if key.startswith(PREFIX) and key not in (CONFIG_KEY, _CACHE_KEY) and not key.startswith(_TEST_PREFIX):
            given[key.removeprefix(PREFIX).lower()] = Given(key, text, from_file=False)
    return given


def _suggest(value: Given, name: str, known: Mapping[str, Any]) -> str:
    """Return what to do about an unknown name: the known one like it, and where all are listed."""
    close = difflib.get_close_matches(name, known, n=1)
    spelled = [found if value.from_file else f"{PREFIX}{found.upper()}" for found in close]
    meant = f"; did you mean `{spelled[0]}`?" if spelled else ""
    return f"{meant}; docs/settings.md lists the known ones"


def _read_toml(path: Path) -> dict[str, Given]:
    """Return the TOML file's keys with where they stand."""
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as err:
        raise AuditError("settings_invalid", f"{CONFIG_KEY}: cannot read `{path}`: {err.strerror}") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise AuditError("settings_invalid", f"{CONFIG_KEY}: `{path}` is not valid TOML: {err}") from err
    return {key: Given(f"{path}{_find_line(text, key)}: {key}", value, from_file=True) for key, value in table.items()}


def _find_line(text: str, key: str) -> str:
    """Return ``:<line>`` of a top-level key, nothing when it is written in an unusual way."""
    written = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[]=.]""")
    for number, line in enumerate(text.splitlines(), 1):
        if written.match(line):
            return f":{number}"
    return ""


def _check_together(settings: Settings, where: Callable[[str], str]) -> None:
    """Refuse values that are fine alone and cannot be together; ``where`` names the place of a setting."""
    if (settings.console_host, settings.console_port) == (settings.ingest_host, settings.ingest_port):
        raise AuditError(
            "settings_invalid",
            f"{where('ingest_port')}: expected another port than the console's, got `{settings.ingest_port}` for both",
        )
    if settings.argon2_memory_kib < 8 * settings.argon2_parallelism:
        raise AuditError(
            "settings_invalid",
            f"{where('argon2_memory_kib')}: expected at least {8 * settings.argon2_parallelism}, which is 8 KiB for "
            f"each of {settings.argon2_parallelism} lanes, got `{settings.argon2_memory_kib}`",
        )
    if settings.worker_slot >= 0 and settings.ingest_workers > 1:
        raise AuditError(
            "settings_invalid",
            f"{where('worker_slot')}: expected -1 with {settings.ingest_workers} ingest workers, since a slot is one "
            f"worker's, got `{settings.worker_slot}`",
        )
    _check_elasticsearch_together(settings, where)


def _check_elasticsearch_together(settings: Settings, where: Callable[[str], str]) -> None:
    """Refuse an Elasticsearch without address, half a credential or two, and one that would be sent in the clear."""
    has_password, has_key = settings.elasticsearch_password_file, settings.elasticsearch_api_key_file
    problem = ""
    if settings.event_store == "elasticsearch" and not settings.elasticsearch_hosts:
        problem = f"{where('elasticsearch_urls')}: expected an address, since the event store is elasticsearch"
    elif bool(settings.elasticsearch_user) != bool(has_password):
        missing = "elasticsearch_password_file" if settings.elasticsearch_user else "elasticsearch_user"
        problem = f"{where(missing)}: expected a value, since user and password go together"
    elif has_password and has_key:
        problem = f"{where('elasticsearch_api_key_file')}: expected none beside a user and password"
    elif has_password or has_key:
        clear = [url for url in settings.elasticsearch_hosts if _is_readable_on_the_way(url)]
        if clear:
            problem = (
                f"{where('elasticsearch_urls')}: expected `https://`, got `{clear[0]}`, which would send the password or "
                "key in the clear"
            )
    if problem:
        raise AuditError("settings_invalid", problem)


def _is_readable_on_the_way(url: str) -> bool:
    """Return whether what is sent to ``url`` leaves this machine in the clear."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost")


def _format_url(host: str, port: int) -> str:
    """Return an HTTP address; IPv6 stands in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

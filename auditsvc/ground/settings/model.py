"""Typed settings, read once from the environment (``AUDITSVC_*``) and an optional TOML file; unknown keys are refused.

Order: defaults, then the TOML file named by ``AUDITSVC_CONFIG``, then the environment. Secrets are given by file path.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from auditsvc.ground.settings.check import (
    GIB,
    POSTGRESQL,
    SQLITE,
    between,
    check_database,
    check_elasticsearch,
    check_host,
    check_memory,
    check_origin,
    check_prefix,
    check_zone,
    split_urls,
)
from auditsvc.ground.settings.source import read_settings, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set. ``docs/settings.md`` lists the same keys with their meaning."""

    data_dir: Path = Path("var")
    """Folder for the archive, the databases and the keys."""
    origin: Annotated[str, check_origin] = "auditsvc.localhost/log"
    """Name of the log in every checkpoint (C2SP tlog-checkpoint); chosen once, never changed."""
    database_url: Annotated[str, check_database] = ""
    """Address of the relational database, ``sqlite:///FILE`` or ``postgresql://USER@HOST/NAME`` (needs the package
    ``psycopg``); empty: SQLite in ``data_dir``."""
    archive_dir: Path | None = None
    """Folder of the archive; default ``data_dir/archive``."""
    key_dir: Path | None = None
    """Folder of the signing keys; default ``data_dir/keys``."""
    checkpoint_file: Path | None = None
    """Append-only file of signed checkpoints, preferably on another volume; default ``data_dir/checkpoints.log``."""
    console_host: Annotated[str, check_host] = "127.0.0.1"
    """IP address the console and the API listen on."""
    console_port: Annotated[int, between(1, 65535)] = 8470
    """Port of the console and the API, 1 to 65535."""
    ingest_host: Annotated[str, check_host] = "127.0.0.1"
    """IP address the ingest workers listen on; preferably on another network than the console's."""
    ingest_port: Annotated[int, between(1, 65535)] = 8471
    """Port of the ingest workers, 1 to 65535."""
    ingest_workers: Annotated[int, between(1, 64)] = 2  # each worker holds a slot of the archive, and there are 64
    """Ingest worker processes, 1 to 64."""
    ingest_threads: Annotated[int, between(1, 1024)] = 32
    """Threads of one ingest worker; they wait together for one group commit. 1 to 1024."""
    max_body_bytes: Annotated[int, between(1, GIB)] = (
        64 * 1024 * 1024
    )  # a batch is one frame of the archive, of at most a GiB
    """Largest request body after decompression, at most 1 GiB."""
    max_record_bytes: Annotated[int, between(1, GIB)] = 1024 * 1024
    """Largest single record of a body of lines, at most 1 GiB."""
    max_document_bytes: Annotated[int, between(1, GIB)] = 16 * 1024 * 1024
    """Largest body that is one JSON document, such as an array: unlike lines, it is held in memory as a whole. At most
    1 GiB."""
    max_pending_bytes: Annotated[int, between(1, 1024 * GIB)] = 256 * 1024 * 1024
    """Bytes one ingest worker keeps in memory before it answers 429, at most 1 TiB."""
    duplicate_horizon_days: Annotated[int, between(0, 3650)] = 7
    """Days in which the same body from the same source is a duplicate and gets the original receipt, 0 to 3650."""
    event_store: Literal["duckdb", "elasticsearch"] = "duckdb"
    """Where events are indexed: in a file on this machine, or in Elasticsearch. Either can be rebuilt from the archive."""
    elasticsearch_urls: Annotated[str, check_elasticsearch] = ""
    """Addresses of Elasticsearch, ``https://HOST:PORT``, comma-separated; requests fail over between them."""
    elasticsearch_ca_file: Path | None = None
    """CA certificate to verify Elasticsearch's certificate, in PEM; default: the machine's own CAs."""
    elasticsearch_user: str = ""
    """User of Elasticsearch; needs ``elasticsearch_password_file``."""
    elasticsearch_password_file: Path | None = None
    """File with the user's password."""
    elasticsearch_api_key_file: Path | None = None
    """File with an API key of Elasticsearch in its encoded form, instead of user and password."""
    elasticsearch_prefix: Annotated[str, check_prefix] = "gs"
    """Prefix of every index name: lower-case letters, digits, ``_`` and ``-``."""
    elasticsearch_timeout_s: Annotated[int, between(1, 600)] = 30
    """Seconds Elasticsearch may take for one response, 1 to 600."""
    elasticsearch_replicas: Annotated[int, between(0, 9)] = 1
    """Replicas of each index, 0 to 9; 0 for a single node, which then has the only copy."""
    elasticsearch_month_shards: Annotated[int, between(1, 64)] = 1
    """Primary shards of each month's index of events, 1 to 64; one for every 10 to 50 GB a month. Applies to months created
    after the next ``auditsvc store migrate``; a rebuild applies it to all months."""
    elasticsearch_bulk_bytes: Annotated[int, between(65536, 67108864)] = 4 * 1024 * 1024
    """Maximum bytes of one bulk request, 65536 to 67108864; the server refuses more than 100 MiB."""
    duckdb_memory_limit: Annotated[str, check_memory] = "4GB"
    """Maximum memory of the embedded event store: a number and KB, MB, GB, TB, KiB, MiB, GiB or TiB."""
    duckdb_threads: Annotated[int, between(1, 256)] = 2
    """Threads of the embedded event store, 1 to 256."""
    time_zone: Annotated[str, check_zone] = "Asia/Shanghai"
    """IANA zone of days, hours and printed times in console and reports."""
    default_language: Literal["zh", "en"] = "zh"
    """Language of the console until a user chooses one."""
    argon2_memory_kib: Annotated[int, between(8, 4 * 1024 * 1024)] = 65536  # argon2 itself wants 8 KiB for each lane
    """Memory of one password hash, in KiB; at least 8 for each lane, at most 4194304."""
    argon2_time_cost: Annotated[int, between(1, 100)] = 3
    """Passes of one password hash, 1 to 100."""
    argon2_parallelism: Annotated[int, between(1, 64)] = 4
    """Lanes of one password hash, 1 to 64."""
    session_minutes: Annotated[int, between(1, 7 * 24 * 60)] = 30
    """Idle minutes after which a user has to sign in again, 1 to 10080."""
    secure_cookies: bool = False
    """Set when the console is reached over HTTPS."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Minimum level that is logged."""
    worker_slot: Annotated[int, between(-1, 63)] = -1
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
        """The time zone of days and hours."""
        return ZoneInfo(self.time_zone)

    @classmethod
    def from_mapping(cls, environ: Mapping[str, str]) -> "Settings":
        """Read settings from an environment and the TOML file it may name.

        Raises:
            AuditError: ``settings_invalid`` for unknown keys and values of the wrong form, all of them; if there are
                none, for values that contradict each other.
        """
        read = read_settings(cls, environ)
        settings = cls(**read.values)
        conflicts = [f"{read.where(name)}: {text}" for name, text in _find_conflicts(settings)]
        if conflicts:
            raise refuse(conflicts)
        return settings


def _find_conflicts(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield the settings that are valid alone but conflict with others, each with what was expected and got."""
    if (settings.console_host, settings.console_port) == (settings.ingest_host, settings.ingest_port):
        port = settings.ingest_port
        yield "ingest_port", f"expected another port than the console's, got `{port}` for both"
    lanes, memory = settings.argon2_parallelism, settings.argon2_memory_kib
    if memory < 8 * lanes:
        yield (
            "argon2_memory_kib",
            f"expected at least {8 * lanes}, which is 8 KiB for each of {lanes} lanes, got `{memory}`",
        )
    workers, slot = settings.ingest_workers, settings.worker_slot
    if slot >= 0 and workers > 1:
        yield (
            "worker_slot",
            f"expected -1 with {workers} ingest workers, since a slot is one worker's, got `{slot}`",
        )
    yield from _find_elasticsearch_conflicts(settings)


def _find_elasticsearch_conflicts(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield a missing Elasticsearch URL, incomplete or duplicate credentials, and credentials sent unencrypted."""
    has_password, has_key = settings.elasticsearch_password_file, settings.elasticsearch_api_key_file
    if settings.event_store == "elasticsearch" and not settings.elasticsearch_hosts:
        yield "elasticsearch_urls", "expected an address, since the event store is elasticsearch"
    if bool(settings.elasticsearch_user) != bool(has_password):
        missing = "elasticsearch_password_file" if settings.elasticsearch_user else "elasticsearch_user"
        yield missing, "expected a value, since user and password go together"
    if has_password and has_key:
        yield "elasticsearch_api_key_file", "expected none beside a user and password"
    clear = [url for url in settings.elasticsearch_hosts if _is_readable_on_the_way(url)]
    if clear and (has_password or has_key):
        yield (
            "elasticsearch_urls",
            f"expected `https://`, got `{clear[0]}`, which would send the password or key in the clear",
        )


def _is_readable_on_the_way(url: str) -> bool:
    """Return whether requests to ``url`` leave this machine unencrypted."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "::1", "localhost")


def _format_url(host: str, port: int) -> str:
    """Return an HTTP URL, an IPv6 address in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

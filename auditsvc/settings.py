"""Typed settings, read once from the environment (``AUDITSVC_*``) and an optional TOML file; unknown keys are refused.

Order: defaults, then the TOML file named by ``AUDITSVC_CONFIG``, then the environment. Secrets are given by file path.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from auditsvc.errors import AuditError

PREFIX = "AUDITSVC_"
CONFIG_KEY = "AUDITSVC_CONFIG"
_TEST_PREFIX = "AUDITSVC_TEST_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator can set. ``docs/settings.md`` lists the same keys with their meaning."""

    data_dir: Path = Path("var")
    """Folder for the archive, the databases and the keys."""
    origin: str = "auditsvc.localhost/log"
    """Name of the log in every checkpoint (C2SP tlog-checkpoint); chosen once, never changed."""
    database_url: str = ""
    """SQLAlchemy address of the relational database; empty: SQLite in ``data_dir``."""
    archive_dir: Path | None = None
    """Folder of the archive; default ``data_dir/archive``."""
    key_dir: Path | None = None
    """Folder of the signing keys; default ``data_dir/keys``."""
    checkpoint_file: Path | None = None
    """Append-only file of signed checkpoints, best on another volume; default ``data_dir/checkpoints.log``."""
    console_host: str = "127.0.0.1"
    """Address the console and the API listen on."""
    console_port: int = 8470
    """Port of the console and the API."""
    ingest_host: str = "127.0.0.1"
    """Address the ingest workers listen on; best in another network than the console."""
    ingest_port: int = 8471
    """Port of the ingest workers."""
    ingest_workers: int = 2
    """Ingest worker processes."""
    ingest_threads: int = 32
    """Threads of one ingest worker; they wait together for one group commit."""
    max_body_bytes: int = 64 * 1024 * 1024
    """Largest request body after decompression."""
    max_record_bytes: int = 1024 * 1024
    """Largest single record of a body of lines."""
    max_document_bytes: int = 16 * 1024 * 1024
    """Largest body that is one JSON document, such as an array: unlike lines, it is held in memory as a whole."""
    max_pending_bytes: int = 256 * 1024 * 1024
    """Bytes one ingest worker holds before it answers 429."""
    duplicate_horizon_days: int = 7
    """How long the same body from the same source gets its first receipt."""
    duckdb_memory_limit: str = "4GB"
    """Most memory the embedded event store takes."""
    duckdb_threads: int = 2
    """Threads of the embedded event store."""
    time_zone: str = "Asia/Shanghai"
    """IANA zone of days, hours and printed times in console and reports."""
    default_language: Literal["zh", "en"] = "zh"
    """Language of the console before a person chooses one."""
    argon2_memory_kib: int = 65536
    """Memory of one password hash, in KiB."""
    argon2_time_cost: int = 3
    """Passes of one password hash."""
    argon2_parallelism: int = 4
    """Lanes of one password hash."""
    session_minutes: int = 30
    """Idle minutes after which a person has to sign in again."""
    secure_cookies: bool = False
    """Set when the console is reached over HTTPS."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""
    worker_slot: int = -1
    """Number of this ingest worker's segment; -1 takes the first free one."""

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
        """SQLAlchemy address of the relational database."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'auditsvc.db').resolve()}"

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
        values: dict[str, Any] = {}
        config = environ.get(CONFIG_KEY)
        if config:
            values.update(_read_toml(Path(config)))
        for key, text in environ.items():
            if key.startswith(PREFIX) and key != CONFIG_KEY and not key.startswith(_TEST_PREFIX):
                values[key[len(PREFIX) :].lower()] = (key, text)
        known = {field.name: field for field in fields(cls)}
        parsed = {}
        for name, (where, raw) in values.items():
            if name not in known:
                raise AuditError(
                    "settings_invalid", f"unknown setting `{where}`; docs/settings.md lists the known ones"
                )
            parsed[name] = _parse_value(where, raw, known[name].type)
        return cls(**parsed)._checked()

    def _checked(self) -> "Settings":
        """Return these settings if values fit together."""
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as err:
            raise AuditError("settings_invalid", f"time_zone: `{self.time_zone}` is not a known IANA zone") from err
        if not self.origin or any(char.isspace() or char == "+" for char in self.origin):
            raise AuditError("settings_invalid", f"origin: `{self.origin}` must be non-empty, without spaces or `+`")
        return self


def _read_toml(path: Path) -> dict[str, tuple[str, Any]]:
    """Return the TOML file's keys with where they stand."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise AuditError("settings_invalid", f"{CONFIG_KEY}: cannot read `{path}`: {err.strerror}") from err
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise AuditError("settings_invalid", f"{path}: not valid TOML: {err}") from err
    return {key: (f"{path}: {key}", value) for key, value in table.items()}


def _parse_value(where: str, raw: Any, kind: Any) -> Any:
    """Return ``raw`` as the setting's type."""
    if kind in (Path, Path | None):
        return Path(str(raw))
    if kind is bool:
        return _parse_bool(where, raw)
    if kind is int:
        try:
            return int(str(raw))
        except ValueError as err:
            raise AuditError("settings_invalid", f"{where}: expected a whole number, got `{raw}`") from err
    choices = getattr(kind, "__args__", None)
    if choices and raw not in choices:
        raise AuditError("settings_invalid", f"{where}: expected one of {', '.join(choices)}, got `{raw}`")
    return str(raw)


def _parse_bool(where: str, raw: Any) -> bool:
    """Return a truth value from TOML or from ``true``, ``false``, ``1`` or ``0``."""
    words = {"true": True, "1": True, "false": False, "0": False}
    word = str(raw).lower()
    if word not in words:
        raise AuditError("settings_invalid", f"{where}: expected true or false, got `{raw}`")
    return words[word]

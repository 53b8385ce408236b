"""The doctor's checks of this machine: folders, database, key, clock, policies and catalogue, and the embedded store."""

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import duckdb
import httpx
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from auditsvc.ground import database
from auditsvc.ground.clock import Clock, SystemClock, format_instant
from auditsvc.ground.database import find_file, open_engine
from auditsvc.ground.errors import AuditError
from auditsvc.ground.settings.model import Settings
from auditsvc.inforce.versions import Versions
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.format.note import verify_checkpoint
from auditsvc.ledger.keys import LOG_KEY_FILE, load_signer
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.proof import get_head, latest_checkpoint
from auditsvc.ledger.write.checkpoint_file import read_last_note
from auditsvc.runtime.disk import MIN_FREE_BYTES, list_growing_folders, measure_free_bytes
from auditsvc.runtime.doctor.check import Check, attempt, failed, passed, skipped, warned
from auditsvc.runtime.installation import require_ledger, require_log_key
from auditsvc.store.duckdb.schema import VERSION, find_version

LITTLE_FREE_BYTES = 20 * MIN_FREE_BYTES
"""Free space below which to warn: 5 GiB, some millions of records."""
CLOCK_SLACK = timedelta(seconds=5)
"""How far a clock may be behind the last accepted time: NTP steps no further in normal operation."""
HEALTH_TIMEOUT_S = 10.0
_MIGRATIONS = Path(database.__file__).parents[1] / "migrations"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LEDGER_CHECKS = ("clock", "policies", "catalogue", "checkpoint signer")


def check_installation(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Yield every check that both event stores share."""
    yield from attempt("data folder", lambda: _check_folder(settings))
    yield from attempt("disk", lambda: _check_disk(settings))
    yield from attempt("archive", lambda: _check_archive(settings), is_down=True)
    yield from attempt("log key", lambda: _check_log_key(settings))
    ready = attempt("database", lambda: _check_database(settings), is_down=True)
    yield from ready
    if any(check.outcome.value != "pass" for check in ready):
        yield from (skipped(name, "the database has to be usable and migrated first") for name in _LEDGER_CHECKS)
        return
    engine = open_engine(settings.database)
    try:
        yield from attempt("clock", lambda: _check_clock(engine, clock))
        yield from attempt("policies", lambda: _check_in_force(engine, settings, "policy"))
        yield from attempt("catalogue", lambda: _check_in_force(engine, settings, "catalog"))
        yield from attempt("checkpoint signer", lambda: _check_signer(engine, settings))
    finally:
        engine.dispose()


def check_duckdb(settings: Settings) -> list[Check]:
    """Return the checks of the embedded store; while a service runs, those that it reports."""
    return attempt("event store", lambda: _check_duckdb(settings), is_down=True)


def _check_folder(settings: Settings) -> Check:
    """Check that the data folder exists."""
    folder = settings.data_dir.resolve()
    if not folder.is_dir():
        return failed("data folder", f"`{folder}` is not there", "run `auditsvc init`, or set `AUDITSVC_DATA_DIR`")
    if not os.access(folder, os.W_OK | os.X_OK):
        return failed(
            "data folder", f"this user may not write `{folder}`", "run as the service's user, or change its owner"
        )
    return passed("data folder", f"`{folder}`")


def _check_disk(settings: Settings) -> Iterator[Check]:
    """Check the free space of every folder that grows."""
    for folder in list_growing_folders(settings):
        if not folder.is_dir():
            yield skipped("disk", f"`{folder}` is not there")
            continue
        free = measure_free_bytes(folder)
        text = f"{free // 1024**2} MiB free for `{folder}`"
        if free < MIN_FREE_BYTES:
            yield failed("disk", text, f"the service is not ready below {MIN_FREE_BYTES // 1024**2} MiB; make room")
        elif free < LITTLE_FREE_BYTES:
            yield warned(
                "disk", text, "make room before it is full; segments and objects are never removed by the service"
            )
        else:
            yield passed("disk", text)


def _check_archive(settings: Settings) -> Check:
    """Write, sync and remove a probe file; create no folder."""
    path = settings.archive_path
    if not (path / "segments").is_dir() or not (path / "objects").is_dir():
        advice = "mount it, or set `AUDITSVC_ARCHIVE_DIR` to where it is; `auditsvc init` makes a new one"
        return failed("archive", f"there is no archive in `{path.resolve()}`", advice, is_down=True)
    Archive(path).check_writable()
    return passed("archive", f"`{path}` can be written and synced")


def _check_database(settings: Settings) -> Check:
    """Query the database, and compare its schema version with the program's."""
    require_ledger(settings)
    engine = open_engine(settings.database)
    try:
        with engine.connect() as connection:
            found = set(MigrationContext.configure(connection).get_current_heads())
    finally:
        engine.dispose()
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    wanted = set(scripts.get_heads())
    known = {script.revision for script in scripts.walk_revisions()}
    place = find_file(settings.database) or "the database"
    if found == wanted:
        return passed("database", f"`{place}` answers, its tables are of this version")
    shown = ", ".join(sorted(found)) or "none"
    if found <= known:
        return warned(
            "database",
            f"tables are of version {shown}",
            "the next start of `auditsvc serve` migrates them; back up first",
        )
    return failed(
        "database", f"tables are of version {shown}, which this program does not know", "run the newer program"
    )


def _check_log_key(settings: Settings) -> Check:
    """Check that the log's key exists, without creating one, and who may read it."""
    require_log_key(settings)
    path = settings.key_path / LOG_KEY_FILE
    load_signer(settings.key_path, settings.origin)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        return failed("log key", f"`{path}` has mode {mode:03o}", f"others could sign a forked log: `chmod 600 {path}`")
    return passed("log key", f"`{path}` can be read, by its owner only")


def _check_signer(engine: Engine, settings: Settings) -> Check:
    """Check the signature of the last checkpoint, of the file and of the database, with our key."""
    name = "checkpoint signer"
    path = settings.key_path / LOG_KEY_FILE
    if not path.is_file():
        return skipped(name, "there is no log key")
    key = load_signer(settings.key_path, settings.origin).verifier_key
    with engine.connect() as connection:  # before the file, which a running service writes first
        known = latest_checkpoint(connection)
    note, _ = read_last_note(settings.checkpoint_path)
    if note is None and known is None:
        return passed(name, "nothing has been signed yet")
    if note is None:
        text = (
            f"the database has a checkpoint of {known.size if known else 0} leaves, `{settings.checkpoint_path}` none"
        )
        return failed(name, text, "restore the file from its backup, or set `AUDITSVC_CHECKPOINT_FILE`")
    try:
        signed = verify_checkpoint(note, key)
        if known is not None:
            verify_checkpoint(known.note, key)
    except AuditError as err:
        advice = "restore the key that signed it, or put AUDITSVC_ORIGIN back to what it was; never make a new key for an old log"
        return failed(name, f"the last checkpoint is not of our key and origin: {err.message}", advice)
    if known is not None and known.size > signed.size:
        text = f"the file ends at {signed.size} leaves, the database at {known.size}"
        return failed(name, text, "restore the file; nothing is signed before that")
    return passed(name, f"our key signed the last checkpoint, {signed.size} leaves")


def _check_clock(engine: Engine, clock: Clock) -> Check:
    """Compare this machine's clock with the ledger's last acceptance time."""
    with engine.connect() as connection:
        last = get_head(connection).last_accepted
    now = clock.now()
    if last is None:
        return passed("clock", f"{format_instant(now)}; nothing has been accepted yet")
    if now + CLOCK_SLACK < last:
        seconds = (last - now).total_seconds()
        text = f"{format_instant(now)} is {seconds:.0f} seconds before the last accepted record, {format_instant(last)}"
        return failed("clock", text, "set the clock, and see whether it is kept by NTP (`timedatectl`)")
    return passed("clock", f"{format_instant(now)}, not before the last accepted record")


def _check_in_force(engine: Engine, settings: Settings, kind: str) -> Check:
    """Read the policy set or the catalogue in force."""
    name = "policies" if kind == "policy" else "catalogue"
    if not (settings.archive_path / "objects").is_dir():
        return skipped(name, "there is no archive to read them from")
    in_force = Versions(Ledger.open(engine, settings, SystemClock())).find()
    policy_set, catalog = (in_force.find_policy_set(), None) if kind == "policy" else (None, in_force.find_catalog())
    if policy_set is not None:
        return passed(name, f"{len(policy_set.policies)} policies are in force")
    if catalog is not None:
        return passed(name, f"{len(catalog.interfaces)} interfaces are in force")
    return warned(name, "none was ever put in force", f"run `auditsvc {kind} activate DIR`")


def _check_duckdb(settings: Settings) -> Check:
    """Query the running service, else open the file read-only, without taking its lock."""
    name = "event store"
    path = settings.duckdb_path
    answer = _ask_health(settings)
    if answer is not None:
        said = answer.get("store", "nothing of its store")
        text = f"DuckDB, in use by the service; `{settings.console_url}/health/ready` says: {said}"
        return passed(name, text) if said == "ok" else failed(name, text, "see the service's log", is_down=True)
    if not path.is_file():
        return warned(name, f"`{path}` is not there", "the service makes it at its start and fills it from the archive")
    try:
        with closing(duckdb.connect(str(path), read_only=True)) as connection:
            version = find_version(connection)
    except duckdb.Error as err:
        reason = str(err).splitlines()[0]
        if "lock" in reason.lower():
            return skipped(
                name, f"`{path}` is in use by another process, and no service answers at {settings.console_url}"
            )
        return failed(name, f"`{path}` cannot be opened: {reason}", "run `auditsvc reindex`", is_down=True)
    if version != VERSION:
        return failed(name, f"`{path}`: expected version {VERSION}, got {version}", "run `auditsvc reindex`")
    return passed(name, f"DuckDB, `{path}` opens, version {version}")


def _ask_health(settings: Settings) -> dict[str, str] | None:
    """Return the checks reported by a running service, None when none answers."""
    try:
        answer = httpx.get(f"{settings.console_url}/health/ready", timeout=HEALTH_TIMEOUT_S, trust_env=False)
        checks = answer.json()["checks"]
        return {str(key): str(value) for key, value in checks.items()}
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
        return None

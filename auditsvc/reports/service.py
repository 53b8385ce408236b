"""Creates reports and returns their files.

Order of steps: check that the store holds every row it took from the log; compute the content from it; wait for a
checkpoint over the leaves it covers; write report.json, sign it, render it and sign the PDFs; append the report's leaf
and its row in one transaction; wait for a checkpoint over that leaf; write the bundle. A report without its bundle was
interrupted and must be created again.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from tenacity import Retrying, retry_if_result, stop_after_attempt, stop_after_delay, wait_fixed

from auditsvc.catalog.model import Catalog
from auditsvc.figures.alerts import AlertHandling, list_alert_times, measure_handling
from auditsvc.figures.period import build_period
from auditsvc.figures.row_count_check import check_held
from auditsvc.ground.clock import Clock
from auditsvc.ground.database import read_session, write_session
from auditsvc.ground.errors import InputError, LogError, StorageError
from auditsvc.ground.files import SHARED, write_folder
from auditsvc.ground.ids import new_uuid7
from auditsvc.ground.settings.model import Settings
from auditsvc.inforce.versions import Versions
from auditsvc.ledger.format.note import Checkpoint
from auditsvc.ledger.keys import load_log_vkey
from auditsvc.ledger.ledger import Ledger, quote_value
from auditsvc.ledger.write.bundle import write_bundle
from auditsvc.policy.model import PolicySet
from auditsvc.reports.document import Frame, build_compliance, build_project
from auditsvc.reports.evidence import count_log
from auditsvc.reports.keys import ReportKeys, build_trust, dump_trust, load_report_keys
from auditsvc.reports.render import LANGUAGES, describe_tools, dump_report, render_pdf
from auditsvc.reports.scope import ReportScope
from auditsvc.reports.sign import sign_pdf, sign_report
from auditsvc.reports.tables import ReportRow
from auditsvc.reports.trust import ReportTrust, parse_trust
from auditsvc.store.port import EventStore
from auditsvc.store.query import EventQuery, Measure, MeasureKind, RowSet
from auditsvc.store.rows import Position

KINDS = ("compliance", "project")
JSON_FILE = "report.json"
JWS_FILE = "report.jws"
BUNDLE_FILE = "report.bundle.tar"
TRUST_FILE = "trust.json"
FILES = (*(f"report.{language}.pdf" for language in LANGUAGES), JSON_FILE, JWS_FILE, BUNDLE_FILE, TRUST_FILE)
"""Every possible name of a report's file; no other name reaches the file system."""
CHECKPOINT_WAIT_S = 15.0
"""A checkpoint follows growth within a second; longer means that nothing is signing."""
TRIES = 3
"""Attempts to compute figures while the store does not change; after that the report is marked unsettled."""
MAX_PAGE = 200

_POLL_S = 0.1
_FIGURE_KINDS = ("batch", "policy", "catalog")


@dataclass(frozen=True, slots=True)
class Report:
    """A report as listed.

    Attributes:
        first, last: local days, both included.
        sha256: of ``report.json``, 32 bytes.
        leaf_seq: its leaf in the log; its figures are computed from leaves ``[0, log_size)``.
    """

    id: str
    kind: str
    project_id: str | None
    first: date
    last: date
    languages: tuple[str, ...]
    verdict: str
    created_at: datetime
    actor: str
    sha256: bytes
    leaf_seq: int
    log_size: int


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One file of a report."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ReportPage:
    """A page of reports, newest first; ``after`` is the cursor of the next page, None on the last one."""

    reports: tuple[Report, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Maker:
    """The services that creating a report needs.

    Attributes:
        sign_checkpoint: signs a checkpoint at once; needed where no core process does so periodically.
    """

    ledger: Ledger
    versions: Versions
    store: EventStore
    settings: Settings
    sign_checkpoint: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """Catalogue and policy set that the store's events were last judged with, and the store's position then."""

    catalog: Catalog
    policy_set: PolicySet
    position: Position


def create_report(
    ledger: Ledger,
    versions: Versions,
    store: EventStore,
    settings: Settings,
    *,
    kind: str,
    period: tuple[date, date],
    project_id: str | None = None,
    languages: Sequence[str] = LANGUAGES,
    actor: str,
    sign_checkpoint: Callable[[], object] | None = None,
) -> Report:
    """Create, sign and log a report, and return it.

    Args:
        kind: ``compliance`` or ``project``; the latter needs ``project_id``.
        period: first and last local day, both included.
        languages: of the PDFs, at least one.
        actor: who requested it, as recorded in the log.
        sign_checkpoint: see :class:`Maker`.

    Raises:
        InputError: ``input_invalid`` for an invalid period, kind or language; ``not_found`` for an unknown project.
        LogError: ``conflict`` when nothing is in force yet, or no checkpoint is signed in time.
        SigningError, StorageError: a key, disk or the store cannot be used, or the store's rows differ from the log.
    """
    _check_request(kind, project_id, languages)
    maker = Maker(ledger, versions, store, settings, sign_checkpoint)
    span = build_period(*period)
    keys = load_report_keys(settings, ledger.clock)
    report_id = str(new_uuid7(ledger.clock))

    def build(basis: Basis, settled: bool) -> dict[str, Any]:
        scope = ReportScope.of_days(store, basis.catalog, span, settings.zone)
        instants = (scope.figures.first_ns, scope.figures.last_ns)
        frame = _build_frame(maker, report_id, basis.position, instants, settled=settled)
        if kind == "compliance":
            return build_compliance(
                scope,
                frame,
                basis.policy_set,
                _measure_alerts(ledger.database, instants),
            )
        project = basis.catalog.projects.get(project_id or "")
        if project is None:
            raise InputError("not_found", f"no project `{project_id}` in the catalogue in force")
        return build_project(scope, frame, basis.policy_set, project)

    check_held(store)
    content = _build_settled(maker, build)
    data = dump_report(content)
    folder = _folder(settings, report_id)
    _write_files(folder, _sign_all(data, keys, languages, settings, ledger.clock.now()))
    row = ReportRow(
        id=report_id,
        kind=kind,
        project_id=project_id,
        first=span.first,
        last=span.last,
        languages=",".join(languages),
        verdict=content["summary"]["verdict"],
        created_at=ledger.clock.now(),
        actor=actor,
        sha256=hashlib.sha256(data).digest(),
        log_size=content["log"]["size"],
    )
    report = _append(maker, row)
    _write_bundle(maker, report, content["bundle"]["first_seq"])
    return report


def get_report(session: Session, report_id: str) -> Report:
    """Return a report; raise ``StorageError`` (``not_found``) when there is none."""
    row = session.get(ReportRow, report_id)
    if row is None:
        raise StorageError("not_found", f"no report `{report_id[:64]}`")
    return _build_report(row)


def list_reports(session: Session, *, limit: int = 50, after: str | None = None) -> ReportPage:
    """Return a page of reports, newest in the log first; ``after`` is the cursor returned with the previous page."""
    query = select(ReportRow).order_by(ReportRow.leaf_seq.desc())
    if after is not None:
        reached = select(ReportRow.leaf_seq).where(ReportRow.id == after).scalar_subquery()
        query = query.where(ReportRow.leaf_seq < reached)
    wanted = max(1, min(limit, MAX_PAGE))
    rows = session.scalars(query.limit(wanted + 1)).all()
    reports = tuple(_build_report(row) for row in rows[:wanted])
    return ReportPage(reports, reports[-1].id if len(rows) > wanted else None)


def list_report_files(settings: Settings, report_id: str) -> list[ReportFile]:
    """Return the existing files of a report, in the order of :data:`FILES`."""
    folder = _folder(settings, report_id)
    found = []
    for name in FILES:
        path = folder / name
        if path.is_file():
            found.append(ReportFile(name, path.stat().st_size))
    return found


def find_report_file(settings: Settings, report_id: str, name: str) -> Path:
    """Return the path of one file of a report.

    Raises:
        StorageError: ``not_found`` when the report has no such file; names not in :data:`FILES` never reach the file system.
    """
    known = [file for file in list_report_files(settings, report_id) if file.name == name]
    if not known:
        raise StorageError("not_found", f"report `{report_id[:64]}` has no file `{name[:64]}`")
    return _folder(settings, report_id) / known[0].name


def describe_trust(settings: Settings, clock: Clock) -> dict[str, Any]:
    """Return the content of this installation's trust file."""
    vkey = load_log_vkey(settings.key_path, settings.origin)
    return build_trust(load_report_keys(settings, clock), origin=settings.origin, log_vkey=vkey)


def load_trust(settings: Settings, clock: Clock) -> ReportTrust:
    """Return this installation's own keys as a parsed trust file."""
    return parse_trust(describe_trust(settings, clock))


def _check_request(kind: str, project_id: str | None, languages: Sequence[str]) -> None:
    """Raise ``InputError`` for an invalid kind or language, or a project missing or out of place."""
    if kind not in KINDS:
        raise InputError("input_invalid", f"report: kind `{kind}` is not one of {', '.join(KINDS)}")
    if (kind == "project") != (project_id is not None):
        raise InputError("input_invalid", "report: a project report needs a project, a compliance report has none")
    wrong = [language for language in languages if language not in LANGUAGES]
    if wrong or not languages or len(set(languages)) != len(languages):
        raise InputError("input_invalid", f"report: languages must be some of {', '.join(LANGUAGES)}, each once")


def _build_settled(maker: Maker, build: Callable[[Basis, bool], dict[str, Any]]) -> dict[str, Any]:
    """Return content computed while the store did not change; after :data:`TRIES` attempts, content marked unsettled."""

    def build_once() -> tuple[dict[str, Any], bool]:
        """Return content, and whether the store changed meanwhile."""
        basis = _find_basis(maker)
        content = build(basis, True)
        return content, _has_moved(maker, basis.position)

    retrying = Retrying(
        retry=retry_if_result(lambda made: made[1]),
        stop=stop_after_attempt(TRIES),
        retry_error_callback=lambda state: None if state.outcome is None else state.outcome.result(),
    )
    content, has_moved = retrying(build_once)
    return {**content, "settled": False} if has_moved else content


def _find_basis(maker: Maker) -> Basis:
    """Return the catalogue and policy set that the store's events were last judged with.

    Raises:
        LogError: ``conflict`` when no catalogue or policy set is in force yet.
    """
    position = maker.store.position()
    if position.catalog_seq is None or position.policy_seq is None:
        raise LogError("conflict", "report: no catalogue or no policy set is in force yet; `auditsvc init` puts them")
    found = maker.versions.at(position.catalog_seq, position.policy_seq)
    return Basis(found.get_catalog(), found.get_policy_set(), position)


def _has_moved(maker: Maker, before: Position) -> bool:
    """Return whether anything that can change a figure was added to the store since ``before``."""
    now = maker.store.position()
    if now == before:
        return False
    passed = maker.ledger.iter_leaves(before.next.seq, now.next.seq + (1 if now.next.record else 0))
    return any(leaf.kind in _FIGURE_KINDS for leaf in passed)


def _build_frame(maker: Maker, report_id: str, position: Position, span: tuple[int, int], *, settled: bool) -> Frame:
    """Return the report's metadata, with a checkpoint over every leaf the figures are computed from."""
    size = position.next.seq + (1 if position.next.record else 0)
    checkpoint = _wait_checkpoint(maker, size)
    log = count_log((leaf.header for leaf in maker.ledger.iter_leaves(0, size)), size)
    return Frame(
        id=report_id,
        origin=maker.ledger.origin,
        created=maker.ledger.clock.now(),
        log=log,
        bundle_first=min(_find_first_seq(maker.store, span), size),
        checkpoint=checkpoint.note,
        settled=settled and position.next.record == 0,
        tools=describe_tools(),
    )


def _wait_checkpoint(maker: Maker, size: int) -> Checkpoint:
    """Return the first checkpoint over the leaves ``[0, size)``, waiting for it to be signed.

    Raises:
        LogError: ``conflict`` when none was signed in time.
    """
    retrying = Retrying(
        retry=retry_if_result(lambda found: found is None),
        stop=stop_after_delay(CHECKPOINT_WAIT_S),
        wait=wait_fixed(_POLL_S),
        retry_error_callback=lambda _: None,
    )
    found = retrying(_find_checkpoint, maker, size)
    if found is None:
        message = f"report: no checkpoint over {size} leaves within {CHECKPOINT_WAIT_S:.0f} s; is it signing?"
        raise LogError("conflict", message)
    return found


def _find_checkpoint(maker: Maker, size: int) -> Checkpoint | None:
    """Return the first checkpoint over the leaves ``[0, size)``, None when it is not signed yet."""
    if maker.sign_checkpoint is not None:
        maker.sign_checkpoint()
    return maker.ledger.find_checkpoint(size)


def _measure_alerts(database: Engine, span: tuple[int, int]) -> AlertHandling:
    """Return how the alerts whose first event lies in the period were handled."""
    with read_session(database) as session:
        return measure_handling(list_alert_times(session, *span))


def _sign_all(
    data: bytes, keys: ReportKeys, languages: Sequence[str], settings: Settings, instant: datetime
) -> dict[str, bytes]:
    """Return the files of a report except its bundle."""
    files = {JSON_FILE: data, JWS_FILE: sign_report(data, keys).encode("ascii")}
    for language in languages:
        files[f"report.{language}.pdf"] = sign_pdf(render_pdf(data, language), keys, instant=instant)
    vkey = load_log_vkey(settings.key_path, settings.origin)
    files[TRUST_FILE] = dump_trust(build_trust(keys, origin=settings.origin, log_vkey=vkey))
    return files


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a report's folder, durably; a crash leaves no part of it."""
    try:
        write_folder(folder, files, SHARED)
    except OSError as err:
        raise StorageError("storage_unavailable", f"report folder `{folder}`: {err.strerror}") from err


def _append(maker: Maker, row: ReportRow) -> Report:
    """Append the report's leaf and its row in one transaction."""
    with write_session(maker.ledger.database) as session:
        fields = {
            "report-id": row.id,
            "kind": row.kind,
            "sha256": row.sha256.hex(),
            "actor": quote_value(row.actor),
        }
        row.leaf_seq = maker.ledger.append(session.connection(), "report", fields).seq
        session.add(row)
        session.flush()
        return _build_report(row)


def _write_bundle(maker: Maker, report: Report, first: int) -> None:
    """Write the bundle with every batch that has events of the period, from ``first`` up to the report's own leaf."""
    _wait_checkpoint(maker, report.leaf_seq + 1)
    path = _folder(maker.settings, report.id) / BUNDLE_FILE
    with maker.ledger.database.connect() as connection:
        write_bundle(connection, maker.ledger.archive, path, first=first, last=report.leaf_seq + 1)


def _find_first_seq(store: EventStore, span: tuple[int, int]) -> int:
    """Return the first leaf that has an event of the period; 0 when none has."""
    (row,) = store.aggregate(EventQuery(None, *span, rows=RowSet.ALL), measures=(Measure(MeasureKind.MIN, "seq"),))
    return row.whole() or 0


def _folder(settings: Settings, report_id: str) -> Path:
    """Return the folder of a report; a malformed id never reaches the file system.

    Raises:
        StorageError: ``not_found``.
    """
    if not report_id or not all(char in "0123456789abcdef-" for char in report_id):
        raise StorageError("not_found", f"no report `{report_id[:64]}`")
    return settings.data_dir / "reports" / report_id


def _build_report(row: ReportRow) -> Report:
    """Return the value of a row."""
    return Report(
        id=row.id,
        kind=row.kind,
        project_id=row.project_id,
        first=row.first,
        last=row.last,
        languages=tuple(row.languages.split(",")),
        verdict=row.verdict,
        created_at=row.created_at,
        actor=row.actor,
        sha256=row.sha256,
        leaf_seq=row.leaf_seq,
        log_size=row.log_size,
    )

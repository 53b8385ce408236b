"""Makes reports and gives them out.

Order of steps: check that the store holds what it followed; compute the content from it; wait for a checkpoint over the
leaves it is from; write report.json, sign it, lay it out and sign the pages; append the report's leaf and its row in one
transaction; wait for a checkpoint over that leaf; write the bundle. A report without its bundle was interrupted and has
to be made again.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from auditsvc.alerts.tables import AlertRow
from auditsvc.catalog.load import load_catalog
from auditsvc.catalog.model import Catalog
from auditsvc.clock import Clock
from auditsvc.database import read_session, write_session
from auditsvc.errors import InputError, LogError, StorageError
from auditsvc.ids import new_uuid7
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.bundle import write_bundle
from auditsvc.ledger.keys import load_log_vkey
from auditsvc.ledger.note import Checkpoint
from auditsvc.ledger.service import (
    Entry,
    append_entry,
    checkpoint_at_least,
    get_leaf,
    iter_leaves,
    load_bundle_of,
    quote_value,
)
from auditsvc.policy.load import load_policy_set
from auditsvc.policy.model import PolicySet
from auditsvc.reports.alerting import AlertTimes, describe_alerts
from auditsvc.reports.content import Frame, build_compliance, build_project
from auditsvc.reports.evidence import count_log
from auditsvc.reports.gather import Scope, whole
from auditsvc.reports.held import check_held
from auditsvc.reports.keys import ReportKeys, build_trust, dump_trust, load_report_keys
from auditsvc.reports.period import build_period
from auditsvc.reports.render import LANGUAGES, describe_tools, dump_report, render_pdf
from auditsvc.reports.sign import sign_pdf, sign_report
from auditsvc.reports.tables import ReportRow
from auditsvc.reports.trust import Trust, parse_trust
from auditsvc.settings import Settings
from auditsvc.store.model import AggregateQuery, EventStore, Measure, MeasureKind, Position

KINDS = ("compliance", "project")
JSON_FILE = "report.json"
JWS_FILE = "report.jws"
BUNDLE_FILE = "report.bundle.tar"
TRUST_FILE = "trust.json"
FILES = (*(f"report.{language}.pdf" for language in LANGUAGES), JSON_FILE, JWS_FILE, BUNDLE_FILE, TRUST_FILE)
"""Every name a file of a report can have; nothing else is ever looked up on disk."""
CHECKPOINT_WAIT_S = 15.0
"""A checkpoint follows growth within a second; longer means that nothing is signing."""
TRIES = 3
"""How often figures are computed anew when events came in meanwhile; then the report says that it was so."""
MAX_PAGE = 200

_POLL_S = 0.1
_FIGURE_KINDS = ("batch", "policy", "catalog")


@dataclass(frozen=True, slots=True)
class Report:
    """A report as listed.

    Attributes:
        first, last: local days, both included.
        sha256: of ``report.json``, 32 bytes.
        leaf_seq: its leaf in the log; ``log_size``: its figures are from leaves ``[0, log_size)``.
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
    """Some reports, newest first; ``after`` is where the next page starts, None on the last one."""

    reports: tuple[Report, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Maker:
    """What making a report needs.

    Attributes:
        sign_checkpoint: signs a checkpoint at once, where no core process does so by itself.
    """

    engine_db: Engine
    archive: Archive
    store: EventStore
    settings: Settings
    clock: Clock
    sign_checkpoint: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class InForce:
    """Catalogue and policy set that the store's events were last judged with, and where the store stood."""

    catalog: Catalog
    policy_set: PolicySet
    position: Position


def create_report(
    engine_db: Engine,
    archive: Archive,
    store: EventStore,
    settings: Settings,
    clock: Clock,
    *,
    kind: str,
    period: tuple[date, date],
    project_id: str | None = None,
    languages: Sequence[str] = LANGUAGES,
    actor: str,
    sign_checkpoint: Callable[[], object] | None = None,
) -> Report:
    """Make, sign and log a report, and return it.

    Args:
        kind: ``compliance`` or ``project``; the latter needs ``project_id``.
        period: first and last local day, both included.
        languages: of the PDFs, at least one.
        actor: who asked for it, as the log will say.
        sign_checkpoint: see :class:`Maker`.

    Raises:
        InputError: ``input_invalid`` for a period, kind or language that cannot be; ``not_found`` for an unknown project.
        LogError: ``conflict`` when nothing is in force yet, or no checkpoint is signed in time.
        SigningError, StorageError: a key, disk or the store cannot be used, or the store holds other than it followed.
    """
    _check_request(kind, project_id, languages)
    maker = Maker(engine_db, archive, store, settings, clock, sign_checkpoint)
    span = build_period(*period)
    keys = load_report_keys(settings, clock)
    report_id = str(new_uuid7(clock))

    def build(in_force: InForce, settled: bool) -> dict[str, Any]:
        scope = Scope(store, in_force.catalog, span, settings.zone)
        frame = _build_frame(maker, report_id, in_force.position, scope.bounds_ns, settled=settled)
        if kind == "compliance":
            return build_compliance(scope, frame, in_force.policy_set, _describe_alerts(engine_db, scope.bounds_ns))
        project = in_force.catalog.projects.get(project_id or "")
        if project is None:
            raise InputError("not_found", f"no project `{project_id}` in the catalogue in force")
        return build_project(scope, frame, in_force.policy_set, project)

    check_held(store)
    content = _build_settled(maker, build)
    data = dump_report(content)
    folder = _folder(settings, report_id)
    _write_files(folder, _sign_all(data, keys, languages, settings, clock.now()))
    row = ReportRow(
        id=report_id,
        kind=kind,
        project_id=project_id,
        first=span.first,
        last=span.last,
        languages=",".join(languages),
        verdict=content["summary"]["verdict"],
        created_at=clock.now(),
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
    """Return a page of reports, the last in the log first; ``after`` is what the page before gave, else nothing is found."""
    query = select(ReportRow).order_by(ReportRow.leaf_seq.desc())
    if after is not None:
        reached = select(ReportRow.leaf_seq).where(ReportRow.id == after).scalar_subquery()
        query = query.where(ReportRow.leaf_seq < reached)
    wanted = max(1, min(limit, MAX_PAGE))
    rows = session.scalars(query.limit(wanted + 1)).all()
    reports = tuple(_build_report(row) for row in rows[:wanted])
    return ReportPage(reports, reports[-1].id if len(rows) > wanted else None)


def list_report_files(settings: Settings, report_id: str) -> list[ReportFile]:
    """Return the files of a report that are there, in the order of :data:`FILES`."""
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
        StorageError: ``not_found`` when the report has no such file; names outside :data:`FILES` are never looked up.
    """
    known = [file for file in list_report_files(settings, report_id) if file.name == name]
    if not known:
        raise StorageError("not_found", f"report `{report_id[:64]}` has no file `{name[:64]}`")
    return _folder(settings, report_id) / known[0].name


def describe_trust(settings: Settings, clock: Clock) -> dict[str, Any]:
    """Return the content of this installation's trust file."""
    vkey = load_log_vkey(settings.key_path, settings.origin)
    return build_trust(load_report_keys(settings, clock), origin=settings.origin, log_vkey=vkey)


def load_trust(settings: Settings, clock: Clock) -> Trust:
    """Return this installation's own keys as a verifier trusts them."""
    return parse_trust(describe_trust(settings, clock))


def _check_request(kind: str, project_id: str | None, languages: Sequence[str]) -> None:
    """Refuse what cannot be a report."""
    if kind not in KINDS:
        raise InputError("input_invalid", f"report: kind `{kind}` is not one of {', '.join(KINDS)}")
    if (kind == "project") != (project_id is not None):
        raise InputError("input_invalid", "report: a project report needs a project, a compliance report has none")
    wrong = [language for language in languages if language not in LANGUAGES]
    if wrong or not languages or len(set(languages)) != len(languages):
        raise InputError("input_invalid", f"report: languages must be some of {', '.join(LANGUAGES)}, each once")


def _build_settled(maker: Maker, build: Callable[[InForce, bool], dict[str, Any]]) -> dict[str, Any]:
    """Return content computed while no event came in, or after :data:`TRIES` content that says one did."""
    for attempt in range(TRIES):
        in_force = _find_in_force(maker)
        content = build(in_force, True)
        if not _has_moved(maker, in_force.position):
            return content
        if attempt == TRIES - 1:
            return {**content, "settled": False}
    raise StorageError("report_failed", "report: no content")


def _find_in_force(maker: Maker) -> InForce:
    """Return what the store's events were last judged with.

    Raises:
        LogError: ``conflict`` when no catalogue or policy set was put in force yet.
    """
    position = maker.store.position()
    if position.catalog_seq is None or position.policy_seq is None:
        raise LogError("conflict", "report: no catalogue or no policy set is in force yet; `auditsvc init` puts them")
    with maker.engine_db.connect() as connection:
        catalog = load_bundle_of(maker.archive, get_leaf(connection, position.catalog_seq))
        policy = load_bundle_of(maker.archive, get_leaf(connection, position.policy_seq))
    return InForce(load_catalog(catalog), load_policy_set(policy), position)


def _has_moved(maker: Maker, before: Position) -> bool:
    """Say whether the store took in anything that can change a figure since ``before``."""
    now = maker.store.position()
    if now == before:
        return False
    with maker.engine_db.connect() as connection:
        passed = iter_leaves(connection, before.next.seq, now.next.seq + (1 if now.next.record else 0))
        return any(leaf.kind in _FIGURE_KINDS for leaf in passed)


def _build_frame(maker: Maker, report_id: str, position: Position, span: tuple[int, int], *, settled: bool) -> Frame:
    """Return what the report says of itself, with a checkpoint over every leaf the figures are from."""
    size = position.next.seq + (1 if position.next.record else 0)
    checkpoint = _wait_checkpoint(maker, size)
    with maker.engine_db.connect() as connection:
        log = count_log((leaf.header for leaf in iter_leaves(connection, 0, size)), size)
    return Frame(
        id=report_id,
        origin=maker.settings.origin,
        created=maker.clock.now(),
        log=log,
        bundle_first=min(_find_first_seq(maker.store, span), size),
        checkpoint=checkpoint.note,
        settled=settled and position.next.record == 0,
        tools=describe_tools(),
    )


def _wait_checkpoint(maker: Maker, size: int) -> Checkpoint:
    """Return the first checkpoint over the leaves ``[0, size)``, waiting for it to be signed.

    Raises:
        LogError: ``conflict`` when none came in time.
    """
    pause = threading.Event()
    waited = 0.0
    while waited <= CHECKPOINT_WAIT_S:
        if maker.sign_checkpoint is not None:
            maker.sign_checkpoint()
        with maker.engine_db.connect() as connection:
            found = checkpoint_at_least(connection, size)
        if found is not None:
            return found
        pause.wait(_POLL_S)
        waited += _POLL_S
    raise LogError(
        "conflict", f"report: no checkpoint over {size} leaves within {CHECKPOINT_WAIT_S:.0f} s; is it signing?"
    )


def _describe_alerts(engine_db: Engine, span: tuple[int, int]) -> dict[str, Any]:
    """Return figures on the alerts whose first event lies in the period."""
    query = select(AlertRow).where(AlertRow.first_ns >= span[0], AlertRow.first_ns < span[1])
    with read_session(engine_db) as session:
        return describe_alerts(_read_alerts(session.scalars(query)))


def _read_alerts(rows: Any) -> Iterator[AlertTimes]:
    """Give the times of alerts."""
    for row in rows:
        yield AlertTimes(
            severity=row.severity,
            state=row.state,
            findings=row.count,
            raised=row.opened_at,
            acknowledged=row.acknowledged_at,
            closed=row.closed_at,
            close_reason=row.close_reason,
        )


def _sign_all(
    data: bytes, keys: ReportKeys, languages: Sequence[str], settings: Settings, instant: datetime
) -> dict[str, bytes]:
    """Return the files of a report but its bundle."""
    files = {JSON_FILE: data, JWS_FILE: sign_report(data, keys).encode("ascii")}
    for language in languages:
        files[f"report.{language}.pdf"] = sign_pdf(render_pdf(data, language), keys, instant=instant)
    vkey = load_log_vkey(settings.key_path, settings.origin)
    files[TRUST_FILE] = dump_trust(build_trust(keys, origin=settings.origin, log_vkey=vkey))
    return files


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files durably."""
    try:
        folder.mkdir(parents=True, exist_ok=False)
        for name, data in files.items():
            with (folder / name).open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
    except OSError as err:
        raise StorageError("storage_unavailable", f"report folder `{folder}`: {err.strerror}") from err


def _append(maker: Maker, row: ReportRow) -> Report:
    """Append the report's leaf and its row in one transaction."""
    with write_session(maker.engine_db) as session:
        fields = {
            "report-id": row.id,
            "kind": row.kind,
            "sha256": row.sha256.hex(),
            "actor": quote_value(row.actor),
        }
        entry = Entry("report", fields)
        row.leaf_seq = append_entry(session.connection(), maker.clock, maker.settings.origin, entry).seq
        session.add(row)
        session.flush()
        return _build_report(row)


def _write_bundle(maker: Maker, report: Report, first: int) -> None:
    """Write the bundle with every batch that has events of the period, from ``first`` up to the report's own leaf."""
    _wait_checkpoint(maker, report.leaf_seq + 1)
    path = _folder(maker.settings, report.id) / BUNDLE_FILE
    with maker.engine_db.connect() as connection:
        write_bundle(connection, maker.archive, path, first=first, last=report.leaf_seq + 1)


def _find_first_seq(store: EventStore, span: tuple[int, int]) -> int:
    """Return the first leaf that has an event of the period; 0 when none has."""
    query = AggregateQuery(None, *span, measures=(Measure(MeasureKind.MIN, "seq"),), include_uncounted=True)
    rows = store.aggregate(query)
    return whole(rows[0].values[0]) if rows else 0


def _folder(settings: Settings, report_id: str) -> Path:
    """Return the folder of a report; an id that is no id of ours names no folder.

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

"""Reports: the list, the form that makes one, and one report with its files and how to check them."""

from datetime import date, timedelta
from typing import Any

from flask import flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from auditsvc.auth.roles import require
from auditsvc.console.blueprint import blueprint
from auditsvc.console.current_user import current_person
from auditsvc.console.failure import Failure, describe
from auditsvc.console.period import find_newest_ns
from auditsvc.console.text import current_language, local_time
from auditsvc.ground.database import read_session
from auditsvc.ground.errors import AuditError, InputError
from auditsvc.reports.service import create_report, find_report_file, get_report, list_report_files, list_reports
from auditsvc.runtime.services import get_services, record_reading

_PAGE = 50
_KINDS = ("compliance", "project")
_LANGUAGES = ("zh", "en")


@blueprint.get("/reports", endpoint="list_reports")
@require("report.read")
def show_reports() -> ResponseReturnValue:
    """Show the reports, newest first."""
    services = get_services()
    with read_session(services.ledger.database) as session:
        page = list_reports(session, limit=_PAGE, after=request.args.get("after") or None)
    return render_template("console/reports.html", page=page)


@blueprint.route("/reports/new", methods=["GET", "POST"])
@require("report.create")
def new_report() -> ResponseReturnValue:
    """Show the form for a report, or make one."""
    failure: Failure | None = None
    if request.method == "POST":
        try:
            return redirect(url_for("console.show_report", report_id=_make_report()), 303)
        except AuditError as err:
            failure = describe(err)
    catalog = get_services().versions.find().find_catalog()
    language = current_language()
    projects = {key: project.name.get(language) for key, project in catalog.projects.items()} if catalog else {}
    body = render_template(
        "console/report_new.html", failure=failure, form=_read_form(), projects=projects, kinds=_KINDS
    )
    return (body, 422) if failure else body


@blueprint.get("/reports/<report_id>")
@require("report.read")
def show_report(report_id: str) -> ResponseReturnValue:
    """Show one report."""
    services = get_services()
    with read_session(services.ledger.database) as session:
        report = get_report(session, report_id)
    files = list_report_files(services.settings, report_id)
    return render_template("console/report.html", report=report, files=files)


@blueprint.get("/reports/<report_id>/files/<name>")
@require("report.read")
def download_report(report_id: str, name: str) -> ResponseReturnValue:
    """Send one file of a report."""
    services = get_services()
    path = find_report_file(services.settings, report_id, name)
    record_reading(current_person().name, "report_fetched", report_id, {"file": name})
    return send_file(path.resolve(), as_attachment=True, download_name=path.name)


def _make_report() -> str:
    """Make the report the form asks for and return its id."""
    services = get_services()
    form = _read_form()
    report = create_report(
        services.ledger,
        services.versions,
        services.store,
        services.settings,
        kind=form["kind"],
        period=(_read_day(form["first"]), _read_day(form["last"])),
        project_id=form["project"] or None if form["kind"] == "project" else None,
        languages=_LANGUAGES,
        actor=current_person().name,
    )
    flash(gettext("The report is made, signed and entered in the log."))
    return str(report.id)


def _read_form() -> dict[str, Any]:
    """Return the form's values; by default the calendar month of the newest event."""
    services = get_services()
    newest = find_newest_ns(services.store, services.ledger.clock.now_ns())
    day = local_time(newest if newest is not None else services.ledger.clock.now()).date()
    first = day.replace(day=1)
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return {
        "kind": request.values.get("kind", _KINDS[0]),
        "first": request.values.get("first", first.isoformat()),
        "last": request.values.get("last", last.isoformat()),
        "project": request.values.get("project", ""),
    }


def _read_day(text: str) -> date:
    """Return a local day.

    Raises:
        InputError: ``time_invalid`` for anything but ``YYYY-MM-DD``.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as err:
        raise InputError("time_invalid", f"expected a day such as 2026-10-01, got `{text[:32]}`") from err

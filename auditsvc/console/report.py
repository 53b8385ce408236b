"""Reports: the list, the form that creates one, and one report with its files and how to verify them."""

from datetime import date, timedelta

from flask import flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from auditsvc.auth.roles import require
from auditsvc.console.blueprint import blueprint
from auditsvc.console.current_user import current_person
from auditsvc.console.failure import Failure, describe
from auditsvc.console.forms import ReportForm
from auditsvc.console.text import current_language, local_time
from auditsvc.ground.database import read_session
from auditsvc.ground.errors import AuditError
from auditsvc.reports.service import create_report, find_report_file, get_report, list_report_files, list_reports
from auditsvc.runtime.services import get_services, record_reading

_PAGE = 50
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
    """Show the form for a report, or create one."""
    form = _open_form()
    failure: Failure | None = None
    if request.method == "POST" and form.validate():
        try:
            return redirect(url_for("console.show_report", report_id=_make_report(form)), 303)
        except AuditError as err:
            failure = describe(err)
    body = render_template("console/report_new.html", failure=failure, form=form)
    return body if request.method == "GET" else (body, 422)


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


def _make_report(form: ReportForm) -> str:
    """Create the requested report and return its id."""
    services = get_services()
    report = create_report(
        services.ledger,
        services.versions,
        services.store,
        services.settings,
        kind=form.kind.data,
        period=(form.first.data, form.last.data),
        project_id=form.project_id,
        languages=_LANGUAGES,
        actor=current_person().name,
    )
    flash(gettext("The report is made, signed and entered in the log."))
    return str(report.id)


def _open_form() -> ReportForm:
    """Return the submitted form, or one filled in from the URL; by default with the month of the newest event."""
    first, last = _find_newest_month()
    given = request.form if request.method == "POST" else request.args
    form = ReportForm(formdata=given, kind="compliance", first=first, last=last)
    catalog = get_services().versions.find().find_catalog()
    projects = catalog.projects if catalog else {}
    form.offer_projects({key: project.name.get(current_language()) for key, project in projects.items()})
    return form


def _find_newest_month() -> tuple[date, date]:
    """Return the first and last local day of the newest event's calendar month, or of the current month without events."""
    services = get_services()
    newest = services.events.find_newest_ns(services.ledger.clock.now_ns() + 1)
    first = local_time(newest if newest is not None else services.ledger.clock.now()).date().replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)

"""Signed reports: creating, listing, fetching and verifying them."""

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import Response, send_file
from flask.views import MethodView
from flask_smorest.fields import Upload
from marshmallow import Schema, fields, validate
from werkzeug.datastructures import FileStorage
from werkzeug.utils import secure_filename

from auditsvc.api.resource import ApiBlueprint, PageQuery, format_cursor, page_schema, parse_cursor
from auditsvc.auth.gate import current_person
from auditsvc.auth.roles import require
from auditsvc.ground.database import read_session
from auditsvc.ground.errors import InputError
from auditsvc.reports.service import (
    FILES,
    KINDS,
    MAX_PAGE,
    Report,
    create_report,
    describe_trust,
    find_report_file,
    get_report,
    list_report_files,
    list_reports,
    load_trust,
)
from auditsvc.reports.verify import verify_files
from auditsvc.runtime.services import get_services, record_reading

resource = ApiBlueprint("reports", description="Signed reports")

_make_upload: Any = Upload  # the library has no types
LANGUAGES = ("zh", "en")
MAX_FILES = 16
"""Most files of one verification; a report has six."""


class ReportQuery(PageQuery):
    """Which page."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))


class ReportSchema(Schema):
    """A report."""

    id = fields.String(required=True)
    kind = fields.String(required=True)
    project_id = fields.String(required=True, allow_none=True)
    first = fields.Date(required=True, metadata={"description": "first local day"})
    last = fields.Date(required=True, metadata={"description": "last local day, included"})
    languages = fields.List(fields.String(), required=True)
    verdict = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)
    actor = fields.String(required=True)
    leaf_seq = fields.Integer(required=True, metadata={"description": "the ledger leaf with the report's digest"})
    log_size = fields.Integer(required=True)


class ReportFileSchema(Schema):
    """A file of a report."""

    name = fields.String(required=True)
    size_bytes = fields.Integer(required=True)


class ReportDetailSchema(ReportSchema):
    """A report with its files."""

    files = fields.List(fields.Nested(ReportFileSchema), required=True)


class ReportCreationSchema(Schema):
    """The scope of a new report."""

    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    first = fields.Date(required=True)
    last = fields.Date(required=True)
    project_id = fields.String(load_default=None, allow_none=True, validate=validate.Length(1, 128))
    languages = fields.List(
        fields.String(validate=validate.OneOf(LANGUAGES)),
        load_default=list(LANGUAGES),
        validate=[validate.Length(1, len(LANGUAGES))],
    )


class VerificationFilesSchema(Schema):
    """The files to verify together."""

    files = fields.List(_make_upload(), required=True, validate=validate.Length(1, MAX_FILES))


class StepSchema(Schema):
    """One step of the checklist."""

    number = fields.Integer(required=True)
    name_en = fields.String(required=True)
    name_zh = fields.String(required=True)
    state = fields.String(required=True, metadata={"description": "pass, fail or not done"})
    detail = fields.String(required=True, allow_none=True)
    code = fields.String(required=True, allow_none=True)
    where = fields.String(required=True, allow_none=True)


class VerificationSchema(Schema):
    """The checklist; `exit_code` is that of `auditsvc verify`."""

    exit_code = fields.Integer(required=True)
    steps = fields.List(fields.Nested(StepSchema), required=True)


@resource.route("/reports")
class Reports(MethodView):
    """All reports."""

    @resource.arguments(ReportQuery, location="query")
    @resource.response(200, page_schema(ReportSchema))
    @require("report.read")
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List reports, newest first."""
        after = parse_cursor(query["cursor"])
        if after is not None and not isinstance(after, str):
            raise InputError("field_invalid", "cursor: not one of this list")
        with read_session(get_services().ledger.database) as session:
            page = list_reports(session, limit=query["limit"], after=after)
        return {"items": page.reports, "next": format_cursor(page.after)}

    @resource.arguments(ReportCreationSchema)
    @resource.response(201, ReportSchema)
    @require("report.create")
    def post(self, body: dict[str, Any]) -> Report:
        """Create a report: compute, sign and log it; takes seconds."""
        services = get_services()
        first, last = body["first"], body["last"]
        _check_period(first, last)
        return create_report(
            services.ledger,
            services.versions,
            services.store,
            services.settings,
            kind=body["kind"],
            period=(first, last),
            project_id=body["project_id"],
            languages=tuple(dict.fromkeys(body["languages"])),
            actor=current_person().name,
            sign_checkpoint=services.checkpointer.sign_now if services.checkpointer else None,
        )


@resource.route("/reports/trust")
class Trust(MethodView):
    """The trust file."""

    @resource.response(200)
    @require("report.read")
    def get(self) -> dict[str, Any]:
        """Show this installation's trust file; give it to verifiers through another channel than the reports."""
        services = get_services()
        return describe_trust(services.settings, services.ledger.clock)


@resource.route("/reports/verification")
class ReportVerification(MethodView):
    """Verifying files."""

    @resource.arguments(VerificationFilesSchema, location="files")
    @resource.response(200, VerificationSchema)
    @require("report.verify")
    def post(self, body: dict[str, list[FileStorage]]) -> Any:
        """Verify the files of a report with this installation's own keys; a tampered file is a 200 with a failed step."""
        services = get_services()
        with TemporaryDirectory(prefix="auditsvc-verify-") as folder:
            paths = [_save(upload, Path(folder), number) for number, upload in enumerate(body["files"])]
            return verify_files(paths, load_trust(services.settings, services.ledger.clock))


@resource.route("/reports/<string:report_id>")
class OneReport(MethodView):
    """One report."""

    @resource.response(200, ReportDetailSchema)
    @require("report.read")
    def get(self, report_id: str) -> dict[str, Any]:
        """Show one report with its files."""
        services = get_services()
        with read_session(services.ledger.database) as session:
            report = get_report(session, report_id)
        plain = {name: getattr(report, name) for name in ReportSchema._declared_fields}
        return {**plain, "files": list_report_files(services.settings, report_id)}


@resource.route("/reports/<string:report_id>/files/<string:name>")
class OneReportFile(MethodView):
    """One file of a report."""

    @resource.response(
        200, {"type": "string", "format": "binary"}, content_type="application/octet-stream", description="the file"
    )
    @require("report.read")
    def get(self, report_id: str, name: str) -> Response:
        """Fetch one file of a report, byte for byte."""
        if name not in FILES:
            raise InputError("not_found", f"a report has no file `{name[:64]}`; files are {', '.join(FILES)}")
        path = find_report_file(get_services().settings, report_id, name)
        record_reading(current_person().name, "report_fetched", report_id, {"file": name})
        return send_file(
            path.resolve(),
            mimetype="application/octet-stream",
            as_attachment=True,
            download_name=f"{report_id}.{name}",
        )


def _check_period(first: date, last: date) -> None:
    """Refuse a period that ends before it starts."""
    if last < first:
        raise InputError("field_invalid", f"expected first <= last, got {first} and {last}")


def _save(upload: FileStorage, folder: Path, number: int) -> Path:
    """Store one upload under its sanitised name, from which the verifier infers its kind."""
    place = folder / str(number)
    place.mkdir()
    path = place / (secure_filename(upload.filename or "") or "file")
    upload.save(path)
    return path

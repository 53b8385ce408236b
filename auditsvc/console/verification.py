"""Verification of an uploaded report: the same steps as ``auditsvc verify``, against the trust anchors of this service.

Uploads are not kept: the files are in a temporary folder while they are verified.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage
from werkzeug.utils import secure_filename

from auditsvc.auth.roles import require
from auditsvc.console.blueprint import blueprint
from auditsvc.console.failure import describe
from auditsvc.console.forms import VerifyForm
from auditsvc.ground.errors import AuditError
from auditsvc.reports.service import load_trust
from auditsvc.reports.verify import verify_files
from auditsvc.runtime.services import get_services


@blueprint.route("/verify", methods=["GET", "POST"])
@require("report.verify")
def verify() -> ResponseReturnValue:
    """Show the upload area, or the checklist of the uploaded files."""
    form = VerifyForm()
    if request.method == "GET":
        return render_template("console/verify.html", form=form)
    if not form.validate():
        return render_template("console/verify.html", form=form), 422
    names = [str(file.filename) for file in form.files.data]
    try:
        verification = _verify_uploads(form.files.data)
    except AuditError as err:
        return render_template("console/verify.html", form=form, failure=describe(err)), 422
    return render_template("console/verify.html", form=form, verification=verification, names=names)


def _verify_uploads(uploads: list[FileStorage]) -> Any:
    """Return the checklist of the uploaded files."""
    services = get_services()
    with TemporaryDirectory(prefix="auditsvc-verify-") as folder:
        paths = [_save(upload, Path(folder), number) for number, upload in enumerate(uploads)]
        return verify_files(paths, load_trust(services.settings, services.ledger.clock))


def _save(upload: FileStorage, folder: Path, number: int) -> Path:
    """Store one upload under its sanitised name, from which the verifier infers its kind."""
    place = folder / str(number)
    place.mkdir()
    path = place / (secure_filename(upload.filename or "") or "file")
    upload.save(path)
    return path

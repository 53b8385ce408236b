"""Issued PDFs are PDF/A-3b to the validator of the veraPDF consortium, signature and attachment included."""

from pathlib import Path

import pytest

from auditsvc.reports.render import LANGUAGES
from tests.support.issued import issue_reports
from tools.verapdf import ToolError, check_pdfa

pytestmark = pytest.mark.slow


def test_issued_reports_of_both_kinds_and_languages_are_pdfa_3b() -> None:
    paths = [issued.folder / f"report.{language}.pdf" for issued in issue_reports().values() for language in LANGUAGES]
    assert len(paths) == 4
    assert check_pdfa(paths) == {path: [] for path in paths}


def test_the_validator_names_what_a_pdf_breaks(tmp_path: Path) -> None:
    good = issue_reports()["compliance"].read("report.en.pdf")
    mark = good.index(b"%%EOF\n") + len(b"%%EOF")
    joined = tmp_path / "two words.pdf"
    joined.write_bytes(good[:mark] + b" " + good[mark + 1 :])
    claim = tmp_path / "claim.pdf"
    claim.write_bytes(good.replace(b"pdfaid:part>3<", b"pdfaid:part>2<"))
    broken = check_pdfa([joined, claim])
    assert "6.1.9-1" in broken[joined]
    assert broken[claim] != []


def test_a_file_without_a_verdict_is_never_taken_for_a_good_one(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pdf"
    empty.write_bytes(b"")
    for path in (empty, tmp_path / "missing.pdf"):
        with pytest.raises(ToolError, match="no verdict"):
            check_pdfa([path])

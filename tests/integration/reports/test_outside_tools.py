"""Programs nobody here wrote agree: poppler on the signed PDF, joserfc on the JWS, OpenSSL on the CMS object."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from auditsvc.reports.render import LANGUAGES, dump_report, render_pdf
from tests.support.issued import Issued, issue_reports
from tests.support.reports import build_samples, name_consumers

KINDS = ("compliance", "project")
CASES = [(kind, language) for kind in KINDS for language in LANGUAGES]
DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
NOT_FIGURES = {"id", "uid", "sha256", "article", "checkpoint", "code", "act", "year"}
"""Members whose text may look like a number but is a name."""


def run(*words: object) -> str:
    """Run a program that must succeed and return what it prints."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def issued(kind: str) -> Issued:
    return issue_reports()[kind]


@pytest.mark.parametrize(("kind", "language"), CASES)
def test_pdfsig_says_valid_and_total_document_signed(kind: str, language: str) -> None:
    said = run("pdfsig", "-nocert", issued(kind).folder / f"report.{language}.pdf")
    assert "Signature is Valid." in said
    assert "Total document signed" in said
    assert "ETSI.CAdES.detached" in said
    assert said.count("Signature #") == 1


@pytest.mark.parametrize(("kind", "language"), CASES)
def test_pdfdetach_gives_report_json_byte_for_byte(kind: str, language: str, tmp_path: Path) -> None:
    pdf = issued(kind).folder / f"report.{language}.pdf"
    assert "1 embedded files" in run("pdfdetach", "-list", pdf)
    run("pdfdetach", "-save", "1", "-o", tmp_path / "taken.json", pdf)
    assert (tmp_path / "taken.json").read_bytes() == issued(kind).read("report.json")


@pytest.mark.parametrize("kind", KINDS)
def test_joserfc_verifies_the_jws_with_the_trusted_keys(kind: str) -> None:
    trust = json.loads(issued(kind).trust_file.read_text())
    token = issued(kind).read("report.jws").decode()
    found = jws.deserialize_compact(token, KeySet.import_key_set(trust["report_jwks"]), algorithms=["ES256"])
    assert found.payload == issued(kind).read("report.json")


def test_openssl_verifies_the_signature_over_the_byte_range(tmp_path: Path) -> None:
    pdf = issued("compliance").read("report.en.pdf")
    start = pdf.rindex(b"/Contents <") + len(b"/Contents ")
    end = pdf.index(b">", start) + 1
    der = bytes.fromhex(pdf[start + 1 : end - 1].decode())
    length = 4 + int.from_bytes(der[2:4], "big")
    (tmp_path / "signature.der").write_bytes(der[:length])
    (tmp_path / "covered").write_bytes(pdf[:start] + pdf[end:])
    cert = issued("compliance").world.settings.key_path / "report" / "report-pdf.crt.pem"
    run(
        "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "signature.der", "-content",
        tmp_path / "covered", "-CAfile", cert, "-partial_chain", "-purpose", "any", "-out", tmp_path / "out",
    )  # fmt: skip


def iter_figures(value: Any, key: str = "") -> Iterator[str]:
    """Give every number of a document as it is printed: digits grouped by three."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from iter_figures(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from iter_figures(inner, key)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield f"{value:,}"
    elif isinstance(value, str) and key not in NOT_FIGURES and DECIMAL.match(value):
        whole, _, rest = value.partition(".")
        yield f"{int(whole):,}" + (f".{rest}" if rest else "")


def list_printed(pdf: Path) -> set[str]:
    """Return every number poppler finds on the pages."""
    text = run("pdftotext", "-layout", pdf, "-")
    return set(re.findall(r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?", text))


def test_the_search_for_figures_finds_numbers_and_leaves_names_out() -> None:
    document = {"a": 1234567, "b": ["98.76", "x1"], "uid": "12", "c": {"d": "1234.50"}, "e": True, "f": None}
    assert list(iter_figures(document)) == ["1,234,567", "98.76", "1,234.50"]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return build_samples(tmp_path_factory.mktemp("samples"))


@pytest.mark.parametrize(("kind", "language"), CASES)
def test_every_number_of_the_json_stands_on_the_pages(
    kind: str, language: str, samples: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    content = samples[kind]
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(render_pdf(dump_report(content), language))
    figures = set(iter_figures(content))
    assert len(figures) > 40
    assert figures - list_printed(pdf) == set()


@pytest.mark.parametrize(("kind", "language"), CASES)
def test_no_label_is_missing_on_the_pages(
    kind: str, language: str, samples: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(render_pdf(dump_report(samples[kind]), language))
    text = run("pdftotext", pdf, "-")
    assert not re.findall(r"\b(?:verdict_|h_|v_|tr_|sev_|ts_|is_|cr_|st_|f_|u_|r_|p_|m_|g_|d_|k_|q_)[a-z_0-9]+", text)


def test_the_pages_show_the_escape_and_the_attachment_has_the_exact_text(
    samples: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    data = dump_report(name_consumers(samples["compliance"], ["Office \U0001f600", "\u202eeciffO"]))
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(render_pdf(data, "en"))
    text = run("pdftotext", pdf, "-")
    assert "Office <U+1F600>" in " ".join(text.split())
    assert "<U+202E>eciffO" in text
    run("pdfdetach", "-save", "1", "-o", tmp_path / "taken.json", pdf)
    assert (tmp_path / "taken.json").read_bytes() == data
    assert "\U0001f600".encode() in data

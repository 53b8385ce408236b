"""Renders a report as PDF/A-3b with its JSON attached; reproducible byte for byte from the same JSON and tools.

Typst runs without system fonts and without network; in PDF/A mode a missing glyph is an error. Data are passed as a
JSON file, never as markup. INVARIANT: the bytes depend on the JSON, the language, and the tools named by
:func:`describe_tools` only; verification renders the report again and compares.
"""

import hashlib
import json
import tempfile
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import rfc8785
import typst

from auditsvc import __version__
from auditsvc.ground.clock import parse_instant
from auditsvc.ground.errors import InputError, StorageError

LANGUAGES = ("zh", "en")
ATTACHMENT = "report.json"
FONTS = Path(__file__).parent / "fonts"
TEMPLATES = Path(__file__).parent / "templates"
FONT_FILES = ("NotoSansHans-Regular.otf", "NotoSansHans-Bold.otf")


def dump_report(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of ``report.json`` (RFC 8785).

    Raises:
        InputError: ``input_invalid`` when a value has no canonical form, such as an integer above 2^53.
    """
    try:
        return rfc8785.dumps(dict(content))
    except rfc8785.CanonicalizationError as err:
        raise InputError("input_invalid", f"report: has no canonical JSON form: {err}") from err


def parse_report(data: bytes) -> dict[str, Any]:
    """Return the content of a ``report.json``, which must be in canonical form, without duplicate keys.

    Raises:
        InputError: ``input_invalid``.
    """
    try:
        content = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as err:
        raise InputError("input_invalid", "report.json: not JSON in UTF-8") from err
    if not isinstance(content, dict) or dump_report(content) != data:
        raise InputError("input_invalid", "report.json: not an object in canonical form (RFC 8785)")
    return content


@cache
def describe_tools() -> dict[str, str]:
    """Return what the PDF's bytes depend on besides the JSON: versions of programs and digests of files.

    Raises:
        StorageError: ``report_failed`` when a font is missing.
    """
    templates = hashlib.sha256()
    for path in sorted(TEMPLATES.iterdir()):
        templates.update(f"{path.name}\n".encode() + hashlib.sha256(path.read_bytes()).digest())
    fonts = hashlib.sha256()
    for name in FONT_FILES:
        path = FONTS / name
        if not path.exists():
            raise StorageError("report_failed", f"font `{name}` is not in place; run `make setup`")
        fonts.update(hashlib.sha256(path.read_bytes()).digest())
    return {
        "auditsvc": __version__,
        "typst": version("typst"),
        "templates-sha256": templates.hexdigest(),
        "fonts-sha256": fonts.hexdigest(),
    }


def render_pdf(data: bytes, language: str) -> bytes:
    """Return the unsigned PDF of a report.

    Args:
        data: the bytes of ``report.json``; attached unchanged.
        language: ``zh`` or ``en``.

    Raises:
        InputError: ``input_invalid`` for another language, or when ``data`` is not a report.
        StorageError: ``report_failed`` when the report cannot be rendered, for example when a character has no glyph.
    """
    if language not in LANGUAGES:
        raise InputError("input_invalid", f"report: language `{language}` is not one of {', '.join(LANGUAGES)}")
    content = parse_report(data)
    try:
        created = parse_instant(content["created"])
    except (KeyError, TypeError, ValueError) as err:
        raise InputError("input_invalid", "report.json: no time of creation") from err
    describe_tools()
    with tempfile.TemporaryDirectory(prefix="auditsvc-report-") as folder:
        root = Path(folder)
        for path in TEMPLATES.iterdir():
            (root / path.name).write_bytes(path.read_bytes())
        (root / ATTACHMENT).write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", typst.TypstWarning)
                compiler = typst.Compiler(
                    str(root / "report.typ"),
                    root=str(root),
                    font_paths=_load_fonts(),
                    sys_inputs={"lang": language, "digest": hashlib.sha256(data).hexdigest()},
                )
                pdf = compiler.compile(
                    format="pdf", pdf_standards="a-3b", timestamp=created.replace(microsecond=0), pdf_tags=False
                )
        except typst.TypstError as err:
            raise StorageError("report_failed", f"report: cannot be laid out: {err.message}") from err
    if not isinstance(pdf, bytes):
        raise StorageError("report_failed", "report: the layout program gave no PDF")
    return pdf


@cache
def _load_fonts() -> typst.Fonts:
    """Return the packaged fonts; system fonts are not used."""
    return typst.Fonts(include_system_fonts=False, font_paths=[str(FONTS)])

"""Classifies the files given to a verifier."""

import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from auditsvc.ground.errors import InputError
from auditsvc.reports.document import FORMAT

MAX_JSON_BYTES = 256 * 1024 * 1024
"""Larger documents are refused before they are parsed."""
DATABASE_FILE = "auditsvc.db"
"""File whose presence distinguishes a data folder from a folder of report files."""
_SUFFIXES = (".json", ".jws", ".pdf", ".tar")


@dataclass(slots=True)
class Given:
    """The files given, by kind; at most one of each kind but PDFs.

    Attributes:
        data_dir: a service's data folder, whose archive is to be verified.
        trust_files: trust files among the others; they are never trusted.
        unknown: names of entries of a folder that are of no known kind.
    """

    json: tuple[str, bytes] | None = None
    jws: tuple[str, bytes] | None = None
    pdfs: list[tuple[str, bytes]] = field(default_factory=list)
    bundle: Path | None = None
    data_dir: Path | None = None
    trust_files: list[Path] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def has_report(self) -> bool:
        """Whether any part of a report was given."""
        return self.json is not None or self.jws is not None or bool(self.pdfs)


def sort_files(paths: Sequence[Path]) -> Given:
    """Return the files by kind; a folder is replaced by the files in it.

    Raises:
        InputError: ``not_found``, or ``input_invalid`` for a file of no known kind or a second one of a kind.
    """
    given = Given()
    for path in paths:
        if not path.is_dir():
            _add(given, path)
        elif (path / DATABASE_FILE).is_file():
            _add_data_dir(given, path)
        else:
            for inner in _list_known(path):
                _add(given, inner)
            given.unknown += _list_unknown(path)
    if not given.has_report and given.bundle is None and given.data_dir is None:
        raise InputError("input_invalid", "nothing to verify: give a report's files, a bundle or a data folder")
    return given


def _list_known(folder: Path) -> list[Path]:
    """Return a folder's entries whose name could be that of a report's file, sorted by name."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    except OSError as err:
        raise InputError("not_found", f"`{folder}`: {err.strerror or err}") from err


def _list_unknown(folder: Path) -> list[str]:
    """Return the names of a folder's other entries, sorted; undecodable bytes are escaped."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() not in _SUFFIXES)
    return [os.fsencode(name).decode("utf-8", "backslashreplace") for name in names]


def _add_data_dir(given: Given, folder: Path) -> None:
    """Add a data folder; refuse report files beside the database, which would otherwise be ignored."""
    if given.data_dir is not None:
        raise _second("data folder", folder)
    for path in _list_known(folder):
        if path.suffix.lower() != ".json" or _parse_object(_read(path)).get("format") == FORMAT:
            message = f"`{path}` lies in a data folder and would be passed over; verify the two apart from each other"
            raise InputError("input_invalid", message)
    given.data_dir = folder


def _add(given: Given, path: Path) -> None:
    """Add one file, classified by the end of its name."""
    name, kind = path.name, path.suffix.lower()
    if kind == ".tar":
        _check_regular(path)
        if given.bundle is not None:
            raise _second("bundle", path)
        given.bundle = path
        return
    data = _read(path)
    if kind == ".pdf":
        given.pdfs.append((name, data))
    elif kind == ".jws":
        if given.jws is not None:
            raise _second("JWS", path)
        given.jws = (name, data)
    elif kind == ".json":
        _add_json(given, path, data)
    else:
        raise InputError("input_invalid", f"`{path}`: expected a name that ends in .pdf, .json, .jws or .tar")


def _add_json(given: Given, path: Path, data: bytes) -> None:
    """Add a report's JSON or a trust file."""
    content = _parse_object(data)
    if "log_vkey" in content and "format" not in content:
        given.trust_files.append(path)
        return
    if given.json is not None:
        raise _second("report in JSON", path)
    given.json = (path.name, data)


def _parse_object(data: bytes) -> Mapping[str, Any]:
    """Return the object in a JSON file; an empty one for anything else, which the checklist reports."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _check_regular(path: Path) -> None:
    """Raise unless ``path`` is a regular file: reading from a pipe or a device may never end."""
    try:
        mode = path.stat().st_mode
    except OSError as err:
        raise InputError("not_found", f"`{path}`: {err.strerror or err}") from err
    if not stat.S_ISREG(mode):
        raise InputError("input_invalid", f"`{path}`: neither a file nor a folder of files")


def _read(path: Path) -> bytes:
    _check_regular(path)
    try:
        if path.stat().st_size > MAX_JSON_BYTES * 2:
            raise InputError("input_invalid", f"`{path}`: larger than {MAX_JSON_BYTES * 2} bytes")
        return path.read_bytes()
    except OSError as err:
        raise InputError("not_found", f"`{path}`: {err.strerror or err}") from err


def _second(kind: str, path: Path) -> InputError:
    """Return the error of a second file of a kind."""
    return InputError("input_invalid", f"`{path}`: a second {kind}; verify one report at a time")

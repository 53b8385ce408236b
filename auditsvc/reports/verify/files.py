"""Sorts the files a verifier was given by what they are."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auditsvc.errors import InputError

MAX_JSON_BYTES = 256 * 1024 * 1024
"""Larger documents are refused before they are parsed."""
DATABASE_FILE = "auditsvc.db"
"""Its presence tells a data folder from a folder of report files."""


@dataclass(slots=True)
class Given:
    """The files given, by kind; of all but PDFs there is at most one.

    Attributes:
        data_dir: a folder of the service itself, whose archive is to be checked.
        trust_ignored: a trust file lay among the others; it is not used.
    """

    json: tuple[str, bytes] | None = None
    jws: tuple[str, bytes] | None = None
    pdfs: list[tuple[str, bytes]] = field(default_factory=list)
    bundle: Path | None = None
    data_dir: Path | None = None
    trust_ignored: bool = False

    @property
    def has_report(self) -> bool:
        """Whether any part of a report was given."""
        return self.json is not None or self.jws is not None or bool(self.pdfs)


def sort_files(paths: Sequence[Path]) -> Given:
    """Return the files by kind; a folder stands for the files in it.

    Raises:
        InputError: ``not_found``, or ``input_invalid`` for a file of no known kind or a second one of a kind.
    """
    given = Given()
    for path in paths:
        if path.is_dir() and (path / DATABASE_FILE).is_file():
            if given.data_dir is not None:
                raise _second("data folder", path)
            given.data_dir = path
        elif path.is_dir():
            for inner in sorted(path.iterdir()):
                if inner.is_file() and inner.suffix in (".json", ".jws", ".pdf", ".tar"):
                    _add(given, inner)
        else:
            _add(given, path)
    if not given.has_report and given.bundle is None and given.data_dir is None:
        raise InputError("input_invalid", "nothing to verify: give a report's files, a bundle or a data folder")
    return given


def _add(given: Given, path: Path) -> None:
    """Sort one file in by the end of its name."""
    name = path.name
    if path.suffix == ".tar":
        if not path.is_file():
            raise InputError("not_found", f"`{path}`: no such file")
        if given.bundle is not None:
            raise _second("bundle", path)
        given.bundle = path
        return
    data = _read(path)
    if path.suffix == ".pdf":
        given.pdfs.append((name, data))
    elif path.suffix == ".jws":
        if given.jws is not None:
            raise _second("JWS", path)
        given.jws = (name, data)
    elif path.suffix == ".json":
        _add_json(given, path, data)
    else:
        raise InputError("input_invalid", f"`{path}`: expected a name that ends in .pdf, .json, .jws or .tar")


def _add_json(given: Given, path: Path, data: bytes) -> None:
    """Sort in a report's JSON, or notice a trust file."""
    if _looks_like_trust(data):
        given.trust_ignored = True
        return
    if given.json is not None:
        raise _second("report in JSON", path)
    given.json = (path.name, data)


def _looks_like_trust(data: bytes) -> bool:
    """Say whether a JSON file is a trust file and no report."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "log_vkey" in content and "format" not in content


def _read(path: Path) -> bytes:
    """Return a file's bytes."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES * 2:
            raise InputError("input_invalid", f"`{path}`: larger than {MAX_JSON_BYTES * 2} bytes")
        return path.read_bytes()
    except OSError as err:
        raise InputError("not_found", f"`{path}`: {err.strerror or err}") from err


def _second(kind: str, path: Path) -> InputError:
    """Return the error of a second file of a kind."""
    return InputError("input_invalid", f"`{path}`: a second {kind}; verify one report at a time")

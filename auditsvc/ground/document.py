"""YAML documents with positions: every value knows its file, line and column, and every scalar keeps its source text.

Rules (policy-language edge semantics, "Types"): YAML 1.2 with a string-only loader; duplicate keys, anchors, aliases,
tags and merge keys are errors. Plain ``null``/``~``, ``true``, ``false``, integers and decimals are resolved only
through :meth:`Value.as_plain`, by the YAML 1.2 core schema; so ``10:40``, ``no`` and ``2026-07-01`` stay text.

A *bundle* is a set of documents under one digest: what the ledger commits to when a policy set or a catalogue is put
in force.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from auditsvc.ground.errors import DocumentError, InputError, Problem

MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
"""Larger documents are refused: they cannot be reviewed, and memory use of the parser is linear."""
MAX_DEPTH = 64
"""Deeper nesting is refused before it can exhaust the stack."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+\Z")
_PLAIN_WORDS: Mapping[str, Any] = {"null": None, "~": None, "": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Value:
    """A value and its position in a document: exactly one of ``mapping``, ``sequence`` and ``scalar`` is not None.

    ``line`` and ``column`` are 1-based.
    """

    file: str
    line: int
    column: int
    scalar: str | None = None
    quoted: bool = False
    sequence: tuple["Value", ...] | None = None
    mapping: Mapping[str, "Value"] | None = None
    key_places: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def problem(self, code: str, message: str) -> Problem:
        """Return a problem at this position."""
        return Problem(self.file, self.line, self.column, code, message)

    def key_problem(self, key: str, code: str, message: str) -> Problem:
        """Return a problem at the position of ``key`` in this mapping."""
        line, column = self.key_places.get(key, (self.line, self.column))
        return Problem(self.file, line, column, code, message)

    def without_members(self) -> "Value":
        """Return an empty mapping at this position."""
        return Value(self.file, self.line, self.column, mapping={})

    @property
    def kind(self) -> str:
        """``mapping``, ``list`` or ``scalar``, for error messages."""
        if self.mapping is not None:
            return "mapping"
        return "list" if self.sequence is not None else "scalar"

    def as_plain(self) -> Any:
        """Return plain Python data, scalars resolved by the YAML 1.2 core schema (decimals as ``float``)."""
        if self.mapping is not None:
            return {key: value.as_plain() for key, value in self.mapping.items()}
        if self.sequence is not None:
            return [value.as_plain() for value in self.sequence]
        return resolve_scalar(self.scalar or "", quoted=self.quoted)


def resolve_scalar(text: str, *, quoted: bool) -> str | int | float | bool | None:
    """Return a scalar's value: quoted text as it is, plain text by the YAML 1.2 core schema."""
    if quoted:
        return text
    if text in _PLAIN_WORDS:
        value: bool | None = _PLAIN_WORDS[text]
        return value
    if _INTEGER.match(text):
        return int(text)
    if _DECIMAL.match(text):
        return float(text)
    return text


def parse_documents(text: str, file: str) -> tuple[Value, ...]:
    """Return the documents of a YAML stream.

    Raises:
        DocumentError: ``document_invalid``; broken YAML, a duplicate key, an anchor, alias, tag or merge key.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_DOCUMENT_BYTES:
        raise _broken(file, 0, 0, f"larger than {MAX_DOCUMENT_BYTES} bytes")
    try:
        _refuse_aliases(text, file)
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise _broken(file, line, column, f"not valid YAML: {err.problem or err.context}") from err
    except yaml.YAMLError as err:
        raise _broken(file, 0, 0, "not valid YAML: a character that YAML does not allow") from err
    except RecursionError as err:
        raise _broken(file, 0, 0, f"nested deeper than {MAX_DEPTH} levels") from err
    return tuple(_build_value(node, file, 0) for node in nodes if node is not None)


def parse_document(text: str, file: str) -> Value:
    """Return the single document of a YAML text; see :func:`parse_documents` for errors."""
    documents = parse_documents(text, file)
    if len(documents) != 1:
        raise _broken(file, 0, 0, f"expected one YAML document, got {len(documents)}")
    return documents[0]


def _refuse_aliases(text: str, file: str) -> None:
    """Raise for anchors, aliases and explicit tags: with them a document may not mean what it appears to."""
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, (yaml.AnchorToken, yaml.AliasToken, yaml.TagToken)):
            mark = token.start_mark
            raise _broken(file, mark.line + 1, mark.column + 1, "anchors, aliases and tags are not allowed")


def _build_value(node: Node, file: str, depth: int) -> Value:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    if depth > MAX_DEPTH:
        raise _broken(file, line, column, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(node, ScalarNode):
        return Value(file, line, column, scalar=str(node.value), quoted=node.style is not None)
    if isinstance(node, SequenceNode):
        items = tuple(_build_value(item, file, depth + 1) for item in node.value)
        return Value(file, line, column, sequence=items)
    if not isinstance(node, MappingNode):
        raise _broken(file, line, column, "neither mapping, list nor scalar")
    entries: dict[str, Value] = {}
    places: dict[str, tuple[int, int]] = {}
    for key_node, value_node in node.value:
        place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if not isinstance(key_node, ScalarNode):
            raise _broken(file, *place, "a key must be a scalar")
        key = str(key_node.value)
        if key == "<<":
            raise _broken(file, *place, "merge keys are not allowed")
        if key in entries:
            raise _broken(file, *place, f"duplicate key `{key}`, first at line {places[key][0]}")
        entries[key] = _build_value(value_node, file, depth + 1)
        places[key] = place
    return Value(file, line, column, mapping=entries, key_places=places)


def _broken(file: str, line: int, column: int, message: str) -> DocumentError:
    """Return the error for a document that cannot be parsed."""
    return DocumentError("document_invalid", [Problem(file, line, column, "document_invalid", message)])


@dataclass(frozen=True, slots=True)
class Bundle:
    """Named texts under one digest.

    Attributes:
        files: name (relative, ``/`` between parts) to text.
        data: canonical form (JSON, keys sorted, UTF-8), over which :attr:`digest` is computed.
        digest: SHA-256 of ``data``, 32 bytes.
    """

    files: Mapping[str, str]
    data: bytes
    digest: bytes

    def documents(self) -> Iterator[Value]:
        """Yield the documents of every ``.yaml`` file, ordered by name."""
        for name in sorted(self.files):
            if name.endswith((".yaml", ".yml")):
                yield from parse_documents(self.files[name], name)


def build_bundle(files: Mapping[str, str]) -> Bundle:
    """Return the bundle of ``files``; equal files give equal bytes."""
    data = json.dumps(dict(sorted(files.items())), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return Bundle(dict(files), data, hashlib.sha256(data).digest())


def parse_bundle(data: bytes) -> Bundle:
    """Return the bundle whose canonical bytes are ``data``.

    Raises:
        InputError: ``input_invalid`` when ``data`` is not the canonical form of a bundle.
    """
    try:
        files = json.loads(data)
        bundle = build_bundle(files)
    except (ValueError, AttributeError, TypeError) as err:
        raise InputError("input_invalid", "bundle: not a JSON object of texts") from err
    if bundle.data != data or not all(isinstance(text, str) for text in files.values()):
        raise InputError("input_invalid", "bundle: not texts in canonical form")
    return bundle


def load_bundle(folder: Path) -> Bundle:
    """Return the bundle of all YAML files below ``folder``.

    Raises:
        InputError: ``not_found`` when there are none, ``input_invalid`` when one is not UTF-8.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in {".yaml", ".yml"} and path.is_file())
    if not paths:
        raise InputError("not_found", f"no YAML files below `{folder}`")
    try:
        return build_bundle({path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths})
    except UnicodeDecodeError as err:
        raise InputError("input_invalid", f"a file below `{folder}` is not UTF-8 text: {err.reason}") from err

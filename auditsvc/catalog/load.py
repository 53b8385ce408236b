"""From a bundle of YAML documents to a :class:`~auditsvc.catalog.model.Catalog`.

Order: (1) every document is read against its schema; (2) versions of one thing are put in order and must not overlap;
(3) every reference must resolve. Problems of all documents and steps 1 to 3 are collected and raised together,
each with file, line and column.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from auditsvc.catalog.model import (
    Agreement,
    Catalog,
    City,
    Matter,
    Source,
)
from auditsvc.catalog.section import (
    read_agreement,
    read_interface,
    read_matter,
    read_org,
    read_project,
    read_resource,
    read_source,
)
from auditsvc.ground.bilingual import Text
from auditsvc.ground.document import Bundle, Value
from auditsvc.ground.errors import DocumentError, Problem
from auditsvc.ground.mapping_reader import CODE, MappingReader

DEFAULT_ZONE = "Asia/Shanghai"


@dataclass(slots=True)
class _Draft:
    """What has been read so far, each item with its reader so that later problems have a position."""

    zone: ZoneInfo
    problems: list[Problem] = field(default_factory=list)
    orgs: list[tuple[str, Any, MappingReader]] = field(default_factory=list)
    resources: list[tuple[str, Any, MappingReader]] = field(default_factory=list)
    interfaces: list[tuple[str, Any, MappingReader]] = field(default_factory=list)
    agreements: list[tuple[str, Any, MappingReader]] = field(default_factory=list)
    projects: list[tuple[str, Any, MappingReader]] = field(default_factory=list)
    matters: list[tuple[str, Any, MappingReader]] = field(default_factory=list)
    sources: list[tuple[str, Any, MappingReader]] = field(default_factory=list)


def load_catalog(bundle: Bundle) -> Catalog:
    """Return the catalogue that ``bundle`` describes.

    Raises:
        DocumentError: ``document_invalid``, with every problem found in any document.
    """
    documents = list(bundle.documents())
    problems: list[Problem] = []
    city = _read_city(documents, problems)
    draft = _Draft(city.zone, problems)
    for document in documents:
        _read_document(document, draft)
    histories = [
        _order_versions(draft, draft.orgs),
        _order_versions(draft, draft.resources),
        _order_versions(draft, draft.interfaces),
        _order_versions(draft, draft.agreements),
    ]
    singles = [
        _index_once(draft, draft.projects),
        _index_once(draft, draft.matters),
        _index_once(draft, draft.sources),
    ]
    _check_references(draft)
    if draft.problems:
        ordered = sorted(set(draft.problems), key=lambda problem: (problem.file, problem.line, problem.column))
        raise DocumentError(CODE, ordered)
    projects, matters, sources = singles
    return Catalog(
        digest=bundle.digest,
        city=city,
        org_history=histories[0],
        resource_history=histories[1],
        interface_history=histories[2],
        agreement_history=histories[3],
        projects=projects,
        matters=matters,
        sources=_join_interfaces(sources, histories[2]),
    )


def _read_city(documents: list[Value], problems: list[Problem]) -> City:
    """Return the metadata of the catalogue: the single ``city`` mapping among all documents."""
    heads = [doc.mapping["city"] for doc in documents if doc.mapping is not None and "city" in doc.mapping]
    zone = ZoneInfo(DEFAULT_ZONE)
    if len(heads) != 1:
        place = heads[1] if heads else (documents[0] if documents else Value("catalogue", 0, 0))
        problems.append(place.problem(CODE, f"city: expected exactly one in all documents, got {len(heads)}"))
        return City(Text("", ""), zone)
    reader = MappingReader(heads[0], "city", problems)
    name = reader.bilingual("name")
    zone = ZoneInfo(reader.find_zone("zone", DEFAULT_ZONE))
    inhabitants = reader.find_integer("inhabitants", 1, 10**10)
    reader.finish()
    return City(name, zone, inhabitants)


def _read_document(document: Value, draft: _Draft) -> None:
    reader = MappingReader(document, "document", draft.problems)
    reader.find("city")
    sections: tuple[tuple[str, str, Callable[[MappingReader, ZoneInfo], tuple[str, object]], list[Any]], ...] = (
        ("organisations", "organisation", read_org, draft.orgs),
        ("resources", "resource", read_resource, draft.resources),
        ("interfaces", "interface", read_interface, draft.interfaces),
        ("agreements", "agreement", read_agreement, draft.agreements),
        ("projects", "project", read_project, draft.projects),
        ("matters", "matter", read_matter, draft.matters),
        ("sources", "source", read_source, draft.sources),
    )
    for section, what, read, target in sections:
        for item in reader.readers(section, what):
            key, value = read(item, draft.zone)
            item.finish()
            target.append((key, value, item))
    reader.finish()


def _order_versions(draft: _Draft, items: list[tuple[str, Any, MappingReader]]) -> dict[str, tuple[Any, ...]]:
    """Return id to versions in order of start; overlapping ones are problems."""
    groups: dict[str, list[tuple[Any, MappingReader]]] = {}
    for key, value, reader in items:
        if key:
            groups.setdefault(key, []).append((value, reader))
    for key, versions in groups.items():
        versions.sort(key=lambda pair: pair[0].validity.start)
        for (earlier, _), (later, reader) in pairwise(versions):
            if earlier.validity.overlaps(later.validity):
                reader.note("from", f"`{key}` has another version in force at this time; end that one with `until`")
    return {key: tuple(value for value, _ in versions) for key, versions in groups.items()}


def _index_once(draft: _Draft, items: list[tuple[str, Any, MappingReader]]) -> dict[str, Any]:
    """Return id to value; a repeated id is a problem."""
    index: dict[str, Any] = {}
    for key, value, reader in items:
        if key in index and key:
            reader.note("code" if isinstance(value, Matter) else "id", f"duplicate `{key}`")
        index[key] = value
    return index


def _check_references(draft: _Draft) -> None:
    """Report every reference that does not resolve."""
    orgs = {key for key, _, _ in draft.orgs}
    resources = {key for key, _, _ in draft.resources}
    interfaces = {key for key, _, _ in draft.interfaces}
    projects = {key for key, _, _ in draft.projects}
    matters = {key for key, _, _ in draft.matters}
    sources = {key for key, _, _ in draft.sources}
    for _, _, reader in draft.resources:
        _check(reader, "provider", orgs, "organisation")
        _check(reader, "related", resources, "resource")
        _check(reader, "project", projects, "project")
    for _, _, reader in draft.interfaces:
        _check(reader, "provider", orgs, "organisation")
        _check(reader, "resources", resources, "resource")
        _check(reader, "project", projects, "project")
        _check(reader, "sources", sources, "source")
    for _, agreement, reader in draft.agreements:
        _check(reader, "consumer", orgs, "organisation")
        _check(reader, "resources", resources, "resource")
        _check(reader, "matters", matters, "matter")
        _check_agreed_fields(draft, agreement, reader)
    for _, _, reader in draft.projects:
        for key, known, what in (
            ("owner", orgs, "organisation"),
            ("builder", orgs, "organisation"),
            ("interfaces", interfaces, "interface"),
            ("resources", resources, "resource"),
            ("consumers", orgs, "organisation"),
            ("matters", matters, "matter"),
        ):
            _check(reader, key, known, what)
        for inner in reader.readers("milestones", "milestone"):
            _check(inner, "interfaces", interfaces, "interface")
            _check(inner, "consumers", orgs, "organisation")


def _check(reader: MappingReader, key: str, known: Collection[str], what: str) -> None:
    """Report each text under ``key`` (one or a list) that is not in ``known``."""
    found = reader.find(key)
    if found is None:
        return
    for item in found.sequence if found.sequence is not None else (found,):
        if item.scalar and item.scalar not in known:
            reader.note_member(key, item.scalar, f"there is no {what} `{item.scalar[:64]}` in the catalogue")


def _check_agreed_fields(draft: _Draft, agreement: Agreement, reader: MappingReader) -> None:
    """Report fields of an agreement that none of its resources has."""
    items = {
        item.name for code, resource, _ in draft.resources if code in agreement.resources for item in resource.items
    }
    for name in agreement.fields:
        if items and name not in items:
            reader.note_member("fields", name, f"none of the agreement's resources has an item `{name[:64]}`")


def _join_interfaces(sources: Mapping[str, Source], interfaces: Mapping[str, tuple[Any, ...]]) -> dict[str, Source]:
    """Return the sources, each with the interfaces that name it in any version."""
    named: dict[str, set[str]] = {key: set() for key in sources}
    for key, versions in interfaces.items():
        for version in versions:
            for source in version.sources:
                named[source].add(key)
    return {key: replace(source, interfaces=tuple(sorted(named[key]))) for key, source in sources.items()}

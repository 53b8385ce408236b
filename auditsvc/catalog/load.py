"""From a bundle of YAML documents to a :class:`~auditsvc.catalog.model.Catalog`.

Order: (1) every document is read against its schema; (2) versions of one thing are put in order and must not overlap;
(3) every reference must lead somewhere. Problems of all documents and steps 1 to 3 are collected and raised together,
each with file, line and column.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from auditsvc.catalog.model import (
    ORG_LEVELS,
    READERS,
    TARGET_OPERATORS,
    UPDATE_CYCLES,
    Agreement,
    Catalog,
    City,
    ExpectedLog,
    Interface,
    Item,
    Matter,
    Milestone,
    Org,
    Project,
    Resource,
    ServiceLevel,
    Source,
    Target,
    Text,
)
from auditsvc.catalog.schema import CODE, MappingReader
from auditsvc.catalog.uscc import is_valid_uscc
from auditsvc.document import Bundle, Value
from auditsvc.errors import DocumentError, Problem
from auditsvc.event.fields import DOMAINS, LIBRARIES, NETWORKS, SHARE_TYPES, TRAFFIC, Field, Kind, find_field
from auditsvc.event.model import Value as EventValue

DEFAULT_ZONE = "Asia/Shanghai"
MAX_ROWS = 10**12
ENCODINGS = ("utf-8", "gb18030")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_CODE = r"[A-Za-z0-9][A-Za-z0-9./_-]{0,63}"
_DIVISION = r"[0-9]{6}([0-9]{3}([0-9]{3})?)?"


@dataclass(slots=True)
class _Draft:
    """What has been read so far, each thing with its reader so that later problems have a place."""

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
    """Return the head of the catalogue: the single ``city`` mapping among all documents."""
    heads = [doc.mapping["city"] for doc in documents if doc.mapping is not None and "city" in doc.mapping]
    zone = ZoneInfo(DEFAULT_ZONE)
    if len(heads) != 1:
        place = heads[1] if heads else (documents[0] if documents else Value("catalogue", 0, 0))
        problems.append(place.problem(CODE, f"city: expected exactly one in all documents, got {len(heads)}"))
        return City(Text("", ""), zone)
    reader = MappingReader(heads[0], "city", problems, zone)
    name = reader.bilingual("name")
    zone_name = reader.find_text("zone") or DEFAULT_ZONE
    try:
        zone = ZoneInfo(zone_name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        reader.note("zone", f"`{zone_name[:64]}` is not a known IANA zone")
    inhabitants = reader.find_integer("inhabitants", 1, 10**10)
    reader.finish()
    return City(name, zone, inhabitants)


def _read_document(document: Value, draft: _Draft) -> None:
    """Read all sections of one document into the draft."""
    reader = MappingReader(document, "document", draft.problems, draft.zone)
    reader.find("city")
    sections: tuple[tuple[str, str, Callable[[MappingReader], tuple[str, object]], list[Any]], ...] = (
        ("organisations", "organisation", _read_org, draft.orgs),
        ("resources", "resource", _read_resource, draft.resources),
        ("interfaces", "interface", _read_interface, draft.interfaces),
        ("agreements", "agreement", _read_agreement, draft.agreements),
        ("projects", "project", _read_project, draft.projects),
        ("matters", "matter", _read_matter, draft.matters),
        ("sources", "source", _read_source, draft.sources),
    )
    for section, what, read, target in sections:
        for item in reader.readers(section, what):
            key, value = read(item)
            item.finish()
            target.append((key, value, item))
    reader.finish()


def _read_org(reader: MappingReader) -> tuple[str, object]:
    """Read one organisation."""
    uscc = reader.text("uscc")
    if uscc and not is_valid_uscc(uscc):
        reader.note("uscc", f"`{uscc[:64]}` is not a unified social credit code: form or check character is wrong")
    return uscc, Org(
        uscc=uscc,
        name=reader.bilingual("name"),
        level=reader.choice("level", ORG_LEVELS),
        division=reader.text("division", _DIVISION),
        validity=reader.validity(),
    )


def _read_resource(reader: MappingReader) -> tuple[str, object]:
    """Read one resource with its core metadata."""
    code = reader.text("code", _CODE)
    items = tuple(_read_item(item) for item in reader.readers("items", "item"))
    if not items:
        reader.note("items", "expected at least one information item")
    names = [item.name for item in items]
    if len(set(names)) != len(names):
        reader.note("items", "an item name stands twice")
    share_type = reader.choice("share_type", SHARE_TYPES)
    condition = reader.find_bilingual("share_condition")
    if share_type != "unconditional" and condition is None:
        reader.note("share_condition", f"missing; a resource with share_type `{share_type}` must state it")
    return code, Resource(
        category=reader.text("category"),
        name=reader.bilingual("name"),
        code=code,
        provider=reader.text("provider"),
        summary=reader.bilingual("summary"),
        format=reader.text("format"),
        items=items,
        share_type=share_type,
        share_condition=condition,
        share_method=reader.choice("share_method", ("platform", "interface", "file", "exchange")),
        open_type=reader.choice("open_type", ("open", "on_request", "closed")),
        update_cycle=reader.choice("update_cycle", UPDATE_CYCLES),
        published=reader.day("published"),
        related=reader.texts("related"),
        library=reader.choice("library", LIBRARIES),
        sensitivity=reader.integer("sensitivity", 1, 5),
        personal=reader.boolean("personal"),
        project=reader.find_text("project"),
        validity=reader.validity(),
    )


def _read_item(reader: MappingReader) -> Item:
    """Read one information item."""
    item = Item(reader.text("name", _ID), reader.bilingual("title"), reader.text("type"))
    reader.finish()
    return item


def _read_interface(reader: MappingReader) -> tuple[str, object]:
    """Read one interface."""
    key = reader.text("id", _ID)
    return key, Interface(
        id=key,
        name=reader.bilingual("name"),
        protocol=reader.text("protocol"),
        resources=reader.texts("resources"),
        provider=reader.text("provider"),
        provider_system=reader.find_text("provider_system"),
        network=reader.choice("network", NETWORKS),
        domain=reader.find_choice("domain", DOMAINS),
        project=reader.find_text("project"),
        sources=reader.texts("sources"),
        expected_log=_read_expected_log(reader),
        traffic=reader.find_choice("traffic", [name for name in TRAFFIC if name != "business"]),
        validity=reader.validity(),
    )


def _read_expected_log(reader: MappingReader) -> ExpectedLog | None:
    """Read when a log is due: absent means every hour, ``none`` never."""
    found = reader.find("expected_log")
    if found is None:
        return ExpectedLog()
    if found.scalar == "none":
        return None
    inner = reader.reader("expected_log")
    if inner is None:
        return ExpectedLog()
    first = inner.integer("first_hour", 0, 23)
    last = inner.integer("last_hour", 0, 23)
    if last < first:
        inner.note("last_hour", f"expected at least first_hour {first}, got {last}")
    days = inner.texts("days")
    for day in days:
        if day not in WEEKDAYS:
            inner.note_member("days", day, f"expected one of {', '.join(WEEKDAYS)}, got `{day[:64]}`")
    inner.finish()
    weekdays = tuple(WEEKDAYS.index(day) for day in days if day in WEEKDAYS) or tuple(range(7))
    return ExpectedLog(tuple(range(first, last + 1)), weekdays)


def _read_agreement(reader: MappingReader) -> tuple[str, object]:
    """Read one sharing agreement."""
    key = reader.text("id", _ID)
    return key, Agreement(
        id=key,
        consumer=reader.text("consumer"),
        resources=reader.texts("resources"),
        share_type=reader.choice("share_type", SHARE_TYPES),
        purposes=reader.texts("purposes"),
        matters=reader.texts("matters"),
        fields=reader.texts("fields"),
        max_rows=reader.find_integer("max_rows", 1, MAX_ROWS),
        legal_basis=reader.text("legal_basis"),
        validity=reader.validity(),
    )


def _read_project(reader: MappingReader) -> tuple[str, object]:
    """Read one project."""
    key = reader.text("id", _ID)
    return key, Project(
        id=key,
        name=reader.bilingual("name"),
        system=reader.bilingual("system"),
        owner=reader.text("owner"),
        builder=reader.text("builder"),
        approval_no=reader.text("approval_no"),
        budget=reader.decimal("budget"),
        contract=reader.decimal("contract"),
        spent=reader.decimal("spent"),
        opex_by_year=reader.read_amounts("opex_by_year"),
        life_years=reader.integer("life_years", 1, 100),
        start=reader.day("start"),
        go_live_plan=reader.day("go_live_plan"),
        go_live_actual=reader.find_day("go_live_actual"),
        accepted_at=reader.find_day("accepted_at"),
        targets=tuple(_read_target(item) for item in reader.readers("targets", "target")),
        interfaces=reader.texts("interfaces"),
        resources=reader.texts("resources"),
        consumers=reader.texts("consumers"),
        matters=reader.texts("matters"),
        milestones=tuple(_read_milestone(item) for item in reader.readers("milestones", "milestone")),
        sla=_read_service_level(reader),
    )


def _read_target(reader: MappingReader) -> Target:
    """Read one target of a project."""
    target = Target(
        indicator=reader.text("indicator", r"I-[0-9]{2}"),
        op=reader.choice("op", TARGET_OPERATORS),
        value=reader.decimal("value"),
        unit=reader.choice("unit", ("%", "n", "calls/month", "ms", "CNY")),
        by=reader.day("by"),
    )
    reader.finish()
    return target


def _read_milestone(reader: MappingReader) -> Milestone:
    """Read one milestone of a project."""
    milestone = Milestone(
        id=reader.text("id", _ID),
        title=reader.bilingual("title"),
        due=reader.day("due"),
        actual=reader.find_day("actual"),
        interfaces=reader.texts("interfaces"),
        consumers=reader.texts("consumers"),
    )
    reader.finish()
    return milestone


def _read_service_level(reader: MappingReader) -> ServiceLevel | None:
    """Read a project's service level, None when none was promised."""
    inner = reader.reader("sla")
    if inner is None:
        return None
    level = ServiceLevel(
        availability=inner.decimal("availability"),
        p95_ms=inner.integer("p95_ms", 1, 10**7),
        start_hour=inner.integer("start_hour", 0, 23),
        end_hour=inner.integer("end_hour", 1, 24),
    )
    if level.end_hour <= level.start_hour:
        inner.note("end_hour", f"expected more than start_hour {level.start_hour}, got {level.end_hour}")
    if not 0 < level.availability <= 100:
        inner.note("availability", f"expected per cent above 0 and up to 100, got {level.availability}")
    inner.finish()
    return level


def _read_matter(reader: MappingReader) -> tuple[str, object]:
    """Read one government service matter."""
    code = reader.text("code", _CODE)
    return code, Matter(code, reader.bilingual("title"))


def _read_source(reader: MappingReader) -> tuple[str, object]:
    """Read one log source; what its reader's options mean is that reader's to check."""
    key = reader.text("id", _ID)
    zone = reader.find_text("zone") or reader.zone.key
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        reader.note("zone", f"`{zone[:64]}` is not a known IANA zone")
    options = reader.find("options")
    if options is not None and options.mapping is None:
        reader.note("options", f"expected a mapping, got a {options.kind}")
    return key, Source(
        id=key,
        title=reader.bilingual("title"),
        reader=reader.choice("reader", READERS),
        zone=zone,
        encoding=reader.choice("encoding", ENCODINGS, default="utf-8"),
        interfaces=(),
        options=options.as_plain() if options is not None and options.mapping is not None else {},
        defaults=_read_defaults(reader),
    )


def _read_defaults(reader: MappingReader) -> dict[str, EventValue]:
    """Read a source's default values, each of its field's type."""
    defaults: dict[str, EventValue] = {}
    for name, value in reader.pairs("defaults"):
        known = find_field(name)
        if known is None or known.level.value == "derived":
            reader.problems.append(value.problem(CODE, f"defaults: there is no field `{name[:64]}` to give a default"))
            continue
        plain = value.as_plain()
        if not _fits(known, plain):
            expected = f"one of {', '.join(known.values)}" if known.values else known.kind.value
            problem = f"defaults: {name}: expected {expected}{' list' if known.multi else ''}, got `{plain}`"
            reader.problems.append(value.problem(CODE, problem))
            continue
        defaults[name] = plain
    return defaults


def _fits(known: Field, plain: object) -> bool:
    """Say whether ``plain`` is a value of the field."""
    if known.multi:
        return isinstance(plain, list) and all(isinstance(item, str) for item in plain)
    match known.kind:
        case Kind.KEYWORD | Kind.TEXT | Kind.IP:
            return isinstance(plain, str)
        case Kind.ENUM:
            return plain in known.values
        case Kind.INTEGER:
            return isinstance(plain, int) and not isinstance(plain, bool)
        case Kind.NUMBER:
            return isinstance(plain, (int, float)) and not isinstance(plain, bool)
        case Kind.BOOLEAN:
            return isinstance(plain, bool)
        case _:
            return False


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
            reader.note("code" if isinstance(value, Matter) else "id", f"`{key}` stands twice")
        index[key] = value
    return index


def _check_references(draft: _Draft) -> None:
    """Note every reference that leads nowhere."""
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
    """Note each text under ``key`` (one or a list) that is not among ``known``."""
    found = reader.find(key)
    if found is None:
        return
    for item in found.sequence if found.sequence is not None else (found,):
        if item.scalar and item.scalar not in known:
            reader.note_member(key, item.scalar, f"there is no {what} `{item.scalar[:64]}` in the catalogue")


def _check_agreed_fields(draft: _Draft, agreement: Agreement, reader: MappingReader) -> None:
    """Note fields of an agreement that none of its resources has."""
    items = {
        item.name for code, resource, _ in draft.resources if code in agreement.resources for item in resource.items
    }
    for name in agreement.fields:
        if items and name not in items:
            reader.note_member("fields", name, f"none of the agreement's resources has an item `{name[:64]}`")


def _join_interfaces(sources: Mapping[str, Source], interfaces: Mapping[str, tuple[Any, ...]]) -> dict[str, Source]:
    """Return the sources, each knowing the interfaces that name it in any version."""
    named: dict[str, set[str]] = {key: set() for key in sources}
    for key, versions in interfaces.items():
        for version in versions:
            for source in version.sources:
                named[source].add(key)
    return {key: replace(source, interfaces=tuple(sorted(named[key]))) for key, source in sources.items()}

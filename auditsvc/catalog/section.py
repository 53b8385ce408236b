"""The schema of each section's members: one function per kind, from a mapping's reader to the id and the value."""

import re
from datetime import datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from auditsvc.catalog.model import (
    ORG_LEVELS,
    READER_NAMES,
    TARGET_OPERATORS,
    UPDATE_CYCLES,
    Agreement,
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
    Validity,
)
from auditsvc.catalog.uscc import is_valid_uscc
from auditsvc.event.fields import DOMAINS, LIBRARIES, NETWORKS, SHARE_TYPES, TRAFFIC, Field, Kind, find_field
from auditsvc.event.model import Value as EventValue
from auditsvc.event.time import count_ns, parse_time_ns
from auditsvc.ground.errors import InputError
from auditsvc.ground.mapping_reader import MAX_SHOWN, MappingReader, is_null, parse_day

MAX_ROWS = 10**12
ENCODINGS = ("utf-8", "gb18030")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SHARE_METHODS = ("platform", "interface", "file", "exchange")
OPEN_TYPES = ("open", "on_request", "closed")
UNITS = ("%", "n", "calls/month", "ms", "CNY")

_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_CODE = r"[A-Za-z0-9][A-Za-z0-9./_-]{0,63}"
_DIVISION = r"[0-9]{6}([0-9]{3}([0-9]{3})?)?"


def read_org(reader: MappingReader, zone: ZoneInfo) -> tuple[str, object]:
    """Read one organisation."""
    uscc = reader.text("uscc")
    if uscc and not is_valid_uscc(uscc):
        reader.note("uscc", f"`{uscc[:64]}` is not a unified social credit code: form or check character is wrong")
    return uscc, Org(
        uscc=uscc,
        name=reader.bilingual("name"),
        level=reader.choice("level", ORG_LEVELS),
        division=reader.text("division", _DIVISION),
        validity=_read_validity(reader, zone),
    )


def read_resource(reader: MappingReader, zone: ZoneInfo) -> tuple[str, object]:
    """Read one resource with its core metadata."""
    code = reader.text("code", _CODE)
    items = tuple(_read_item(item) for item in reader.readers("items", "item"))
    if not items:
        reader.note("items", "expected at least one information item")
    names = [item.name for item in items]
    if len(set(names)) != len(names):
        reader.note("items", "duplicate item name")
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
        share_method=reader.choice("share_method", SHARE_METHODS),
        open_type=reader.choice("open_type", OPEN_TYPES),
        update_cycle=reader.choice("update_cycle", UPDATE_CYCLES),
        published=reader.day("published"),
        related=reader.unique_texts("related"),
        library=reader.choice("library", LIBRARIES),
        sensitivity=reader.integer("sensitivity", 1, 5),
        personal=reader.boolean("personal"),
        project=reader.find_text("project"),
        validity=_read_validity(reader, zone),
    )


def _read_item(reader: MappingReader) -> Item:
    item = Item(reader.text("name", _ID), reader.bilingual("title"), reader.text("type"))
    reader.finish()
    return item


def read_interface(reader: MappingReader, zone: ZoneInfo) -> tuple[str, object]:
    """Read one interface."""
    key = reader.text("id", _ID)
    return key, Interface(
        id=key,
        name=reader.bilingual("name"),
        protocol=reader.text("protocol"),
        resources=reader.unique_texts("resources"),
        provider=reader.text("provider"),
        provider_system=reader.find_text("provider_system"),
        network=reader.choice("network", NETWORKS),
        domain=reader.find_choice("domain", DOMAINS),
        project=reader.find_text("project"),
        sources=reader.unique_texts("sources"),
        expected_log=_read_expected_log(reader),
        traffic=reader.find_choice("traffic", [name for name in TRAFFIC if name != "business"]),
        validity=_read_validity(reader, zone),
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
    days = inner.unique_texts("days")
    for day in days:
        if day not in WEEKDAYS:
            inner.note_member("days", day, f"expected one of {', '.join(WEEKDAYS)}, got `{day[:64]}`")
    inner.finish()
    weekdays = tuple(WEEKDAYS.index(day) for day in days if day in WEEKDAYS) or tuple(range(7))
    return ExpectedLog(tuple(range(first, last + 1)), weekdays)


def read_agreement(reader: MappingReader, zone: ZoneInfo) -> tuple[str, object]:
    """Read one sharing agreement."""
    key = reader.text("id", _ID)
    return key, Agreement(
        id=key,
        consumer=reader.text("consumer"),
        resources=reader.unique_texts("resources"),
        share_type=reader.choice("share_type", SHARE_TYPES),
        purposes=reader.unique_texts("purposes"),
        matters=reader.unique_texts("matters"),
        fields=reader.unique_texts("fields"),
        max_rows=reader.find_integer("max_rows", 1, MAX_ROWS),
        legal_basis=reader.text("legal_basis"),
        validity=_read_validity(reader, zone),
    )


def read_project(reader: MappingReader, zone: ZoneInfo) -> tuple[str, object]:
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
        opex_by_year=_read_amounts(reader, "opex_by_year"),
        life_years=reader.integer("life_years", 1, 100),
        start=reader.day("start"),
        go_live_plan=reader.day("go_live_plan"),
        go_live_actual=reader.find_day("go_live_actual"),
        accepted_at=reader.find_day("accepted_at"),
        targets=tuple(_read_target(item) for item in reader.readers("targets", "target")),
        interfaces=reader.unique_texts("interfaces"),
        resources=reader.unique_texts("resources"),
        consumers=reader.unique_texts("consumers"),
        matters=reader.unique_texts("matters"),
        milestones=tuple(_read_milestone(item) for item in reader.readers("milestones", "milestone")),
        sla=_read_service_level(reader),
    )


def _read_target(reader: MappingReader) -> Target:
    target = Target(
        indicator=reader.text("indicator", r"I-[0-9]{2}"),
        op=reader.choice("op", TARGET_OPERATORS),
        value=reader.decimal("value"),
        unit=reader.choice("unit", UNITS),
        by=reader.day("by"),
    )
    reader.finish()
    return target


def _read_milestone(reader: MappingReader) -> Milestone:
    milestone = Milestone(
        id=reader.text("id", _ID),
        title=reader.bilingual("title"),
        due=reader.day("due"),
        actual=reader.find_day("actual"),
        interfaces=reader.unique_texts("interfaces"),
        consumers=reader.unique_texts("consumers"),
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


def read_matter(reader: MappingReader, zone: ZoneInfo) -> tuple[str, object]:
    """Read one government service matter."""
    code = reader.text("code", _CODE)
    return code, Matter(code, reader.bilingual("title"))


def read_source(reader: MappingReader, zone: ZoneInfo) -> tuple[str, object]:
    """Read one log source; its reader's options are checked by that reader."""
    key = reader.text("id", _ID)
    options = reader.find("options")
    if options is not None and options.mapping is None:
        reader.note("options", f"expected a mapping, got a {options.kind}")
    return key, Source(
        id=key,
        title=reader.bilingual("title"),
        reader=reader.choice("reader", READER_NAMES),
        zone=reader.find_zone("zone", zone.key),
        encoding=reader.choice("encoding", ENCODINGS, default="utf-8"),
        interfaces=(),
        options=reader.value.without_members() if options is None else options,
        defaults=_read_defaults(reader),
    )


def _read_defaults(reader: MappingReader) -> dict[str, EventValue]:
    """Read a source's default values, each of its field's type."""
    defaults: dict[str, EventValue] = {}
    for name, value in reader.pairs("defaults"):
        known = find_field(name)
        if known is None or known.level.value == "derived":
            reader.note_at(value, f"defaults: there is no field `{name[:MAX_SHOWN]}` to give a default")
            continue
        plain = value.as_plain()
        if not _fits(known, plain):
            expected = f"one of {', '.join(known.values)}" if known.values else known.kind.value
            problem = f"defaults: {name}: expected {expected}{' list' if known.multi else ''}, got `{plain}`"
            reader.note_at(value, problem)
            continue
        defaults[name] = plain
    return defaults


def _fits(known: Field, plain: object) -> bool:
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


def _read_amounts(reader: MappingReader, key: str) -> dict[int, Decimal]:
    """Return a mapping of years to amounts of yuan."""
    amounts: dict[int, Decimal] = {}
    for year, found in reader.pairs(key):
        if re.fullmatch(r"(19|20|21)\d{2}", year, re.ASCII) is None:
            reader.note_at(found, f"{key}: expected a year as key, got `{year}`")
            continue
        amounts[int(year)] = reader.read_decimal(key, found)
    return amounts


def _read_validity(reader: MappingReader, zone: ZoneInfo) -> Validity:
    """Return ``[from, until)``; a date means its midnight in ``zone``."""

    def parse(text: str) -> int:
        return _parse_instant(text, zone)

    first = reader.parsed("from", parse, 0)
    end = reader.find("until")
    last = None if end is None or is_null(end) else reader.parsed("until", parse, None)
    if last is not None and last <= first:
        reader.note("until", f"expected an instant after `from`, got `{end.scalar if end is not None else ''}`")
    return Validity(first, last)


def _parse_instant(text: str, zone: ZoneInfo) -> int:
    """Return the instant of a date (its midnight in ``zone``) or of an RFC 3339 time; raise ``ValueError``."""
    try:
        return count_ns(datetime.combine(parse_day(text), time(), zone))
    except ValueError:
        pass
    try:
        return parse_time_ns(text)
    except InputError as err:
        shown = text[:MAX_SHOWN]
        raise ValueError(f"expected a date or an RFC 3339 time with an offset, got `{shown}`") from err

"""From YAML to a catalogue: what is read, and every problem with its place."""

from datetime import date
from decimal import Decimal

import pytest

from auditsvc.catalog.model import Catalog, ExpectedLog
from auditsvc.event.time import parse_time_ns
from auditsvc.ground.errors import DocumentError
from tests.support.catalog import CIVIL, POLICE, SMALL, TOWN, load_small, load_texts


def at(text: str) -> int:
    return parse_time_ns(text)


def problems_of(old: str, new: str, count: int = 1) -> list[str]:
    assert old in SMALL
    with pytest.raises(DocumentError) as caught:
        load_texts({"catalog.yaml": SMALL.replace(old, new, count)})
    return [str(problem) for problem in caught.value.problems]


def test_the_same_documents_in_one_file_or_many_give_the_same_things() -> None:
    head, _, rest = SMALL.partition("interfaces:\n")
    split = load_texts({"a.yaml": head, "b.yaml": "interfaces:\n" + rest})
    whole = load_small()
    assert split.interfaces == whole.interfaces
    assert split.orgs == whole.orgs
    assert split.digest != whole.digest


def test_dates_are_midnights_of_the_citys_zone() -> None:
    validity = load_small().agreement_history["AG-1"][0].validity
    assert validity.start == at("2026-01-01T00:00:00+08:00")
    assert validity.end == at("2026-06-01T00:00:00+08:00")


def test_a_time_with_offset_is_taken_as_it_is() -> None:
    text = SMALL.replace("from: 2026-06-01\n", "from: 2026-06-01T12:00:00Z\n")
    assert load_texts({"c.yaml": text}).agreements["AG-1"].validity.start == at("2026-06-01T12:00:00Z")


def test_a_look_up_gives_the_version_of_its_instant() -> None:
    catalog = load_small()
    before, after = at("2026-06-30T23:59:59+08:00"), at("2026-07-01T00:00:00+08:00")
    levels = [org.level for time in (before, after) if (org := catalog.find_org(TOWN, time)) is not None]
    assert levels == ["town", "district"]
    assert catalog.find_org(TOWN, at("2017-12-31T00:00:00Z")) is None
    assert catalog.find_interface("nothing", before) is None


def test_an_agreement_outside_its_life_is_found_in_its_nearest_version() -> None:
    catalog = load_small()
    early, late = (
        catalog.find_agreement("AG-1", at("2020-01-01T00:00:00Z")),
        catalog.find_agreement("AG-1", at("2030-01-01T00:00:00Z")),
    )
    assert early is not None
    assert late is not None
    assert (early.max_rows, late.max_rows) == (100, None)
    assert catalog.find_agreement("AG-9", 0) is None


def test_money_is_exact_and_projects_are_whole() -> None:
    project = load_small().projects["P-POP"]
    assert project.contract == Decimal("900000.5")
    assert project.opex_by_year == {2026: Decimal("80000.00")}
    assert project.targets[0].value == Decimal("99.5")
    assert [milestone.actual for milestone in project.milestones] == [date(2018, 7, 15), None]
    assert project.sla is not None
    assert project.sla.availability == Decimal("99.5")


def test_a_source_knows_the_interfaces_that_name_it() -> None:
    catalog = load_small()
    assert catalog.sources["gateway"].interfaces == ("both", "methods", "pop-query")
    assert catalog.sources["second"].interfaces == ("methods",)
    assert catalog.sources["gateway"].defaults == {"network": "extranet", "rows": 1}
    assert catalog.sources["second"].options.as_plain() == {"default_interface": "methods"}


def test_when_a_log_is_due_is_every_hour_unless_said_otherwise() -> None:
    interfaces = load_small().interfaces
    assert interfaces["both"].expected_log == ExpectedLog()
    assert interfaces["methods"].expected_log is None
    assert interfaces["pop-query"].expected_log == ExpectedLog(tuple(range(8, 18)), (0, 1, 2, 3, 4))


def test_the_version_events_carry_is_the_start_of_the_digest() -> None:
    catalog = load_small()
    assert catalog.version == catalog.digest.hex()[:16]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("level: city", "level: county", "expected one of province, city, district, town, enterprise, got `county`"),
        ("level: city, ", "", "organisation 1: `level` is missing"),
        (f"uscc: {POLICE}", f"uscc: {POLICE[:-1]}~", "form or check character is wrong"),
        ("sensitivity: 3", "sensitivity: 6", "sensitivity: expected a whole number from 1 to 5, got `6`"),
        ("sensitivity: 3", 'sensitivity: "3"', "sensitivity: expected a whole number from 1 to 5, got `3`"),
        ("personal: true", "personal: yes", "personal: expected true or false, got `yes`"),
        ("published: 2018-01-01", "published: 2018-02-30", "expected a date such as 2026-11-23, got `2018-02-30`"),
        ("format: 数据库", "format: 数据库\n  shape: x", "resource 1: unknown key `shape`"),
        ("  share_condition: {zh: 须签协议, en: By agreement}\n", "", "a resource with share_type `conditional`"),
        ("{zh: 人口, en: Population}", "Population", "name: expected a mapping, got a scalar"),
        ("{zh: 人口, en: Population}", "{zh: 人口}", "name: `en` is missing"),
        ("budget: 1000000.00", "budget: 1e6", "budget: expected a decimal number, got `1e6`"),
        ('{"2026": 80000.00}', "{26: 80000.00}", "expected a year as key, got `26`"),
        ("max_rows: 100", "max_rows: 0", "max_rows: expected a whole number from 1 to"),
        ("fields: [name, address]", "fields: [name, phone]", "none of the agreement's resources has an item `phone`"),
        ("fields: [name, address]", "fields: [name, name]", "fields: duplicate `name`"),
        ("fields: [name, address]", "fields: name", "fields: expected a list, got a scalar"),
        ("matters: [M-1]\n  fields", "matters: [M-9]\n  fields", "there is no matter `M-9` in the catalogue"),
        ("resources: [101001/000001]", "resources: [101001/999999]", "there is no resource `101001/999999`"),
        ("sources: [gateway]", "sources: [gatewax]", "there is no source `gatewax` in the catalogue"),
        ("related: [101001/000001]", "related: [1/2]", "there is no resource `1/2` in the catalogue"),
        (f"consumer: {CIVIL}", "consumer: nobody", "there is no organisation `nobody` in the catalogue"),
        ("project: P-POP", "project: P-ZZZ", "there is no project `P-ZZZ` in the catalogue"),
        ("interfaces: [pop-query]}", "interfaces: [pop-ask]}", "there is no interface `pop-ask` in the catalogue"),
        ("from: 2026-06-01\n", "from: 2026-05-01\n", "`AG-1` has another version in force at this time"),
        ("from: 2026-06-01\n", "from: 2027-06-01\n", "until: expected an instant after `from`, got `2027-01-01`"),
        ("from: 2026-06-01\n", "from: June\n", "expected a date or an RFC 3339 time with an offset, got `June`"),
        ("zone: Asia/Shanghai", "zone: Asia/Laiwu", "zone: expected an IANA zone such as Asia/Shanghai, got `Asia/Laiwu`"),
        ("reader: native", "reader: syslog", "expected one of native, combined, mapped, xroad, got `syslog`"),
        ("encoding: gb18030", "encoding: latin-1", "encoding: expected one of utf-8, gb18030, got `latin-1`"),
        ("rows: 1}", "rows: one}", "defaults: rows: expected integer, got `one`"),
        ("rows: 1}", "verdict: violated}", "there is no field `verdict` to give a default"),
        ("network: extranet, rows", "network: moon, rows", "defaults: network: expected one of intranet"),
        ("options: {default_interface: methods}", "options: none", "options: expected a mapping, got a scalar"),
        ("last_hour: 17", "last_hour: 7", "last_hour: expected at least first_hour 8, got 7"),
        ("[mon, tue", "[monday, tue", "expected one of mon, tue, wed, thu, fri, sat, sun, got `monday`"),
        ("end_hour: 18", "end_hour: 8", "end_hour: expected more than start_hour 8, got 8"),
        ("availability: 99.5", "availability: 100.1", "expected per cent above 0 and up to 100, got 100.1"),
        ("indicator: I-01", "indicator: I-1", "indicator: expected a text of the form `I-[0-9]{2}`, got `I-1`"),
        ("- {code: M-1, ", "- {code: M-1, title: {zh: a, en: b}}\n- {code: M-1, ", "duplicate `M-1`"),
        ("city:\n", "town:\n", "city: expected exactly one in all documents, got 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(old: str, new: str, expected: str) -> None:
    found = problems_of(old, new)
    assert any(expected in problem for problem in found), found


def test_a_problem_names_file_line_and_column() -> None:
    line = SMALL[: SMALL.index("sensitivity: 3")].count("\n") + 1
    (problem,) = problems_of("sensitivity: 3", "sensitivity: 6")
    assert problem.startswith(f"catalog.yaml:{line}:16: ")


def test_a_wrong_reference_in_a_list_is_pointed_at() -> None:
    line = SMALL[: SMALL.index("resources: [301001/000001, 101001/000001]")].count("\n") + 1
    (problem,) = problems_of("[301001/000001, 101001/000001]", "[301001/000001, 101001/000009]")
    assert problem.startswith(f"catalog.yaml:{line}:30: ")


def test_all_problems_are_told_at_once_in_order_of_place() -> None:
    text = SMALL.replace("sensitivity: 3", "sensitivity: 9").replace("p95_ms: 500", "p95_ms: fast")
    text = text.replace("sources: [gateway]", "sources: [nowhere]", 1)
    with pytest.raises(DocumentError) as caught:
        load_texts({"catalog.yaml": text})
    lines = [problem.line for problem in caught.value.problems]
    assert len(lines) == 3
    assert lines == sorted(lines)


def test_two_heads_are_one_too_many() -> None:
    with pytest.raises(DocumentError, match="expected exactly one in all documents, got 2"):
        load_texts({"a.yaml": SMALL, "b.yaml": "city: {name: {zh: 甲, en: A}}"})


def test_a_document_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(DocumentError, match=r"b\.yaml:1:1: document: expected a mapping, got a list"):
        load_texts({"a.yaml": SMALL, "b.yaml": "- city"})


def test_the_catalogue_is_immutable() -> None:
    catalog: Catalog = load_small()
    with pytest.raises(AttributeError):
        catalog.digest = b""  # type: ignore[misc]

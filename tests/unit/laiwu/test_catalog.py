"""The worked city's catalogue holds all of the plan: every system, every milestone, every promise kept accountable."""

from datetime import date

import pytest

from auditsvc.catalog.model import Catalog
from tests.support.laiwu import load_city

LIBRARIES = {"population", "legal_person", "geography", "macro_economy", "public_credit", "licence", "decision"}
MILESTONES = {
    "M-CLOUD-1": date(2018, 3, 31), "M-CLOUD-2": date(2018, 6, 30),
    "M-INTRA-1": date(2018, 6, 30), "M-INTRA-2": date(2018, 12, 31),
    "M-EXTRA-1": date(2017, 12, 31), "M-EXTRA-2": date(2018, 3, 31), "M-EXTRA-3": date(2018, 6, 30),
    "M-EXTRA-4": date(2018, 12, 31), "M-EXTRA-5": date(2018, 3, 31), "M-EXTRA-6": date(2018, 6, 30),
    "M-CAT-1": date(2017, 12, 31),
    "M-POP-1": date(2018, 6, 30), "M-LEGAL-1": date(2018, 6, 30), "M-GEO-1": date(2018, 6, 30),
    "M-MACRO-1": date(2018, 6, 30), "M-CREDIT-1": date(2018, 6, 30), "M-LICENCE-1": date(2018, 6, 30),
    "M-DECISION-1": date(2018, 6, 30),
    "M-BIG-1": date(2018, 12, 31),
    "M-SERV-1": date(2018, 12, 31), "M-SERV-2": date(2018, 12, 31),
    "M-COL-1": date(2018, 12, 31), "M-COL-2": date(2018, 12, 31), "M-COL-3": date(2018, 12, 31),
    "M-COL-4": date(2018, 12, 31), "M-COL-5": date(2018, 12, 31),
    "M-POL-1": date(2018, 3, 31), "M-GUA-1": date(2017, 12, 31),
}  # fmt: skip
"""Milestones of the 2017 plan and the last day on which each counts as met."""
WITHOUT_INTERFACES = {"P-POLICY", "P-STANDARD", "P-GUARANTEE"}


@pytest.fixture(scope="module")
def city() -> Catalog:
    return load_city()


def test_every_milestone_of_the_plan_is_there_with_its_date(city: Catalog) -> None:
    registered = {one.id: one.due for project in city.projects.values() for one in project.milestones}
    assert MILESTONES.items() <= registered.items()


def test_all_seven_base_libraries_have_resources_interfaces_and_a_project(city: Catalog) -> None:
    assert {resource.library for resource in city.resources.values()} >= LIBRARIES
    libraries = {
        city.resources[interface.resources[0]].library
        for interface in city.interfaces.values()
        if interface.resources and (interface.project or "").startswith("P-LIB-")
    }
    assert libraries == LIBRARIES


def test_every_project_says_what_it_promised_and_what_it_cost(city: Catalog) -> None:
    for project in city.projects.values():
        assert project.budget > 0
        assert project.milestones
        assert bool(project.interfaces) == (project.id not in WITHOUT_INTERFACES)
        assert bool(project.targets) == bool(project.interfaces)


def test_some_milestones_are_met_some_late_and_some_undeclared(city: Catalog) -> None:
    milestones = [one for project in city.projects.values() for one in project.milestones]
    assert any(one.actual is not None and one.actual <= one.due for one in milestones)
    assert any(one.actual is not None and one.actual > one.due for one in milestones)
    assert any(one.actual is None for one in milestones)


def test_every_interface_has_a_log_and_every_source_interfaces(city: Catalog) -> None:
    assert all(interface.sources for interface in city.interfaces.values())
    assert all(source.interfaces for source in city.sources.values())


def test_all_readers_networks_levels_and_share_types_occur(city: Catalog) -> None:
    assert {source.reader for source in city.sources.values()} == {"native", "combined", "mapped", "xroad"}
    assert {interface.network for interface in city.interfaces.values()} == {"intranet", "extranet", "internet"}
    assert {org.level for org in city.orgs.values()} == {"province", "city", "district", "town", "enterprise"}
    assert {resource.share_type for resource in city.resources.values()} == {"unconditional", "conditional", "none"}


def test_every_code_of_an_organisation_is_of_this_example(city: Catalog) -> None:
    assert all(uscc[8:12] == "LWEX" for uscc in city.orgs)


def test_enterprises_have_no_real_names(city: Catalog) -> None:
    names = {org.name.zh for org in city.orgs.values() if org.level == "enterprise"}
    assert names == {f"示例企业-{number:02d}" for number in range(1, 9)}


def test_no_agreement_is_on_a_resource_that_is_not_shared(city: Catalog) -> None:
    for agreement in city.agreements.values():
        assert {city.resources[code].share_type for code in agreement.resources} == {"conditional"}


def test_each_consumer_has_at_most_one_agreement_on_a_resource(city: Catalog) -> None:
    pairs = [(one.consumer, code) for one in city.agreements.values() for code in one.resources]
    assert len(pairs) == len(set(pairs))

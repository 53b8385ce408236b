"""The published schema is what the code says, is closed throughout, and a report follows it."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from auditsvc.reports import document, report_schema
from tests.support.issued import issue_reports
from tests.support.report_schema import PATH, check_report

SCHEMA = json.loads(PATH.read_text(encoding="utf-8"))


def iter_objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from iter_objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from iter_objects(inner)


def iter_mappings(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict):
        yield content
    for inner in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from iter_mappings(inner)


def test_the_file_is_what_the_code_makes() -> None:
    assert report_schema.build_report_schema() == SCHEMA, "run: python tools/schemas.py"


def test_no_object_may_have_other_members() -> None:
    objects = list(iter_objects(SCHEMA))
    assert len(objects) > 30
    assert all(schema["additionalProperties"] is False for schema in objects)


@pytest.mark.parametrize("kind", ["compliance", "project"])
def test_a_report_follows_it_and_a_member_more_or_less_anywhere_does_not(kind: str) -> None:
    content = issue_reports()[kind].content
    validator = jsonschema_rs.validator_for(SCHEMA)
    assert validator.is_valid(check_report(content))
    count = len(list(iter_mappings(content)))
    assert count > 20
    for place in range(count):
        changed = copy.deepcopy(content)
        list(iter_mappings(changed))[place]["another"] = 1
        assert not validator.is_valid(changed), place
    for name in content:
        assert not validator.is_valid({key: value for key, value in content.items() if key != name}), name


@pytest.mark.parametrize(
    ("place", "value"),
    [("verdict", "fine"), ("events", -1), ("events", 1.5), ("coverage", 99.5), ("verdicts", {"lawful": 1})],
)
def test_a_value_of_another_kind_is_refused(place: str, value: object) -> None:
    content: Any = copy.deepcopy(issue_reports()["compliance"].content)
    content["summary"][place] = value
    with pytest.raises(AssertionError, match=f"summary/{place}"):
        check_report(content)


def test_every_verdict_the_code_gives_is_one_of_the_schema() -> None:
    given = {
        document._judge_compliance(*case)
        for case in ((1, 0, "100.00", 1), (0, 1, "100.00", 1), (0, 0, "100.00", 1), (0, 0, "100.00", 0))
    }
    assert given <= set(report_schema.COMPLIANCE_VERDICTS)

"""The JSON Schema for editors: as the code makes it, accepting what is shipped, refusing what has no meaning."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from auditsvc.ground.document import load_bundle
from auditsvc.policy import schema
from tests.support.policy import SHIPPED

PATH = Path(schema.__file__).with_name("schema.json")


def test_the_file_is_what_the_code_makes() -> None:
    assert json.loads(PATH.read_text(encoding="utf-8")) == schema.build_schema()


def test_every_shipped_document_is_accepted() -> None:
    validator = jsonschema_rs.validator_for(schema.build_schema())
    for document in load_bundle(SHIPPED).documents():
        problems = [str(error) for error in validator.iter_errors(document.as_plain())]
        assert problems == [], document.file


@pytest.mark.parametrize(
    "change",
    [
        {"status": "live"},
        {"colour": "red"},
        {"forbid": {"rows|gt": 1}},
        {"require": {"usr.id": "a"}},
        {"require": {"user.id|like": "a"}},
        {"require": {}},
        {"version": 0},
        {"limit": {}},
    ],
)
def test_a_change_without_meaning_is_refused(change: dict[str, Any]) -> None:
    policy = {
        "id": "T", "version": 1, "title": "t", "status": "draft", "severity": "low", "owner": "o",
        "valid": {"from": "2026-01-01"}, "require": {"user.id|exists": True},
    }  # fmt: skip
    validator = jsonschema_rs.validator_for(schema.build_schema())
    assert validator.is_valid({"policy": policy})
    assert not validator.is_valid({"policy": {**policy, **change}})

"""Holds policy documents to the schema that editors use."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from auditsvc.ground.document import Bundle

PATH = Path(__file__).parents[2] / "auditsvc" / "policy" / "schema.json"


@cache
def open_schema() -> Any:
    """Return the validator of the shipped file."""
    return jsonschema_rs.validator_for(json.loads(PATH.read_text(encoding="utf-8")))


def check_documents(bundle: Bundle) -> Bundle:
    """Return a bundle whose documents all follow the schema; fail with every one that does not."""
    problems = [
        f"{document.file}:{document.line}: {error.message}"
        for document in bundle.documents()
        for error in open_schema().iter_errors(document.as_plain())
    ]
    assert not problems, "\n".join(problems)
    return bundle

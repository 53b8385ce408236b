"""Holds reports to their published schema."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

PATH = Path(__file__).parents[2] / "docs" / "schemas" / "report.schema.json"


@cache
def open_schema(kind: str) -> Any:
    """Return the validator of one kind of report; that of both says too little about what is wrong."""
    schema = json.loads(PATH.read_text(encoding="utf-8"))
    del schema["oneOf"]
    name = {"compliance": "compliance", "project": "project_report"}[kind]
    return jsonschema_rs.validator_for({**schema, "$ref": f"#/$defs/{name}"})


def check_report(content: Any) -> Any:
    """Return a report that follows the schema; fail with every place that does not."""
    problems = [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}"
        for error in open_schema(content["kind"]).iter_errors(content)
    ]
    assert not problems, "\n".join(problems)
    return content

"""The JSON Schema for editors: as the code makes it, with the loader's keys, refusing what has no meaning."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditsvc.ground.document import build_bundle, load_bundle
from auditsvc.ground.errors import DocumentError
from auditsvc.policy import schema
from auditsvc.policy.load import load_policy_set
from tests.support.policy import SHIPPED
from tests.support.policy_schema import PATH, check_documents, open_schema

ARTICLE = {"act": "law", "article": "1"}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "policy": {
        "id": "T", "version": 1, "title": {"zh": "甲", "en": "A"}, "description": "d", "status": "shadow",
        "severity": "low", "owner": "o", "approved_by": ["a"], "legal_basis": [ARTICLE], "zone": "Asia/Shanghai",
        "valid": {"from": "2026-01-01", "until": "2027-01-01T00:00:00+08:00"},
        "target": {"action": ["query", "list"]},
        "require": {"all": [{"user.id|exists": True, "purpose|in_list": "known"}, {"not": {"rows|gt": 5}}]},
        "exceptions": [
            {
                "id": "E", "match": {"rows": 1}, "from": "2026-01-01", "until": "2026-02-01", "approved_by": "a",
                "basis": "b", "reason": "r",
            }
        ],
        "alert": {"by": ["user.id"], "suppress": "4h", "title": {"zh": "甲", "en": "A"}},
        "on_missing": "pass",
        "tests": [
            {
                "name": "t", "given": [{"rows": 1, "user.id": None, "resource.code": ["R"], "labels.a": "b"}],
                "lists": {"known": ["p"]}, "now": "2026-02-01T00:00:00Z",
                "expect": {"violations": 0, "excepted": 1, "indeterminate": 0},
            }
        ],
    },
    "list": {"id": "L", "title": {"zh": "甲", "en": "A"}, "values": ["a", "b"]},
    "calendar": {
        "id": "C", "title": "c", "source": "s", "verified": True, "zone": "UTC", "from": "2026-01-01",
        "until": "2027-01-01", "weekly": {"mon": ["08:30-12:00", "14:00-17:30"], "sun": []},
        "holidays": [{"date": "2026-05-01", "name": {"zh": "甲", "en": "A"}}],
        "workdays": [{"date": "2026-05-03", "name": "n", "hours": ["09:00-12:00"]}],
        "half_days": [{"date": "2026-05-04", "name": "n", "hours": ["09:00-12:00"]}],
    },
    "legal": {
        "id": "A", "title": {"zh": "甲", "en": "A"}, "issued_by": "i", "effective_from": "2020-01-01", "source": "s",
        "verified": False, "articles": [{"article": "1", "text": {"zh": "甲", "en": "A"}}],
    },
}  # fmt: skip
"""A document of each kind with every key it can have."""
NAMED = {
    "law": {"legal": {**DOCUMENTS["legal"], "id": "law"}},
    "known": {"list": {"id": "known", "values": []}},
}
"""What the policy names."""


def iter_paths(content: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the path of every mapping."""
    if isinstance(content, dict):
        yield path
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, inner in pairs:
        yield from iter_paths(inner, (*path, key))


def find(content: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        content = content[step]
    return content


MAPPINGS = [(kind, path) for kind, content in DOCUMENTS.items() for path in iter_paths(content)]
KEYS = [(kind, path, key) for kind, path in MAPPINGS for key in find(DOCUMENTS[kind], path)]


def is_loaded(kind: str, content: Any) -> bool:
    """Return whether the loader takes a document, with what it names beside it."""
    texts = {f"{name}.yaml": json.dumps(document) for name, document in NAMED.items()}
    texts["a.yaml"] = json.dumps({kind: content}, ensure_ascii=False)
    try:
        load_policy_set(build_bundle(texts))
    except DocumentError:
        return False
    return True


def is_valid(kind: str, content: Any) -> bool:
    """Return whether the schema takes a document."""
    return bool(open_schema().is_valid({kind: content}))


def test_the_file_is_what_the_code_makes() -> None:
    assert json.loads(PATH.read_text(encoding="utf-8")) == schema.build_schema(), "run: python tools/schemas.py"


def test_every_shipped_document_is_accepted() -> None:
    check_documents(load_bundle(SHIPPED))


def test_an_outside_tool_takes_the_schema_and_by_it_the_shipped_policies() -> None:
    tool = [sys.executable, "-m", "check_jsonschema"]
    files = sorted(map(str, SHIPPED.rglob("*.yaml")))
    for arguments in (["--check-metaschema", str(PATH)], ["--schemafile", str(PATH), *files]):
        done = subprocess.run([*tool, *arguments], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_both_take_a_document_with_every_key(kind: str) -> None:
    assert is_loaded(kind, DOCUMENTS[kind])
    assert is_valid(kind, DOCUMENTS[kind])


def test_the_documents_here_have_every_key_of_the_schema() -> None:
    for kind, content in DOCUMENTS.items():
        properties = set(schema.build_schema()["$defs"][kind]["properties"])
        assert properties - content.keys() <= {"permit", "forbid"}, kind


@pytest.mark.parametrize(("kind", "path", "key"), KEYS)
def test_loader_and_schema_agree_on_whether_a_key_may_be_absent(
    kind: str, path: tuple[str | int, ...], key: str
) -> None:
    content = copy.deepcopy(DOCUMENTS[kind])
    del find(content, path)[key]
    assert is_valid(kind, content) == is_loaded(kind, content)


@pytest.mark.parametrize(("kind", "path"), MAPPINGS)
def test_loader_and_schema_refuse_another_key_in_every_mapping(kind: str, path: tuple[str | int, ...]) -> None:
    content = copy.deepcopy(DOCUMENTS[kind])
    find(content, path)["another"] = "x"
    assert not is_valid(kind, content)
    assert not is_loaded(kind, content)


@given(st.data())
def test_loader_and_schema_agree_on_any_set_of_keys(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(DOCUMENTS)))
    content = copy.deepcopy(DOCUMENTS[kind])
    for path, key in data.draw(
        st.sets(st.sampled_from([(path, key) for known, path, key in KEYS if known == kind]), max_size=4)
    ):
        try:
            del find(content, path)[key]
        except (KeyError, IndexError):
            continue  # it went with a mapping around it
    moved = data.draw(st.sampled_from(sorted({key for _, _, key in KEYS})) | st.none())
    if moved is not None:
        content.setdefault(moved, data.draw(st.sampled_from([value for _, value in sorted_values(moved)])))
    assert is_valid(kind, content) == is_loaded(kind, content), content


def sorted_values(key: str) -> list[tuple[str, Any]]:
    """Return the values a key has anywhere, so that only the key can be wrong."""
    return [(kind, find(DOCUMENTS[kind], path)[key]) for kind, path, known in KEYS if known == key]


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
        {"version": "1"},
        {"owner": None},
        {"owner": " "},
        {"limit": {}},
        {"status": "active", "legal_basis": []},
        {"valid": {"from": "2026-W01-1"}},
    ],
)
def test_a_change_without_meaning_is_refused_by_both(change: dict[str, Any]) -> None:
    policy = DOCUMENTS["policy"]
    assert not is_valid("policy", {**policy, **change})
    assert not is_loaded("policy", {**policy, **change})


def test_an_active_policy_without_a_legal_basis_is_refused_by_both() -> None:
    policy = {**DOCUMENTS["policy"], "status": "active"}
    assert is_valid("policy", policy)
    assert is_loaded("policy", policy)
    del policy["legal_basis"]
    assert not is_valid("policy", policy)
    assert not is_loaded("policy", policy)

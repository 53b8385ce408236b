"""YAML documents keep their places and their texts, and refuse what lets a document be other than it looks."""

import pytest

from auditsvc.ground.document import build_bundle, parse_bundle, parse_document
from auditsvc.ground.errors import DocumentError, InputError


def test_every_value_knows_its_line_and_column() -> None:
    value = parse_document("a: 1\nb:\n  - x\n  - y: z\n", "f.yaml")
    assert value.mapping is not None
    assert value.key_places["b"] == (2, 1)
    inner = value.mapping["b"].sequence
    assert inner is not None
    assert (inner[1].line, inner[1].column) == (4, 5)


def test_scalars_follow_the_core_schema_of_yaml_1_2_only() -> None:
    text = "t: 10:40\nn: no\nd: 2026-07-01\ni: 12\nf: 1.5\nb: true\nz: ~\nq: '12'\no: 010\nx: 0x1f\n"
    assert parse_document(text, "f").as_plain() == {
        "t": "10:40", "n": "no", "d": "2026-07-01", "i": 12, "f": 1.5, "b": True, "z": None, "q": "12", "o": "010", "x": "0x1f",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2\n", "f:2:1: duplicate key `a`, first at line 1"),
        ("a: &x 1\nb: 2\n", "f:1:4: anchors, aliases and tags"),
        ("a: !!python/name:os.system x\n", "f:1:4: anchors, aliases and tags"),
        ("<<: {a: 1}\n", "f:1:1: merge keys"),
        ("? [a]\n: 1\n", "f:1:3: a key must be a scalar"),
        ("a: [1\n", "not valid YAML"),
        ("a: \x01\n", "not valid YAML"),
        ("a: 1\n---\nb: 2\n", "expected one YAML document, got 2"),
        ("[" * 100 + "]" * 100, "nested deeper than 64 levels"),
    ],
)
def test_a_doubtful_document_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document(text, "f")
    assert said in str(caught.value)


def test_a_bundle_is_the_same_for_any_order_of_its_files() -> None:
    one = build_bundle({"b.yaml": "b: 1\n", "a.yaml": "a: 专\n"})
    two = build_bundle({"a.yaml": "a: 专\n", "b.yaml": "b: 1\n"})
    assert one.digest == two.digest
    assert parse_bundle(one.data) == one
    assert [value.as_plain() for value in one.documents()] == [{"a": "专"}, {"b": 1}]


@pytest.mark.parametrize("data", [b"", b"[]", b'{"a": "b"}', b'{"a":1}', b'{"b":"","a":""}'])
def test_bytes_that_are_not_a_canonical_bundle_are_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_bundle(data)

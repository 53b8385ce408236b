"""Headers have one spelling."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditsvc.ground.errors import LogError
from auditsvc.ledger.format.header import FIELDS, format_header, parse_header

BATCH = """audit.example/log/batch/v1
seq 48211
batch-id 01930000-0000-7000-8000-000000000000
source hr-gateway-2
source-seq 991
prev -
accepted 2026-11-22T19:31:54.123Z
kind lines
records 10000
events-root AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
raw-sha256 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
raw-bytes 1744939
"""


def test_a_batch_header_reads_back_as_written() -> None:
    header = parse_header(BATCH)
    assert (header.origin, header.kind, header.seq) == ("audit.example/log", "batch", 48211)
    assert header.events_root == bytes(range(32))
    assert format_header(header.origin, header.kind, header.fields) == BATCH


@given(st.sampled_from(sorted(FIELDS)), st.data())
def test_format_and_parse_are_inverse_for_every_kind(kind: str, data: st.DataObject) -> None:
    fields = {
        key: data.draw(st.from_regex(pattern, fullmatch=True))
        for key, pattern in FIELDS[kind].items()
        if key != "events-root"
    }
    if "events-root" in FIELDS[kind]:
        fields["events-root"] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    text = format_header("a/b", kind, fields)
    assert dict(parse_header(text).fields) == fields


LINES = BATCH.split("\n")[:-1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        BATCH[:-1],
        BATCH + "\n",
        BATCH + "extra 1\n",
        BATCH.replace("\n", "\r\n"),
        BATCH.replace("seq 48211", "seq 048211"),
        BATCH.replace("seq 48211", "seq  48211"),
        BATCH.replace("seq 48211", "seq +48211"),
        BATCH.replace("source hr-gateway-2", "source hr gateway"),
        BATCH.replace("source hr-gateway-2", "source 网关"),
        BATCH.replace("records 10000", "records 0"),
        BATCH.replace("54.123Z", "54Z"),
        BATCH.replace("kind lines", "kind json"),
        BATCH.replace("prev -", "prev "),
        BATCH.replace("Hh8=", "Hh9="),
        BATCH.replace("raw-sha256 00", "raw-sha256 0A"),
        BATCH.replace("/batch/v1", "/batch/v2"),
        BATCH.replace("/batch/v1", "/unknown/v1"),
        BATCH.replace("audit.example/log/batch/v1", "batch/v1"),
        "\n".join([LINES[0], LINES[2], LINES[1], *LINES[3:]]) + "\n",
        "\n".join([*LINES[:2], LINES[1], *LINES[2:]]) + "\n",
        "\n".join([*LINES[:4], *LINES[5:]]) + "\n",
    ],
)
def test_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(LogError) as caught:
        parse_header(text)
    assert caught.value.code == "header_invalid"


def test_writing_refuses_missing_and_unknown_keys_and_bad_values() -> None:
    fields = dict(parse_header(BATCH).fields)
    with pytest.raises(LogError, match="missing or unknown keys: prev"):
        format_header("a", "batch", {key: value for key, value in fields.items() if key != "prev"})
    with pytest.raises(LogError, match=re.escape("`source` has the value")):
        format_header("a", "batch", {**fields, "source": "two words"})
    with pytest.raises(LogError, match="unknown kind"):
        format_header("a", "nothing", {})

"""Readers never fail a batch, lose nothing, and do not care how records are cut into batches."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auditsvc.catalog.model import Source
from auditsvc.ingest.readers.registry import read_batch, split_lines
from tests.support.ingest import build_event, build_source, hash_plainly

SOURCES = {
    "native": build_source("native", interfaces=("if-native",)),
    "combined": build_source("combined", options={"default_interface": "if-1"}),
    "mapped": build_source(
        "mapped",
        options={
            "fields": {
                "time": {"path": "t", "format": "epoch_s"},
                "rows": "r",
                "user.id": "u",
                "fields": "f",
                "source.ip": "i",
            },
            "default_interface": "if-1",
        },
    ),
    "xroad": build_source("xroad", options={"default_interface": "if-1"}),
}
WEB = b'10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "x"'
GOOD = [
    WEB,
    WEB.replace(b"/a", b"/%00\\x00"),
    json.dumps(build_event()).encode(),
    json.dumps(build_event(id=None, rows=5)).encode(),
    b'{"t": 5, "r": "7", "u": 5, "f": ["a"], "i": "::1"}',
    b'[{"t": 5}, {"t": "x"}]',
    b'{"securityServerType":"Client","requestInTs":5,"xRequestId":"r"}',
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["t", "r", "u", "f", "i", "time", "id", "records", "requestInTs", "succeeded"]), inner
        )
    ),
    max_leaves=8,
)
records = st.one_of(
    st.sampled_from(GOOD),
    st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b" ")),
    JSON.map(lambda value: json.dumps(value).encode()),
)
readers = st.sampled_from(sorted(SOURCES))


def read(source: Source, lines: list[bytes]) -> tuple[list[Any], list[Any]]:
    result = read_batch(b"".join(line + b"\n" for line in lines), "lines", source, hash_plainly)
    return result.events, result.rejects


@given(readers, st.lists(records, max_size=8))
def test_every_record_is_read_or_rejected_and_none_is_lost(reader: str, lines: list[bytes]) -> None:
    events, rejects = read(SOURCES[reader], lines)
    assert {record for record, _, _ in events} | {reject.record for reject in rejects} == set(range(len(lines)))
    places = [(record, item) for record, item, _ in events] + [(reject.record, reject.item) for reject in rejects]
    assert len(places) == len(set(places))
    assert all(reject.code and reject.message and reject.raw_excerpt.isprintable() for reject in rejects)


@given(readers, st.lists(records, max_size=8), st.integers(0, 8))
def test_batches_may_be_cut_anywhere(reader: str, lines: list[bytes], cut: int) -> None:
    whole = [event for _, _, event in read(SOURCES[reader], lines)[0]]
    parts = [event for part in (lines[:cut], lines[cut:]) for _, _, event in read(SOURCES[reader], part)[0]]
    assert parts == whole


@given(readers, records)
def test_events_hold_only_what_a_database_takes(reader: str, line: bytes) -> None:
    for _, _, event in read(SOURCES[reader], [line])[0]:
        for name, value in event.items():
            for text in (name, *(value if isinstance(value, list) else [value])):
                if isinstance(text, str):
                    assert "\0" not in text
                    text.encode()


@given(st.lists(st.binary(max_size=5).map(lambda raw: raw.replace(b"\n", b"x"))))
def test_splitting_undoes_joining(lines: list[bytes]) -> None:
    assert list(split_lines(b"".join(line + b"\n" for line in lines))) == lines

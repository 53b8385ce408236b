"""A real web server's log: every line is an event or a reject with its reason."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from auditsvc.ingest.readers.registry import read_batch
from tests.support.ingest import build_source, hash_plainly

LOG = Path(__file__).parents[4] / "shared" / "data" / "apache_combined.log.gz"


def test_all_ten_thousand_real_lines_are_events_or_rejects_with_a_reason() -> None:
    if not LOG.exists():
        pytest.skip("not run: the real log ../shared/data/apache_combined.log.gz is not on this machine")
    payload = gzip.decompress(LOG.read_bytes())
    source = build_source("combined", options={"default_interface": "if-1"})
    result = read_batch(payload if payload.endswith(b"\n") else payload + b"\n", "lines", source, hash_plainly)
    places = sorted([record for record, _, _ in result.events] + [reject.record for reject in result.rejects])
    assert places == list(range(10_000))
    assert Counter(reject.code for reject in result.rejects) == {"line_invalid": 1}
    assert "cut short" in result.rejects[0].message
    assert Counter(event["http.method"] for _, _, event in result.events)["HEAD"] == 42
    assert all(event["outcome"] in ("success", "failure", "denied") for _, _, event in result.events)
    assert sum(event["outcome"] == "denied" for _, _, event in result.events) == 2
    repeated = Counter(event["id"] for _, _, event in result.events)
    assert sum(count - 1 for count in repeated.values()) == 19

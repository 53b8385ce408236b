"""A refresh counts as done only when no copy failed to do it: a search on that copy would not find the rows."""

from types import SimpleNamespace
from typing import Any

import pytest

from auditsvc.ground.errors import StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch.mapping import Names
from auditsvc.store.elasticsearch.setup import Indices
from auditsvc.store.elasticsearch.writer import Writer

REASON = {"type": "io_exception", "reason": "disk"}


def build_writer(*answers: dict[str, Any]) -> Writer:
    given = iter(answers)
    client: Any = SimpleNamespace(
        indices=SimpleNamespace(refresh=lambda **_: SimpleNamespace(body={"_shards": next(given)}))
    )
    names = Names("gs")
    return Writer(client, names, Settings(), Indices(client, names), lambda _: None)


def test_a_copy_that_did_not_refresh_is_told_and_asked_again() -> None:
    failed = {"total": 2, "successful": 1, "failed": 1, "failures": [{"reason": REASON}]}
    writer = build_writer(failed, {"total": 2, "successful": 2, "failed": 0}, failed)
    writer._insist(lambda: writer._refresh(["gs-events-1-2026.11"]))
    with pytest.raises(StorageError, match="did not refresh 1 of 2 copies: io_exception: disk"):
        writer._refresh(["gs-events-1-2026.11"])


def test_a_copy_that_is_not_there_is_not_waited_for() -> None:
    build_writer({"total": 2, "successful": 1, "failed": 0})._refresh(["gs-events-1-2026.11"])

"""Identifiers depend on all they are made of; instants keep their zone."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from auditsvc.ground.clock import FixedClock, format_instant, parse_instant
from auditsvc.ground.errors import CODES, AuditError
from auditsvc.ground.ids import build_event_uid, build_finding_key, new_uuid7


def test_an_event_uid_depends_on_each_part_and_on_the_border_between_parts() -> None:
    ids = {
        build_event_uid("s", "1", "gateway"),
        build_event_uid("s", "1", "store"),
        build_event_uid("s1", "", "gateway"),
        build_event_uid("s", "2", "gateway"),
    }
    assert len(ids) == 4
    assert build_event_uid("s", "1", "gateway") in ids
    assert all(len(uid) == 16 for uid in ids)


def test_a_finding_key_is_the_same_for_every_replay() -> None:
    assert build_finding_key("GDS-001", b"x" * 16) == build_finding_key("GDS-001", b"x" * 16)
    assert build_finding_key("GDS-001", b"x" * 16) != build_finding_key("GDS-002", b"x" * 16)


def test_batch_ids_sort_by_time() -> None:
    clock = FixedClock(datetime(2026, 10, 1, tzinfo=UTC))
    first = new_uuid7(clock)
    clock.instant += timedelta(milliseconds=1)
    second = new_uuid7(clock)
    assert first.version == second.version == 7
    assert first < second


def test_instants_are_written_in_utc_with_milliseconds() -> None:
    local = datetime(2026, 10, 1, 8, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    assert format_instant(local) == "2026-10-01T00:00:00.123Z"
    assert parse_instant("2026-10-01T08:00:00+08:00") == datetime(2026, 10, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="no offset"):
        parse_instant("2026-10-01T08:00:00")


def test_a_fixed_clock_counts_exact_nanoseconds() -> None:
    assert FixedClock(datetime(2026, 10, 1, 0, 0, 0, 1, tzinfo=UTC)).now_ns() % 1_000_000_000 == 1_000
    with pytest.raises(ValueError, match="aware"):
        FixedClock(datetime(2026, 10, 1))  # noqa: DTZ001  (a naive instant is what is refused)


def test_an_error_of_an_unregistered_code_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        AuditError("no_such_code", "text")


def test_every_code_answers_with_a_client_or_server_status() -> None:
    assert all(400 <= info.http_status < 600 and 0 <= info.exit_code <= 3 for info in CODES.values())

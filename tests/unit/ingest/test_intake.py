"""Room for bodies, and bodies that are read in pieces, at their limits."""

import io
import json
from typing import Any

import pytest

from auditsvc.event.fields import MAX_KEYWORD
from auditsvc.ground.errors import InputError
from auditsvc.ingest import body
from auditsvc.ingest.body import CHUNK_BYTES, parse_length, read_body
from auditsvc.ingest.intake import Reservation, Room
from auditsvc.ingest.readers.registry import read_batch
from tests.support.ingest import build_event, build_source, hash_plainly


def test_room_is_given_up_to_its_last_byte_and_given_back() -> None:
    room = Room(10)
    room.resize(0, 4)
    room.resize(0, 6)
    with pytest.raises(InputError, match="too many bytes are waiting"):
        room.resize(0, 1)
    room.resize(6, 5)
    room.resize(0, 1)


def test_one_request_alone_may_have_more_than_the_room() -> None:
    room = Room(10)
    room.resize(0, 20)
    with pytest.raises(InputError, match="too many bytes are waiting"):
        room.resize(0, 1)


def test_a_body_of_one_chunk_takes_no_room_and_a_larger_one_takes_all_of_its_size() -> None:
    reservation = Reservation(Room(10 * CHUNK_BYTES))
    reservation.add(CHUNK_BYTES)
    assert reservation.size == 0
    reservation.add(1)
    assert reservation.size == CHUNK_BYTES + 1


@pytest.mark.parametrize(("text", "length"), [("0", 0), ("9" * 18, 10**18 - 1), (" 7 ", 7)])
def test_a_length_of_up_to_18_digits_is_read(text: str, length: int) -> None:
    assert parse_length({"CONTENT_LENGTH": text}) == length


@pytest.mark.parametrize("text", ["1" + "0" * 18, "-1", "+1", "1.0", "０"])
def test_a_length_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a number of bytes"):
        parse_length({"CONTENT_LENGTH": text})


def test_each_piece_may_unpack_to_what_the_pieces_before_left_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[int] = []

    class Counting:
        """Unpacks a byte to a byte, and notes how many it may give."""

        def feed(self, data: bytes, limit: int) -> bytes:
            allowed.append(limit)
            return data

        def finish(self) -> None:
            pass

    monkeypatch.setattr(body, "DECODERS", {"": Counting})
    size = 2 * CHUNK_BYTES + 1
    environ: dict[str, Any] = {"CONTENT_LENGTH": str(size), "wsgi.input": io.BytesIO(b"x" * size)}
    assert read_body(environ, size, lambda _: None) == b"x" * size
    assert allowed == [size, CHUNK_BYTES + 1, 1]


def test_events_do_not_share_the_lists_of_their_sources_defaults() -> None:
    source = build_source("native", interfaces=("if-native",), defaults={"resource.ids": ["r-1"]})
    line = json.dumps(build_event()).encode() + b"\n"
    first, second = (
        found.event["resource.ids"] for found in read_batch(line * 2, "lines", source, hash_plainly).events
    )
    assert first == second == ["r-1"]
    assert isinstance(first, list)
    first.append("r-2")
    assert (second, source.defaults["resource.ids"]) == (["r-1"], ["r-1"])


def test_a_users_name_is_cut_to_the_length_of_a_keyword() -> None:
    source = build_source("combined", options={"default_interface": "if-1"})
    line = f'10.0.0.1 - {"u" * (MAX_KEYWORD + 1)} [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x"\n'
    (found,) = read_batch(line.encode(), "lines", source, hash_plainly).events
    assert found.event["user.id"] == "u" * MAX_KEYWORD

"""A frame is exactly one zstd frame with checksum and content size."""

import pytest
import zstandard

from auditsvc.ground.errors import LogError
from auditsvc.ledger.archive import compress_frame
from auditsvc.ledger.format.frame import read_frame

PAYLOAD = b"".join(b'{"id":"%d","who":"u17"}\n' % number for number in range(40))
FRAME = compress_frame(PAYLOAD)
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\x00\x00\x00data"


def test_a_frame_gives_its_payload() -> None:
    assert read_frame(FRAME) == PAYLOAD


def test_the_same_bytes_compressed_otherwise_give_the_same_payload() -> None:
    for level in (-5, 19):
        again = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True).compress(PAYLOAD)
        assert again != FRAME
        assert read_frame(again) == PAYLOAD


def no_checksum() -> bytes:
    return zstandard.ZstdCompressor(write_checksum=False).compress(PAYLOAD)


def no_size() -> bytes:
    compressor = zstandard.ZstdCompressor(write_checksum=True, write_content_size=False)
    return compressor.compress(PAYLOAD)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "does not begin"),
        (FRAME + FRAME, "end"),
        (FRAME + b"x", "end"),
        (FRAME + SKIPPABLE, "end"),
        (SKIPPABLE + FRAME, "does not begin"),
        (SKIPPABLE, "does not begin"),
        (FRAME[:-1], "end"),
        (FRAME[:6], "header|end"),
        (no_checksum(), "no checksum"),
        (no_size(), "content size"),
        (compress_frame(b"\0" * 50_000_000), "claims 50000000 bytes"),
    ],
)
def test_anything_else_is_refused(frame: bytes, reason: str) -> None:
    with pytest.raises(LogError, match=reason) as caught:
        read_frame(frame, 1_000_000)
    assert caught.value.code == "frame_corrupt"


def find_refusal(frame: bytes) -> str | None:
    """Return the code a frame is refused with, or None when it gives the payload; anything else fails the test."""
    try:
        payload = read_frame(frame, 1_000_000)
    except LogError as err:
        return err.code
    assert payload == PAYLOAD
    return None


def test_no_flipped_bit_gives_other_data() -> None:
    refused = 0
    for place in range(len(FRAME)):
        for bit in range(8):
            flipped = bytearray(FRAME)
            flipped[place] ^= 1 << bit
            code = find_refusal(bytes(flipped))
            assert code in (None, "frame_corrupt")
            refused += code is not None
    assert refused > len(FRAME) * 8 - 10

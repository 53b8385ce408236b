"""Frames: one payload as exactly one zstd frame that carries a checksum and its content size.

The decoder alone is not enough: it skips skippable frames, can stop before trailing bytes, and without a checksum
most flipped bits silently yield different data. So magic number, flags, size and end of the frame are checked here.
"""

import zstandard

from auditsvc.ground.errors import LogError

MAX_PAYLOAD_BYTES = 1024 * 1024 * 1024
"""Largest payload a frame may claim; larger than any group commit writes, small enough not to exhaust a verifier."""
_MAGIC = b"\x28\xb5\x2f\xfd"


def read_frame(frame: bytes, limit: int = MAX_PAYLOAD_BYTES) -> bytes:
    """Return the payload of a frame.

    Args:
        frame: exactly the frame, nothing before or after.
        limit: maximum size of the payload in bytes; a frame that claims more is rejected before it is decompressed.

    Raises:
        LogError: ``frame_corrupt``, naming what is wrong.
    """
    if frame[:4] != _MAGIC:
        raise _corrupt("does not begin with a zstd frame")
    try:
        parameters = zstandard.get_frame_parameters(frame)
    except zstandard.ZstdError as err:
        raise _corrupt("has a damaged frame header") from err
    if not parameters.has_checksum:
        raise _corrupt("has no checksum")
    if parameters.content_size in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR):
        raise _corrupt("does not say its content size")
    if parameters.content_size > limit:
        raise _corrupt(f"claims {parameters.content_size} bytes, expected at most {limit}")
    try:
        payload = zstandard.ZstdDecompressor().decompress(
            frame, max_output_size=parameters.content_size, allow_extra_data=False
        )
    except zstandard.ZstdError as err:
        raise _corrupt(f"cannot be decompressed to its end ({err})") from err
    if len(payload) != parameters.content_size:
        raise _corrupt(f"holds {len(payload)} bytes, claims {parameters.content_size}")
    return payload


def _corrupt(message: str) -> LogError:
    """Return the error for anything but one whole frame."""
    return LogError("frame_corrupt", f"frame: {message}")

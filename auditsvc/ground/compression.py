"""Incremental decompression with an output limit: gzip and zstd, of one or more members or frames."""

import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

import zstandard

from auditsvc.ground.errors import InputError

CHUNK_BYTES = 64 * 1024
ZSTD_STEP_BYTES = 1024
"""Compressed bytes passed to zstd at once: 4 of them can expand to 128 KiB, so a step stays below 32 MiB."""
ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
"""Largest window accepted, the minimum that every decoder must support (RFC 8878, section 3.1.1.1.2)."""


class Decoder(Protocol):
    """An incremental decompressor."""

    def feed(self, data: bytes, limit: int) -> bytes:
        """Return the decompressed bytes of ``data``, at most slightly more than ``limit``."""

    def finish(self) -> None:
        """Raise ``InputError`` (``body_undecodable``) when the stream is truncated."""


class _Identity:
    """No encoding."""

    def feed(self, data: bytes, limit: int) -> bytes:
        """Return ``data``."""
        return data

    def finish(self) -> None:
        """Accept any end."""


class _Gzip:
    """One or more gzip members (RFC 1952)."""

    def __init__(self) -> None:
        """Begin a member."""
        self._member = zlib.decompressobj(wbits=31)
        self._fresh = True

    def feed(self, data: bytes, limit: int) -> bytes:
        """Return the decompressed bytes of ``data``, at most ``limit`` + 1."""
        pieces: list[bytes] = []
        room = limit + 1
        while data and room > 0:
            if self._member.eof:
                self._member, self._fresh = zlib.decompressobj(wbits=31), True
            try:
                piece = self._member.decompress(data, room)
            except zlib.error as err:
                raise _broken("gzip", str(err)) from err
            self._fresh = False
            room -= len(piece)
            pieces.append(piece)
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return b"".join(pieces)

    def finish(self) -> None:
        """Raise unless the last member is complete."""
        if not self._member.eof:
            raise _broken("gzip", "the data end before the member does")


class _Zstd:
    """One or more zstd frames (RFC 8878)."""

    def __init__(self) -> None:
        """Begin a frame."""
        self._context = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES)
        self._frame = self._context.decompressobj()
        self._done = False

    def feed(self, data: bytes, limit: int) -> bytes:
        """Return the decompressed bytes of ``data``; stop within one step after ``limit``."""
        pieces: list[bytes] = []
        size = 0
        for start in range(0, len(data), ZSTD_STEP_BYTES):
            step = data[start : start + ZSTD_STEP_BYTES]
            while step and size <= limit:
                if self._done:
                    self._frame, self._done = self._context.decompressobj(), False
                try:
                    piece = self._frame.decompress(step)
                except zstandard.ZstdError as err:
                    raise _broken("zstd", str(err)) from err
                size += len(piece)
                pieces.append(piece)
                self._done = self._frame.eof
                step = self._frame.unused_data if self._done else b""
        return b"".join(pieces)

    def finish(self) -> None:
        """Raise unless the last frame is complete."""
        if not self._done:
            raise _broken("zstd", "the data end before the frame does")


DECODERS: Mapping[str, Callable[[], Decoder]] = {
    "": _Identity,
    "identity": _Identity,
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "zstd": _Zstd,
}
"""Content encodings by their registered names."""


def _broken(encoding: str, reason: str) -> InputError:
    """Return the error for a body that cannot be decompressed."""
    return InputError("body_undecodable", f"not valid {encoding}: {reason}")

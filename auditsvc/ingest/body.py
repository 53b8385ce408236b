"""Request bodies: read in pieces, decompressed in pieces, never past the limit.

Order: the declared length, then bytes as they come, each piece decompressed at once; the limit holds for the bytes on the
wire and for the bytes they unpack to. What is too long is read to its end (up to a bound) and thrown away, so that the
sender, who is still writing, gets the answer.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import zstandard

from auditsvc.ground.errors import InputError

CHUNK_BYTES = 64 * 1024
ZSTD_STEP_BYTES = 1024
"""Compressed bytes given to zstd at once: 4 of them can unpack to 128 KiB, so a step stays below 32 MiB."""
ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
"""Largest window accepted, the least every decoder must support (RFC 8878, section 3.1.1.1.2)."""
MAX_DRAIN_BYTES = 256 * 1024 * 1024
"""How much of a refused body is read so that its sender gets the answer."""


class Input(Protocol):
    """What a server hands over as ``wsgi.input``."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""


class Decoder(Protocol):
    """Undoes a content encoding, piece by piece."""

    def feed(self, data: bytes, limit: int) -> bytes:
        """Return what ``data`` unpacks to, a little more than ``limit`` bytes at most."""

    def finish(self) -> None:
        """Raise ``InputError`` (``body_undecodable``) when the encoding ended too early."""


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
        """Return what ``data`` unpacks to, at most ``limit`` + 1 bytes."""
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
        """Return what ``data`` unpacks to; stop within one step after ``limit``."""
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


def read_body(environ: Mapping[str, Any], limit: int, reserve: Callable[[int], None]) -> bytes:
    """Return the request's body, decompressed.

    Args:
        environ: the WSGI environment.
        limit: most bytes on the wire and after decompression.
        reserve: called with the size of every piece before it is kept; may refuse.

    Raises:
        InputError: ``media_type_unsupported`` for an unknown encoding, ``request_invalid`` for a wrong length,
            ``length_required``, ``body_too_large``, ``body_incomplete``, ``body_undecodable``, ``body_empty``.
    """
    encoding = str(environ.get("HTTP_CONTENT_ENCODING", "")).strip().lower()
    if encoding not in DECODERS:
        raise InputError(
            "media_type_unsupported", f"content encoding `{encoding[:64]}` is not supported; send gzip, zstd or none"
        )
    source: Input = environ["wsgi.input"]
    try:
        expected = parse_length(environ)
        if expected > limit:
            raise _too_large(limit)
        body = _read(source, expected, DECODERS[encoding](), limit, reserve)
    except InputError as err:
        if err.code in ("body_too_large", "body_undecodable", "length_required", "overloaded"):
            drain(source)
        raise
    if not body:
        raise InputError("body_empty", "the body is empty; send at least one record")
    return body


def parse_length(environ: Mapping[str, Any]) -> int:
    """Return the declared length.

    INVARIANT: a body without one is refused (RFC 9110, section 15.5.12): servers hand a chunked body that broke off on
    as if it had ended, and half a delivery must never be taken for a whole one.
    """
    text = str(environ.get("CONTENT_LENGTH") or "").strip()
    if not text:
        raise InputError("length_required", "Content-Length is missing; send the body with its length, not in chunks")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InputError("request_invalid", f"Content-Length: expected a number of bytes, got `{text[:64]}`")
    return int(text)


def drain(source: Input) -> None:
    """Read and forget what is left, up to :data:`MAX_DRAIN_BYTES`."""
    left = MAX_DRAIN_BYTES
    try:
        while left > 0 and (chunk := source.read(CHUNK_BYTES)):
            left -= len(chunk)
    except OSError:
        return


def _read(source: Input, expected: int, decoder: Decoder, limit: int, reserve: Callable[[int], None]) -> bytes:
    """Return the decoded bytes; see :func:`read_body`."""
    pieces: list[bytes] = []
    wire = size = 0
    while wire < expected:
        chunk = _read_chunk(source, min(CHUNK_BYTES, expected - wire))
        if not chunk:
            break
        wire += len(chunk)
        piece = decoder.feed(chunk, limit - size)
        size += len(piece)
        if wire > limit or size > limit:
            raise _too_large(limit)
        reserve(len(piece))
        pieces.append(piece)
    if wire < expected:
        raise InputError("body_incomplete", f"expected {expected} bytes as `Content-Length` says, got {wire}")
    if wire:
        decoder.finish()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _read_chunk(source: Input, size: int) -> bytes:
    """Return the next bytes; raise ``InputError`` when the connection broke."""
    try:
        return source.read(size)
    except OSError as err:
        raise InputError("body_incomplete", "the connection ended within the body") from err


def _too_large(limit: int) -> InputError:
    """Return the error of a body over the limit."""
    return InputError(
        "body_too_large", f"the body is larger than {limit} bytes, before or after decompression; send smaller ones"
    )


def _broken(encoding: str, reason: str) -> InputError:
    """Return the error of a body that does not unpack."""
    return InputError("body_undecodable", f"not valid {encoding}: {reason}")

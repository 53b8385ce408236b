"""Request bodies: read and decompressed in chunks, never beyond the limit.

Order: the declared length, then the bytes as they arrive, each chunk decompressed at once; the limit applies to the bytes
on the wire and to the decompressed bytes. A body that is too long is drained (up to a bound) and discarded, so that the
sender, which is still writing, receives the answer.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from auditsvc.ground.compression import CHUNK_BYTES, DECODERS, Decoder
from auditsvc.ground.errors import InputError

MAX_DRAIN_BYTES = 256 * 1024 * 1024
"""How much of a rejected body is read so that its sender receives the answer."""


class Input(Protocol):
    """The interface of ``wsgi.input``."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes; empty at the end of the body."""


def read_body(environ: Mapping[str, Any], limit: int, reserve: Callable[[int], None]) -> bytes:
    """Return the request's body, decompressed.

    Args:
        environ: the WSGI environment.
        limit: maximum number of bytes, on the wire and after decompression.
        reserve: called with the size of every chunk before it is kept; may raise.

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

    INVARIANT: a body without one is rejected (RFC 9110, section 15.5.12): servers pass on a truncated chunked body as if
    it were complete, and a partial delivery must never be accepted as a whole one.
    """
    text = str(environ.get("CONTENT_LENGTH") or "").strip()
    if not text:
        raise InputError("length_required", "Content-Length is missing; send the body with its length, not in chunks")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InputError("request_invalid", f"Content-Length: expected a number of bytes, got `{text[:64]}`")
    return int(text)


def drain(source: Input) -> None:
    """Read and discard the rest, up to :data:`MAX_DRAIN_BYTES`."""
    left = MAX_DRAIN_BYTES
    try:
        while left > 0 and (chunk := source.read(CHUNK_BYTES)):
            left -= len(chunk)
    except OSError:
        return


def _read(source: Input, expected: int, decoder: Decoder, limit: int, reserve: Callable[[int], None]) -> bytes:
    """Return the decompressed bytes; see :func:`read_body`."""
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
    """Return the next bytes; raise ``InputError`` when the connection is lost."""
    try:
        return source.read(size)
    except OSError as err:
        raise InputError("body_incomplete", "the connection ended within the body") from err


def _too_large(limit: int) -> InputError:
    return InputError(
        "body_too_large", f"the body is larger than {limit} bytes, before or after decompression; send smaller ones"
    )

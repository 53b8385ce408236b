"""The archive: a folder of segments (frames of batches) and of objects (policy sets, catalogues, details of acts).

Layout: ``segments/w<slot>-<number>.seg`` each with an index ``….idx``, ``objects/<2 hex>/<64 hex>.zst``. An object's name
is the SHA-256 of its uncompressed bytes, so writing it is idempotent and it never changes. Nothing here is ever deleted.
"""

import hashlib
import os
import re
import threading
from pathlib import Path

import zstandard

from auditsvc.ground.errors import LogError, StorageError
from auditsvc.ground.files import SHARED, make_folder, replace_file
from auditsvc.ledger.format.frame import MAX_PAYLOAD_BYTES, read_frame

ZSTD_LEVEL = 1
"""Level 1 compresses log lines as well as level 6 does, at a quarter of the cost (docs/ledger.md)."""
_SEGMENT = re.compile(r"w[0-9]+-[0-9]{6}\.seg\Z")


def compress_frame(payload: bytes) -> bytes:
    """Return ``payload`` as one zstd frame with checksum and content size."""
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True, write_content_size=True).compress(payload)


class Archive:
    """Reads frames, reads and writes objects; the writing of segments is :mod:`auditsvc.ledger.write.segment`."""

    def __init__(self, path: Path) -> None:
        """Open the archive in folder ``path``, which is created if missing."""
        self.path = path
        self.segments = path / "segments"
        self.objects = path / "objects"
        try:
            make_folder(self.segments)
            make_folder(self.objects)
        except OSError as err:
            raise StorageError("storage_unavailable", f"archive `{path}` cannot be made: {err.strerror}") from err

    def put_object(self, data: bytes) -> bytes:
        """Store ``data`` durably and return its SHA-256, 32 bytes.

        Raises:
            StorageError: ``storage_unavailable`` when it cannot be written.
        """
        digest = hashlib.sha256(data).digest()
        path = self._object_path(digest)
        if path.exists():
            return digest
        try:
            make_folder(path.parent)
            replace_file(path, compress_frame(data), SHARED)
        except OSError as err:
            raise StorageError("storage_unavailable", f"archive: object cannot be written: {err.strerror}") from err
        return digest

    def get_object(self, digest: bytes) -> bytes:
        """Return the bytes whose SHA-256 is ``digest``.

        Raises:
            LogError: ``not_found`` when it is missing, ``frame_corrupt`` when its content does not match its name.
        """
        data = read_frame(self.read_object_frame(digest))
        if hashlib.sha256(data).digest() != digest:
            raise LogError("frame_corrupt", f"archive: object `{digest.hex()}` holds other bytes than its name says")
        return data

    def read_object_frame(self, digest: bytes) -> bytes:
        """Return an object as stored, compressed and unchecked.

        Raises:
            LogError: ``not_found`` when it is missing.
            StorageError: ``storage_unavailable`` when it cannot be read.
        """
        try:
            return self._object_path(digest).read_bytes()
        except FileNotFoundError as err:
            raise LogError("not_found", f"archive: there is no object `{digest.hex()}`") from err
        except OSError as err:
            raise StorageError("storage_unavailable", f"archive: object cannot be read: {err.strerror}") from err

    def read_frame(self, segment: str, offset: int, length: int) -> bytes:
        """Return a frame as stored, compressed and unchecked.

        Raises:
            LogError: ``not_found`` when the segment is missing or shorter than ``offset + length``.
            StorageError: ``storage_unavailable`` when it cannot be read.
        """
        if not _SEGMENT.match(segment):
            raise LogError("not_found", f"archive: `{segment[:80]}` is not the name of a segment")
        try:
            with (self.segments / segment).open("rb") as file:
                frame = os.pread(file.fileno(), length, offset)
        except FileNotFoundError as err:
            raise LogError("not_found", f"archive: segment `{segment}` is missing") from err
        except OSError as err:
            raise StorageError("storage_unavailable", f"archive: `{segment}` cannot be read: {err.strerror}") from err
        if len(frame) != length:
            message = f"archive: segment `{segment}` ends at {offset + len(frame)}, a frame reaches {offset + length}"
            raise LogError("not_found", message)
        return frame

    def read_payload(self, segment: str, offset: int, length: int, limit: int = MAX_PAYLOAD_BYTES) -> bytes:
        """Return the payload of one frame: exactly one zstd frame, with checksum and content size.

        Raises:
            LogError: ``not_found`` or ``frame_corrupt``.
            StorageError: ``storage_unavailable`` when it cannot be read.
        """
        try:
            return read_frame(self.read_frame(segment, offset, length), limit)
        except LogError as err:
            if err.code != "frame_corrupt":
                raise
            raise LogError("frame_corrupt", f"archive: `{segment}` at {offset}: {err.message}") from err

    def check_writable(self) -> None:
        """Raise :class:`StorageError` when a file cannot be written and synced in the archive."""
        probe = self.segments / f".probe-{os.getpid()}-{threading.get_ident()}"
        try:
            with probe.open("wb") as file:
                file.write(b"\0" * 4096)
                file.flush()
                os.fsync(file.fileno())
        except OSError as err:
            raise StorageError("storage_unavailable", f"archive cannot be written: {err.strerror}") from err
        finally:
            probe.unlink(missing_ok=True)

    def _object_path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self.objects / name[:2] / f"{name}.zst"

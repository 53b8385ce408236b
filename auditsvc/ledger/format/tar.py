"""Tar files in canonical form: a list of members has exactly one encoding, and only that is accepted.

Plain ustar members, mode 0644, owner and time 0, padding and end all zero; so that no byte of a bundle can be changed
without being noticed, while every tar program can unpack it.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from auditsvc.ground.errors import LogError

BLOCK = 512
END = bytes(2 * BLOCK)
"""Two empty blocks end a tar file."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a tar: its name, and the position of its content."""

    name: str
    offset: int
    size: int


def build_member_header(name: str, size: int) -> bytes:
    """Return the one header block of a member; ``name`` has at most 100 ASCII characters."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def pad(size: int) -> int:
    """Return the padding that follows ``size`` bytes, as a number of zero bytes."""
    return -size % BLOCK


def iter_members(file: BinaryIO) -> Iterator[Member]:
    """Yield the members of a tar in order.

    Raises:
        LogError: ``bundle_invalid`` at the first byte that is not in canonical form.
    """
    offset = 0
    while True:
        file.seek(offset)
        block = file.read(BLOCK)
        if not block.strip(b"\0"):
            break
        member = _parse_member(block, offset)
        file.seek(member.offset + member.size)
        padding = file.read(pad(member.size))
        if len(padding) != pad(member.size) or padding.strip(b"\0"):
            raise _broken(f"member `{member.name}` is cut off or not padded with zeros")
        yield member
        offset = member.offset + member.size + pad(member.size)
    if block + file.read(BLOCK + 1) != END:
        raise _broken("does not end with exactly two empty blocks")


def _parse_member(block: bytes, offset: int) -> Member:
    """Return the member of a header block."""
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        spelled = build_member_header(info.name, info.size) if info.size >= 0 else b""
    except (tarfile.TarError, UnicodeError, ValueError) as err:
        raise _broken(f"no member header at byte {offset}") from err
    if spelled != block:
        raise _broken(f"member header at byte {offset} is not in its one spelling")
    return Member(info.name, offset + BLOCK, info.size)


def _broken(message: str) -> LogError:
    """Return the error for a tar that is rejected."""
    return LogError("bundle_invalid", f"bundle: {message}")

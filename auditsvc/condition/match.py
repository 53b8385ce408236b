"""Addresses and networks as integers, and the patterns of text operators; parsing is cached."""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

_RE2: Any = re2
"""The binding has no annotations."""

MAPPED_FIRST = 0xFFFF_0000_0000
"""``::ffff:0:0`` as an integer: the start of IPv4 among the 16-byte addresses."""
MAPPED_LAST = 0xFFFF_FFFF_FFFF
MAX_PATTERN = 512
"""Longest pattern in characters; a longer one is a list in disguise."""


@dataclass(frozen=True, slots=True)
class Network:
    """A range of addresses, ``first`` and ``last`` inclusive, as 128-bit integers with IPv4 under ``::ffff:0:0/96``."""

    is_v4: bool
    first: int
    last: int

    def contains(self, address: int) -> bool:
        """Return whether a 128-bit address is inside; an IPv6 network never contains an IPv4 address."""
        if not self.is_v4 and MAPPED_FIRST <= address <= MAPPED_LAST:
            return False
        return self.first <= address <= self.last


@lru_cache(maxsize=65536)
def parse_address_number(text: str) -> int | None:
    """Return the 128-bit integer of an address, IPv4 under ``::ffff:0:0/96``; None when it is not an address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return int(address) + (MAPPED_FIRST if address.version == 4 else 0)


@lru_cache(maxsize=4096)
def parse_network(text: str) -> Network:
    """Return the network of CIDR text or of a single address; raise ``ValueError`` when it has host bits or is invalid."""
    network = ipaddress.ip_network(text, strict=True)
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.version == 4:
        return Network(True, first + MAPPED_FIRST, last + MAPPED_FIRST)
    if first >= MAPPED_FIRST and last <= MAPPED_LAST:
        return Network(True, first, last)
    return Network(False, first, last)


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> Any:
    """Return a compiled RE2 pattern; raise ``ValueError`` when it is not RE2 syntax."""
    options = _RE2.Options()
    options.log_errors = False
    options.never_nl = False
    try:
        return _RE2.compile(pattern, options)
    except _RE2.error as err:
        reason = err.args[0] if err.args else "not RE2 syntax"
        raise ValueError(reason.decode() if isinstance(reason, bytes) else str(reason)) from err


@lru_cache(maxsize=4096)
def build_regex(pattern: str) -> str:
    """Return the pattern with the flags used in every engine: ``.`` matches any character but a line feed."""
    return f"(?-s:{pattern})"


@lru_cache(maxsize=4096)
def build_glob(glob: str) -> str:
    """Return the RE2 pattern of a glob: ``*`` any text, ``?`` one character, ``\\`` escapes the next character.

    Raises:
        ValueError: the glob ends in an escape.
    """
    parts, escaped = [], False
    for char in glob:
        if escaped:
            parts.append(_RE2.escape(char))
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            parts.append({"*": "(?s:.*)", "?": "(?s:.)"}.get(char) or _RE2.escape(char))
    if escaped:
        raise ValueError("ends in an escape")
    return "".join(parts)


_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def fold_case(text: str) -> str:
    """Return the text with A to Z as a to z and everything else as it is: the same in every engine and Unicode version."""
    return text.translate(_LOWER)

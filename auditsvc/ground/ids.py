"""Typed identifiers, and how the derived ones are computed."""

import hashlib
import os
import uuid
from typing import NewType

from auditsvc.ground.clock import Clock

SourceId = NewType("SourceId", str)
PolicyId = NewType("PolicyId", str)
InterfaceId = NewType("InterfaceId", str)
BatchId = NewType("BatchId", str)
EventUid = NewType("EventUid", bytes)
"""16-byte id of one access in the store; see :func:`build_event_uid`."""
FindingKey = NewType("FindingKey", bytes)
"""16-byte key of one finding, the same for every replay."""


def new_uuid7(clock: Clock) -> uuid.UUID:
    """Return a time-ordered identifier (RFC 9562, version 7) for the current instant."""
    millis = clock.now_ns() // 1_000_000
    random_bits = int.from_bytes(os.urandom(10), "big")
    value = (millis & ((1 << 48) - 1)) << 80 | random_bits
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def _digest16(parts: tuple[bytes, ...]) -> bytes:
    """Return a 16-byte digest that depends on every part and on the boundaries between them."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()[:16]


def build_event_uid(source: str, producer_id: str, side: str) -> EventUid:
    """Return the 16-byte id under which the event ``producer_id`` of one source and side is stored; deterministic."""
    return EventUid(_digest16((b"event", source.encode(), producer_id.encode(), side.encode())))


def build_access_key(correlation: str) -> bytes:
    """Return the 16 bytes shared by both sides of one call."""
    return _digest16((b"access", correlation.encode()))


def build_finding_key(policy: str, anchor: bytes) -> FindingKey:
    """Return the 16-byte key of the finding of ``policy`` on one access (event uid or access key)."""
    return FindingKey(_digest16((b"finding", policy.encode(), anchor)))

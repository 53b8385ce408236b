"""The interface of readers: one record in, its events and rejects out.

A bad record never fails its batch. Reading is a pure function of the record and its source, so that ingest, engine and
rebuild obtain the same events.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from auditsvc.event.model import Event
from auditsvc.event.native import HashSubject
from auditsvc.ground.errors import InputError

EXCERPT_BYTES = 256
"""Length of the excerpt in a quarantine entry; the archive holds the whole record."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record, or one item of it, that is not an event, with the reason.

    Attributes:
        record: 0-based index in the batch.
        item: 0-based index in the record.
        code: stable error code.
        message: expected and actual value.
        raw_excerpt: the record's first characters, printable.
        field: the field at fault, empty when the whole record is.
    """

    record: int
    item: int
    code: str
    message: str
    raw_excerpt: str
    field: str = ""


class Scanned(NamedTuple):
    """One item of a batch; a named tuple for speed, because there is one for every event.

    Attributes:
        record: 0-based index in the batch.
        item: 0-based index in the record.
        found: the event, or the reason why there is none.
        raw: the whole record.
    """

    record: int
    item: int
    found: Event | InputError
    raw: bytes


class ReadEvent(NamedTuple):
    """An event with its place: ``record`` in the batch and ``item`` in the record, both 0-based."""

    record: int
    item: int
    event: Event


@dataclass(frozen=True, slots=True)
class ReadResult:
    """The result of reading a batch: every record and item is in exactly one of the two lists.

    Attributes:
        events: in order.
        rejects: in order.
    """

    events: list[ReadEvent] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class RecordReader(Protocol):
    """Reads the records of one source into events; one instance serves many records."""

    @property
    def interfaces(self) -> frozenset[str]:
        """Every interface the source's options can yield; empty when records name their own."""

    def read(self, record: bytes, hash_subject: HashSubject) -> Iterable[Event | InputError]:
        """Return the record's items in order, each an event or the reason why it is not one.

        Items are yielded lazily, so that at most one is in memory besides the decoded record.

        Raises:
            InputError: the record as a whole cannot be read.
        """

    def is_whole(self, body: bytes) -> bool:
        """Whether a body of several lines is one record rather than one record per line."""


def build_excerpt(raw: bytes) -> str:
    """Return the first characters of ``raw`` as printable text."""
    text = raw[:EXCERPT_BYTES].decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)

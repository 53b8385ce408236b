"""What every reader takes and gives: one record in, its events and rejects out.

A reader never fails a batch for one bad record. It is a pure function of the record and its source, so that ingest,
engine and rebuild come to the same events.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from auditsvc.event.model import Event
from auditsvc.event.native import HashSubject
from auditsvc.ground.errors import InputError

EXCERPT_BYTES = 256
"""How much of a rejected record its quarantine entry quotes; the archive holds the whole."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record, or one item of it, that is not an event, and why.

    Attributes:
        record: 0-based place in the batch.
        item: 0-based place in the record.
        code: stable error code.
        message: what was expected and got.
        raw_excerpt: the record's first characters, printable.
        field: the field at fault, empty when it is the record as a whole.
    """

    record: int
    item: int
    code: str
    message: str
    raw_excerpt: str
    field: str = ""


class Scanned(NamedTuple):
    """One item of a batch; a named tuple, because there is one for every event.

    Attributes:
        record: 0-based place in the batch.
        item: 0-based place in the record.
        found: the event, or why there is none.
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
    """All of a batch: every record and item is in exactly one of the two lists.

    Attributes:
        events: in order.
        rejects: in order.
    """

    events: list[ReadEvent] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


class RecordReader(Protocol):
    """Turns one record of a source into events; made once per source, used for many records."""

    @property
    def interfaces(self) -> frozenset[str]:
        """Every interface the source's options can give; empty when records name theirs themselves."""

    def read(self, record: bytes, hash_subject: HashSubject) -> Iterable[Event | InputError]:
        """Return the record's items in order, each an event or the reason why it is none.

        A record of many items gives them one by one, so that no more than one is held beside the decoded record.

        Raises:
            InputError: the record as a whole cannot be read.
        """

    def is_whole(self, body: bytes) -> bool:
        """Whether a body over several lines is one record rather than one record a line."""


def build_excerpt(raw: bytes) -> str:
    """Return the first characters of ``raw`` as printable text."""
    text = raw[:EXCERPT_BYTES].decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)

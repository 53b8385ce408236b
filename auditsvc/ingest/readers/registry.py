"""Creates a source's reader from its configuration, and reads batches into events and rejects.

Order for one record: reject an empty one, call the reader, then apply the rules common to all readers: the interface must
be one of the source's, the source's defaults replace missing values, and a missing id is derived from the record.
"""

from collections.abc import Callable, Iterator, Mapping

from auditsvc.catalog.model import Source
from auditsvc.event.model import Event
from auditsvc.event.native import HashSubject
from auditsvc.ground.errors import InputError, Problem
from auditsvc.ground.mapping_reader import MappingReader
from auditsvc.ingest.readers.combined import CombinedReader
from auditsvc.ingest.readers.identity import derive_id
from auditsvc.ingest.readers.mapped import MappedReader
from auditsvc.ingest.readers.model import ReadEvent, ReadResult, RecordReader, Reject, Scanned, build_excerpt
from auditsvc.ingest.readers.native import NativeReader
from auditsvc.ingest.readers.xroad import XRoadReader

READERS: Mapping[str, Callable[[Source, MappingReader], RecordReader]] = {
    "native": NativeReader,
    "combined": CombinedReader,
    "mapped": MappedReader,
    "xroad": XRoadReader,
}
LINES, BLOB = "lines", "blob"
CODE = "input_invalid"


class BatchReader:
    """Reads batches of one source; created once per source and catalogue version."""

    def __init__(self, source: Source) -> None:
        """Create the source's reader; raise ``InputError`` (``input_invalid``) for wrong options."""
        self.source = source
        self._reader, problems = _open_reader(source)
        if problems:
            raise InputError(CODE, "; ".join(problem.message for problem in problems))
        self._interfaces = frozenset(source.interfaces)
        self._defaults = tuple(source.defaults.items())

    @property
    def named_interfaces(self) -> frozenset[str]:
        """Every interface the source's options can yield."""
        return self._reader.interfaces

    def find_kind(self, body: bytes) -> str:
        """Return ``blob`` when ``body`` is one document, ``lines`` when each line is a record."""
        return BLOB if self._reader.is_whole(body) else LINES

    def scan(self, payload: bytes, kind: str, hash_subject: HashSubject) -> Iterator[Scanned]:
        """Yield every item of a batch in order, with one record in memory at a time."""
        read, complete = self._reader.read, self._complete
        for number, raw in enumerate((payload,) if kind == BLOB else split_lines(payload)):
            try:
                if not raw or raw.isspace():
                    raise InputError("record_empty", "the record is empty")
                items = read(raw, hash_subject)
            except InputError as err:
                yield Scanned(number, 0, err, raw)
                continue
            for place, item in enumerate(items):
                yield Scanned(number, place, complete(item, raw), raw)

    def _complete(self, item: Event | InputError, raw: bytes) -> Event | InputError:
        """Return the item after the rules common to all readers, or an error when its interface is another source's."""
        if isinstance(item, InputError):
            return item
        if item["interface.id"] not in self._interfaces:
            name = str(item["interface.id"])[:128]
            return InputError(
                "foreign_interface",
                f"interface.id: `{name}` is not an interface of source `{self.source.id}`",
                field="interface.id",
            )
        for name, value in self._defaults:
            if name not in item:
                item[name] = list(value) if isinstance(value, list) else value
        if not item.get("id"):
            derive_id(item, raw)
        if "side" not in item:
            item["side"] = "gateway"
        return item

    def read(self, payload: bytes, kind: str, hash_subject: HashSubject) -> ReadResult:
        """Return all events and rejects of a batch."""
        result = ReadResult()
        for record, item, found, raw in self.scan(payload, kind, hash_subject):
            if isinstance(found, InputError):
                result.rejects.append(build_reject(record, item, found, raw))
            else:
                result.events.append(ReadEvent(record, item, found))
        return result


def _open_reader(source: Source) -> tuple[RecordReader, list[Problem]]:
    """Return the source's reader and the problems of its options; with any problem, the reader must not be used."""
    if source.reader not in READERS:
        raise InputError(CODE, f"reader: no reader `{source.reader}`; known are {', '.join(READERS)}")
    problems: list[Problem] = []
    options = MappingReader(source.options, "options", problems, code=CODE, path="options.")
    reader = READERS[source.reader](source, options)
    options.finish()
    return reader, problems


def read_batch(payload: bytes, kind: str, source: Source, hash_subject: HashSubject) -> ReadResult:
    """Return the events and rejects of one batch of ``source``.

    Args:
        payload: the batch's raw bytes; ``lines`` end with LF.
        kind: ``lines`` or ``blob``.
        source: as configured in the catalogue.
        hash_subject: returns the keyed hash of a data subject's number.

    Raises:
        InputError: ``input_invalid`` when the source's options are invalid; never because of the payload.
    """
    return BatchReader(source).read(payload, kind, hash_subject)


def check_source(source: Source) -> list[Problem]:
    """Return the problems of a source's reader and options; empty when it can be used."""
    reader, problems = _open_reader(source)
    return problems or [
        source.options.problem(CODE, f"options name interface `{name}`, which does not name source `{source.id}`")
        for name in sorted(reader.interfaces - frozenset(source.interfaces))
    ]


def build_reject(record: int, item: int, error: InputError, raw: bytes) -> Reject:
    """Return the quarantine entry of one error."""
    field = error.context.get("field", "")
    return Reject(record, item, error.code, error.message, build_excerpt(raw), str(field))


def split_lines(payload: bytes) -> Iterator[bytes]:
    """Yield the LF-terminated records of ``payload`` without the LF."""
    start = 0
    while start < len(payload):
        end = payload.find(b"\n", start)
        if end < 0:
            end = len(payload)
        yield payload[start:end]
        start = end + 1

"""An ingest worker's cache of the catalogue in force: each source with its reader, at most two seconds old."""

import logging
import threading
from dataclasses import dataclass

from auditsvc.event.time import NS
from auditsvc.ground.clock import Clock
from auditsvc.ground.errors import AuditError, InputError, StorageError
from auditsvc.inforce.versions import CatalogVersion, Versions
from auditsvc.ingest.readers.registry import BatchReader

MAX_AGE_NS = 2 * NS
"""How long a worker uses a catalogue before it looks for a newer leaf."""
MIN_AGE_NS = NS // 4
"""Shortest interval between refreshes triggered by unknown sources."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _State:
    """One catalogue version: its leaf index (-1: none), its readers, and the reasons why other sources have none."""

    seq: int
    readers: dict[str, BatchReader]
    faults: dict[str, str]


class CatalogView:
    """Finds the reader of a source under the catalogue in force. Thread-safe."""

    def __init__(self, versions: Versions, clock: Clock) -> None:
        """Read the catalogue on first use, or by :meth:`refresh`."""
        self._versions = versions
        self._clock = clock
        self._lock = threading.Lock()
        self._state = _State(-1, {}, {})
        self._read_ns = -MAX_AGE_NS

    def get_reader(self, source: str) -> BatchReader:
        """Return the reader of ``source``.

        Raises:
            InputError: ``source_unknown`` when it is not in the catalogue in force or its options are invalid.
        """
        age = self._clock.now_ns() - self._read_ns
        if age >= MAX_AGE_NS or age < 0 or (source not in self._state.readers and age >= MIN_AGE_NS):
            self.refresh()
        reader = self._state.readers.get(source)
        if reader is None:
            reason = self._state.faults.get(source, "it is not in the catalogue in force")
            raise InputError("source_unknown", f"source `{source[:255]}` cannot deliver: {reason}")
        return reader

    def refresh(self) -> None:
        """Load a newer catalogue if there is one; meanwhile other threads use the old one, or wait if there is none.

        Raises:
            StorageError: ``storage_unavailable`` when the catalogue in force cannot be read.
        """
        if not self._lock.acquire(blocking=self._state.seq < 0):
            return
        try:
            now = self._clock.now_ns()
            seq = self._versions.find().catalog_seq
            if seq is not None and seq != self._state.seq:
                self._state = self._load(seq)
            self._read_ns = now
        finally:
            self._lock.release()

    def _load(self, seq: int) -> _State:
        """Return the state of the catalogue at leaf ``seq``; an unreadable one is reported as the operator's fault."""
        try:
            state = _build_state(seq, self._versions.get_catalog(seq))
        except AuditError as err:
            _log.error("catalog_unusable", extra={"seq": seq, "reason": err.message})
            raise StorageError(
                "storage_unavailable", "the catalogue in force cannot be read; send again later"
            ) from err
        _log.info("catalog_loaded", extra={"seq": seq, "sources": len(state.readers)})
        return state


def _build_state(seq: int, version: CatalogVersion) -> _State:
    """Return the readers of a catalogue; a source with invalid options has a reason instead."""
    readers, faults = {}, {}
    for name in version.catalog.sources:
        try:
            readers[name] = version.get_reader(name)
        except AuditError as err:
            faults[name] = err.message
            _log.warning("source_unusable", extra={"source": name, "reason": err.message})
    return _State(seq, readers, faults)

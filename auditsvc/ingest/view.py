"""The catalogue in force, as an ingest worker sees it: each source with its reader, at most two seconds old."""

import logging
import threading
from dataclasses import dataclass

from sqlalchemy import Engine

from auditsvc.catalog.load import load_catalog
from auditsvc.catalog.model import Catalog
from auditsvc.event.time import NS
from auditsvc.ground.clock import Clock
from auditsvc.ground.errors import AuditError, InputError, StorageError
from auditsvc.ingest.readers.registry import BatchReader
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.service import find_latest, load_bundle_of
from auditsvc.ledger.write.appender import Leaf

MAX_AGE_NS = 2 * NS
"""How long a worker goes on with a catalogue before it looks for a newer leaf."""
MIN_AGE_NS = NS // 4
"""Unknown sources make a worker look again, but not more often than this."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _State:
    """One catalogue version: its leaf's index (-1: none), its readers, and why some sources have none."""

    seq: int
    readers: dict[str, BatchReader]
    faults: dict[str, str]


class CatalogView:
    """Finds the reader of a source under the catalogue in force. Thread-safe."""

    def __init__(self, engine: Engine, archive: Archive, clock: Clock) -> None:
        """Read the catalogue when first asked, or by :meth:`refresh`."""
        self._engine = engine
        self._archive = archive
        self._clock = clock
        self._lock = threading.Lock()
        self._state = _State(-1, {}, {})
        self._read_ns = -MAX_AGE_NS

    def get_reader(self, source: str) -> BatchReader:
        """Return the reader of ``source``.

        Raises:
            InputError: ``source_unknown`` when the catalogue in force does not have it or its options are wrong.
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
        """Look for a newer catalogue; a second thread that comes meanwhile goes on with the old one, if there is one.

        Raises:
            StorageError: ``storage_unavailable`` when the catalogue in force cannot be read.
        """
        if not self._lock.acquire(blocking=self._state.seq < 0):
            return
        try:
            now = self._clock.now_ns()
            with self._engine.connect() as connection:
                leaf = find_latest(connection, "catalog")
            if leaf is not None and leaf.seq != self._state.seq:
                self._state = self._load(leaf)
            self._read_ns = now
        finally:
            self._lock.release()

    def _load(self, leaf: Leaf) -> _State:
        """Return the state under the catalogue of ``leaf``; one that cannot be read is the operator's fault, not the sender's."""
        try:
            state = _build_state(leaf.seq, load_catalog(load_bundle_of(self._archive, leaf)))
        except AuditError as err:
            _log.error("catalog_unusable", extra={"seq": leaf.seq, "reason": err.message})
            raise StorageError(
                "storage_unavailable", "the catalogue in force cannot be read; send again later"
            ) from err
        _log.info("catalog_loaded", extra={"seq": leaf.seq, "sources": len(state.readers)})
        return state


def _build_state(seq: int, catalog: Catalog) -> _State:
    """Return the readers of a catalogue; a source with wrong options gets a reason instead."""
    readers, faults = {}, {}
    for name, source in catalog.sources.items():
        try:
            readers[name] = BatchReader(source)
        except AuditError as err:
            faults[name] = err.message
            _log.warning("source_unusable", extra={"source": name, "reason": err.message})
    return _State(seq, readers, faults)

"""One installation's ledger: the Merkle log in the database, the archive, and the log's name and clock.

Everything outside this package appends to the log and reads it through :class:`Ledger`. Methods that append take a
connection inside ``begin_write``, so that a change and its leaf are one transaction; methods that read open a connection of
their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine

from auditsvc.ground.clock import Clock
from auditsvc.ground.document import Bundle, parse_bundle
from auditsvc.ground.errors import LogError
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.format.note import Checkpoint
from auditsvc.ledger.leaf import Head, Leaf, find_latest, get_leaf, iter_leaves
from auditsvc.ledger.proof import (
    checkpoint_at_least,
    consistency_proof,
    get_head,
    get_root,
    inclusion_proof,
    latest_checkpoint,
)
from auditsvc.ledger.receipt import Receipt, find_receipt
from auditsvc.ledger.write.appender import Appender

_SAFE = "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
"""Printable ASCII that is left unquoted in a header value; ``%`` and everything else is percent-encoded."""


def quote_value(text: str) -> str:
    """Return ``text`` as a header value: UTF-8, percent-encoded outside printable ASCII; ``-`` for an empty text."""
    return quote(text, safe=_SAFE) or "-"


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That ``leaf`` is in the tree of the first ``size`` leaves: the path from it to ``root_hash``, leaf to root."""

    leaf: Leaf
    size: int
    root_hash: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """That the tree of ``size2`` leaves extends the tree of ``size1``, as RFC 9162 orders ``path``."""

    size1: int
    size2: int
    root_hash1: bytes
    root_hash2: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The log and its archive. Cheap to create; thread-safe.

    Attributes:
        database: holds the log's leaves and nodes, and every table that changes together with them.
        archive: raw records, and the objects that entries name by their digest.
        clock: source of the accepted times.
        origin: the log's name in its entries and checkpoints.
    """

    database: Engine
    archive: Archive
    clock: Clock
    origin: str

    @classmethod
    def open(cls, database: Engine, settings: Settings, clock: Clock) -> Ledger:
        """Return the ledger in a migrated database; the archive's folders are created if missing.

        Raises:
            StorageError: ``storage_unavailable`` when the archive's folders cannot be created.
        """
        return cls(database, Archive(settings.archive_path), clock, settings.origin)

    # --- appending

    def append(self, connection: Connection, kind: str, fields: Mapping[str, str]) -> Leaf:
        """Append an entry in the caller's transaction and return its leaf.

        Args:
            connection: inside ``begin_write``.
            kind: not ``batch``; the committer appends those.
            fields: those of the kind, except ``seq`` and ``accepted``.

        Raises:
            LogError: ``header_invalid`` when the fields are not those of the kind.
        """
        if kind == "batch":
            raise LogError("header_invalid", "header: batches are appended by the committer only")
        appender = self.open_appender(connection)
        appended = appender.add(kind, fields)
        appender.flush()
        return appended

    def open_appender(self, connection: Connection) -> Appender:
        """Return the appender for one transaction, and lock the head; used to append batches in groups."""
        return Appender(connection, self.clock, self.origin)

    def record_act(
        self, connection: Connection, *, actor: str, act: str, subject: str, detail: Mapping[str, Any]
    ) -> Leaf:
        """Append an administrative act: ``actor`` did ``act`` to ``subject``; ``detail`` is kept in the archive as JSON.

        The detail is written before the leaf, so a leaf never names a missing object.
        """
        data = json.dumps(dict(detail), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str).encode()
        fields = {
            "act": quote_value(act),
            "actor": quote_value(actor),
            "subject": quote_value(subject),
            "detail-sha256": self.archive.put_object(data).hex(),
        }
        return self.append(connection, "admin", fields)

    def activate(self, connection: Connection, *, kind: str, bundle: Bundle, actor: str) -> Leaf:
        """Put a policy set (``kind`` ``policy``) or a catalogue (``catalog``) in force from this leaf on."""
        digest = self.archive.put_object(bundle.data)
        return self.append(connection, kind, {"sha256": digest.hex(), "actor": quote_value(actor)})

    # --- reading

    def get_head(self) -> Head:
        """Return the current state of the log."""
        with self.database.connect() as connection:
            return get_head(connection)

    def get_leaf(self, seq: int) -> Leaf:
        """Return leaf ``seq``; raise ``LogError`` (``not_found``) when the log is shorter."""
        with self.database.connect() as connection:
            return get_leaf(connection, seq)

    def iter_leaves(self, first: int, last: int | None = None) -> Iterator[Leaf]:
        """Yield the leaves of ``[first, last)`` in order; without ``last``, up to the end of the log at the time it is reached."""
        with self.database.connect() as connection:
            yield from iter_leaves(connection, first, last)

    def find_latest(self, kind: str, before: int | None = None) -> Leaf | None:
        """Return the last leaf of ``kind`` (not ``batch``), with ``seq < before`` when given, or None."""
        with self.database.connect() as connection:
            return find_latest(connection, kind, before)

    def load_bundle(self, leaf: Leaf) -> Bundle:
        """Return the bundle that a ``policy`` or ``catalog`` leaf put in force.

        Raises:
            LogError: ``not_found`` or ``frame_corrupt`` when it is missing from the archive or corrupt.
        """
        return parse_bundle(self.archive.get_object(bytes.fromhex(parse_header(leaf.header).fields["sha256"])))

    def find_checkpoint(self, size: int | None = None) -> Checkpoint | None:
        """Return the first checkpoint that covers ``size`` leaves or, when None is given, the latest; None when there is none."""
        with self.database.connect() as connection:
            return latest_checkpoint(connection) if size is None else checkpoint_at_least(connection, size)

    def prove_inclusion(self, seq: int, size: int) -> InclusionProof:
        """Return the proof that leaf ``seq`` is in the tree of the first ``size`` leaves; it was checked.

        Raises:
            LogError: ``not_found`` when there is no such leaf; ``proof_invalid`` unless ``seq < size <= head size``;
                ``log_damaged`` or ``root_mismatch`` when the stored tree does not hold together.
        """
        with self.database.connect() as connection:
            _check_size(connection, size)
            found = get_leaf(connection, seq)
            path = inclusion_proof(connection, seq, size)
            return InclusionProof(found, size, get_root(connection, size), tuple(path))

    def prove_consistency(self, size1: int, size2: int) -> ConsistencyProof:
        """Return the proof that the first ``size2`` leaves extend the first ``size1``; it was checked.

        Raises:
            LogError: ``proof_invalid`` unless ``0 < size1 <= size2 <= head size``; ``log_damaged`` or ``root_mismatch``
                when the stored tree does not hold together.
        """
        with self.database.connect() as connection:
            _check_size(connection, max(size1, size2))
            path = consistency_proof(connection, size1, size2)
            roots = get_root(connection, size1), get_root(connection, size2)
        return ConsistencyProof(size1, size2, *roots, tuple(path))

    def find_receipts(self, batch_id: str) -> tuple[Receipt, ...]:
        """Return the receipts of a batch, one for each of its deliveries in order; none for an unknown batch."""
        with self.database.connect() as connection:
            return find_receipt(connection, batch_id)


def _check_size(connection: Connection, size: int) -> None:
    """Refuse a tree larger than the log, whose missing nodes would look like damage."""
    present = get_head(connection).size
    if size > present:
        raise LogError("proof_invalid", f"expected a size of at most {present}, the leaves of the log, got `{size}`")

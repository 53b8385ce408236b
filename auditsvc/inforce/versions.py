"""The catalogue with its enricher and readers, and the policy set with its judge, in force at a place of the ledger.

One type, :class:`InForce`, and one cache, :class:`Versions`, are shared by ingest, the engine, reports, console, API
and commands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from auditsvc.catalog.enrich import Enricher
from auditsvc.catalog.load import load_catalog
from auditsvc.catalog.model import VERSION_DIGITS, Catalog
from auditsvc.condition.evaluate import EMPTY_CONTEXT, Context
from auditsvc.ground.errors import InputError
from auditsvc.ingest.readers.registry import BatchReader
from auditsvc.ledger.ledger import Ledger
from auditsvc.policy.judge import Judge, compile_policy_set
from auditsvc.policy.load import load_policy_set
from auditsvc.policy.model import AlertRule, PolicySet

MAX_VERSIONS = 8
"""Parsed versions kept of each kind; more than one is needed only while old events are read."""

_Version = TypeVar("_Version", "CatalogVersion", "PolicyVersion")


@dataclass(slots=True)
class CatalogVersion:
    """A catalogue with its enricher and its sources' readers, each built on first use."""

    catalog: Catalog
    _enricher: Enricher | None = None
    _readers: dict[str, BatchReader] = field(default_factory=dict)

    @property
    def enricher(self) -> Enricher:
        """Adds catalogue data to events."""
        if self._enricher is None:
            self._enricher = Enricher(self.catalog)
        return self._enricher

    def find_reader(self, source: str) -> BatchReader | None:
        """Return the reader of a source; None when the catalogue has no such source.

        Raises:
            AuditError: the source's options are wrong.
        """
        return None if self.catalog.find_source(source) is None else self.get_reader(source)

    def get_reader(self, source: str) -> BatchReader:
        """Return the reader of a source of this catalogue; raises as :meth:`find_reader`."""
        if source not in self._readers:
            self._readers[source] = BatchReader(self.catalog.sources[source])
        return self._readers[source]


@dataclass(slots=True)
class PolicyVersion:
    """A policy set with its judge, built on first use."""

    policy_set: PolicySet
    _judge: Judge | None = None
    _rules: dict[tuple[str, int], AlertRule] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The set's version, as recorded in events judged by it."""
        return self.policy_set.digest.hex()[:VERSION_DIGITS]

    @property
    def judge(self) -> Judge:
        """Judges events by the set."""
        if self._judge is None:
            self._judge = compile_policy_set(self.policy_set)
        return self._judge

    def get_alert_rule(self, policy_id: str, version: int) -> AlertRule:
        """Return how a version of a policy raises alerts; the version is one of this set."""
        key = (policy_id, version)
        if key not in self._rules:
            for policy in self.policy_set.policies:
                self._rules[(policy.id, policy.version)] = policy.alert
        return self._rules[key]


@dataclass(frozen=True, slots=True)
class InForce:
    """Catalogue and policy set at one place of the ledger, loaded on first use.

    Attributes:
        catalog_seq, policy_seq: the leaves that put them in force; None before the first one.
    """

    catalog_seq: int | None
    policy_seq: int | None
    _versions: Versions = field(repr=False, compare=False)

    def find_catalog(self) -> Catalog | None:
        """Return the catalogue; None when none was in force.

        Raises:
            LogError: the archived object is missing or does not match the leaf.
        """
        return None if self.catalog_seq is None else self._versions.get_catalog(self.catalog_seq).catalog

    def find_policy_set(self) -> PolicySet | None:
        """Return the policy set; None when none was in force; raises as :meth:`find_catalog`."""
        return None if self.policy_seq is None else self._versions.get_policies(self.policy_seq).policy_set

    def get_catalog(self) -> Catalog:
        """Return the catalogue; raise ``InputError`` (``not_found``) when none was in force."""
        catalog = self.find_catalog()
        if catalog is None:
            raise InputError("not_found", "no catalogue is in force; put one in force with `auditsvc catalog activate`")
        return catalog

    def get_policy_set(self) -> PolicySet:
        """Return the policy set; raise ``InputError`` (``not_found``) when none was in force."""
        policy_set = self.find_policy_set()
        if policy_set is None:
            raise InputError("not_found", "no policy set is in force; put one in force with `auditsvc policy activate`")
        return policy_set

    @property
    def context(self) -> Context:
        """The lists and calendars that a condition may name; none without a policy set."""
        policy_set = self.find_policy_set()
        return EMPTY_CONTEXT if policy_set is None else policy_set.context


class Versions:
    """Loads and caches the catalogues and policy sets that leaves put in force. Thread-safe."""

    def __init__(self, ledger: Ledger) -> None:
        """Load from ``ledger``, on demand."""
        self._ledger = ledger
        self._lock = threading.Lock()
        self._catalogs: dict[int, CatalogVersion] = {}
        self._policies: dict[int, PolicyVersion] = {}

    def find(self, before: int | None = None) -> InForce:
        """Return what is in force now, or was in force just before leaf ``before``."""
        catalog, policy = (self._ledger.find_latest(kind, before) for kind in ("catalog", "policy"))
        return self.at(None if catalog is None else catalog.seq, None if policy is None else policy.seq)

    def at(self, catalog_seq: int | None, policy_seq: int | None) -> InForce:
        """Return the catalogue and policy set that these leaves put in force."""
        return InForce(catalog_seq, policy_seq, self)

    def get_catalog(self, seq: int) -> CatalogVersion:
        """Return the catalogue of leaf ``seq``.

        Raises:
            LogError: the archived object is missing or does not match the leaf.
        """
        return self._get(self._catalogs, seq, self._load_catalog)

    def get_policies(self, seq: int) -> PolicyVersion:
        """Return the policy set of leaf ``seq``; raises as :meth:`get_catalog`."""
        return self._get(self._policies, seq, self._load_policies)

    def _get(self, kept: dict[int, _Version], seq: int, load: Callable[[int], _Version]) -> _Version:
        """Return a version, loading it unless it is cached; the oldest one is evicted."""
        found = kept.get(seq)
        if found is not None:
            return found
        with self._lock:
            if seq not in kept:
                loaded = load(seq)
                while len(kept) >= MAX_VERSIONS:
                    del kept[min(kept)]
                kept[seq] = loaded
            return kept[seq]

    def _load_catalog(self, seq: int) -> CatalogVersion:
        return CatalogVersion(load_catalog(self._ledger.load_bundle(self._ledger.get_leaf(seq))))

    def _load_policies(self, seq: int) -> PolicyVersion:
        return PolicyVersion(load_policy_set(self._ledger.load_bundle(self._ledger.get_leaf(seq))))

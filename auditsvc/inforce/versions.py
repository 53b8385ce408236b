"""The catalogue and the policy set in force at a place of the ledger, made ready to be used."""

from dataclasses import dataclass, field

from sqlalchemy import Engine as DatabaseEngine

from auditsvc.catalog.enrich import Enricher
from auditsvc.catalog.load import load_catalog
from auditsvc.catalog.model import VERSION_DIGITS, Catalog
from auditsvc.ingest.readers.registry import BatchReader
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.service import get_leaf, load_bundle_of
from auditsvc.policy.judge import Judge, compile_policy_set
from auditsvc.policy.load import load_policy_set
from auditsvc.policy.model import AlertRule, PolicySet

_KEPT = 8
"""Versions kept ready; the engine needs one, the alerts behind it seldom a second."""


@dataclass(frozen=True, slots=True)
class CatalogInForce:
    """A catalogue with its enricher and its sources' readers, each made on first use."""

    catalog: Catalog
    enricher: Enricher
    _readers: dict[str, BatchReader | None] = field(default_factory=dict)

    def find_reader(self, source: str) -> BatchReader | None:
        """Return the reader of a source; None when the catalogue has no such source."""
        if source not in self._readers:
            known = self.catalog.find_source(source)
            self._readers[source] = None if known is None else BatchReader(known)
        return self._readers[source]


@dataclass(frozen=True, slots=True)
class PoliciesInForce:
    """A policy set with its judge; ``version`` is what events carry."""

    policy_set: PolicySet
    judge: Judge
    version: str
    _rules: dict[tuple[str, int], AlertRule] = field(default_factory=dict)

    def get_alert_rule(self, policy_id: str, version: int) -> AlertRule:
        """Return how a version of a policy makes alerts; the version is one that judged by this set."""
        key = (policy_id, version)
        if key not in self._rules:
            for policy in self.policy_set.policies:
                self._rules[(policy.id, policy.version)] = policy.alert
        return self._rules[key]


class Versions:
    """Loads what ``catalog`` and ``policy`` leaves put in force, by leaf."""

    def __init__(self, engine_db: DatabaseEngine, archive: Archive) -> None:
        """Read leaves from ``engine_db`` and bundles from ``archive``."""
        self._engine_db = engine_db
        self._archive = archive
        self._catalogs: dict[int, CatalogInForce] = {}
        self._policies: dict[int, PoliciesInForce] = {}

    def get_catalog(self, seq: int) -> CatalogInForce:
        """Return the catalogue of leaf ``seq``.

        Raises:
            LogError: the archive does not hold it as the leaf says.
        """
        if seq not in self._catalogs:
            with self._engine_db.connect() as connection:
                bundle = load_bundle_of(self._archive, get_leaf(connection, seq))
            catalog = load_catalog(bundle)
            _forget_oldest(self._catalogs)
            self._catalogs[seq] = CatalogInForce(catalog, Enricher(catalog))
        return self._catalogs[seq]

    def get_policies(self, seq: int) -> PoliciesInForce:
        """Return the policy set of leaf ``seq``.

        Raises:
            LogError: the archive does not hold it as the leaf says.
        """
        if seq not in self._policies:
            with self._engine_db.connect() as connection:
                bundle = load_bundle_of(self._archive, get_leaf(connection, seq))
            policy_set = load_policy_set(bundle)
            _forget_oldest(self._policies)
            version = policy_set.digest.hex()[:VERSION_DIGITS]
            self._policies[seq] = PoliciesInForce(policy_set, compile_policy_set(policy_set), version)
        return self._policies[seq]


def _forget_oldest(kept: dict[int, CatalogInForce] | dict[int, PoliciesInForce]) -> None:
    """Make room for one more version."""
    while len(kept) >= _KEPT:
        del kept[min(kept)]

"""The catalogue and the policy set in force, parsed once for each version."""

from dataclasses import dataclass, field
from functools import lru_cache

from auditsvc.catalog.load import load_catalog
from auditsvc.catalog.model import Catalog
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.service import find_latest, load_bundle_of
from auditsvc.ledger.write.appender import Leaf
from auditsvc.policy.load import load_policy_set
from auditsvc.policy.model import PolicySet
from auditsvc.runtime.services import Services

_VERSIONS_KEPT = 8
"""Parsed versions kept in memory; more than one is needed only while old events are read."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A bundle by its digest, and where to read it when it has to be parsed."""

    digest: str
    entry: Leaf = field(compare=False)
    archive: Archive = field(compare=False)


def find_catalog(services: Services, before: int | None = None) -> Catalog | None:
    """Return the catalogue in force, or the one in force at leaf ``before``; None when there was none."""
    held = _find_held(services, "catalog", before)
    return None if held is None else _parse_catalog(held)


def find_policy_set(services: Services, before: int | None = None) -> PolicySet | None:
    """Return the policy set in force, or the one in force at leaf ``before``; None when there was none."""
    held = _find_held(services, "policy", before)
    return None if held is None else _parse_policy_set(held)


def _find_held(services: Services, kind: str, before: int | None) -> _Held | None:
    """Return the bundle that the last leaf of ``kind`` names."""
    with services.engine_db.connect() as connection:
        entry = find_latest(connection, kind, before)
    return None if entry is None else _Held(parse_header(entry.header).fields["sha256"], entry, services.archive)


@lru_cache(maxsize=_VERSIONS_KEPT)
def _parse_catalog(held: _Held) -> Catalog:
    """Return the catalogue of a bundle."""
    return load_catalog(load_bundle_of(held.archive, held.entry))


@lru_cache(maxsize=_VERSIONS_KEPT)
def _parse_policy_set(held: _Held) -> PolicySet:
    """Return the policy set of a bundle."""
    return load_policy_set(load_bundle_of(held.archive, held.entry))

"""Migrating existing indices to this version's templates, as an administrator.

New fields are added in place; existing events do not have them. What cannot be changed in place, above all a field's
type, is left unchanged and reported: such a store must be rebuilt from the archive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch

from auditsvc.ground.errors import StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch.failure import get_reason, storage_errors
from auditsvc.store.elasticsearch.mapping import FIRST_GENERATION, VERSION, Names, build_template
from auditsvc.store.elasticsearch.setup import list_types, list_unaliased
from auditsvc.store.elasticsearch.state import find_active


class MigrationOutcome(Enum):
    """The outcome for one index."""

    CURRENT = "current"
    WIDENED = "widened"
    REBUILD = "rebuild"


@dataclass(frozen=True, slots=True)
class Migrated:
    """One index after migration.

    Attributes:
        name: the index.
        outcome: whether it now matches this version's templates.
        detail: the fields that were added, or what cannot be changed in place; empty for a current one.
    """

    name: str
    outcome: MigrationOutcome
    detail: str = ""


def migrate_indices(client: Elasticsearch, settings: Settings) -> tuple[Migrated, ...]:
    """Migrate every index under the prefix to this version's mappings; return the outcomes, ordered by name.

    Raises:
        StorageError: ``storage_unavailable`` when the cluster does not answer, or the user lacks the privilege.
    """
    templates = build_template(settings.elasticsearch_prefix)
    done: dict[str, Migrated] = {}
    for body in templates.index.values():
        for pattern in body["index_patterns"]:
            with storage_errors():
                found = client.indices.get_mapping(index=pattern, ignore_unavailable=True).body
            for index in (
                found.keys() - done.keys()
            ):  # months match the template of their generation and the general one
                done[index] = _migrate_index(client, index, found[index]["mappings"], body["template"]["mappings"])
    return tuple(done[name] for name in sorted(done))


def restore_alias(client: Elasticsearch, settings: Settings) -> tuple[str, ...]:
    """Restore the alias for other programs on months in use that lack it, and return their names.

    Raises:
        StorageError: ``storage_unavailable`` when the cluster does not answer, or the user lacks the privilege.
    """
    prefix = settings.elasticsearch_prefix
    names = Names(prefix, find_active(client, prefix) or FIRST_GENERATION)
    lacking = list_unaliased(client, names)
    if lacking:
        with storage_errors():
            client.indices.update_aliases(actions=[{"add": {"indices": lacking, "alias": names.alias}}])
    return tuple(lacking)


def _migrate_index(client: Elasticsearch, index: str, now: Mapping[str, Any], wanted: Mapping[str, Any]) -> Migrated:
    """Migrate one index to a mapping, completely or not at all; the server decides what can be changed."""
    version = now.get("_meta", {}).get("auditsvc", VERSION)
    if version != VERSION:
        return Migrated(index, MigrationOutcome.REBUILD, f"it is of version {version}, expected {VERSION}")
    here, there = list_types(now), list_types(wanted)
    changed = [
        f"`{path}` is `{here[path]}`, not `{kind}`" for path, kind in there.items() if here.get(path, kind) != kind
    ]
    if changed:
        return Migrated(index, MigrationOutcome.REBUILD, "; ".join(changed))
    try:
        with storage_errors():
            client.indices.put_mapping(
                index=index, properties=wanted["properties"], meta=wanted["_meta"], dynamic=wanted["dynamic"]
            )
    except StorageError as err:
        if not isinstance(err.__cause__, BadRequestError):
            raise
        return Migrated(index, MigrationOutcome.REBUILD, get_reason(err.__cause__.body))
    added = [path for path in there if path not in here]
    return (
        Migrated(index, MigrationOutcome.WIDENED, ", ".join(added))
        if added
        else Migrated(index, MigrationOutcome.CURRENT)
    )

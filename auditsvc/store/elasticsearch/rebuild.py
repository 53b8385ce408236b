"""Filling a new generation of indices, and switching to it while the service keeps running.

Order of the swap, and what a crash after each step leaves:
1. the alias moves to the new indices in one call (other programs see the new, the service still the old);
2. the state's ``active`` document names the new generation (processes that look it up again use it), and its months to come get the
   alias from their template;
3. the old generation's position is removed (the service's next write or read fails, and it looks up the generation);
4. the old indices are deleted.
Running it again after a crash fills a third generation and removes the other two.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from auditsvc.ground.clock import Clock
from auditsvc.ground.errors import StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch.failure import CODE, storage_errors
from auditsvc.store.elasticsearch.mapping import FIRST_GENERATION, TABLES, Names
from auditsvc.store.elasticsearch.setup import install_templates
from auditsvc.store.elasticsearch.state import (
    DAMAGED,
    StoreState,
    find_active,
    find_state,
    list_generations,
    move_active,
    remove_state,
)
from auditsvc.store.elasticsearch.store import ElasticStore
from auditsvc.store.rows import LedgerPlace, Position, StoreDigest


class ElasticRebuild:
    """A new generation being filled; requires a user who may manage indices and aliases under the prefix."""

    def __init__(self, open_client: Callable[[], Elasticsearch], settings: Settings, clock: Clock) -> None:
        """Create a new generation, and remove the remains of interrupted rebuilds.

        Raises:
            StorageError: ``storage_unavailable`` when the cluster does not answer, or the user may not remove indices.
        """
        self._client = open_client()
        self._open_client = open_client
        self._settings = settings
        self._clock = clock
        prefix = settings.elasticsearch_prefix
        known = list_generations(self._client, prefix)
        active = self._find_active(prefix)
        self._old = None if active is None else Names(prefix, active)
        if self._find_state() is not None:  # else it would be unknown which is in use until the new one is
            for generation in known:
                if generation != active:
                    self._remove(Names(prefix, generation))
        self._new = Names(prefix, str(max(int(name) for name in (*known, active or FIRST_GENERATION)) + 1))
        self.draft = ElasticStore(open_client(), settings, generation=self._new.generation, clock=clock)

    def _find_active(self, prefix: str) -> str | None:
        """Return the generation in use; None for a new store, and when the document that names it is damaged."""
        try:
            return find_active(self._client, prefix)
        except StorageError as err:
            if DAMAGED not in err.context:
                raise
            return None

    def read_position(self) -> Position | None:
        """Return the position of the generation in use; None when there is none or it cannot be read."""
        state = self._find_state()
        return None if state is None else state.position

    def read_previous(self, place: LedgerPlace) -> StoreDigest | None:
        """Return the digest of the generation in use if it is at ``place`` and can be read."""
        if self._old is None:
            return None
        store = ElasticStore(self._open_client(), self._settings, generation=self._old.generation, clock=self._clock)
        try:
            return store.digest() if store.position().next == place else None
        except StorageError:
            return None
        finally:
            store.close()

    def read_removed(self) -> tuple[str, ...] | None:
        """Return the months removed from the generation in use; None when it cannot be read."""
        state = self._find_state()
        return None if state is None else state.removed

    def _find_state(self) -> StoreState | None:
        """Return the state of the generation in use; None when there is none or it cannot be read."""
        if self._old is None:
            return None
        try:
            return find_state(self._client, self._old)
        except StorageError:
            return None

    def swap(self) -> None:
        """Replace the generation in use with the new one.

        Raises:
            StorageError: ``storage_unavailable``; until the last step the old one still exists.
        """
        actions: list[dict[str, Any]] = [{"add": {"index": self._new.events("*"), "alias": self._new.alias}}]
        with storage_errors():
            holders = self._client.indices.get_alias(index=f"{self._new.prefix}-events-*", allow_no_indices=True).body
            for index, held in holders.items():
                if self._new.alias in held["aliases"] and not fnmatchcase(index, self._new.events("*")):
                    actions.append({"remove": {"index": index, "alias": self._new.alias}})
            self._client.indices.update_aliases(actions=actions)
        move_active(self._client, self._new)
        install_templates(self._client, self._settings)
        for generation in list_generations(self._client, self._new.prefix):  # the service may have created one since
            if generation != self._new.generation:
                self._remove(Names(self._new.prefix, generation))

    def _remove(self, names: Names) -> None:
        """Remove a generation: its position first, so that a partly removed one is not mistaken for complete."""
        remove_state(self._client, names)
        patterns = [names.events("*"), *(names.table(kind) for kind in TABLES)]
        with storage_errors():
            found = sorted(
                index
                for pattern in patterns
                for index in self._client.indices.get(index=pattern, features="aliases", ignore_unavailable=True)
            )
            for index in found:
                try:
                    self._client.indices.delete(index=index)
                except NotFoundError as err:
                    raise StorageError(CODE, f"event store: index `{index}` went while it was removed") from err

    def close(self) -> None:
        """Close the draft and the client."""
        self.draft.close()
        self._client.close()

"""Setting up a store: templates by an administrator once, indices by the service, both checked before anything is sent."""

from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import Any

from elasticsearch import BadRequestError, Elasticsearch, NotFoundError

from auditsvc.ground.errors import StorageError
from auditsvc.ground.settings.model import Settings
from auditsvc.store.elasticsearch.failure import CODE, get_reason, storage_errors
from auditsvc.store.elasticsearch.mapping import FIRST_GENERATION, TABLES, VERSION, Names, build_template
from auditsvc.store.elasticsearch.scan import describe_gone
from auditsvc.store.elasticsearch.state import StoreState, find_active
from auditsvc.store.rows import LedgerPlace

GREEN_WAIT_S = 60
"""How long a new index may take until all its copies are allocated."""
_AT_ONCE = 8
_EXISTS = "resource_already_exists_exception"


def install_templates(client: Elasticsearch, settings: Settings) -> tuple[str, ...]:
    """Install the component and index templates, as an administrator; return their names.

    Raises:
        StorageError: ``storage_unavailable`` when the cluster does not accept them.
    """
    prefix = settings.elasticsearch_prefix
    generation = find_active(client, prefix) or FIRST_GENERATION
    templates = build_template(
        prefix,
        generation=generation,
        replicas=settings.elasticsearch_replicas,
        shards=settings.elasticsearch_month_shards,
    )
    with storage_errors():
        for name, body in templates.component.items():
            client.cluster.put_component_template(
                name=name, template=body["template"], version=body["version"], meta=body["_meta"]
            )
        for name, body in templates.index.items():
            client.indices.put_index_template(
                name=name,
                index_patterns=body["index_patterns"],
                composed_of=body["composed_of"],
                priority=body["priority"],
                allow_auto_create=body["allow_auto_create"],
                version=body["version"],
                meta=body["_meta"],
                template=body["template"],
            )
    return (*templates.component, *templates.index)


def list_indices(client: Elasticsearch, settings: Settings) -> tuple[str, ...]:
    """Return the names of the indices under the prefix, sorted."""
    with storage_errors():
        found = client.indices.get(index=f"{settings.elasticsearch_prefix}-*", features="aliases").body
    return tuple(sorted(found))


def list_types(mapping: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Return the types of a mapping's fields by their dotted paths."""
    types = {}
    for name, body in mapping.get("properties", {}).items():
        types[f"{above}{name}"] = body.get("type", "object")
        types |= list_types(body, f"{above}{name}.")
    return types


def check_templates(client: Elasticsearch, prefix: str) -> None:
    """Check that every template of the store is installed, in our version.

    Raises:
        StorageError: ``storage_unavailable``, naming the first missing or different one.
    """
    with storage_errors():
        try:
            found = client.indices.get_index_template(name=f"{prefix}-*").body["index_templates"]
        except NotFoundError:
            found = []
    versions = {one["name"]: one["index_template"].get("version") for one in found}
    loose = {one["name"] for one in found if one["index_template"].get("allow_auto_create") is not False}
    for name in build_template(prefix).index:
        if versions.get(name) != VERSION:
            got = f"got {versions[name]}" if name in versions else "there is none"
            message = f"event store: expected index template `{name}` of version {VERSION}, {got}"
            raise StorageError(CODE, f"{message}; an administrator installs the templates once")
        if name in loose:
            message = (
                f"event store: index template `{name}` lets a write make an index, so that a removed one looks whole"
            )
            raise StorageError(CODE, f"{message}; an administrator installs the templates again")


def list_unaliased(client: Elasticsearch, names: Names) -> list[str]:
    """Return the months' indices of a generation that lack the alias for other programs, sorted."""
    with storage_errors():
        found = client.indices.get(index=names.events("*"), features="aliases").body
    return sorted(index for index, one in found.items() if names.alias not in one["aliases"])


def check_held(client: Elasticsearch, names: Names, state: StoreState) -> None:
    """Check that the non-empty indices of a store exist.

    Raises:
        StorageError: ``storage_unavailable``, naming those that were deleted.
    """
    _check_held(names, state, _find_present(client, names))


def _find_present(client: Elasticsearch, names: Names) -> set[str]:
    """Return the existing indices of a generation, including closed ones."""
    with storage_errors():
        found = client.indices.get_settings(
            index=[names.state, *(names.table(kind) for kind in TABLES), names.events("*")],
            name="index.uuid",
            ignore_unavailable=True,
            expand_wildcards="all",
            filter_path="*.settings.index.uuid",
        ).body
    return set(found)


def _check_held(names: Names, state: StoreState, found: Set[str]) -> None:
    """Refuse a state by which more indices are non-empty than were found."""
    held = [names.events(month) for month in state.months]
    if state.position.next != LedgerPlace(0):
        held += [names.table(kind) for kind in TABLES]
    gone = [index for index in held if index not in found]
    if gone:
        raise StorageError(CODE, describe_gone(*gone))


class Indices:
    """Creates indices before anything is written to them, and checks each once per process."""

    def __init__(self, client: Elasticsearch, names: Names) -> None:
        """Start without known indices."""
        self._client = client
        self._names = names
        self._ready: set[str] = set()

    def make_tables(self) -> None:
        """Create the indices of all tables other than events."""
        self._make_all([self._names.state, *(self._names.table(kind) for kind in TABLES)])

    def make_months(self, months: Sequence[str]) -> None:
        """Create the event indices of some months, and wait until all their copies are allocated.

        Raises:
            StorageError: ``storage_unavailable`` when one cannot be created, or does not match our templates.
        """
        self._make_all([self._names.events(month) for month in months])

    def check_held(self, state: StoreState) -> None:
        """Check that the non-empty indices of a store exist; recreate missing ones that were empty.

        Raises:
            StorageError: ``storage_unavailable`` when one was deleted; recreated empty, it would look complete.
        """
        found = _find_present(self._client, self._names)
        self._ready &= found
        _check_held(self._names, state, found)

    def _make_all(self, indices: Sequence[str]) -> None:
        """Create those that are not known to be ready."""
        wanted = [index for index in indices if index not in self._ready]
        if not wanted:
            return
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # the master batches concurrent requests
            list(pool.map(self._make, wanted))
        self._wait(wanted)
        self._check(wanted)
        self._ready.update(wanted)

    def _make(self, index: str) -> None:
        """Create an index from its template, unless it exists."""
        with storage_errors():
            if self._client.indices.exists(index=index):
                return
            try:
                self._client.indices.create(index=index)
            except BadRequestError as err:
                if _EXISTS not in get_reason(err.body):
                    raise

    def _wait(self, indices: Sequence[str]) -> None:
        """Wait until all copies are allocated; with one node, accept yellow, since replicas cannot be assigned."""
        with storage_errors():
            nodes = self._client.cluster.health(filter_path="number_of_data_nodes").body["number_of_data_nodes"]
            answer = self._client.options(ignore_status=408, request_timeout=GREEN_WAIT_S + 10).cluster.health(
                index=list(indices), wait_for_status="green" if nodes > 1 else "yellow", timeout=f"{GREEN_WAIT_S}s"
            )
        if answer.body.get("timed_out"):
            status = answer.body.get("status")
            message = f"event store: indices such as `{indices[0]}` are {status} after {GREEN_WAIT_S} seconds"
            raise StorageError(CODE, f"{message}; see the cluster's allocation")

    def _check(self, indices: Sequence[str]) -> None:
        """Check that indices were created from our templates, and that acknowledged writes are synced to disk."""
        with storage_errors():
            settings = self._client.indices.get_settings(index=list(indices), flat_settings=True).body
            mappings = self._client.indices.get_mapping(index=list(indices)).body
        for index in indices:
            durability = settings[index]["settings"].get("index.translog.durability", "request")
            if durability != "request":
                message = f"event store: index `{index}` has index.translog.durability `{durability}`"
                raise StorageError(CODE, f"{message}; what it acknowledges can be lost, so it must be `request`")
            mapping = mappings[index]["mappings"]
            version = mapping.get("_meta", {}).get("auditsvc")
            if version != VERSION:
                got = "none" if version is None else version
                message = f"event store: index `{index}`: expected version {VERSION} of our templates, got {got}"
                advice = "an administrator runs `auditsvc store migrate`, then `auditsvc reindex`"
                raise StorageError(CODE, f"{message}; {advice}")
            self._check_fields(index, mapping)

    def _check_fields(self, index: str, mapping: Mapping[str, Any]) -> None:
        """Check that an index maps our fields as we do; else documents would be rejected, or not be found."""
        bodies = build_template(self._names.prefix).index.values()
        wanted = next(body for body in bodies if any(fnmatchcase(index, one) for one in body["index_patterns"]))
        found = list_types(mapping)
        for path, kind in list_types(wanted["template"]["mappings"]).items():
            if found.get(path) != kind:
                message = (
                    f"event store: index `{index}` has field `{path}` as `{found.get(path, 'nothing')}`, not `{kind}`"
                )
                advice = (
                    "an administrator runs `auditsvc store migrate`, which says whether the store must be built again"
                )
                raise StorageError(CODE, f"{message}; {advice}")

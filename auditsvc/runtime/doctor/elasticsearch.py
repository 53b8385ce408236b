"""The doctor's checks of Elasticsearch, with the service's own user and rights; read-only.

A check that the user's rights or the server's build do not permit is "not looked at", never pass.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any

from elasticsearch import ApiError, Elasticsearch

from auditsvc.ground.clock import SystemClock
from auditsvc.ground.errors import AuditError
from auditsvc.ground.settings.model import Settings
from auditsvc.runtime.doctor.check import Check, CheckOutcome, attempt, failed, passed, skipped, warned
from auditsvc.runtime.installation import follows_ledger
from auditsvc.store.elasticsearch.client import UNKNOWN, ServerFacts, check_server, open_client
from auditsvc.store.elasticsearch.failure import get_reason, storage_errors
from auditsvc.store.elasticsearch.mapping import FIRST_GENERATION, VERSION, Names
from auditsvc.store.elasticsearch.role import build_role
from auditsvc.store.elasticsearch.setup import check_templates, list_indices, list_unaliased
from auditsvc.store.elasticsearch.state import find_active
from auditsvc.store.elasticsearch.store import ElasticStore
from auditsvc.store.rows import LedgerPlace

_INIT = "an administrator runs `auditsvc store init`"
_DISK = "cluster.routing.allocation.disk"
_MARKS: Mapping[str, float] = {"low": 0.85, "high": 0.90, "flood_stage": 0.95}
"""Elasticsearch's default watermarks, used when it does not report its own."""
_UNITS = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4, "pb": 1024**5}
_TOO_MUCH = ("index", "delete", "delete_index", "manage")
"""Privileges on events the service must not have: an attacker in its place could delete or replace stored events."""
_WISHED = {"ilm": "months are removed by an administrator, not by themselves"}
"""Optional features, and what replaces them."""
_WRITE_BLOCKS = ("read_only", "read_only_allow_delete", "write")
_SHOWN = 3


def check_elasticsearch(settings: Settings) -> list[Check]:
    """Return every check of the event store in Elasticsearch."""
    try:
        client = open_client(settings)
    except AuditError as err:
        return [failed("event store", err.message)]
    with closing(client):
        try:
            facts = check_server(client)
        except AuditError as err:
            text = "event store in elasticsearch"
            return [
                failed("event store", f"{text}: {err.message}", "the service keeps accepting meanwhile", is_down=True)
            ]
        return [_describe(facts), *_check_parts(client, settings)]


def _describe(facts: ServerFacts) -> Check:
    """Return a description of the server, whose version was already compared with the client's."""
    text = f"Elasticsearch {facts.version}, licence {facts.licence}, nodes {', '.join(facts.nodes)}"
    if facts.licence == UNKNOWN:
        return passed("event store", f"{text} (server or role does not say; nothing we use needs one)")
    return passed("event store", text)


def _check_parts(client: Elasticsearch, settings: Settings) -> Iterator[Check]:
    """Yield every check of an available server."""
    looks: Mapping[str, Callable[[Elasticsearch, Settings], Check | Iterator[Check]]] = {
        "templates": _check_templates,
        "indices": _check_indices,
        "store position": _check_store,
        "alias": _check_alias,
        "cluster health": _check_health,
        "cluster disk": _check_disk,
        "cluster settings": _check_settings,
        "rights": _check_rights,
        "features": _check_features,
    }
    for name, look in looks.items():
        for check in attempt(name, partial(look, client, settings)):
            is_hidden = check.outcome is CheckOutcome.FAIL and "does not allow this" in check.text
            yield skipped(check.name, check.text) if is_hidden else check


def _check_templates(client: Elasticsearch, settings: Settings) -> Check:
    """Check that our templates are installed in this version."""
    try:
        check_templates(client, settings.elasticsearch_prefix)
    except AuditError as err:
        return failed("templates", err.message, _INIT)
    return passed("templates", f"those of `{settings.elasticsearch_prefix}` are there, version {VERSION}")


def _check_indices(client: Elasticsearch, settings: Settings) -> Iterator[Check]:
    """Check each index: writes are fsynced before they are acknowledged, shards are assigned, and it is writable."""
    pattern = f"{settings.elasticsearch_prefix}-*"
    with storage_errors():
        found = client.indices.get_settings(index=pattern, flat_settings=True, ignore_unavailable=True).body
        nodes = client.cluster.health(filter_path="number_of_data_nodes").body["number_of_data_nodes"]
        mappings = client.indices.get_mapping(
            index=pattern, ignore_unavailable=True, filter_path="*.mappings._meta"
        ).body
    if not found:
        yield warned("indices", f"our user sees none named `{pattern}`", "the service makes them when it starts")
        return
    given: dict[str, dict[str, Any]] = {name: one["settings"] for name, one in sorted(found.items())}
    unsafe = [name for name, one in given.items() if one.get("index.translog.durability", "request") != "request"]
    blocked = [name for name, one in given.items() if _is_blocked(one, *_WRITE_BLOCKS)]
    unreadable = [name for name, one in given.items() if _is_blocked(one, "read")]
    strange = [name for name in given if _get_version(mappings, name) != VERSION]
    if unsafe:
        advice = "what they acknowledge can be lost: set index.translog.durability to `request`"
        yield failed("index durability", f"not `request`: {_name(unsafe)}", advice)
    else:
        yield passed("index durability", f"`request` for all of {len(given)} indices")
    if blocked:
        advice = "make room on the nodes' disks; then set index.blocks.* back to null"
        yield failed("index blocks", f"cannot be written: {_name(blocked)}", advice)
    if unreadable:
        advice = "what needs them is not answered: an administrator sets index.blocks.read back to null"
        yield failed("index blocks", f"cannot be read: {_name(unreadable)}", advice)
    if strange:
        yield failed(
            "index mappings",
            f"not of our version {VERSION}: {_name(strange)}",
            "an administrator runs `auditsvc store migrate`",
        )
    yield _check_replicas(given, nodes, settings)


def _check_store(client: Elasticsearch, settings: Settings) -> Iterator[Check]:
    """Run the checks that the service runs before it uses the store, up to the first that fails."""
    store = ElasticStore(client, settings, clock=SystemClock())
    looks: Mapping[str, Callable[[], Check]] = {
        "store position": lambda: _check_position(store, settings),
        "store indices": lambda: _check_held(store),
        "dead letters": lambda: _check_dead_letters(store),
    }
    reason = "" if list_indices(client, settings) else "the service has not made its indices yet"
    for name, look in looks.items():
        if reason:
            yield skipped(name, reason)
            continue
        (check,) = attempt(name, look, is_down=True)
        yield check
        if check.outcome is CheckOutcome.FAIL:
            reason = f"could not be looked at: see {name}"


def _check_position(store: ElasticStore, settings: Settings) -> Check:
    """Check that the store's position is in this ledger's log."""
    name = "store position"
    place = store.position()
    text = f"next leaf {place.next.seq} record {place.next.record}"
    if place.next == LedgerPlace(0):
        return passed(name, f"{text}: it has followed nothing yet")
    if not follows_ledger(settings, place):
        return skipped(name, f"{text}; there is no ledger here to compare it with")
    return passed(name, f"{text}, of this ledger's log")


def _check_held(store: ElasticStore) -> Check:
    """Check that the indices named by the store's state exist."""
    store.check_held()
    return passed("store indices", "all that hold rows are there")


def _check_dead_letters(store: ElasticStore) -> Check:
    """Count the documents that the server rejected."""
    number = store.count_dead_letters()
    if number:
        advice = "searches lack these rows: `auditsvc store dead` lists them with the reason"
        return warned("dead letters", f"{number} rows were refused", advice)
    return passed("dead letters", "none")


def _check_alias(client: Elasticsearch, settings: Settings) -> Check:
    """Check that every month is in the alias used by other programs."""
    prefix = settings.elasticsearch_prefix
    names = Names(prefix, find_active(client, prefix) or FIRST_GENERATION)
    lacking = list_unaliased(client, names)
    if lacking:
        advice = "other programs do not see their events: an administrator runs `auditsvc store migrate`"
        return warned("alias", f"`{names.alias}` lacks {_name(lacking)}", advice)
    return passed("alias", f"`{names.alias}` has every month in use")


def _check_replicas(given: Mapping[str, Mapping[str, Any]], nodes: int, settings: Settings) -> Check:
    """Compare the number of replicas of each index with the setting and with the nodes that can hold them."""
    name, wanted = "replicas", settings.elasticsearch_replicas
    other = [index for index, one in given.items() if int(one.get("index.number_of_replicas", 1)) != wanted]
    text = f"{wanted} beside the first copy, {nodes} data nodes"
    if wanted >= nodes:
        advice = f"add nodes, or set `AUDITSVC_ELASTICSEARCH_REPLICAS={nodes - 1}` and the indices' number_of_replicas"
        return warned(name, f"{text}: not every copy has a place", advice)
    if other:
        advice = "new indices follow the templates; change number_of_replicas of those that are there"
        return warned(name, f"{text}; other numbers: {_name(other)}", advice)
    if wanted == 0 and nodes > 1:
        return warned(name, f"{text}: a lost node takes its events along", "set `AUDITSVC_ELASTICSEARCH_REPLICAS=1`")
    return passed(name, text)


def _check_health(client: Elasticsearch, settings: Settings) -> Check:
    """Return the health of our indices."""
    with storage_errors():
        body = client.cluster.health(index=f"{settings.elasticsearch_prefix}-*").body
    status, lacking = body["status"], body["unassigned_shards"]
    if not body["active_shards"] and not lacking:
        return skipped("cluster health", "our user sees no index of ours")
    text = f"{status}, {body['number_of_nodes']} nodes, {lacking} copies without a place"
    if status == "red":
        return failed(
            "cluster health", text, "events are missing now: `GET _cluster/allocation/explain` says why", is_down=True
        )
    if status == "yellow":
        return warned("cluster health", text, "a lost node may take events along: `GET _cluster/allocation/explain`")
    return passed("cluster health", text)


def _check_disk(client: Elasticsearch, settings: Settings) -> Iterator[Check]:
    """Compare the free space of each data node with the watermarks at which the cluster stops using it."""
    del settings
    marks = _read_cluster_settings(client)
    with storage_errors():
        nodes = client.nodes.stats(metric="fs").body["nodes"]
    if marks.get(f"{_DISK}.threshold_enabled", "true") == "false":
        yield warned("cluster disk", "disk watermarks are switched off", f"set {_DISK}.threshold_enabled to true")
    for node in sorted(nodes.values(), key=lambda one: str(one["name"])):
        total, free = node["fs"]["total"]["total_in_bytes"], node["fs"]["total"]["available_in_bytes"]
        over = [mark for mark in _MARKS if free < find_least_free(marks, mark, total)]
        text = f"node `{node['name']}` has {free // 1024**2} of {total // 1024**2} MiB free"
        if "flood_stage" in over:
            yield failed("cluster disk", f"{text}, past flood_stage", "its indices cannot be written; make room there")
        elif over:
            yield warned(
                "cluster disk", f"{text}, past watermark {over[-1]}", "new indices find no place there; make room"
            )
        else:
            yield passed("cluster disk", text)


def find_least_free(marks: Mapping[str, Any], mark: str, total: int) -> float:
    """Return the free bytes below which a disk of ``total`` bytes exceeds a watermark, given as share used or bytes free."""
    text = str(marks.get(f"{_DISK}.watermark.{mark}", _MARKS[mark])).lower()
    try:
        if text.endswith("%"):
            least = total * (1 - float(text[:-1]) / 100)
        elif text.replace(".", "", 1).isdigit():
            least = total * (1 - float(text))
        else:
            return _parse_bytes(text)
        room = str(marks.get(f"{_DISK}.watermark.{mark}.max_headroom", "-1")).lower()
        return least if room == "-1" else min(least, _parse_bytes(room))
    except ValueError:
        return total * (1 - _MARKS[mark])


def _parse_bytes(text: str) -> float:
    """Return a size such as ``200gb`` in bytes; raise ``ValueError`` for anything else."""
    number = text.rstrip("bkmgtp")
    if text[len(number) :] not in _UNITS:
        raise ValueError(text)
    return float(number) * _UNITS[text[len(number) :]]


def _check_settings(client: Elasticsearch, settings: Settings) -> Iterator[Check]:
    """Check the cluster settings that our indices and queries depend on."""
    del settings
    given = _read_cluster_settings(client)
    if str(given.get("search.allow_expensive_queries", "true")) == "false":
        advice = "searches with patterns would be refused: set search.allow_expensive_queries to null"
        yield failed("expensive queries", "search.allow_expensive_queries is false", advice)
    else:
        yield passed("expensive queries", "allowed")
    allocation = str(given.get("cluster.routing.allocation.enable", "all"))
    if allocation != "all":
        advice = "new months find no place: set cluster.routing.allocation.enable to null"
        yield warned("allocation", f"cluster.routing.allocation.enable is `{allocation}`", advice)
    else:
        yield passed("allocation", "allowed for every copy")


def _check_rights(client: Elasticsearch, settings: Settings) -> Iterator[Check]:
    """Check that our user has every privilege of our role, and none that could delete stored data."""
    role = build_role(settings.elasticsearch_prefix)
    own = [{"names": [f"{settings.elasticsearch_prefix}-events-*"], "privileges": list(_TOO_MUCH)}]
    try:
        answer = client.security.has_privileges(cluster=role["cluster"], index=role["indices"])
        more = client.security.has_privileges(index=own)
    except ApiError as err:
        if err.status_code in (401, 403) or "security" not in get_reason(err.body).lower():
            with storage_errors():
                raise
        text = "security is off: whoever reaches the server can change and remove events"
        yield warned("rights", text, "switch it on and give the service the role of `auditsvc store role`")
        return
    lacking = _list_answers(answer.body, wanted=False)
    if lacking:
        yield failed("rights", f"our user lacks {_name(lacking)}", "give it the role `auditsvc store role` prints")
    else:
        yield passed("rights", "our user has every right of its role")
    excess = _list_answers({"index": more.body["index"]}, wanted=True)
    if excess:
        advice = "the service could remove what it stored: give it the role of `auditsvc store role` alone"
        yield warned("least rights", f"our user also has {_name(excess)}", advice)
    else:
        yield passed("least rights", "our user cannot remove or replace events")


def _list_answers(body: Mapping[str, Any], *, wanted: bool) -> list[str]:
    """Return the privileges for which the server's answer is ``wanted``."""
    cluster = [f"cluster `{name}`" for name, has in body.get("cluster", {}).items() if has is wanted]
    return cluster + [
        f"`{name}` on `{index}`" for index, has in body["index"].items() for name, one in has.items() if one is wanted
    ]


def _check_features(client: Elasticsearch, settings: Settings) -> Check:
    """Report which optional features are available, and what replaces the missing ones."""
    del settings
    try:
        with storage_errors():
            found = client.xpack.info(categories=["features"]).body.get("features", {})
    except AuditError:
        found = {}
    lacking = [f"`{name}` ({text})" for name, text in _WISHED.items() if not found.get(name, {}).get("available")]
    return passed("features", f"does without {', '.join(lacking)}" if lacking else "everything we would use is there")


def _read_cluster_settings(client: Elasticsearch) -> dict[str, Any]:
    """Return the cluster's settings including defaults; transient ones override persistent ones."""
    with storage_errors():
        body = client.cluster.get_settings(include_defaults=True, flat_settings=True).body
    return {**body.get("defaults", {}), **body.get("persistent", {}), **body.get("transient", {})}


def _is_blocked(settings: Mapping[str, Any], *names: str) -> bool:
    """Return whether an index has one of these blocks."""
    return any(settings.get(f"index.blocks.{name}") == "true" for name in names)


def _get_version(mappings: Mapping[str, Any], index: str) -> object:
    """Return the version of our template that an index was created with, None for another template."""
    return mappings.get(index, {}).get("mappings", {}).get("_meta", {}).get("auditsvc")


def _name(names: list[str]) -> str:
    """Return the first names of a list, and the number of the rest."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"

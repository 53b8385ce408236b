"""The contents of a store by month, and the removal of whole months, as an administrator.

Order of a removal, and what a crash after each step leaves:
1. the state lists the month as removed (no query returns it any more, and writers drop late events of it);
2. its index is deleted (when run again, the removal finds the month listed and continues here).
"""

from typing import Any

from elasticsearch import ApiError, Elasticsearch

from auditsvc.ground.errors import StorageError
from auditsvc.store.elasticsearch import findings as finding
from auditsvc.store.elasticsearch import scan
from auditsvc.store.elasticsearch.failure import CODE, get_reason, storage_errors
from auditsvc.store.elasticsearch.mapping import TABLES, Names
from auditsvc.store.elasticsearch.state import read_state, remove_month
from auditsvc.store.elasticsearch.view import View
from auditsvc.store.month import rank_month
from auditsvc.store.rows import Inventory, MonthFigure

RIGHT = "delete_index"
"""The privilege that a removal requires and the service lacks."""


def take_inventory(view: View) -> Inventory:
    """Return a store's contents as of its position; sizes are those of the primary shards."""
    names, visible = view.names, view.state.build_visible()
    months = sorted(view.state.months, key=rank_month)
    wanted = [names.events("*"), *(names.table(kind) for kind in TABLES)]
    with storage_errors():
        stats: dict[str, Any] = view.client.indices.stats(index=wanted, metric=["store"]).body["indices"]
    sizes = {name: int(one["primaries"]["store"]["size_in_bytes"]) for name, one in stats.items()}
    figures = [
        MonthFigure(month, scan.count(view.client, [names.events(month)], visible), sizes.get(names.events(month), 0))
        for month in months
    ]
    tables = view.state.build_visible("seq", "record")
    return Inventory(
        months=tuple(figure for figure in figures if figure.events),
        removed=tuple(sorted(view.state.removed, key=rank_month)),
        findings=scan.count(view.client, [names.table("findings")], tables),
        quarantine=scan.count(view.client, [names.table("quarantine")], tables),
        dead_letters=finding.count_dead_letters(view),
        size_bytes=sum(sizes.values()),
    )


def delete_month(client: Elasticsearch, names: Names, month: str) -> int:
    """Permanently remove a month and return its number of events.

    Raises:
        StorageError: ``storage_unavailable`` when the user lacks the privilege, before anything is changed, or the cluster does not
            answer; ``conflict`` when a chunk was written concurrently; nothing was changed.
    """
    index = names.events(month)
    _check_right(client, index)
    state = read_state(client, names)
    number = scan.count(client, [index], state.build_visible()) if month in state.months else 0
    if month not in state.removed:
        remove_month(client, names, state, month)
    with storage_errors():
        client.options(ignore_status=404).indices.delete(index=index)
    return number


def _check_right(client: Elasticsearch, index: str) -> None:
    """Refuse a user who may not delete the index; a server without security allows everyone."""
    try:
        answer = client.security.has_privileges(index=[{"names": [index], "privileges": [RIGHT]}]).body
    except ApiError as err:
        if err.status_code in (401, 403) or "security" not in get_reason(err.body).lower():
            with storage_errors():
                raise
        return
    if not answer["has_all_requested"]:
        message = f"event store: our user may not remove index `{index}`: it lacks the right `{RIGHT}`"
        raise StorageError(CODE, f"{message}; an administrator removes months")

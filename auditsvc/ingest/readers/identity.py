"""Ids for events whose record has none, and the items of a record with several."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from auditsvc.event.model import Event
from auditsvc.ground.errors import InputError


def derive_id(event: Event, raw: bytes) -> None:
    """Derive a missing event id from its correlation id, else from its record, and flag the event ``derived_id``.

    Source and side are not part of it: the store adds both to the key of every event. Equal records of one source get
    equal ids, whatever batch they come in.
    """
    correlation = event.get("correlation")
    basis = correlation.encode() if isinstance(correlation, str) and correlation else raw
    event["id"] = hashlib.sha256(basis).hexdigest()[:32]
    known = event.get("quality")
    event["quality"] = [*known, "derived_id"] if isinstance(known, list) else ["derived_id"]


def read_items(items: Iterable[Any], read_item: Callable[[Any], Event]) -> Iterator[Event | InputError]:
    """Yield, for each decoded item of a record, its event or the reason why it is not one.

    A missing event id is derived from the item alone (keys sorted), not from the whole record.
    """
    return (_try_item(item, read_item) for item in items)


def _try_item(item: Any, read_item: Callable[[Any], Event]) -> Event | InputError:
    """Return one item's event, or the reason why it is not one."""
    try:
        event = read_item(item)
    except InputError as err:
        return err
    if not event.get("id"):
        derive_id(event, msgspec.json.encode(item, order="sorted"))
    return event

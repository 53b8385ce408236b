"""Ids for events whose record has none."""

import hashlib

from auditsvc.event.model import Event


def derive_id(event: Event, raw: bytes) -> None:
    """Give an event without id one made from its correlation, else from its record, and flag it ``derived_id``.

    Source and side are not part of it: the store adds both to the key of every event. Equal records of one source get
    equal ids, whatever batch they come in.
    """
    correlation = event.get("correlation")
    basis = correlation.encode() if isinstance(correlation, str) and correlation else raw
    event["id"] = hashlib.sha256(basis).hexdigest()[:32]
    known = event.get("quality")
    event["quality"] = [*known, "derived_id"] if isinstance(known, list) else ["derived_id"]

"""Writing headers; their form and parser are in :mod:`auditsvc.ledger.format.header`."""

from collections.abc import Mapping

from auditsvc.ground.errors import LogError
from auditsvc.ledger.format.header import FIELDS, NONE, OBJECT_FIELDS, Header, parse_header

__all__ = ["FIELDS", "NONE", "OBJECT_FIELDS", "Header", "format_header", "parse_header"]


def format_header(origin: str, kind: str, fields: Mapping[str, str]) -> str:
    """Return the header of a leaf, fields in the kind's order.

    Raises:
        LogError: ``header_invalid``; an unknown kind, a missing or unknown field, or a value not of its form.
    """
    form = FIELDS.get(kind)
    if form is None:
        raise LogError("header_invalid", f"header: unknown kind `{kind}`")
    if form.keys() != fields.keys():
        wrong = ", ".join(sorted(form.keys() ^ fields.keys()))
        raise LogError("header_invalid", f"header: {kind}: missing or unknown keys: {wrong}")
    for key, pattern in form.items():
        if not pattern.match(fields[key]):
            message = f"header: {kind}: `{key}` has the value `{fields[key][:80]}`, which is not of its form"
            raise LogError("header_invalid", message)
    lines = [f"{origin}/{kind}/v1", *(f"{key} {fields[key]}" for key in form)]
    return "\n".join(lines) + "\n"

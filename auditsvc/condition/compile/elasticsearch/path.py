"""The paths in the Elasticsearch store that conditions read: one document per event.

In addition to the value of each field (:func:`index_path`), a document has:

- ``govshare.nulls``: names of the fields present as null;
- ``govshare.empty``: names of the list fields present and empty;
- ``govshare.length.<name>``: number of elements of each list field present, an integer;
- ``govshare.text.<name>``: exact text of each address (:func:`text_path`);
- ``govshare.long``: names of the fields with a text that :func:`is_overlong`; they have no value under their own path.

Text is indexed as ``keyword`` without normaliser and without ``ignore_above``, labels as one ``flattened`` at
``labels``, integers, lengths and times as ``long``, numbers as ``double``, addresses as ``ip``.
"""

from auditsvc.event.fields import LABEL_PREFIX, Field, Kind

NULLS_PATH = "govshare.nulls"
EMPTY_PATH = "govshare.empty"
LONG_PATH = "govshare.long"
MAX_TERM_BYTES = 32_766
"""Maximum UTF-8 bytes of one indexed term: Lucene's limit, slightly below what 8,192 characters can take."""

_MOVED = {
    "time": "govshare.time",  # `@timestamp` is the ECS copy; nanoseconds as a number sort and compare exactly
    "duration_ms": "govshare.duration_ms",  # ECS `event.duration` is in nanoseconds
    "outcome": "govshare.outcome",  # ECS has no `denied`
}


def text_path(field: Field) -> str:
    """Return the path of a field's exact text: an address's own keyword, else as :func:`index_path`."""
    if field.kind is Kind.IP:
        return f"govshare.text.{field.name}"
    return index_path(field)


def index_path(field: Field) -> str:
    """Return the path of a field's value in the index, exact and as the field catalogue types it."""
    if field.name in _MOVED:
        return _MOVED[field.name]
    if field.kind is Kind.TIME:
        return f"govshare.ns.{field.name}"
    return field.path


def length_path(field: Field) -> str:
    """Return the path of the number of elements of a list field."""
    return f"govshare.length.{field.name}"


def is_label(field: Field) -> bool:
    """Return whether a field is a free label."""
    return field.name.startswith(LABEL_PREFIX)


def is_overlong(text: str) -> bool:
    """Return whether a text is too long for one term of the index."""
    return len(text) * 4 > MAX_TERM_BYTES and len(text.encode("utf-8", "surrogatepass")) > MAX_TERM_BYTES

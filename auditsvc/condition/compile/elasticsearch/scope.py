"""The context of compiling a condition for Elasticsearch, and where the index has a value of a field."""

from collections.abc import Collection
from dataclasses import dataclass

from auditsvc.condition.ast import TEXT_KINDS
from auditsvc.condition.compile.elasticsearch.path import EMPTY_PATH, LONG_PATH, is_label, text_path
from auditsvc.condition.compile.elasticsearch.query import NOTHING, Either, HasValue, OneOf, Prefix, Query
from auditsvc.condition.evaluate import Context
from auditsvc.event.fields import Field, Kind


@dataclass(frozen=True, slots=True)
class IndexedField:
    """A field, with its path in the index and the queries for its presence.

    Attributes:
        field: the field.
        path: of its exact text; for fields of other kinds, of their value.
        indexed: matches where it has at least one value in the index.
        overlong: matches where a text of it is too long for the index.
        present: matches where it is present and not null.
    """

    field: Field
    path: str
    indexed: Query
    overlong: Query
    present: Query


@dataclass(frozen=True, slots=True)
class ElasticScope:
    """The context of compilation.

    Attributes:
        context: lists and calendars the condition may name.
        overlong: names of the fields that some document has in ``govshare.long``; None when that is not known;
            then any field may.
        interval: event time ``[first, last)`` to which the query is restricted; None for all time.
    """

    context: Context
    overlong: Collection[str] | None = None
    interval: tuple[int, int] | None = None

    def locate(self, field: Field) -> IndexedField:
        """Return a field with its path and queries."""
        path = text_path(field)
        # `exists` would interpret an asterisk in a label's name as a pattern
        indexed = Prefix(path, "") if is_label(field) else HasValue(path)
        empty = OneOf(EMPTY_PATH, [field.name]) if field.multi else NOTHING
        is_free = field.kind in TEXT_KINDS and field.kind is not Kind.ENUM
        may_exceed = is_free and (self.overlong is None or field.name in self.overlong)
        overlong = OneOf(LONG_PATH, [field.name]) if may_exceed else NOTHING
        return IndexedField(field, path, indexed, overlong, Either([indexed, empty, overlong]))

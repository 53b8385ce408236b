"""What compiling a condition for Elasticsearch depends on, and where the index has a value of a field."""

from collections.abc import Collection
from dataclasses import dataclass

from auditsvc.condition.ast import TEXT_KINDS
from auditsvc.condition.compile.elasticsearch.path import EMPTY_PATH, LONG_PATH, is_label, text_path
from auditsvc.condition.compile.elasticsearch.query import NOTHING, Either, HasValue, OneOf, Prefix, Query
from auditsvc.condition.evaluate import Context
from auditsvc.event.fields import Field, Kind


@dataclass(frozen=True, slots=True)
class IndexedField:
    """A field as the index keeps its text.

    Attributes:
        field: the field.
        path: where its exact text is, for fields of other kinds their value.
        indexed: where it has at least one value in the index.
        overlong: where a text of it is too long for the index.
        present: where it is present and not null.
    """

    field: Field
    path: str
    indexed: Query
    overlong: Query
    present: Query


@dataclass(frozen=True, slots=True)
class ElasticScope:
    """What compiling depends on beside the condition.

    Attributes:
        context: lists and calendars the condition may name.
        overlong: names of the fields that some document has in ``govshare.long``; None when that is not known, and
            then every field may.
        interval: event time ``[first, last)`` outside of which the query is not asked; None for all time.
    """

    context: Context
    overlong: Collection[str] | None = None
    interval: tuple[int, int] | None = None

    def locate(self, field: Field) -> IndexedField:
        """Return a field as the index keeps it."""
        path = text_path(field)
        # `exists` would take an asterisk in a label's name for a pattern
        indexed = Prefix(path, "") if is_label(field) else HasValue(path)
        empty = OneOf(EMPTY_PATH, [field.name]) if field.multi else NOTHING
        is_free = field.kind in TEXT_KINDS and field.kind is not Kind.ENUM
        may_exceed = is_free and (self.overlong is None or field.name in self.overlong)
        overlong = OneOf(LONG_PATH, [field.name]) if may_exceed else NOTHING
        return IndexedField(field, path, indexed, overlong, Either([indexed, empty, overlong]))

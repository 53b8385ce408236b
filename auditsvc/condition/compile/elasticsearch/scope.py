"""What compiling a condition for Elasticsearch depends on, and when a field's comparison is known at all."""

from collections.abc import Collection
from dataclasses import dataclass

from auditsvc.condition.ast import TEXT_KINDS
from auditsvc.condition.compile.elasticsearch.path import EMPTY_PATH, LONG_PATH, is_label, text_path
from auditsvc.condition.compile.elasticsearch.query import NOTHING, Query, either, exists, prefix, terms
from auditsvc.condition.evaluate import Context
from auditsvc.event.fields import Field, Kind


@dataclass(frozen=True, slots=True)
class Scope:
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

    def find_overlong(self, field: Field) -> Query:
        """Return where a text of the field is too long for the index."""
        free = field.kind in TEXT_KINDS and field.kind is not Kind.ENUM
        if not free or (self.overlong is not None and field.name not in self.overlong):
            return NOTHING
        return terms(LONG_PATH, [field.name])

    def find_present(self, field: Field) -> Query:
        """Return where the field is present and not null."""
        empty = terms(EMPTY_PATH, [field.name]) if field.multi else NOTHING
        return either([find_indexed(field), empty, self.find_overlong(field)])


def find_indexed(field: Field) -> Query:
    """Return where the field has at least one value in the index."""
    # `exists` would take an asterisk in a label's name for a pattern
    return prefix(field.path, "") if is_label(field) else exists(text_path(field))

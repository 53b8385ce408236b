"""Numbers of events: of a whole query, of the most frequent values of a field, by time. All are exact."""

from auditsvc.store.port import EventStore
from auditsvc.store.query import EventQuery, Key, TimeBucket


def count_rows(store: EventStore, query: EventQuery) -> int:
    """Return the number of events of a query, over all pages."""
    (row,) = store.aggregate(query)
    return row.count


def rank_values(store: EventStore, query: EventQuery, field: str, limit: int = 20) -> list[tuple[Key, int]]:
    """Return the ``limit`` most frequent values of a field with their counts, most frequent first, ties by value.

    Missing and null are values, too. An event whose field is a list counts for each of its elements.

    Raises:
        InputError: ``field_unknown``.
    """
    pairs = [(row.key[0], row.count) for row in store.aggregate(query, (field,))]
    return sorted(pairs, key=lambda pair: -pair[1])[:limit]  # the sort is stable: groups come in order of their key


def count_by_time(store: EventStore, query: EventQuery, bucket: TimeBucket) -> list[tuple[int, int]]:
    """Return (first instant in nanoseconds, number) of the buckets that have events, in order of time."""
    return [(row.instant(), row.count) for row in store.aggregate(query, (bucket,))]

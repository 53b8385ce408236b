"""Where a condition is true and where it is false, as far as an index can tell.

A condition compiles to two queries, one for where it is true and one for where it is false; it is unknown everywhere
else. So negation swaps the two and never has to negate a superset.
"""

from dataclasses import dataclass

from auditsvc.condition.compile.elasticsearch.query import NOTHING, Query, Remainder, Superset


@dataclass(frozen=True, slots=True)
class TruthQueries:
    """Where a condition is true and where it is false."""

    true: Query
    false: Query


UNKNOWN = TruthQueries(NOTHING, NOTHING)
"""A condition that is unknown for every event."""


def decide(known: Query, true: Query) -> TruthQueries:
    """Return the queries of a test that is decided for the events ``known`` and true for some of them."""
    return TruthQueries(true, Remainder(known, true, fallback=Superset(known)))

"""The flat canonical event, as passed from reader to store, and its quality flags."""

from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | list[str] | None
Event: TypeAlias = dict[str, Value]
"""Short field name to value. A missing key is *missing*, None is *null*, ``""`` and ``[]`` exist: three states.

Values have the types of :class:`auditsvc.event.fields.Field.kind`. Code that changes an event returns a new one, except
the engine's own pipeline, which owns the events it builds.
"""

QUALITY_FLAGS: dict[str, str] = {
    "missing_consumer": "no using organisation",
    "missing_user": "no operator or service account",
    "missing_purpose": "conditional or personal resource without a stated purpose",
    "missing_agreement": "conditional resource without an agreement",
    "missing_subject": "personal resource without data subject",
    "missing_resource": "no resource, neither in the record nor joined from the interface",
    "unknown_interface": "the interface is not in the catalogue at the event's time",
    "unknown_consumer": "the using organisation is not in the catalogue",
    "unknown_resource": "a resource code is not in the catalogue",
    "unknown_agreement": "the agreement is not in the catalogue",
    "assumed_zone": "the record had no offset; the zone declared for its source was used",
    "clock_skew": "more than five minutes later than the time the ledger accepted it",
    "late": "accepted more than seven days after it happened",
    "duplicate": "the same event was stored before; not judged and not counted again",
    "id_conflict": "another event with the same id but other content was stored before",
    "paired": "second half of a call whose first half was stored before; not counted again",
    "repaired": "the record was not valid as written and was repaired while reading",
    "derived_id": "the record had no id; one was derived from source and record",
}

COUNTED_EXCLUDES = ("duplicate", "paired")
"""Flags of events that indicators must not count again."""

"""Whatever stands in a catalogue, loading ends in a catalogue or in problems with places; memory changes no event."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auditsvc.catalog.enrich import Enricher
from auditsvc.event.model import Event
from auditsvc.event.time import parse_time_ns
from auditsvc.ground.errors import DocumentError, Problem
from tests.support.catalog import CIVIL, POLICE, SMALL, TOWN, load_small, load_texts

LINES = SMALL.splitlines()
CATALOG = load_small()
SHARED = Enricher(CATALOG)
EDGES = [
    parse_time_ns(text)
    for text in ("2018-01-01T00:00:00+08:00", "2026-01-01T00:00:00+08:00", "2026-06-01T00:00:00+08:00",
                 "2026-07-01T00:00:00+08:00", "2027-01-01T00:00:00+08:00", "2018-07-15T00:00:00+08:00")
]  # fmt: skip

scalars = st.one_of(
    st.sampled_from(["", "null", "true", "[]", "{}", "[1, 2]", "{zh: a}", "-1", "2026-01-01", "\u0000", "~", "'"]),
    st.text(max_size=12),
)


@given(place=st.integers(0, len(LINES) - 1), value=scalars, drop=st.booleans())
def test_a_damaged_document_gives_a_catalogue_or_problems_with_places(place: int, value: str, drop: bool) -> None:
    lines = list(LINES)
    key, colon, _ = lines[place].partition(":")
    lines[place] = "" if drop else f"{key}{colon} {value}"
    problems = find_problems("\n".join(lines))
    assert problems is None or problems
    assert all(problem.file == "catalog.yaml" for problem in problems or ())


def find_problems(text: str) -> tuple[Problem, ...] | None:
    """Return a catalogue's problems, None when it loads."""
    try:
        load_texts({"catalog.yaml": text})
    except DocumentError as err:
        return err.problems
    return None


def events() -> st.SearchStrategy[dict[str, Any]]:
    near = st.sampled_from(EDGES).flatmap(lambda edge: st.integers(edge - 2, edge + 2))
    return st.fixed_dictionaries(
        {"time": near, "action": st.sampled_from(["query", "heartbeat"])},
        optional={
            "interface.id": st.sampled_from(["pop-query", "both", "methods", "nothing"]),
            "consumer.org": st.sampled_from([POLICE, CIVIL, TOWN, "nobody"]),
            "agreement.id": st.sampled_from(["AG-1", "AG-9"]) | st.none(),
            "resource.code": st.lists(st.sampled_from(["101001/000001", "301001/000001", "9/9"]), max_size=2),
            "purpose": st.just("relief-review"),
            "user.id": st.just("u-1") | st.none(),
            "subject.count": st.integers(0, 3),
            "network": st.sampled_from(["internet", "intranet"]),
            "labels.traffic": st.sampled_from(["test", "x"]),
            "quality": st.just(["derived_id"]),
        },
    )


@given(event=events())
def test_an_enricher_with_a_memory_says_what_a_fresh_one_says(event: dict[str, Any]) -> None:
    remembered: Event = deepcopy(event)
    fresh: Event = deepcopy(event)
    SHARED.enrich(remembered)
    Enricher(CATALOG).enrich(fresh)
    assert remembered == fresh


@given(event=events())
def test_enriching_twice_changes_nothing_more(event: dict[str, Any]) -> None:
    once: Event = deepcopy(event)
    SHARED.enrich(once)
    again: Event = deepcopy(once)
    SHARED.enrich(again)
    assert again == once

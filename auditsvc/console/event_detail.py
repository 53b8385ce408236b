"""One event as shown on its page: fields and their meaning in groups, the judgement explained, other rows of the call."""

from dataclasses import dataclass

from auditsvc.catalog.model import Catalog
from auditsvc.condition.describe import ConditionStep, format_value
from auditsvc.console.event_search import Hit, build_hit, name_code
from auditsvc.console.text import current_language
from auditsvc.event.fields import FIELDS, LABEL_PREFIX, Field, Kind, Level, get_field
from auditsvc.event.model import Event, Value
from auditsvc.figures.search import FoundEvent
from auditsvc.policy.decide import PolicyState
from auditsvc.policy.explain import PolicyStep, explain
from auditsvc.runtime.services import Services

_SHOWN_STATES = (
    PolicyState.VIOLATED,
    PolicyState.EXCEPTED,
    PolicyState.INDETERMINATE,
    PolicyState.SATISFIED,
    PolicyState.UNTARGETABLE,
)
"""States of policies that say something about the event, the gravest first."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One field of the event: name, meaning, value as text, name of its code, and the instant if it is a time."""

    name: str
    meaning: str
    value: str
    known_as: str = ""
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """One policy's judgement of the event, with the lines of its conditions."""

    step: PolicyStep
    title: str
    lines: tuple[tuple[int, ConditionStep], ...]


@dataclass(frozen=True, slots=True)
class EventDetail:
    """All data of the page except the proof.

    Attributes:
        groups: the facts by origin.
        judgements: those of applicable policies, computed again from the policy set then in force.
        related: other stored rows of the same call or the same id.
    """

    event: Event
    groups: dict[str, tuple[Fact, ...]]
    quality: tuple[str, ...]
    judgements: tuple[Judgement, ...]
    related: tuple[Hit, ...]


def build_detail(services: Services, stored: FoundEvent, catalog: Catalog | None) -> EventDetail:
    """Return the detail of a stored event; ``catalog`` is the one in force when it was recorded."""
    event = stored.event
    flags = event.get("quality")
    return EventDetail(
        event=event,
        groups=_group_facts(event, catalog),
        quality=tuple(flags) if isinstance(flags, list) else (),
        judgements=_explain(services, stored),
        related=_find_related(services, stored, catalog),
    )


def _group_facts(event: Event, catalog: Catalog | None) -> dict[str, tuple[Fact, ...]]:
    """Return the facts that are present, by origin: delivered, joined, derived."""
    labels = [get_field(name) for name in sorted(event) if name.startswith(LABEL_PREFIX)]
    groups: dict[str, list[Fact]] = {"delivered": [], "joined": [], "derived": []}
    for known in [*FIELDS, *labels]:
        if event.get(known.name) is not None and known.name != "quality":
            groups[_origin(known)].append(_build_fact(known, event[known.name], catalog))
    return {name: tuple(facts) for name, facts in groups.items()}


def _origin(known: Field) -> str:
    """Return which group a field belongs to."""
    return {Level.JOINED: "joined", Level.DERIVED: "derived"}.get(known.level, "delivered")


def _build_fact(known: Field, value: Value, catalog: Catalog | None) -> Fact:
    """Return a field for the page."""
    language = current_language()
    meaning = known.meaning_zh if language == "zh" else known.meaning
    if known.kind is Kind.TIME and isinstance(value, int):
        return Fact(known.name, meaning, "", time=value)
    codes = value if isinstance(value, list) else [str(value)]
    names = [name_code(known.name, code, catalog, language) for code in codes]
    known_as = "" if names == codes else ", ".join(names)
    return Fact(
        known.name, meaning, ", ".join(codes) if isinstance(value, list) else format_value(known, value), known_as
    )


def _explain(services: Services, stored: FoundEvent) -> tuple[Judgement, ...]:
    """Return what the policies then in force say of the event, the gravest first."""
    policy_set = services.versions.find(stored.seq).find_policy_set()
    if policy_set is None:
        return ()
    steps = [step for step in explain(policy_set, stored.event).policies if step.state in _SHOWN_STATES]
    steps.sort(key=lambda step: (_SHOWN_STATES.index(step.state), step.policy.id))
    return tuple(
        Judgement(step, step.policy.title.get(current_language()), tuple(_flatten(step.body, 0))) for step in steps
    )


def _flatten(step: ConditionStep, depth: int) -> list[tuple[int, ConditionStep]]:
    """Return a condition's nodes as lines with their depth."""
    return [(depth, step), *(line for inner in step.steps for line in _flatten(inner, depth + 1))]


def _find_related(services: Services, stored: FoundEvent, catalog: Catalog | None) -> tuple[Hit, ...]:
    """Return the other half of the call, and other rows under the same id."""
    events = services.events
    rows = [row for row in events.list_rows(stored.uid) if row.event != stored.event]
    rows += events.list_partners(stored)
    return tuple(build_hit(row.uid, row.event, catalog) for row in rows)

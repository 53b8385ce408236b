"""Enrichment: joining catalogue data to an event, as of the event's own time.

What is joined depends only on the interface, the consumer, the agreement and the resource codes of the event, and on
which interval between two changes of the catalogue its time lies in; so it is computed once for each such combination
and cached. The cache is bounded, because ids in events come from outside.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time

from auditsvc.catalog.model import Agreement, Catalog, Interface, Project, Resource
from auditsvc.event.fields import TRAFFIC
from auditsvc.event.model import Event, Value
from auditsvc.event.time import count_ns

MAX_REMEMBERED = 65_536
"""Maximum cached combinations; a city has some thousands, so reaching this implies bogus ids, and the cache is cleared."""

TRAFFIC_LABEL = "labels.traffic"
"""Label by which a producer marks an access as test, probe, metadata or internal."""

_RESTRICTIVE = {"unconditional": 0, "conditional": 1, "none": 2}
_UNMEASURED = ("probe", "metadata")
"""Traffic that has no purpose, operator or subject to miss."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What one combination adds to an event.

    Attributes:
        values: overwrite the record's values; the catalogue is the authority.
        fallbacks: used only where the record has no value.
        flags: quality flags that apply whatever else the event contains.
        traffic: traffic class prescribed by the interface, if any.
        needs_purpose, needs_subject: what the resource requires of every access.
    """

    values: dict[str, Value]
    fallbacks: dict[str, Value]
    flags: tuple[str, ...]
    traffic: str | None
    needs_purpose: bool
    needs_subject: bool


class Enricher:
    """Adds joined fields, ``traffic`` and quality flags to events under one catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        """Prepare for ``catalog``."""
        self.catalog = catalog
        self._edges = sorted(set(_find_edges(catalog)))
        self._offers = _index_agreements(catalog)
        self._remembered: dict[tuple[object, ...], Joined] = {}

    def enrich(self, event: Event) -> None:
        """Add to ``event``, in place, the catalogue's data as of ``event["time"]``.

        INVARIANT: list values are shared between events; whoever changes one replaces it.

        Joined fields are overwritten; ``interface.protocol``, ``provider.system``, ``resource.code``, ``network`` and
        ``agreement.id`` are filled in only where missing, null or an empty list. An agreement is filled in when exactly one in
        force fits consumer and resources.
        """
        instant = event["time"]
        codes = event.get("resource.code")
        key = (
            bisect_right(self._edges, instant),  # type: ignore[type-var]
            event.get("interface.id"),
            event.get("consumer.org"),
            event.get("agreement.id"),
            tuple(codes) if isinstance(codes, list) else None,
        )
        joined = self._remembered.get(key)
        if joined is None:
            joined = self._remember(key, event)
        event.update(joined.values)
        for name, value in joined.fallbacks.items():
            if event.get(name) in (None, []):
                event[name] = value
        traffic = event["traffic"] = derive_traffic(event, joined.traffic)
        flags = joined.flags if traffic in _UNMEASURED else (*joined.flags, *_find_missing(event, joined))
        if flags:
            present = event.get("quality")
            known = present if isinstance(present, list) else []
            event["quality"] = [*known, *(flag for flag in flags if flag not in known)]

    def _remember(self, key: tuple[object, ...], event: Event) -> Joined:
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        joined = self._remembered[key] = self._join(event)
        return joined

    def _join(self, event: Event) -> Joined:
        """Return what the combination of ``event`` adds at its time."""
        instant = event["time"]
        if not isinstance(instant, int):
            raise TypeError("an event's time is an integer")
        values: dict[str, Value] = {"catalog_version": self.catalog.version}
        fallbacks: dict[str, Value] = {}
        flags: list[str] = []
        interface = self.catalog.find_interface(str(event.get("interface.id")), instant)
        if interface is None:
            flags.append("unknown_interface")
        else:
            _join_interface(interface, values, fallbacks)
            self._join_project(interface, instant, values)
        flags += self._join_consumer(event.get("consumer.org"), instant, values)
        resources, resource_flags = self._find_resources(event, interface, instant)
        flags += resource_flags
        _join_resources(resources, values, fallbacks)
        flags += self._join_agreement(event, resources, instant, values, fallbacks)
        share_type, personal = values.get("resource.share_type"), values.get("resource.personal")
        return Joined(
            values=values,
            fallbacks=fallbacks,
            flags=tuple(flags),
            traffic=interface.traffic if interface is not None else None,
            needs_purpose=share_type == "conditional" or personal is True,
            needs_subject=personal is True,
        )

    def _join_consumer(self, uscc: Value, instant: int, values: dict[str, Value]) -> list[str]:
        if not isinstance(uscc, str):
            return ["missing_consumer"]
        org = self.catalog.find_org(uscc, instant)
        if org is None:
            return ["unknown_consumer"]
        values["consumer.level"] = org.level
        values["consumer.division"] = org.division
        return []

    def _join_project(self, interface: Interface, instant: int, values: dict[str, Value]) -> None:
        project = self.catalog.projects.get(interface.project or "")
        if project is None:
            return
        values["project.id"] = project.id
        phase = "building"
        for name, start in _list_phases(self.catalog, project):
            if instant >= start:
                phase = name
        values["project.phase"] = phase

    def _find_resources(
        self, event: Event, interface: Interface | None, instant: int
    ) -> tuple[list[Resource], list[str]]:
        """Return the resources of an event, from its record or else from its interface, and the quality flags due."""
        stated = event.get("resource.code")
        codes: Iterable[str] = stated if isinstance(stated, list) and stated else ()
        if not codes and interface is not None:
            codes = interface.resources
        found = [(code, self.catalog.find_resource(code, instant)) for code in codes]
        resources = [resource for _, resource in found if resource is not None]
        if not found:
            return [], [] if interface is not None and interface.traffic else ["missing_resource"]
        return resources, ["unknown_resource"] if len(resources) < len(found) else []

    def _join_agreement(
        self,
        event: Event,
        resources: list[Resource],
        instant: int,
        values: dict[str, Value],
        fallbacks: dict[str, Value],
    ) -> list[str]:
        """Add the fields of the stated agreement, or of the only one that fits; return the flags due."""
        stated = event.get("agreement.id")
        if isinstance(stated, str):
            agreement = self.catalog.find_agreement(stated, instant)
            if agreement is None:
                values["agreement.status"] = "unknown"
                return ["unknown_agreement"]
        else:
            agreement = self._find_only_agreement(event.get("consumer.org"), resources, instant)
            if agreement is None:
                return []
            fallbacks["agreement.id"] = agreement.id
        _join_terms(agreement, instant, values)
        return []

    def _find_only_agreement(self, consumer: Value, resources: list[Resource], instant: int) -> Agreement | None:
        """Return the agreement in force that covers consumer and resources, if there is exactly one."""
        codes = {resource.code for resource in resources}
        if not codes or not isinstance(consumer, str):
            return None
        fitting = [
            agreement
            for agreement in self._offers.get(consumer, ())
            if agreement.validity.contains(instant) and codes <= set(agreement.resources)
        ]
        return fitting[0] if len(fitting) == 1 else None


def derive_traffic(event: Event, forced: str | None) -> str:
    """Return the traffic class of an enriched event.

    In this order: a heartbeat is a probe; the interface's own class; the producer's label; an application calling
    itself is internal; all else is business.
    """
    if event.get("action") == "heartbeat":
        return "probe"
    if forced is not None:
        return forced
    label = event.get(TRAFFIC_LABEL)
    if isinstance(label, str) and label in TRAFFIC:
        return label
    system = event.get("consumer.system")
    if (
        system is not None
        and system == event.get("provider.system")
        and event.get("consumer.org") == event.get("provider.org")
    ):
        return "internal"
    return "business"


def _join_interface(interface: Interface, values: dict[str, Value], fallbacks: dict[str, Value]) -> None:
    values["interface.name"] = interface.name.zh
    values["provider.org"] = interface.provider
    if interface.domain is not None:
        values["domain"] = interface.domain
    fallbacks["interface.protocol"] = interface.protocol
    fallbacks["network"] = interface.network
    if interface.provider_system is not None:
        fallbacks["provider.system"] = interface.provider_system


def _join_resources(resources: list[Resource], values: dict[str, Value], fallbacks: dict[str, Value]) -> None:
    """Add the resources' fields; of several, the most restrictive share type and the highest grade apply."""
    if not resources:
        return
    fallbacks["resource.code"] = [resource.code for resource in resources]
    values["resource.name"] = [resource.name.zh for resource in resources]
    values["resource.library"] = resources[0].library
    values["resource.share_type"] = max((resource.share_type for resource in resources), key=_RESTRICTIVE.__getitem__)
    values["resource.sensitivity"] = max(resource.sensitivity for resource in resources)
    values["resource.personal"] = any(resource.personal for resource in resources)


def _join_terms(agreement: Agreement, instant: int, values: dict[str, Value]) -> None:
    """Add the terms of an agreement and its state at ``instant``."""
    validity = agreement.validity
    if validity.contains(instant):
        values["agreement.status"] = "active"
    else:
        values["agreement.status"] = "not_yet" if instant < validity.start else "expired"
    if validity.end is not None:
        values["agreement.until"] = validity.end
    values["agreement.consumer"] = agreement.consumer
    values["agreement.resources"] = list(agreement.resources)
    if agreement.purposes:
        values["agreement.purposes"] = list(agreement.purposes)
    if agreement.fields:
        values["agreement.fields"] = list(agreement.fields)
    if agreement.max_rows is not None:
        values["agreement.max_rows"] = agreement.max_rows


def _find_missing(event: Event, joined: Joined) -> list[str]:
    """Return the flags for fields that an access by a person must have and this one lacks."""
    flags = []
    if event.get("user.id") is None:
        flags.append("missing_user")
    if joined.needs_purpose and event.get("purpose") is None:
        flags.append("missing_purpose")
    if event.get("resource.share_type") == "conditional" and event.get("agreement.id") is None:
        flags.append("missing_agreement")
    if joined.needs_subject and event.get("subject.hash") is None and event.get("subject.count") is None:
        flags.append("missing_subject")
    return flags


def _find_edges(catalog: Catalog) -> Iterable[int]:
    """Yield every instant at which the catalogue's data can change."""
    for validity in catalog.validities():
        yield validity.start
        if validity.end is not None:
            yield validity.end
    for project in catalog.projects.values():
        yield from (start for _, start in _list_phases(catalog, project))


def _list_phases(catalog: Catalog, project: Project) -> list[tuple[str, int]]:
    """Return the phases after building with their first instants: trial, accepted (for one year), operation."""
    phases: list[tuple[str, int]] = []
    if project.go_live_actual is not None:
        phases.append(("trial", _midnight(catalog, project.go_live_actual)))
    if project.accepted_at is not None:
        day = project.accepted_at
        a_year_on = date(day.year + 1, day.month, min(day.day, 28))
        phases.append(("accepted", _midnight(catalog, day)))
        phases.append(("operation", _midnight(catalog, a_year_on)))
    return phases


def _midnight(catalog: Catalog, day: date) -> int:
    """Return the first instant of a local day."""
    return count_ns(datetime.combine(day, time(), catalog.city.zone))


def _index_agreements(catalog: Catalog) -> dict[str, list[Agreement]]:
    """Return every version of every agreement by consumer."""
    offers: dict[str, list[Agreement]] = {}
    for versions in catalog.agreement_history.values():
        for agreement in versions:
            offers.setdefault(agreement.consumer, []).append(agreement)
    return offers

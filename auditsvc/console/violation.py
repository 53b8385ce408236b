"""Violations of a period, by policy, each with a link to its event."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from auditsvc.auth.roles import require
from auditsvc.catalog.model import Catalog
from auditsvc.console.blueprint import blueprint
from auditsvc.console.current_user import current_person
from auditsvc.console.event_search import name_code
from auditsvc.console.period import ALL, RANGES, ShownPeriod, read_period
from auditsvc.console.text import current_language
from auditsvc.figures.scope import Scope
from auditsvc.figures.violations import ListedViolation, Within, count_violations, list_violations
from auditsvc.runtime.services import get_services, record_reading

PAGE_SIZE = 50
_MAX_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class ViolationRow:
    """One violation with the names of its organisation and interface."""

    found: ListedViolation
    consumer: str
    interface: str


@blueprint.get("/violations")
@require("event.read")
def show_violations() -> ResponseReturnValue:
    """Show the violations of a period in order of time; the filter is in the URL."""
    services = get_services()
    policy = request.args.get("policy", "").strip()
    period = read_period(request.args, services.events, services.ledger.clock.now_ns(), services.settings.zone)
    page = _read_page(request.args.get("page", "1"))
    scope = Scope(services.store, period.zone, period.first_ns, period.last_ns)
    within: Within = {"policy_id": (policy,)} if policy else {}
    record_reading(current_person().name, "violation_search", "violations", {"policy": policy, **_describe(period)})
    found = list_violations(scope, within, limit=PAGE_SIZE, offset=(page - 1) * PAGE_SIZE)
    total = count_violations(scope, within)
    catalog = services.versions.find().find_catalog()
    return render_template(
        "console/violations.html",
        rows=[_name_row(one, catalog) for one in found],
        total=total,
        policy=policy,
        period=period,
        ranges=[*RANGES, ALL],
        link=lambda **changes: url_for(
            "console.show_violations", **_drop_empty({**_arguments(policy, period), **changes})
        ),
        page=page,
        has_more=page * PAGE_SIZE < total,
    )


def _read_page(text: str) -> int:
    """Return the page number from the URL; 1 for an invalid one."""
    return min(int(text), _MAX_PAGE) if text.isascii() and text.isdigit() and int(text[:9]) > 0 else 1


def _describe(period: ShownPeriod) -> dict[str, str]:
    """Return the period as recorded in the ledger."""
    return {"from": period.first_text, "to": period.last_text}


def _arguments(policy: str, period: ShownPeriod) -> dict[str, str]:
    """Return the filter as URL arguments."""
    return {"policy": policy, **period.query()}


def _drop_empty(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the non-empty arguments."""
    return {key: value for key, value in arguments.items() if value not in ("", None)}


def _name_row(found: ListedViolation, catalog: Catalog | None) -> ViolationRow:
    """Return a violation's row with names from the catalogue for its codes."""
    language = current_language()
    return ViolationRow(
        found,
        name_code("consumer.org", found.consumer, catalog, language) if found.consumer else "",
        name_code("interface.id", found.interface, catalog, language) if found.interface else "",
    )

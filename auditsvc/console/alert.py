"""Alerts: the list by state, severity and policy, and one alert with its events, the policy of its time and its acts."""

from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext

from auditsvc.alerts.model import Alert, AlertFilter, AlertState, CloseReason
from auditsvc.alerts.service import acknowledge, close, count_alerts, list_alerts
from auditsvc.auth.roles import require
from auditsvc.catalog.model import Catalog
from auditsvc.console.alert_detail import EVENTS_PER_PAGE, build_detail
from auditsvc.console.blueprint import blueprint
from auditsvc.console.current_user import current_person
from auditsvc.console.event_search import name_code
from auditsvc.console.forms import AcknowledgeForm, CloseForm
from auditsvc.console.labels import name_close_reasons
from auditsvc.console.text import current_language
from auditsvc.figures.violations import SEVERITIES
from auditsvc.ground.database import read_session, write_session
from auditsvc.ground.errors import InputError
from auditsvc.runtime.services import get_services

_PAGE = 50
_VIEWS: Mapping[str, tuple[AlertState, ...]] = {
    "open": (AlertState.NEW, AlertState.ACKNOWLEDGED),
    "new": (AlertState.NEW,),
    "acknowledged": (AlertState.ACKNOWLEDGED,),
    "closed": (AlertState.CLOSED,),
    "all": (),
}
"""The states selected by a value of ``state`` in the URL."""


@blueprint.get("/alerts", endpoint="list_alerts")
@require("alert.read")
def show_alerts() -> ResponseReturnValue:
    """Show alerts, newest opened first; the filter is in the URL."""
    services = get_services()
    view = request.args.get("state", "open")
    severity = request.args.get("severity", "")
    policy = request.args.get("policy", "").strip()
    chosen = _read_filter(view, severity, policy)
    with read_session(services.ledger.database) as session:
        page = list_alerts(session, chosen, limit=_PAGE, after=request.args.get("after") or None)
        counts = count_alerts(session, AlertFilter(policies=chosen.policies))
    catalog = services.versions.find().find_catalog()
    language = current_language()
    return render_template(
        "console/alerts.html",
        page=page,
        view=view,
        views=_count_views(counts, severity),
        severity=severity,
        severities=SEVERITIES,
        policy=policy,
        title=lambda alert: title_of(alert, catalog),
        name=lambda field, code: name_code(field, code, catalog, language),
        link=lambda **changes: url_for("console.list_alerts", **_drop_defaults(view, severity, policy, changes)),
    )


@blueprint.get("/alerts/<alert_id>")
@require("alert.read")
def show_alert(alert_id: str) -> ResponseReturnValue:
    """Show one alert."""
    return _render_alert(alert_id, CloseForm())


@blueprint.post("/alerts/<alert_id>/acknowledge")
@require("alert.work")
def acknowledge_alert(alert_id: str) -> ResponseReturnValue:
    """Acknowledge an alert."""
    form = AcknowledgeForm()
    with write_session(get_services().ledger.database) as session:
        acknowledge(session, get_services().ledger, alert_id, actor=current_person().name, note=form.note.data)
    flash(gettext("Acknowledged. The act is in the ledger."))
    return redirect(url_for("console.show_alert", alert_id=alert_id), 303)


@blueprint.post("/alerts/<alert_id>/close")
@require("alert.work")
def close_alert(alert_id: str) -> ResponseReturnValue:
    """Close an alert with a reason."""
    form = CloseForm()
    if not form.validate():
        return _render_alert(alert_id, form), 422
    reason = CloseReason(form.reason.data)
    with write_session(get_services().ledger.database) as session:
        close(session, get_services().ledger, alert_id, actor=current_person().name, reason=reason, note=form.note.data)
    flash(gettext("Closed. The act and its reason are in the ledger."))
    return redirect(url_for("console.show_alert", alert_id=alert_id), 303)


def title_of(alert: Alert, catalog: Catalog | None) -> str:
    """Return an alert's title in the page's language, with names from the catalogue for its codes."""
    language = current_language()
    title = alert.title_zh if language == "zh" else alert.title_en
    for field, code in alert.group.items():
        title = title.replace(code, name_code(field, code, catalog, language))
    return title


def _render_alert(alert_id: str, form: CloseForm) -> str:
    """Return the page of one alert with the form that closes it.

    Raises:
        StorageError: ``not_found``.
    """
    services = get_services()
    page = max(request.args.get("page", 1, type=int), 1)
    detail = build_detail(services, alert_id, page)
    return render_template(
        "console/alert.html",
        detail=detail,
        alert=detail.alert,
        title=title_of(detail.alert, services.versions.find().find_catalog()),
        reasons=name_close_reasons(),
        form=form,
        page=page,
        per_page=EVENTS_PER_PAGE,
    )


def _read_filter(view: str, severity: str, policy: str) -> AlertFilter:
    """Return the filter from the URL.

    Raises:
        InputError: ``input_invalid`` for a state or a severity that does not exist.
    """
    if view not in _VIEWS:
        raise InputError("input_invalid", f"state: expected one of {', '.join(_VIEWS)}, got `{view[:32]}`")
    if severity and severity not in SEVERITIES:
        raise InputError("input_invalid", f"severity: expected one of {', '.join(SEVERITIES)}, got `{severity[:32]}`")
    return AlertFilter(
        states=_VIEWS[view],
        severities=(severity,) if severity else (),
        policies=(policy,) if policy else (),
    )


def _count_views(counts: Mapping[tuple[str, AlertState], int], severity: str) -> dict[str, int]:
    """Return the number of alerts in each view, of the selected severity if any."""
    return {
        view: sum(
            count
            for (one, state), count in counts.items()
            if (not states or state in states) and (not severity or one == severity)
        )
        for view, states in _VIEWS.items()
    }


def _drop_defaults(view: str, severity: str, policy: str, changes: Mapping[str, str]) -> dict[str, Any]:
    """Return the URL's arguments with ``changes``, without empty and default ones."""
    arguments = {"state": view, "severity": severity, "policy": policy, **changes}
    return {key: value for key, value in arguments.items() if value and (key, value) != ("state", "open")}

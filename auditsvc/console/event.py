"""Events: the search, and one event with its names, its judgement and its proof."""

from typing import Any

from flask import Response, json, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from markupsafe import Markup

from auditsvc.auth.roles import require
from auditsvc.console.blueprint import blueprint
from auditsvc.console.chart import ChartColumn, Series, build_column_chart
from auditsvc.console.current_user import current_person
from auditsvc.console.event_detail import build_detail
from auditsvc.console.event_search import FACETS, Results, narrow_text, read_query, search
from auditsvc.console.failure import Failure, describe
from auditsvc.console.period import ALL, CUSTOM, RANGES, ShownPeriod, read_period
from auditsvc.console.text import current_language, show_number
from auditsvc.console.today import label_bucket
from auditsvc.event.fields import BY_NAME, FIELDS
from auditsvc.figures.search import NEWEST, OLDEST, EventSearch, FoundEvent
from auditsvc.ground.errors import AuditError, InputError
from auditsvc.ground.ids import EventUid
from auditsvc.ledger.event_proof import EventEvidence, build_proof_document, collect_evidence
from auditsvc.runtime.services import Services, get_services, record_reading

_UID_HEX = 32
_ON = "1"
"""Value of a ticked box in a URL."""
_EXAMPLES = (
    "verdict:violated",
    "action:download rows>1000",
    "resource.personal:true -outcome:success",
    "consumer.org:91* time>=2026-10-01",
    "source.ip:10.0.0.0/8 (action:query OR action:list)",
)


@blueprint.get("/events")
@require("event.read")
def search_events() -> ResponseReturnValue:
    """Search events; the whole search is in the URL."""
    services = get_services()
    text = request.args.get("q", "").strip()
    order = OLDEST if request.args.get("order") == OLDEST else NEWEST
    repeats = request.args.get("repeats") == _ON
    catalog = services.versions.find().find_catalog()
    results: Results | None = None
    failure: Failure | None = None
    column = 0
    period = read_period({}, services.events, services.ledger.clock.now_ns(), services.settings.zone)
    try:
        period = read_period(request.args, services.events, services.ledger.clock.now_ns(), services.settings.zone)
        node = read_query(text, services.settings.time_zone)
        _record_search(text, period, repeats=repeats)
        asked = EventSearch(node, period.first_ns, period.last_ns, with_repeats=repeats)
        results = search(services, catalog, asked, period, after=request.args.get("after", ""), order=order)
    except InputError as err:
        failure, column = describe(err), int(err.context.get("column", 0))
    body = render_template(
        "console/event_search.html",
        text=text,
        order=order,
        repeats=repeats,
        period=period,
        ranges=[*RANGES, ALL],
        results=results,
        failure=failure,
        caret=" " * (column - 1) + "^" if column else "",
        chart=build_result_chart(results, period, text, repeats=repeats) if results else None,
        facet_names={name: _name_field(name) for name in FACETS},
        link=lambda **changes: _link_search(text, order, period, repeats, **changes),
        narrow=narrow_text,
        fields=FIELDS,
        examples=_EXAMPLES,
    )
    return (body, 422) if failure else body


@blueprint.get("/events/<uid>")
@require("event.read")
def show_event(uid: str) -> ResponseReturnValue:
    """Show one event."""
    services = get_services()
    found = services.events.get(parse_uid(uid))
    record_reading(current_person().name, "event_read", uid, {})
    catalog = services.versions.find(found.seq).find_catalog()
    detail = build_detail(services, found, catalog)
    evidence, failure = None, None
    try:
        evidence = _collect_evidence(services, found)
    except AuditError as err:
        failure = describe(err)
    return render_template("console/event.html", uid=uid, detail=detail, evidence=evidence, failure=failure)


@blueprint.get("/events/<uid>/proof.json")
@require("event.read")
def send_proof(uid: str) -> ResponseReturnValue:
    """Send the proof of one event as a file."""
    services = get_services()
    found = services.events.get(parse_uid(uid))
    record_reading(current_person().name, "event_proof_fetched", uid, {})
    document = build_proof_document(_collect_evidence(services, found))
    response = Response(json.dumps(document, indent=2) + "\n", mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="event-{uid}.proof.json"'
    return response


def _collect_evidence(services: Services, found: FoundEvent) -> EventEvidence:
    """Return the proof of a stored event."""
    return collect_evidence(services.ledger, found.seq, found.record, str(found.event.get("leaf_hash", "")))


def parse_uid(text: str) -> EventUid:
    """Return the event id in the URL.

    Raises:
        InputError: ``not_found`` for anything but 32 hex digits.
    """
    if len(text) != _UID_HEX or not set(text) <= set("0123456789abcdef"):
        raise InputError("not_found", "an event's address ends with 32 hex digits")
    return EventUid(bytes.fromhex(text))


def build_result_chart(results: Results, period: ShownPeriod, text: str, *, repeats: bool) -> Markup:
    """Return the chart of a search; a click on a column narrows the search to it."""
    clickable = period.axis.unit != "minute"
    columns = [
        ChartColumn(
            label=label_bucket(first, period),
            title=f"{label_bucket(first, period)}: {show_number(count)}",
            values=(count,),
            href=_link_bucket((first, last), period, text, repeats=repeats) if clickable and count else "",
        )
        for first, last, count in results.course
    ]
    summary = gettext("%(n)s events in the period", n=show_number(results.total))
    return build_column_chart(columns, [Series(gettext("events"), "series-1")], summary=summary, height=150)


def _link_bucket(bounds_ns: tuple[int, int], period: ShownPeriod, text: str, *, repeats: bool) -> str:
    """Return the address of the same search in the part of one bucket that lies in the period."""
    first_ns, last_ns = max(bounds_ns[0], period.first_ns), min(bounds_ns[1], period.last_ns)
    return _link_search(text, NEWEST, ShownPeriod(CUSTOM, first_ns, last_ns, period.zone), repeats)


def _link_search(text: str, order: str, period: ShownPeriod, repeats: bool, /, **changes: str) -> str:
    """Return the address of the present search with some arguments changed; a page's place is dropped."""
    arguments: dict[str, str] = {"q": text, **period.query()}
    if repeats:
        arguments["repeats"] = _ON
    if order == OLDEST:
        arguments["order"] = order
    if "range" in changes:
        arguments = {key: value for key, value in arguments.items() if key not in {"from", "to"}}
    return url_for("console.search_events", **_without_empty({**arguments, **changes}))


def _without_empty(arguments: dict[str, str]) -> dict[str, Any]:
    """Return the non-empty arguments."""
    return {key: value for key, value in arguments.items() if value}


def _record_search(text: str, period: ShownPeriod, *, repeats: bool) -> None:
    """Put a search in the ledger; the mere opening of the page is none."""
    if text and not request.headers.get("X-Poll"):
        detail = {
            "query": text,
            "from": period.first_text,
            "to": period.last_text,
            "repeats": repeats,
            "after": request.args.get("after", ""),
        }
        record_reading(current_person().name, "event_search", "events", detail)


def _name_field(name: str) -> str:
    """Return a field's meaning in the page's language."""
    known = BY_NAME[name]
    return known.meaning_zh if current_language() == "zh" else known.name

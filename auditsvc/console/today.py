"""The start page: open alerts, deliveries, coverage, and the last signed checkpoint."""

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext
from markupsafe import Markup

from auditsvc.auth.roles import require
from auditsvc.console.blueprint import blueprint
from auditsvc.console.chart import ChartColumn, Series, build_column_chart
from auditsvc.console.overview import DayCount, Overview, build_overview
from auditsvc.console.period import RANGES, ShownPeriod, read_period
from auditsvc.console.text import local_time, show_number
from auditsvc.runtime.services import get_services, read_status

_LABELS = {"minute": "%H:%M", "hour": "%m-%d %H:00", "day": "%m-%d", "month": "%Y-%m"}

_STORES = {"duckdb": "DuckDB", "elasticsearch": "Elasticsearch"}


@blueprint.get("/")
@require("status.read")
def today() -> ResponseReturnValue:
    """Show the current state and the chart of the selected period."""
    services = get_services()
    store = read_status(services)
    named = {"store": store, "store_name": _STORES[store.kind]}
    if store.reason is not None:
        return render_template("console/today_away.html", **named)
    period = read_period(request.args, services.events, services.ledger.clock.now_ns(), services.settings.zone)
    overview = build_overview(services, period)
    return render_template(
        "console/today.html",
        overview=overview,
        period=period,
        ranges=list(RANGES),
        chart=build_course_chart(overview.course, period),
        series=_list_series(),
        label=lambda first_ns: label_bucket(first_ns, period),
        events_url=lambda **more: url_for("console.search_events", **more),
        steps=_list_first_steps(overview),
        **named,
    )


def label_bucket(first_ns: int, period: ShownPeriod) -> str:
    """Return the text below a bucket: local, as short as its unit allows."""
    return local_time(first_ns).strftime(_LABELS[period.axis.unit])


def build_course_chart(course: tuple[DayCount, ...], period: ShownPeriod) -> Markup:
    """Return the chart of events, those that violate a policy on top."""
    columns = [
        ChartColumn(
            label=label_bucket(day.first_ns, period),
            title=gettext(
                "%(when)s: %(events)s accesses, %(violated)s in violation",
                when=label_bucket(day.first_ns, period),
                events=show_number(day.events),
                violated=show_number(day.violated),
            ),
            values=(day.violated, day.events - day.violated),
        )
        for day in course
    ]
    summary = gettext(
        "%(events)s accesses, %(violated)s of them in violation, from %(first)s to %(last)s",
        events=show_number(sum(day.events for day in course)),
        violated=show_number(sum(day.violated for day in course)),
        first=period.first_text.replace("T", " "),
        last=period.last_text.replace("T", " "),
    )
    return build_column_chart(columns, _list_series(), summary=summary)


def _list_series() -> list[Series]:
    """Return the series of the chart, stacked from the bottom."""
    return [Series(gettext("in violation"), "series-2"), Series(gettext("other accesses"), "series-1")]


def _list_first_steps(overview: Overview) -> list[tuple[str, str, bool]]:
    """Return the steps of a first setup: text, command, whether it is done; empty once data can be shown."""
    if overview.deliveries.events:
        return []
    return [
        (gettext("Put a catalogue in force"), "auditsvc catalog activate DIR", overview.catalog is not None),
        (gettext("Put policies in force"), "auditsvc policy activate DIR", overview.policy_set is not None),
        (gettext("Make a key for a source"), "auditsvc source key create SOURCE", False),
        (gettext("Send a log"), "auditsvc push FILE --source SOURCE", False),
    ]

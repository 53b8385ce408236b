"""Writes ``auditsvc.ndjson``: Kibana's data view of the events and a dashboard, with the names of the field catalogue.

    python docker/kibana/generate.py [--prefix gs] [--check]

Panels count what indicators count (``govshare.counted``). Kibana reads the alias and knows nothing of the position: it
shows events of a chunk that is still being written, which the console does not show yet.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auditsvc.condition.compile.elasticsearch.path import index_path
from auditsvc.event.fields import FIELDS, get_field
from auditsvc.store.elasticsearch.mapping import COUNTED, TIMESTAMP, Names

TARGET = Path(__file__).with_name("auditsvc.ndjson")
TYPE_VERSIONS = {"index-pattern": "8.0.0", "lens": "8.9.0", "dashboard": "10.2.0"}
"""Form of each kind of object; Kibana brings older forms up to its own when it imports them."""
CORE_VERSION = "8.8.0"
LAYER = "layer"
TOP = 10


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of the dashboard.

    Attributes:
        name: last part of the id, and the reference in the dashboard.
        title: what people read.
        field: short name of the field whose values are counted.
        over_time: bars along time, stacked by the field; else one bar for each value.
        query: which of the counted events, in Kibana's query language; empty: all.
        grid: x, y, width, height on the dashboard's 48 columns.
    """

    name: str
    title: str
    field: str
    over_time: bool
    query: str
    grid: tuple[int, int, int, int]


def _term(field: str, value: str) -> str:
    """Return a query for one value of a field."""
    known = get_field(field)
    if known.values and value not in known.values:
        raise ValueError(f"{field}: there is no value {value}")
    return f"{index_path(known)}: {value}"


PANELS = (
    Panel("verdicts", "Accesses over time by verdict", "verdict", True, "", (0, 0, 48, 12)),
    Panel("violations", "Violations by policy", "violations", False, _term("verdict", "violated"), (0, 12, 24, 14)),
    Panel("outcomes", "Accesses denied or failed, by outcome", "outcome", True, f"not {_term('outcome', 'success')}", (24, 12, 24, 14)),
    Panel("consumers", "Top consumers", "consumer.org", False, "", (0, 26, 24, 14)),
    Panel("interfaces", "Top interfaces", "interface.id", False, "", (24, 26, 24, 14)),
)  # fmt: skip


def build_objects(prefix: str) -> Iterator[dict[str, Any]]:
    """Give the saved objects, those that are referred to first."""
    view = Names(prefix).alias
    yield _build_view(view)
    for panel in PANELS:
        yield _build_panel(panel, view)
    yield _build_dashboard(view)


def _build_object(
    kind: str, name: str, attributes: Mapping[str, Any], references: list[dict[str, str]]
) -> dict[str, Any]:
    """Return a saved object."""
    return {
        "type": kind,
        "id": name,
        "attributes": dict(attributes),
        "references": references,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": TYPE_VERSIONS[kind],
        "managed": False,
    }


def _build_view(view: str) -> dict[str, Any]:
    """Return the data view; its fields are called as policies call them."""
    labels = {
        index_path(field): {"customLabel": field.name, "customDescription": field.meaning}
        for field in FIELDS
        if field.name != "time"  # Kibana's own time field is `@timestamp`
    }
    attributes = {"title": view, "name": view, "timeFieldName": TIMESTAMP, "fieldAttrs": json.dumps(labels)}
    return _build_object("index-pattern", view, attributes, [])


def _build_panel(panel: Panel, view: str) -> dict[str, Any]:
    """Return a panel as a Lens visualisation."""
    columns = {"value": _build_terms(panel), "count": _build_count()}
    if panel.over_time:
        columns = {"time": _build_time(), **columns}
    layer = {
        "layerId": LAYER,
        "layerType": "data",
        "seriesType": "bar_stacked" if panel.over_time else "bar_horizontal",
        "accessors": ["count"],
        **({"xAccessor": "time", "splitAccessor": "value"} if panel.over_time else {"xAccessor": "value"}),
    }
    query = f"{COUNTED}: true and {panel.query}" if panel.query else f"{COUNTED}: true"
    attributes = {
        "title": panel.title,
        "description": "",
        "visualizationType": "lnsXY",
        "state": {
            "datasourceStates": {
                "formBased": {
                    "layers": {LAYER: {"columns": columns, "columnOrder": list(columns), "incompleteColumns": {}}}
                }
            },
            "visualization": {
                "legend": {"isVisible": panel.over_time, "position": "right"},
                "preferredSeriesType": layer["seriesType"],
                "layers": [layer],
            },
            "query": {"query": query, "language": "kuery"},
            "filters": [],
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }
    references = [{"type": "index-pattern", "id": view, "name": f"indexpattern-datasource-layer-{LAYER}"}]
    return _build_object("lens", _name(panel, view), attributes, references)


def _build_terms(panel: Panel) -> dict[str, Any]:
    """Return the column of the most frequent values."""
    return {
        "label": panel.field,
        "dataType": "string",
        "operationType": "terms",
        "scale": "ordinal",
        "sourceField": index_path(get_field(panel.field)),
        "isBucketed": True,
        "params": {
            "size": TOP,
            "orderBy": {"type": "column", "columnId": "count"},
            "orderDirection": "desc",
            "otherBucket": True,
            "missingBucket": False,
            "parentFormat": {"id": "terms"},
        },
    }


def _build_count() -> dict[str, Any]:
    """Return the column that counts."""
    return {
        "label": "events",
        "customLabel": True,
        "dataType": "number",
        "operationType": "count",
        "scale": "ratio",
        "sourceField": "___records___",
        "isBucketed": False,
        "params": {"emptyAsNull": True},
    }


def _build_time() -> dict[str, Any]:
    """Return the column of time."""
    return {
        "label": TIMESTAMP,
        "dataType": "date",
        "operationType": "date_histogram",
        "scale": "interval",
        "sourceField": TIMESTAMP,
        "isBucketed": True,
        "params": {"interval": "auto", "includeEmptyRows": True, "dropPartials": False},
    }


def _build_dashboard(view: str) -> dict[str, Any]:
    """Return the dashboard that shows all panels."""
    shown = [
        {
            "type": "lens",
            "panelIndex": panel.name,
            "panelRefName": f"panel_{panel.name}",
            "gridData": {**dict(zip("xywh", panel.grid, strict=True)), "i": panel.name},
            "embeddableConfig": {"enhancements": {}},
        }
        for panel in PANELS
    ]
    attributes = {
        "title": "auditsvc: accesses to shared data",
        "description": "For looking around; figures to rely on are those of the console and of reports.",
        "panelsJSON": json.dumps(shown),
        "optionsJSON": json.dumps({"useMargins": True, "syncColors": False, "hidePanelTitles": False}),
        "timeRestore": False,
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": json.dumps({"query": {"query": "", "language": "kuery"}, "filter": []})
        },
    }
    references = [
        {"type": "lens", "id": _name(panel, view), "name": f"{panel.name}:panel_{panel.name}"} for panel in PANELS
    ]
    return _build_object("dashboard", f"{view}-accesses", attributes, references)


def _name(panel: Panel, view: str) -> str:
    """Return the id of a panel's object."""
    return f"{view}-{panel.name}"


def main() -> int:
    """Write the file, or say whether it is as it should be; the exit code."""
    parser = argparse.ArgumentParser(description="Write Kibana's saved objects from the field catalogue.")
    parser.add_argument("--prefix", default="gs", help="the setting elasticsearch_prefix (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is another")
    given = parser.parse_args()
    text = "".join(f"{json.dumps(one, ensure_ascii=False, sort_keys=True)}\n" for one in build_objects(given.prefix))
    if given.check:
        return 0 if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

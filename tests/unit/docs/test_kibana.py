"""Kibana's saved objects are those of the field catalogue, and hang together; no Kibana is started here."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from auditsvc.event.fields import FIELDS
from auditsvc.store.elasticsearch.mapping import Names, build_event_mapping

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docker" / "kibana"
OBJECTS = [json.loads(line) for line in (FOLDER / "auditsvc.ndjson").read_text(encoding="utf-8").splitlines()]
LENSES = [one for one in OBJECTS if one["type"] == "lens"]
RECORDS = "___records___"


def list_paths(mapping: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, body in mapping["properties"].items():
        if "properties" in body:
            yield from list_paths(body, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def find(kind: str) -> dict[str, Any]:
    (one,) = (one for one in OBJECTS if one["type"] == kind)
    return one


def get_layer(lens: Mapping[str, Any]) -> dict[str, Any]:
    (layer,) = lens["attributes"]["state"]["datasourceStates"]["formBased"]["layers"].values()
    return layer


def test_the_file_is_what_the_generator_writes() -> None:
    done = subprocess.run(
        [sys.executable, FOLDER / "generate.py", "--check"], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, "run: python docker/kibana/generate.py"


def test_every_reference_leads_to_an_object_before_it_and_ids_are_used_once() -> None:
    known: set[tuple[str, str]] = set()
    for one in OBJECTS:
        assert {(reference["type"], reference["id"]) for reference in one["references"]} <= known
        assert (one["type"], one["id"]) not in known
        known.add((one["type"], one["id"]))


def test_the_data_view_is_of_the_alias_and_names_every_field() -> None:
    attributes = find("index-pattern")["attributes"]
    assert attributes["title"] == Names("gs").alias
    assert attributes["timeFieldName"] == "@timestamp"
    labels = json.loads(attributes["fieldAttrs"])
    assert {body["customLabel"] for body in labels.values()} == {field.name for field in FIELDS} - {"time"}
    assert set(labels) <= set(list_paths(build_event_mapping()))


def test_panels_read_fields_of_the_mapping_only() -> None:
    paths = set(list_paths(build_event_mapping()))
    for lens in LENSES:
        fields = {column["sourceField"] for column in get_layer(lens)["columns"].values()}
        fields |= set(re.findall(r"([\w.]+):", lens["attributes"]["state"]["query"]["query"]))
        assert fields - {RECORDS} <= paths, lens["id"]


def test_panels_use_their_columns_and_their_one_data_view() -> None:
    for lens in LENSES:
        columns = get_layer(lens)["columns"]
        assert set(get_layer(lens)["columnOrder"]) == set(columns)
        (layer,) = lens["attributes"]["state"]["visualization"]["layers"]
        used = {*layer["accessors"], layer["xAccessor"], layer.get("splitAccessor", layer["xAccessor"])}
        assert used == set(columns)
        assert [one["name"] for one in lens["references"]] == [f"indexpattern-datasource-layer-{layer['layerId']}"]


def test_the_dashboard_shows_every_panel_once_and_none_over_another() -> None:
    dashboard = find("dashboard")
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    names = {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels}
    assert names == {reference["name"] for reference in dashboard["references"]}
    assert {reference["id"] for reference in dashboard["references"]} == {lens["id"] for lens in LENSES}
    cells = [
        (x, y)
        for grid in (panel["gridData"] for panel in panels)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(0 <= x < 48 for x, _ in cells)

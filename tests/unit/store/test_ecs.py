"""Every path of an event outside `govshare.*` and `labels` is a published ECS field of a compatible type."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from auditsvc.event.fields import FIELDS
from auditsvc.store.elasticsearch.mapping import LABELS, build_event_mapping

PUBLISHED_FILE = Path(__file__).with_name("ecs_fields.tsv")
OURS = "govshare."
COMPATIBLE = {
    "date": {"date", "date_nanos"},  # Kibana and range queries take both; ECS leaves the resolution open
    "keyword": {"keyword"},
    "wildcard": {"keyword"},  # one family of types: same queries, same answers
    "match_only_text": {"keyword"},  # answers whole-value queries, not searches by word; see docs/elasticsearch.md
    "long": {"long"},
    "ip": {"ip"},
}


def read_published() -> dict[str, str]:
    lines = PUBLISHED_FILE.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines if not line.startswith("#"))


def list_types(mapping: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, body in mapping["properties"].items():
        if "properties" in body:
            yield from list_types(body, f"{above}{name}.")
        else:
            yield f"{above}{name}", body["type"]


def list_ecs_types() -> dict[str, str]:
    return {
        path: kind
        for path, kind in list_types(build_event_mapping())
        if path != LABELS and not path.startswith((OURS, f"{LABELS}."))
    }


def test_the_ecs_fields_of_the_mapping_are_published_and_of_compatible_types() -> None:
    published = read_published()
    wrong = {
        path: (kind, published.get(path))
        for path, kind in list_ecs_types().items()
        if path not in published or kind not in COMPATIBLE[published[path]]
    }
    assert not wrong


def test_the_list_holds_the_fields_we_use_and_no_other() -> None:
    assert set(read_published()) == set(list_ecs_types())


def test_every_field_with_an_ecs_path_is_in_the_mapping_under_it() -> None:
    named = {field.path for field in FIELDS if not field.path.startswith(OURS)}
    assert named <= set(list_ecs_types())

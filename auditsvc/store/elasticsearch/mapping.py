"""Names, mappings and templates of the Elasticsearch store, derived from the field catalogue.

Indices, ``<p>`` being the prefix and ``<g>`` the generation (a rebuild fills a new one alongside the old):

- ``<p>-events-<g>-2026.11``: events by the UTC month of their own time, see :mod:`auditsvc.store.month`.
- ``<p>-findings-<g>``, ``<p>-quarantine-<g>``, ``<p>-batches-<g>``, ``<p>-undecided-<g>``, ``<p>-dead-<g>``.
- ``<p>-state``: which generation is in use, and the position of each.

Every mapping is strict: a document with an unmapped path is rejected, so nothing is stored that cannot be found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditsvc.condition.compile.elasticsearch.path import EMPTY_PATH, LONG_PATH, NULLS_PATH, length_path, text_path
from auditsvc.event.fields import FIELDS, Kind

VERSION = 1
"""Raised when a mapping changes; a store of another version must be rebuilt."""
FIRST_GENERATION = "1"
COPY_AGAIN = "10s"
"""Delay after a node left before its copies are reallocated; nothing is written until there are two again."""
PRIORITY = 500
"""Higher than that of templates that come with a cluster."""

LABELS = "labels"
TIMESTAMP = "@timestamp"
TIME = "govshare.time"
DURATION_NS = "event.duration"
UID = "govshare.uid"
ACCESS_KEY = "govshare.access_key"
PARTNER = "govshare.partner"
DIGEST = "govshare.digest"
COUNTED = "govshare.counted"
NULLS = NULLS_PATH
EMPTY = EMPTY_PATH
LONG = LONG_PATH
LONG_VALUES = "govshare.long_values"
ECS_OUTCOME = "event.outcome"
ECS_TYPE = "event.type"
SEQ, RECORD, ITEM = "govshare.batch.seq", "govshare.batch.record", "govshare.batch.item"
PLACE = (SEQ, RECORD, ITEM)

_KEYWORD = {"type": "keyword"}
_LONG = {"type": "long"}
_UNSEARCHED = {"index": False}
"""For fields that are counted or sorted by, seldom searched: a search scans their columns, which are half as large."""
_LOOKED_UP = {**_KEYWORD, "doc_values": False}
"""For ids that are searched and never grouped or sorted by."""
_TYPES: Mapping[Kind, Mapping[str, Any]] = {
    Kind.KEYWORD: _KEYWORD,
    Kind.TEXT: _KEYWORD,
    Kind.ENUM: _KEYWORD,
    Kind.IP: _KEYWORD,
    Kind.INTEGER: _LONG,
    Kind.TIME: _LONG,
    Kind.NUMBER: {"type": "double"},
    Kind.BOOLEAN: {"type": "boolean"},
}
_DATE = {"type": "date_nanos", "format": "strict_date_optional_time_nanos"}
_SELDOM = frozenset(
    {"leaf_hash", "item", "duration_ms", "end", "ingested", "agreement.until", "source.port", "sequence"}
)
TABLES = ("findings", "quarantine", "batches", "undecided", "dead")
"""Tables with one index per generation."""


@dataclass(frozen=True, slots=True)
class Names:
    """Names of the indices of one generation under a prefix."""

    prefix: str
    generation: str = FIRST_GENERATION

    @property
    def state(self) -> str:
        """The index that records the generation in use, and the position of each."""
        return f"{self.prefix}-state"

    @property
    def alias(self) -> str:
        """The alias for other programs: the events of the generation in use."""
        return f"{self.prefix}-events"

    def events(self, month: str) -> str:
        """Return the index of the events of one month, or ``*`` for all of them."""
        return f"{self.prefix}-events-{self.generation}-{month}"

    def table(self, kind: str) -> str:
        """Return the index of ``findings``, ``quarantine``, ``batches``, ``undecided`` or ``dead``."""
        return f"{self.prefix}-{kind}-{self.generation}"


def _nest(flat: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return dotted paths as the nested ``properties`` of a mapping."""
    tree: dict[str, Any] = {}
    for path, body in flat.items():
        *parents, last = path.split(".")
        level = tree
        for parent in parents:
            level = level.setdefault(parent, {"properties": {}})["properties"]
        level[last] = dict(body)
    return tree


def _strict(flat: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"dynamic": "strict", "_meta": {"auditsvc": VERSION}, "properties": _nest(flat)}


def build_event_mapping() -> dict[str, Any]:
    """Return the mapping of events."""
    flat: dict[str, Mapping[str, Any]] = {
        UID: _LOOKED_UP,
        ACCESS_KEY: _LOOKED_UP,
        PARTNER: {**_LOOKED_UP, **_UNSEARCHED},
        DIGEST: {**_LOOKED_UP, **_UNSEARCHED},
        COUNTED: {"type": "boolean"},
        NULLS: _KEYWORD,
        EMPTY: _KEYWORD,
        LONG: _KEYWORD,
        LONG_VALUES: {"type": "object", "enabled": False},
        LABELS: {"type": "flattened"},
        ECS_OUTCOME: _KEYWORD,
        ECS_TYPE: _KEYWORD,
        DURATION_NS: {**_LONG, **_UNSEARCHED},
    }
    for field in FIELDS:
        seldom = _UNSEARCHED if field.name in _SELDOM else {}
        flat[text_path(field)] = {**_TYPES[field.kind], **seldom}
        if field.multi:
            flat[length_path(field)] = {**_LONG, **_UNSEARCHED}
        if field.kind is Kind.TIME:
            flat[field.path] = _DATE if field.path == TIMESTAMP else {**_DATE, **_UNSEARCHED}
        elif field.kind is Kind.IP:
            flat[field.path] = {"type": "ip"}
    return _strict(flat)


FINDING_PLACE = ("seq", "record", "item")
_PLACES: Mapping[str, Mapping[str, Any]] = dict.fromkeys(FINDING_PLACE, _LONG)


def _build_finding_mapping() -> dict[str, Any]:
    """Return the mapping of findings; ``group`` is JSON text, read back and never searched."""
    names = (
        "key", "kind", "policy_id", "policy_version", "severity", "status", "exception_id", "uid", "access_key", "source_id",
        "consumer.org", "interface.id", "provider.org", "project.id", "outcome",
    )  # fmt: skip
    stored = {"type": "keyword", "index": False, "doc_values": False}
    return _strict(
        {
            TIMESTAMP: _DATE,
            "time": _LONG,
            **_PLACES,
            **dict.fromkeys(names, _KEYWORD),
            "reason": stored,
            "group": stored,
        }
    )


def _build_table_mappings() -> dict[str, dict[str, Any]]:
    """Return the mappings of all tables other than events, by name."""
    text = {"type": "keyword", "index": False, "doc_values": False}
    counts = ("records", "events", "duplicates", "conflicts", "paired", "quarantined", "untargetable")
    undecided = {
        **dict.fromkeys(("seq", "time", "number"), _LONG),
        **dict.fromkeys(("policy_id", "policy_version", "status", "source_id", "interface"), _KEYWORD),
    }
    return {
        "findings": _build_finding_mapping(),
        "quarantine": _strict(
            {**_PLACES, "source": _KEYWORD, "code": _KEYWORD, "message": text, "raw": text, "accepted": _LONG}
        ),
        "batches": _strict(
            {"seq": _LONG, "record": _LONG, "source": _KEYWORD, "accepted": _LONG, **dict.fromkeys(counts, _LONG)}
        ),
        "undecided": _strict(
            {
                "seq": _LONG,
                "record": _LONG,
                "counts": {"type": "nested", "properties": undecided},
                "has_more": {"type": "boolean"},
                "more": {"type": "object", "enabled": False},
            }
        ),
        "dead": _strict(
            {
                SEQ: _LONG,
                RECORD: _LONG,
                ITEM: _LONG,
                UID: _LOOKED_UP,
                DIGEST: text,
                "table": _KEYWORD,
                "reason": text,
                "document": text,
            }
        ),
    }


@dataclass(frozen=True, slots=True)
class Templates:
    """The templates that an administrator installs once: bodies by name."""

    component: Mapping[str, Mapping[str, Any]]
    index: Mapping[str, Mapping[str, Any]]


def build_template(prefix: str, *, generation: str = FIRST_GENERATION, replicas: int = 1, shards: int = 1) -> Templates:
    """Return the component and index templates of a store under ``prefix``.

    Months get their alias from a template, because the service has no right to assign it. No index is created
    automatically by a write: one that had been deleted would reappear empty and look complete.

    Args:
        prefix: first part of every index name.
        generation: the one whose months get the alias for other programs.
        replicas: number of replicas; 0 for a single node.
        shards: primary shards of each month's event index; other indices have one.
    """
    common = {
        "number_of_shards": 1,
        "number_of_replicas": replicas,
        "write.wait_for_active_shards": "2" if replicas else "1",
        "unassigned.node_left.delayed_timeout": COPY_AGAIN,
        "translog.durability": "request",
        "refresh_interval": "-1",  # the writer refreshes when a chunk is complete, before the position advances
    }
    order = [TIME, *PLACE]
    events = {
        **common,
        "number_of_shards": shards,
        "codec": "best_compression",
        "sort.field": order,
        "sort.order": ["desc"] * len(order),
    }
    meta = {"auditsvc": VERSION}
    settings = f"{prefix}-settings"
    component = {settings: {"template": {"settings": {"index": common}}, "version": VERSION, "_meta": meta}}
    mappings = {"state": {"dynamic": False, "_meta": meta, "properties": {}}, **_build_table_mappings()}
    template = {"settings": {"index": events}, "mappings": build_event_mapping()}
    alias = Names(prefix).alias
    index: dict[str, Mapping[str, Any]] = {
        f"{prefix}-events": _build_index(f"{prefix}-events-*", settings, template),
        f"{prefix}-events-active": {
            **_build_index(f"{prefix}-events-{generation}-*", settings, {**template, "aliases": {alias: {}}}),
            "priority": PRIORITY + 1,
        },
    }
    for table, mapping in mappings.items():
        pattern = f"{prefix}-state" if table == "state" else f"{prefix}-{table}-*"
        index[f"{prefix}-{table}"] = _build_index(pattern, settings, {"mappings": mapping})
    return Templates(component, index)


def _build_index(pattern: str, component: str, template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of an index template."""
    return {
        "index_patterns": [pattern],
        "composed_of": [component],
        "priority": PRIORITY,
        "version": VERSION,
        "allow_auto_create": False,
        "_meta": {"auditsvc": VERSION},
        "template": dict(template),
    }

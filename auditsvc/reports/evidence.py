"""What ties a report to the log: range, checkpoint, policy set, catalogue, and each source's deliveries."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from auditsvc.ground.errors import LogError
from auditsvc.ledger.format.header import Header, parse_header


@dataclass(frozen=True, slots=True)
class SourceCount:
    """What one source delivered in a range of the log, from the headers alone."""

    source: str
    batches: int
    records: int
    raw_bytes: int
    first_source_seq: int
    last_source_seq: int


@dataclass(frozen=True, slots=True)
class InForce:
    """The leaf that put a policy set or catalogue in force, and the SHA-256 of its bundle in hex."""

    seq: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LogRange:
    """The facts a report repeats from the headers of leaves ``[0, size)``.

    Attributes:
        leaves: number of leaves by kind.
        sources: by source id, sorted.
        policy, catalog: the last of each in the range; None before the first.
    """

    size: int
    leaves: Mapping[str, int]
    sources: tuple[SourceCount, ...]
    policy: InForce | None
    catalog: InForce | None


def count_log(headers: Iterable[str], size: int) -> LogRange:
    """Return the facts in the headers of leaves ``[0, size)``; later headers are not read.

    Report and verifier share this function, so they can differ only if their headers do.

    Raises:
        LogError: ``header_invalid`` when a header is malformed, or there are fewer than ``size``.
    """
    leaves: dict[str, int] = {}
    sources: dict[str, SourceCount] = {}
    latest: dict[str, InForce] = {}
    read = 0
    for text in headers:
        if read == size:
            break
        header = parse_header(text)
        read += 1
        leaves[header.kind] = leaves.get(header.kind, 0) + 1
        if header.kind == "batch":
            _add_batch(sources, header)
        elif header.kind in ("policy", "catalog"):
            latest[header.kind] = InForce(header.seq, header.fields["sha256"])
    if read < size:
        raise LogError("header_invalid", f"log: expected {size} headers, got {read}")
    ordered = tuple(sources[name] for name in sorted(sources))
    return LogRange(size, dict(sorted(leaves.items())), ordered, latest.get("policy"), latest.get("catalog"))


def _add_batch(sources: dict[str, SourceCount], header: Header) -> None:
    fields = header.fields
    name, source_seq = fields["source"], int(fields["source-seq"])
    known = sources.get(name)
    sources[name] = SourceCount(
        source=name,
        batches=1 + (known.batches if known else 0),
        records=int(fields["records"]) + (known.records if known else 0),
        raw_bytes=int(fields["raw-bytes"]) + (known.raw_bytes if known else 0),
        first_source_seq=known.first_source_seq if known else source_seq,
        last_source_seq=source_seq,
    )


def describe_log(log: LogRange) -> dict[str, Any]:
    """Return the part of a report's JSON that a verifier recomputes from the headers."""

    def in_force(value: InForce | None) -> dict[str, Any] | None:
        return None if value is None else {"seq": value.seq, "sha256": value.sha256}

    return {
        "first_seq": 0,
        "size": log.size,
        "leaves": dict(log.leaves),
        "records": sum(source.records for source in log.sources),
        "policy_set": in_force(log.policy),
        "catalog": in_force(log.catalog),
        "sources": [
            {
                "id": source.source,
                "batches": source.batches,
                "records": source.records,
                "raw_bytes": source.raw_bytes,
                "first_source_seq": source.first_source_seq,
                "last_source_seq": source.last_source_seq,
            }
            for source in log.sources
        ],
    }

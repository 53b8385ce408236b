"""Findings, quarantined records and batch figures of the embedded store: writing, reading and counting."""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any
from uuid import UUID

from arro3.core import DataType
from duckdb import DuckDBPyConnection

from auditsvc.ground.errors import InputError
from auditsvc.ground.ids import EventUid, FindingKey
from auditsvc.store.duckdb.aggregate import GroupSql, MeasureSql, build_bucket, run_groups
from auditsvc.store.duckdb.clause import SqlClause, build_interval
from auditsvc.store.duckdb.columns import build_column, build_table, build_uuids, quote
from auditsvc.store.query import FINDING_FIELDS, AggregateRow, By, FindingQuery, NoValue, TimeBucket
from auditsvc.store.rows import BatchStat, Finding, FindingKind, IndeterminateCount, LedgerPlace, QuarantineRecord

_TEXT, _INT = DataType.utf8(), DataType.int64()
_PLAIN_TEXTS = {
    "source", "code", "message", "raw", "policy_id", "policy_version", "status", "source_id", "interface",
}  # fmt: skip
_UUIDS = ("key", "uid", "access_key")
_NUMBERS = ("time", "seq", "record", "item")
_TEXTS = (
    "kind", "policy_id", "policy_version", "severity", "status", "reason", "exception_id", "source_id", "consumer.org",
    "interface.id", "provider.org", "project.id", "outcome", "group",
)  # fmt: skip
_ATTRIBUTES = {
    "consumer.org": "consumer", "interface.id": "interface", "provider.org": "provider", "project.id": "project",
}  # fmt: skip
_COLUMNS = (*_UUIDS, *_NUMBERS, *_TEXTS)
_SELECT = " ".join(["SELECT", ", ".join(quote(name) for name in _COLUMNS), "FROM finding"])
_ORDER = 'ORDER BY "time", "seq", "record", "item", "policy_id", "kind"'
_LEDGER_ORDER = 'ORDER BY "seq", "record", "item", "policy_id", "kind"'
_QUARANTINE = ("seq", "record", "item", "source", "code", "message", "raw", "accepted")
_BATCH = (
    "seq", "first_record", "source", "accepted", "records", "events", "duplicates", "conflicts", "paired", "quarantined",
    "untargetable",
)  # fmt: skip
_INDETERMINATE = ("seq", "time", "policy_id", "policy_version", "status", "source_id", "interface", "number")
_FETCH_ROWS = 5_000


def build_finding_table(findings: Sequence[Finding]) -> tuple[list[str], Any]:
    """Return column names and the Arrow table of some findings."""
    columns = [build_uuids(name, [getattr(finding, name) for finding in findings]) for name in _UUIDS]
    columns += [build_column(name, _INT, [getattr(finding, name) for finding in findings]) for name in _NUMBERS]
    for name in _TEXTS:
        columns.append(build_column(name, _TEXT, [_read_text(finding, name) for finding in findings]))
    return list(_COLUMNS), build_table(columns)


def _read_text(finding: Finding, name: str) -> str | None:
    if name == "kind":
        return finding.kind.value
    if name == "group":
        return json.dumps(dict(finding.group), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    value: str | None = getattr(finding, _ATTRIBUTES.get(name, name))
    return value


def read_finding(row: Sequence[Any]) -> Finding:
    """Return the finding of one result row of :data:`_COLUMNS`."""
    value = dict(zip(_COLUMNS, row, strict=True))
    access_key: UUID | None = value["access_key"]
    return Finding(
        key=FindingKey(value["key"].bytes),
        kind=FindingKind(value["kind"]),
        policy_id=value["policy_id"],
        policy_version=value["policy_version"],
        severity=value["severity"],
        status=value["status"],
        reason=value["reason"],
        exception_id=value["exception_id"],
        uid=EventUid(value["uid"].bytes),
        access_key=None if access_key is None else access_key.bytes,
        time=value["time"],
        seq=value["seq"],
        record=value["record"],
        item=value["item"],
        source_id=value["source_id"],
        consumer=value["consumer.org"],
        interface=value["interface.id"],
        provider=value["provider.org"],
        project=value["project.id"],
        outcome=value["outcome"],
        group=json.loads(value["group"]),
    )


def build_finding_clause(query: FindingQuery) -> SqlClause:
    """Return the clause of a query for findings.

    Raises:
        InputError: ``field_unknown`` for a field that findings do not have.
    """
    clause = build_interval(query.first_ns, query.last_ns)
    for name, values in sorted(query.equal.items()):
        clause = clause.and_(f"{_finding_column(name)} IN (SELECT unnest(?::VARCHAR[]))", sorted(values))
    return clause


def _finding_column(name: str) -> str:
    """Return the quoted column of a field of findings."""
    if name not in FINDING_FIELDS:
        raise InputError("field_unknown", f"findings have no field `{name}`", field=name)
    return quote(name)


def count_findings(cursor: DuckDBPyConnection, query: FindingQuery, by: tuple[By, ...]) -> list[AggregateRow]:
    """Return the number of findings in each group, ordered by key."""
    groups = [
        build_bucket(part, query.first_ns, query.last_ns)
        if isinstance(part, TimeBucket)
        else GroupSql(_finding_column(part), (), lambda value: NoValue.MISSING if value is None else value)
        for part in by
    ]
    return run_groups(cursor, "finding", build_finding_clause(query), groups, [MeasureSql("count(*)")])


def list_findings(cursor: DuckDBPyConnection, query: FindingQuery, limit: int, offset: int) -> list[Finding]:
    """Return findings in order of time and place."""
    clause = build_finding_clause(query)
    text = " ".join([_SELECT, "WHERE", clause.text, _ORDER, "LIMIT ? OFFSET ?"])
    return [read_finding(row) for row in cursor.execute(text, [*clause.params, limit, offset]).fetchall()]


def get_findings(cursor: DuckDBPyConnection, keys: Collection[FindingKey]) -> list[Finding]:
    """Return the findings with these keys, in order of time and place."""
    cursor.register("wanted", build_table([build_uuids("id", list(keys))]))
    text = " ".join([_SELECT, 'WHERE "key" IN (SELECT id FROM wanted)', _ORDER])
    return [read_finding(row) for row in cursor.execute(text).fetchall()]


def iter_findings(cursor: DuckDBPyConnection, first: LedgerPlace, last: LedgerPlace) -> Iterator[Finding]:
    """Yield the findings at the places ``[first, last)``, in ledger order."""
    where = """
        WHERE ("seq" > ? OR ("seq" = ? AND "record" >= ?)) AND ("seq" < ? OR ("seq" = ? AND "record" < ?))
    """
    places = [first.seq, first.seq, first.record, last.seq, last.seq, last.record]
    result = cursor.execute(" ".join([_SELECT, where, _LEDGER_ORDER]), places)
    while rows := result.fetchmany(_FETCH_ROWS):
        yield from (read_finding(row) for row in rows)


def find_finding_uids(cursor: DuckDBPyConnection, keys: Collection[FindingKey]) -> dict[FindingKey, EventUid]:
    """Return the event of each finding, for those of ``keys`` that are stored."""
    if not keys:
        return {}
    cursor.register("wanted", build_table([build_uuids("id", list(keys))]))
    rows = cursor.execute('SELECT "key", uid FROM finding WHERE "key" IN (SELECT id FROM wanted)').fetchall()
    return {FindingKey(key.bytes): EventUid(uid.bytes) for key, uid in rows}


def build_quarantine_table(records: Sequence[QuarantineRecord]) -> tuple[list[str], Any]:
    """Return column names and the Arrow table of some quarantined records."""
    return _build_plain(_QUARANTINE, records)


def build_batch_table(batches: Sequence[BatchStat]) -> tuple[list[str], Any]:
    """Return column names and the Arrow table of some batch figures."""
    return _build_plain(_BATCH, batches)


def _build_plain(names: tuple[str, ...], rows: Sequence[object]) -> tuple[list[str], Any]:
    """Return column names and the table of dataclasses whose attributes are the columns."""
    columns = []
    for name in names:
        values = [getattr(row, name) for row in rows]
        columns.append(build_column(name, _TEXT if name in _PLAIN_TEXTS else _INT, values))
    return list(names), build_table(columns)


def build_indeterminate_table(counts: Sequence[IndeterminateCount]) -> tuple[list[str], Any]:
    """Return column names and the Arrow table of some counts of undecided events."""
    return _build_plain(_INDETERMINATE, counts)


def count_indeterminate(
    cursor: DuckDBPyConnection, first_ns: int, last_ns: int, interfaces: Collection[str] | None
) -> dict[str, int]:
    """Return numbers of undecided events in the interval by policy id, of some interfaces or of all."""
    clause = SqlClause('"time" >= ? AND "time" < ?', [first_ns, last_ns])
    if interfaces is not None:
        clause = clause.and_("list_contains(?, interface)", list(interfaces))
    text = " ".join(["SELECT policy_id, sum(number) FROM indeterminate WHERE", clause.text, "GROUP BY 1 ORDER BY 1"])
    return {policy_id: int(number) for policy_id, number in cursor.execute(text, list(clause.params)).fetchall()}


def count_quarantine(cursor: DuckDBPyConnection, first_ns: int, last_ns: int) -> dict[tuple[str, str], int]:
    """Return numbers of quarantined records by (source, code)."""
    rows = cursor.execute(
        "SELECT source, code, count(*) FROM quarantine WHERE accepted >= ? AND accepted < ? GROUP BY 1, 2 ORDER BY 1, 2",
        [first_ns, last_ns],
    ).fetchall()
    return {(source, code): number for source, code, number in rows}


def list_quarantine(
    cursor: DuckDBPyConnection, interval: tuple[int, int], source: str | None, limit: int, offset: int
) -> list[QuarantineRecord]:
    """Return quarantined records accepted in the interval, newest first."""
    clause = SqlClause("accepted >= ? AND accepted < ?", interval)
    if source is not None:
        clause = clause.and_("source = ?", source)
    columns = ", ".join(_QUARANTINE)
    order = "ORDER BY seq DESC, record DESC, item DESC LIMIT ? OFFSET ?"
    text = " ".join(["SELECT", columns, "FROM quarantine WHERE", clause.text, order])
    return [QuarantineRecord(*row) for row in cursor.execute(text, [*clause.params, limit, offset]).fetchall()]


def sum_batches(cursor: DuckDBPyConnection, first_ns: int, last_ns: int) -> list[BatchStat]:
    """Return sums over the batches accepted in the interval, one row per source."""
    rows = cursor.execute(
        """
        SELECT max(seq), 0, source, max(accepted), sum(records), sum(events), sum(duplicates), sum(conflicts),
               sum(paired), sum(quarantined), sum(untargetable)
        FROM batch WHERE accepted >= ? AND accepted < ? GROUP BY source ORDER BY source
        """,
        [first_ns, last_ns],
    ).fetchall()
    return [BatchStat(*row) for row in rows]

"""Tables of the embedded store. There are no indexes: rows are stored in ledger order, so zone maps narrow time
ranges, and an index on random ids would be four times the size of the data.
"""

from duckdb import DuckDBPyConnection

from auditsvc.store.duckdb.columns import EVENT_COLUMNS, quote

VERSION = 1
"""Raised when tables or columns change; a store of another version must be rebuilt with ``auditsvc reindex``."""

_EVENT_BODY = ", ".join(f"{quote(column.name)} {column.sql_type}" for column in EVENT_COLUMNS)

TABLES = (
    "CREATE TABLE event (" + _EVENT_BODY + ")",
    """
    CREATE TABLE finding (
        "key" UUID, "kind" VARCHAR, "policy_id" VARCHAR, "policy_version" VARCHAR, "severity" VARCHAR,
        "status" VARCHAR, "reason" VARCHAR, "exception_id" VARCHAR, "uid" UUID, "access_key" UUID, "time" BIGINT,
        "seq" BIGINT, "record" BIGINT, "item" BIGINT, "source_id" VARCHAR, "consumer.org" VARCHAR,
        "interface.id" VARCHAR, "provider.org" VARCHAR, "project.id" VARCHAR, "outcome" VARCHAR, "group" VARCHAR
    )
    """,
    """
    CREATE TABLE quarantine (
        "seq" BIGINT, "record" BIGINT, "item" BIGINT, "source" VARCHAR, "code" VARCHAR, "message" VARCHAR,
        "raw" VARCHAR, "accepted" BIGINT
    )
    """,
    """
    CREATE TABLE batch (
        "seq" BIGINT, "first_record" BIGINT, "source" VARCHAR, "accepted" BIGINT, "records" BIGINT, "events" BIGINT,
        "duplicates" BIGINT, "conflicts" BIGINT, "paired" BIGINT, "quarantined" BIGINT, "untargetable" BIGINT
    )
    """,
    """
    CREATE TABLE indeterminate (
        "seq" BIGINT, "time" BIGINT, "policy_id" VARCHAR, "policy_version" VARCHAR, "status" VARCHAR,
        "source_id" VARCHAR, "interface" VARCHAR, "number" BIGINT
    )
    """,
    """
    CREATE TABLE position (
        "version" INTEGER, "seq" BIGINT, "record" BIGINT, "catalog_seq" BIGINT, "policy_seq" BIGINT
    )
    """,
    'CREATE TABLE null_field ("name" VARCHAR)',
)


REMOVED_TABLE = 'CREATE TABLE IF NOT EXISTS removed_month ("month" VARCHAR)'
"""Separate from the others: a store from before months could be removed gets it when it is opened."""


LEAF_COLUMN = 'ALTER TABLE position ADD COLUMN IF NOT EXISTS "leaf" VARCHAR'
"""Separate for the same reason: a store from before the last leaf was recorded gets it when it is opened."""


def create_tables(connection: DuckDBPyConnection) -> None:
    """Create the tables of an empty store, positioned before the first leaf."""
    connection.execute("BEGIN")
    for statement in TABLES:
        connection.execute(statement)
    connection.execute("INSERT INTO position VALUES (?, 0, 0, NULL, NULL)", [VERSION])
    connection.execute("COMMIT")


def find_version(connection: DuckDBPyConnection) -> int | None:
    """Return the version of an existing store, None for an empty file."""
    found = connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'position'").fetchall()
    if not found:
        return None
    rows = connection.execute('SELECT "version" FROM position').fetchall()
    return int(rows[0][0]) if rows else 0

"""A ledger in a temporary folder, and deliveries for it."""

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from auditsvc.ground.clock import FixedClock
from auditsvc.ground.database import begin_write, migrate, open_engine
from auditsvc.ground.document import build_bundle
from auditsvc.ground.settings.model import Settings
from auditsvc.ledger.archive import Archive
from auditsvc.ledger.leaf import get_leaf
from auditsvc.ledger.ledger import Ledger
from auditsvc.ledger.verify import LogTrust
from auditsvc.ledger.write.checkpoint import Checkpointer
from auditsvc.ledger.write.committer import Committer, Delivery, Receipt

START = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)


def build_delivery(
    number: int, *, records: int = 5, source: str = "gateway", key: str | None = None, kind: str = "lines"
) -> Delivery:
    """Return a delivery whose bytes depend on ``number``."""
    body = b"".join(b'{"id":"e%d-%d","rows":%d}\n' % (number, item, item) for item in range(records))
    return Delivery(source, kind, body, records, key, hashlib.sha256(body).digest(), records, 0)


@dataclass
class TestLedger:
    """Everything a ledger test needs."""

    __test__ = False

    settings: Settings
    engine: Engine
    archive: Archive
    clock: FixedClock

    @property
    def ledger(self) -> Ledger:
        """The product's own object on the same parts."""
        return Ledger(self.engine, self.archive, self.clock, self.settings.origin)

    @property
    def trust(self) -> LogTrust:
        """What a verifier trusts of this log."""
        return LogTrust(Checkpointer(self.ledger, self.settings).signer.verifier_key)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.settings.data_dir / "auditsvc.db"

    @contextmanager
    def committer(self) -> Iterator[Committer]:
        """Give a running committer."""
        committer = Committer(self.ledger, self.settings)
        try:
            yield committer
        finally:
            committer.close()

    def submit(self, *deliveries: Delivery) -> list[Receipt]:
        """Commit deliveries one after the other, each in its own group."""
        with self.committer() as committer:
            return [committer.submit(item) for item in deliveries]

    def sign(self) -> None:
        """Sign a checkpoint."""
        Checkpointer(self.ledger, self.settings).sign_now()


def open_ledger(folder: Path) -> TestLedger:
    """Return the ledger in ``folder``, made when missing."""
    settings = Settings(data_dir=folder, origin="audit.example/log")
    engine = open_engine(settings.database)
    migrate(engine)
    return TestLedger(settings, engine, Archive(settings.archive_path), FixedClock(START))


def copy_ledger(ledger: TestLedger, folder: Path) -> TestLedger:
    """Return a copy of a ledger, to be spoiled."""
    ledger.engine.dispose()
    shutil.copytree(ledger.settings.data_dir, folder)
    return open_ledger(folder)


def replace_frame(ledger: TestLedger, seq: int, frame: bytes) -> None:
    """Put other bytes where a batch's frame lies: appended to its segment, the database told where."""
    with ledger.engine.connect() as connection:
        segment = get_leaf(connection, seq).segment
    path = ledger.archive.segments / segment
    offset = path.stat().st_size
    with path.open("ab") as file:
        file.write(frame)
    edit_database(ledger, f'UPDATE batch SET "offset" = {offset}, length = {len(frame)} WHERE seq = {seq}')  # noqa: S608


def fill_ledger(ledger: TestLedger) -> None:
    """Put a policy set, acts, and batches of two sources in the log, with a checkpoint in the middle and at the end."""
    bundle = build_bundle({"policies/a.yaml": "id: a\n"})
    with begin_write(ledger.engine) as connection:
        ledger.ledger.activate(connection, kind="policy", bundle=bundle, actor="chen")
    ledger.submit(build_delivery(1), build_delivery(2, source="portal"), build_delivery(3))
    ledger.sign()
    with begin_write(ledger.engine) as connection:
        ledger.ledger.record_act(
            connection,
            actor="li",
            act="alert-close",
            subject="alert-7",
            detail={"reason": "误报"},
        )
    ledger.submit(build_delivery(4), build_delivery(5, records=1, source="portal", kind="blob"), build_delivery(6))
    ledger.sign()


def edit_database(ledger: TestLedger, *statements: str) -> None:
    """Change the database behind the program's back."""
    ledger.engine.dispose()
    connection = sqlite3.connect(ledger.database)
    for table in ("leaf", "node"):
        for act in ("update", "delete"):
            connection.execute(f"DROP TRIGGER IF EXISTS {table}_no_{act}")
    for statement in statements:
        assert connection.execute(statement).rowcount > 0, statement
    connection.commit()
    connection.close()

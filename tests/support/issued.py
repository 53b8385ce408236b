"""Real, signed reports of a small installation, made once for each test process."""

import atexit
import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from auditsvc.ledger.write.checkpoint import Checkpointer
from auditsvc.reports.keys import ReportKeys, load_report_keys
from auditsvc.reports.service import Report, create_report, find_report_file, list_report_files
from auditsvc.reports.trust import ReportTrust, load_trust_file
from tests.support.catalog import TOWN
from tests.support.engine import World, build_record
from tests.support.report_schema import check_report

DAYS = (date(2026, 11, 1), date(2026, 11, 30))
SOURCES_RECORDS = 12


@dataclass(frozen=True, slots=True)
class Issued:
    """A report's folder, its row, the trust file got apart from it, and the keys that signed it."""

    folder: Path
    report: Report
    trust_file: Path
    keys: ReportKeys
    world: World

    @property
    def trust(self) -> ReportTrust:
        """What a verifier trusts."""
        return load_trust_file(self.trust_file)

    def copy(self, folder: Path) -> list[Path]:
        """Copy what is verified (all but the trust file) and return the paths."""
        folder.mkdir(exist_ok=True)
        for path in sorted(self.folder.iterdir()):
            if path.name != "trust.json":
                shutil.copyfile(path, folder / path.name)
        return sorted(folder.iterdir())

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        return (self.folder / name).read_bytes()

    @property
    def content(self) -> dict[str, object]:
        """The content of report.json."""
        content: dict[str, object] = json.loads(self.read("report.json"))
        return content


@cache
def issue_reports() -> dict[str, Issued]:
    """Return a compliance and a project report of one small installation."""
    folder = Path(tempfile.mkdtemp(prefix="auditsvc-issued-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    world = World(folder)
    world.activate_small()
    records = [build_record(f"e{number}", rows=number * 20) for number in range(SOURCES_RECORDS - 2)]
    records += [build_record("t1", consumer__org=TOWN, rows=7), b"{not json}\n"]
    world.deliver("gateway", *records[:6])
    world.deliver("gateway", *records[6:])
    sign = Checkpointer(world.ledger, world.settings).sign_now
    issued = {}
    with world.judged() as store:
        for kind, project in (("compliance", None), ("project", "P-POP")):
            report = create_report(
                world.ledger,
                world.versions,
                store,
                world.settings,
                kind=kind,
                period=DAYS,
                project_id=project,
                actor="auditor",
                sign_checkpoint=sign,
            )
            files = list_report_files(world.settings, report.id)
            folder = find_report_file(world.settings, report.id, files[0].name).parent
            trust = world.folder / f"{kind}-trust.json"
            shutil.copyfile(folder / "trust.json", trust)
            issued[kind] = Issued(folder, report, trust, load_report_keys(world.settings, world.clock), world)
            check_report(issued[kind].content)
    return issued

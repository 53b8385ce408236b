"""Reports are made, entered in the log, listed and fetched, and the commands end with the documented codes."""

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from auditsvc.cli import report as report_command
from auditsvc.cli import verify as verify_command
from auditsvc.ground.database import read_session
from auditsvc.ground.errors import AuditError, StorageError
from auditsvc.ledger.format.header import parse_header
from auditsvc.ledger.keys import load_or_create_log_key
from auditsvc.ledger.leaf import get_leaf, iter_leaves
from auditsvc.ledger.write.bundle import write_bundle
from auditsvc.ledger.write.checkpoint import Checkpointer
from auditsvc.pipeline.rebuild import reindex
from auditsvc.reports import service
from auditsvc.reports.service import (
    create_report,
    find_report_file,
    get_report,
    list_report_files,
    list_reports,
    load_trust,
)
from auditsvc.reports.verify import verify_files
from auditsvc.store.port import EventStore
from tests.support.engine import World, build_record
from tests.support.issued import DAYS, Issued, issue_reports
from tests.support.report_schema import check_report


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "data")
    yield world
    world.close()


def make(world: World, store: EventStore | None = None, **changes: Any) -> Any:
    sign = Checkpointer(world.ledger, world.settings).sign_now
    options = {"kind": "compliance", "period": DAYS, "actor": "李审计", "sign_checkpoint": sign, **changes}
    with nullcontext(store) if store is not None else world.judged() as opened:
        report = create_report(world.ledger, world.versions, opened, world.settings, **options)
    check_report(json.loads(find_report_file(world.settings, report.id, "report.json").read_bytes()))
    return report


def test_the_digest_of_a_report_is_a_leaf_of_the_log() -> None:
    issued = issue_reports()["compliance"]
    with issued.world.engine_db.connect() as connection:
        header = parse_header(get_leaf(connection, issued.report.leaf_seq).header)
    assert header.kind == "report"
    assert header.fields["sha256"] == issued.report.sha256.hex()
    assert header.fields["report-id"] == issued.report.id


def test_the_counts_of_every_record_add_up() -> None:
    (row,) = issue_reports()["compliance"].content["deliveries"]  # type: ignore[misc,attr-defined]
    assert row["records"] == 12
    assert row["events"] + row["quarantined"] == row["records"]
    assert issue_reports()["compliance"].content["quarantine"]["records"] == 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ("DELETE FROM event WHERE id = 'a1'", 2),
        ("INSERT INTO event SELECT * REPLACE (uuid() AS uid) FROM event WHERE id = 'a1'", 4),
    ],
)
def test_a_store_that_lost_or_gained_a_row_gives_no_report(world: World, change: str, held: int) -> None:
    world.activate_small()
    world.deliver("gateway", *(build_record(f"a{number}") for number in range(3)), b"broken\n")
    with world.judged() as store:
        store._connection.execute(change)
        with pytest.raises(StorageError, match=f"expected 3 events, .*, got {held}; .*auditsvc reindex"):
            make(world, store=store)
    assert reindex(world.ledger, world.settings).is_identical is False
    assert make(world).kind == "compliance"


def test_a_report_is_made_of_what_is_left_when_a_month_was_removed(world: World) -> None:
    world.activate_small()
    world.deliver("gateway", build_record("old", time="2026-10-05T10:00:00+08:00"), build_record("new"))
    with world.judged() as store:
        store.delete_month("2026.10", world.clock.now_ns())
    assert make(world).kind == "compliance"


def test_reports_are_listed_newest_first_and_page_by_page() -> None:
    world = issue_reports()["compliance"].world
    with read_session(world.engine_db) as session:
        first = list_reports(session, limit=1)
        second = list_reports(session, limit=1, after=first.after)
        assert get_report(session, second.reports[0].id) == second.reports[0]
    assert [page.reports[0].kind for page in (first, second)] == ["project", "compliance"]
    assert second.after is None


def test_a_report_has_its_six_files_and_no_other_name_is_looked_up() -> None:
    issued = issue_reports()["compliance"]
    settings = issued.world.settings
    names = [file.name for file in list_report_files(settings, issued.report.id)]
    assert names == list(service.FILES)
    for report_id, name in (
        (issued.report.id, "../../keys/log.key"),
        (issued.report.id, "other.json"),
        ("../keys", "report.json"),
        ("", "report.json"),
        ("0" * 36, "report.json"),
    ):
        with pytest.raises(AuditError) as caught:
            find_report_file(settings, report_id, name)
        assert caught.value.code == "not_found"


def test_a_report_on_a_log_of_which_nothing_is_in_force_is_refused(world: World) -> None:
    with pytest.raises(AuditError, match="in force yet") as caught:
        make(world)
    assert caught.value.code == "conflict"


def test_without_a_signer_of_checkpoints_no_report_is_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHECKPOINT_WAIT_S", 0.2)
    world.activate_small()
    world.deliver("gateway", build_record("a"))
    with pytest.raises(AuditError, match="no checkpoint over"):
        make(world, sign_checkpoint=None)
    assert not (world.settings.data_dir / "reports").exists()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": "other"}, "is not one of"),
        ({"kind": "project"}, "needs a project"),
        ({"project_id": "P-POP"}, "needs a project"),
        ({"kind": "project", "project_id": "P-NONE"}, "no project `P-NONE`"),
        ({"languages": ()}, "languages must be"),
        ({"languages": ("fr",)}, "languages must be"),
        ({"languages": ("zh", "zh")}, "languages must be"),
        ({"period": (date(2026, 2, 1), date(2026, 1, 1))}, "before the first"),
    ],
)
def test_a_report_that_cannot_be_is_refused(change: dict[str, Any], text: str, world: World) -> None:
    world.activate_small()
    with pytest.raises(AuditError, match=text):
        make(world, **change)


def test_a_bundle_that_begins_after_earlier_batches_verifies_and_a_later_one_does_not(world: World) -> None:
    world.activate_small()
    world.deliver("gateway", build_record("old", time="2026-10-05T10:00:00+08:00"))
    world.deliver("gateway", build_record("a"))
    world.deliver("gateway", build_record("b"))
    report = make(world)
    folder = find_report_file(world.settings, report.id, "report.json").parent
    first = json.loads((folder / "report.json").read_bytes())["bundle"]["first_seq"]
    with world.engine_db.connect() as connection:
        kinds = [leaf.kind for leaf in iter_leaves(connection, 0, report.leaf_seq + 1)]
        assert "batch" in kinds[:first]
        assert verify_files([folder], load_trust(world.settings, world.clock)).exit_code == 0
        path = folder / "report.bundle.tar"
        write_bundle(connection, world.archive, path, first=first + 1, last=report.leaf_seq + 1)
    verification = verify_files([folder], load_trust(world.settings, world.clock))
    assert [step.code for step in verification.steps if step.state != "pass"] == ["BUNDLE_SHORT"]


def test_a_period_without_any_event_still_gives_a_report_that_verifies(world: World) -> None:
    world.activate_small()
    report = make(world, period=(date(2026, 11, 1), date(2026, 11, 2)), languages=("en",))
    assert report.verdict == "not_assessed"
    assert report.languages == ("en",)
    folder = world.settings.data_dir / "reports" / report.id
    assert verify_files([folder], load_trust(world.settings, world.clock)).exit_code == 0


# --- commands


def verify(*words: object) -> Any:
    return CliRunner().invoke(verify_command.command, [str(word) for word in words])


@pytest.fixture(scope="module")
def issued() -> Issued:
    return issue_reports()["project"]


def test_verify_ends_with_0_and_prints_a_numbered_checklist_in_both_languages(issued: Issued, tmp_path: Path) -> None:
    done = verify(*issued.copy(tmp_path), "--trust", issued.trust_file)
    assert done.exit_code == 0, done.output
    assert "  1  ✓ pass" in done.output
    assert " 20  ✓ pass" in done.output
    assert "核验通过" in done.output
    assert "verified" in done.output


def test_verify_ends_with_1_on_tampering_and_says_so_in_json(issued: Issued, tmp_path: Path) -> None:
    issued.copy(tmp_path)
    (tmp_path / "report.en.pdf").write_bytes(issued.read("report.en.pdf") + b"x")
    done = verify(tmp_path, "--trust", issued.trust_file, "--json")
    assert done.exit_code == 1
    found = json.loads(done.output)
    assert found["exit_code"] == 1
    failed = [step for step in found["steps"] if step["state"] == "fail"]
    assert [(step["number"], step["where"]) for step in failed] == [(5, "report.en.pdf")]
    assert found["report"]["id"] == issued.report.id


def test_verify_ends_with_2_on_incomplete_evidence(issued: Issued, tmp_path: Path) -> None:
    done = verify(*issued.copy(tmp_path))
    assert done.exit_code == 2
    assert "not done" in done.output
    assert "证据不全" in done.output


def test_verify_ends_with_3_on_wrong_use(issued: Issued, tmp_path: Path) -> None:
    other = tmp_path / "x.docx"
    other.write_bytes(b"x")
    twice = tmp_path / "second.json"
    shutil.copyfile(issued.folder / "report.json", twice)
    for words in (
        (),
        ("--unknown",),
        (tmp_path / "absent.pdf",),
        (other,),
        (issued.folder / "report.json", twice),
        (issued.folder, "--trust", tmp_path / "absent.json"),
        (issued.folder, "--trust", issued.folder / "report.json"),
    ):
        assert verify(*words).exit_code == 3, words


def test_verify_checks_a_bundle_alone(issued: Issued) -> None:
    done = verify(issued.folder / "report.bundle.tar", "--trust", issued.trust_file)
    assert done.exit_code == 0, done.output


def test_verify_checks_a_data_folder(issued: Issued) -> None:
    done = verify(issued.world.folder, "--trust", issued.trust_file)
    assert done.exit_code == 0, done.output
    assert "database" in done.output


def test_the_report_commands_make_list_and_fetch(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AUDITSVC_DATA_DIR", str(world.settings.data_dir))
    load_or_create_log_key(world.settings.key_path)
    world.activate_small()
    world.deliver("gateway", build_record("a", rows=500))
    with world.judged():
        pass
    runner = CliRunner()
    made = runner.invoke(
        report_command.command, ["create", "--from", "2026-11-01", "--to", "2026-11-30", "--language", "en", "--json"]
    )
    assert made.exit_code == 0, made.output
    report = json.loads(made.output)
    assert report["verdict"] == "violations"
    listed = runner.invoke(report_command.command, ["list", "--json"])
    assert [row["id"] for row in json.loads(listed.output)] == [report["id"]]
    out = tmp_path / "out"
    fetched = runner.invoke(report_command.command, ["fetch", report["id"], "--out", str(out)])
    assert fetched.exit_code == 0, fetched.output
    assert {path.name for path in out.iterdir()} == set(service.FILES) - {"report.zh.pdf"}
    assert verify(out, "--trust", out / "trust.json").exit_code == 0

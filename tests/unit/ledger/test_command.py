"""``auditsvc ledger`` prints what the log says, for people and for programs."""

import base64
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from auditsvc.cli.ledger import command
from auditsvc.ground.errors import AuditError
from auditsvc.ledger.archive import compress_frame
from auditsvc.ledger.format.note import parse_vkey, verify_checkpoint
from auditsvc.ledger.format.tree import hash_leaf, verify_consistency, verify_inclusion
from auditsvc.ledger.keys import load_log_vkey
from tests.support.ledger import TestLedger, build_delivery, fill_ledger, open_ledger, replace_frame


@pytest.fixture
def ledger(tmp_path: Path) -> TestLedger:
    made = open_ledger(tmp_path)
    fill_ledger(made)
    made.engine.dispose()
    return made


def run(ledger: TestLedger, *words: str) -> Result:
    environment = {"AUDITSVC_DATA_DIR": str(ledger.settings.data_dir), "AUDITSVC_ORIGIN": ledger.settings.origin}
    return CliRunner().invoke(command, list(words), env=environment)


def run_json(ledger: TestLedger, *words: str) -> dict[str, object]:
    result = run(ledger, *words, "--json")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_status_tells_size_root_and_key(ledger: TestLedger) -> None:
    facts = run_json(ledger, "status")
    assert (facts["size"], facts["checkpoint_size"], facts["origin"]) == (8, 8, "audit.example/log")
    assert facts["vkey"] == load_log_vkey(ledger.settings.key_path, ledger.settings.origin)
    assert "size: 8" in run(ledger, "status").stdout


def test_the_printed_checkpoint_verifies(ledger: TestLedger) -> None:
    key = parse_vkey(load_log_vkey(ledger.settings.key_path, ledger.settings.origin))
    assert verify_checkpoint(run(ledger, "checkpoint").stdout, key).size == 8
    ledger.submit(build_delivery(50))
    assert verify_checkpoint(str(run_json(ledger, "checkpoint", "--sign")["note"]), key).size == 9


def test_printed_proofs_hold(ledger: TestLedger) -> None:
    facts = run_json(ledger, "proof", "inclusion", "2")
    path = [base64.b64decode(text) for text in facts["path"]]  # type: ignore[attr-defined]
    root = base64.b64decode(str(facts["root_hash"]))
    verify_inclusion(hash_leaf(str(facts["header"]).encode()), 2, 4, path, root)
    facts = run_json(ledger, "proof", "consistency", "3", "8")
    path = [base64.b64decode(text) for text in facts["path"]]  # type: ignore[attr-defined]
    roots = (base64.b64decode(str(facts[name])) for name in ("root_hash1", "root_hash2"))
    verify_consistency(3, 8, path, *roots)


@pytest.mark.parametrize(
    ("words", "code"),
    [(("proof", "inclusion", "99"), "not_found"), (("proof", "consistency", "9", "8"), "proof_invalid")],
)
def test_what_is_not_there_is_said_so(ledger: TestLedger, words: tuple[str, ...], code: str) -> None:
    error = run(ledger, *words).exception
    assert isinstance(error, AuditError)
    assert error.code == code


def test_a_whole_archive_has_no_orphans_and_verifies(ledger: TestLedger) -> None:
    assert run(ledger, "orphans", "--json").stdout.strip() == "[]"
    result = run(ledger, "verify-archive")
    assert result.exit_code == 0
    assert result.stdout.count("✓") == 8
    assert "日志条目与已签名的根哈希一致" in result.stdout


def test_a_changed_archive_exits_one_and_names_the_record(ledger: TestLedger, tmp_path: Path) -> None:
    body = build_delivery(3).body.replace(b'"rows":4', b'"rows":5')
    replace_frame(ledger, 3, compress_frame(body))
    trust = tmp_path / "trust.json"
    vkey = load_log_vkey(ledger.settings.key_path, ledger.settings.origin)
    trust.write_text(json.dumps({"origin": ledger.settings.origin, "log_vkey": vkey}))
    result = run(ledger, "verify-archive", "--trust", str(trust), "--json")
    assert result.exit_code == 1
    (step,) = [step for step in json.loads(result.stdout)["steps"] if step["state"] == "fail"]
    assert (step["code"], step["where"]) == ("EVENT_ALTERED", "#3 record 4")


def test_an_orphan_is_listed(ledger: TestLedger) -> None:
    (segment,) = list(ledger.archive.segments.glob("*-000002.seg"))
    with segment.open("ab") as file:
        file.write(compress_frame(b"lost\n"))
    assert "unattributed" in run(ledger, "orphans").stdout

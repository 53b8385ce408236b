"""Every command's documented exit codes, as a shell sees them: the installed entry point on a real installation.

docs/operations.md has the table. The commands of an administrator of Elasticsearch end with 0 and 1 in
``tests/integration/store/test_store_command.py``, which has a server.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from auditsvc.cli.main import cli
from examples.laiwu.city import CATALOG, POLICIES, City
from tests.support.commands import list_leaf_commands
from tests.support.entry import run_entry
from tools.ports import find_free_port

pytestmark = pytest.mark.slow

NOVEMBER = ("--from", "2026-11-01", "--to", "2026-11-30")
SPAN = ("--from", "2026-11-01", "--to", "2026-12-01")
VIOLATION = {
    "id": "e-1", "time": "2026-11-20T10:00:00+08:00", "action": "query", "outcome": "success",
    "interface": {"id": "pop-query"}, "consumer": {"org": "11371200LWEX00056R"},
}  # fmt: skip
NEED_NO_LEDGER = {
    ("init",), ("doctor",), ("push",), ("verify",), ("catalog", "check"), ("policy", "lint"), ("policy", "test"),
    *(("event", verb) for verb in ("search", "export", "show")),
    *(("alert", verb) for verb in ("list", "show", "acknowledge", "close")),
    *(("store", verb) for verb in ("init", "migrate", "role", "status", "dead")),
}  # fmt: skip
VERIFICATIONS = {("verify",), ("ledger", "verify-archive")}
COMMANDS = sorted(list_leaf_commands(cli))
ARGUMENTS = {
    ("account", "create"): ("lin",), ("account", "assign"): ("lin", "auditor"),
    ("account", "withdraw"): ("lin", "auditor"), ("account", "disable"): ("lin",), ("account", "enable"): ("lin",),
    ("account", "reset-password"): ("lin",), ("source", "key", "create"): ("gateway",),
    ("source", "key", "revoke"): ("k-1",), ("ledger", "proof", "inclusion"): ("0",),
    ("ledger", "proof", "consistency"): ("1", "2"), ("catalog", "activate"): (str(CATALOG),),
    ("policy", "activate"): (str(POLICIES),), ("policy", "explain"): ("-",), ("report", "create"): NOVEMBER,
    ("report", "fetch"): ("r-1",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shell:
    """A shell on an installation; its service runs until :meth:`City.stop`."""

    city: City
    folder: Path

    def expect(self, code: int, call: str, **settings: str) -> None:
        done = run_entry(*call.split(), environment={**self.city.environment, **settings}, stdin=json.dumps(VIOLATION))
        assert "Traceback" not in done.stderr
        assert done.returncode == code, f"{call}: {done.stdout[-1000:]}{done.stderr[-1000:]}"

    def read(self, call: str) -> list[dict[str, str]]:
        done = run_entry(*call.split(), "--json", environment=self.city.environment)
        assert done.returncode == 0, done.stderr
        items: list[dict[str, str]] = json.loads(done.stdout)["items"]
        return items


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("exit-codes")
    city = City(folder / "var", find_free_port(), find_free_port(), extra={"AUDITSVC_ARGON2_MEMORY_KIB": "1024"})
    city.set_up()
    city.create_key("share-gateway")
    (folder / "log").write_text(json.dumps(VIOLATION) + "\n", encoding="utf-8")
    (folder / "no-token").write_text("nothing", encoding="utf-8")
    city.start()
    try:
        city.sign_in("officer")
        (folder / "token").write_text(city.token, encoding="utf-8")
        yield Shell(city, folder)
    finally:
        city.stop()


@pytest.fixture(scope="module")
def stopped(shell: Shell) -> Shell:
    """The same installation after its service was stopped, with exit code 0."""
    assert shell.city.stop() == 0
    return shell


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_wrong_call_is_2_and_of_a_verification_3(path: tuple[str, ...]) -> None:
    assert run_entry(*path, "--nonsense").returncode == (3 if path in VERIFICATIONS else 2)


@pytest.mark.parametrize("path", sorted(set(COMMANDS) - NEED_NO_LEDGER), ids=" ".join)
def test_no_ledger_is_3(tmp_path: Path, path: tuple[str, ...]) -> None:
    environment = {"AUDITSVC_DATA_DIR": str(tmp_path / "none")}
    assert run_entry(*path, *ARGUMENTS.get(path, ()), environment=environment, stdin="{}").returncode == 3


@pytest.mark.parametrize("call", ["init", "migrate", "dead", "status", "reindex"])
def test_a_server_that_does_not_answer_is_3(shell: Shell, call: str) -> None:
    nobody = f"http://127.0.0.1:{find_free_port()}"
    shell.expect(3, f"store {call}", AUDITSVC_EVENT_STORE="elasticsearch", AUDITSVC_ELASTICSEARCH_URLS=nobody)


def test_store_commands_of_a_server_are_a_wrong_call_without_one_and_role_asks_nobody(shell: Shell) -> None:
    for verb in ("init", "migrate", "dead", "role"):
        shell.expect(2, f"store {verb}")
    nobody = f"http://127.0.0.1:{find_free_port()}"
    shell.expect(0, "store role", AUDITSVC_EVENT_STORE="elasticsearch", AUDITSVC_ELASTICSEARCH_URLS=nobody)


def test_push(shell: Shell) -> None:
    log, nobody = shell.folder / "log", f"http://127.0.0.1:{find_free_port()}"
    key = shell.city.data_dir / "source-keys" / "share-gateway.key"
    (shell.folder / "no-key").write_text("audit_0_0", encoding="utf-8")
    call = f"push {log} --source share-gateway"
    shell.expect(1, f"{call} --key-file {shell.folder / 'no-key'}")
    shell.expect(3, f"{call} --key-file {key} --url {nobody} --patience 0")
    shell.expect(2, f"{call} --key-file {key} --url nonsense")
    shell.expect(0, f"{call} --key-file {key}")
    shell.city.wait_judged(30)


def test_events(shell: Shell) -> None:
    good, bad = f"--token-file {shell.folder / 'token'}", f"--token-file {shell.folder / 'no-token'}"
    nobody = f"{good} --url http://127.0.0.1:{find_free_port()}"
    (event,) = shell.read(f"event search {' '.join(SPAN)} {good}")
    for call in (f"search {' '.join(SPAN)}", f"export {' '.join(SPAN)}", f"show {event['uid']}"):
        shell.expect(0, f"event {call} {good}")
        shell.expect(1, f"event {call} {bad}")
        shell.expect(3, f"event {call} {nobody}")
    shell.expect(1, f"event show {'0' * 32} {good}")
    shell.expect(2, f"event search rows>>1 {good}")


def test_alerts(shell: Shell) -> None:
    good, bad = f"--token-file {shell.folder / 'token'}", f"--token-file {shell.folder / 'no-token'}"
    nobody = f"{good} --url http://127.0.0.1:{find_free_port()}"
    alert = shell.read(f"alert list {good}")[0]["id"]
    for call in ("list", f"show {alert}", f"acknowledge {alert}", f"close {alert} --reason true_violation"):
        shell.expect(1, f"alert {call} {bad}")
        shell.expect(3, f"alert {call} {nobody}")
        shell.expect(0, f"alert {call} {good}")
    shell.expect(1, f"alert acknowledge {alert} {good}")
    shell.expect(1, f"alert close {alert} --reason true_violation {good}")
    shell.expect(1, f"alert show nothing {good}")


@pytest.mark.parametrize("call", ["serve", "reindex", "store status", f"report create {' '.join(NOVEMBER)}"])
def test_what_needs_the_data_folder_alone_is_3_beside_a_running_service(shell: Shell, call: str) -> None:
    shell.expect(3, call)


def test_a_clean_stop_of_the_service_is_0(stopped: Shell) -> None:
    assert stopped.city.service is None


def test_init(stopped: Shell) -> None:
    broken, empty = stopped.folder / "broken", stopped.folder / "empty"
    broken.mkdir()
    empty.mkdir()
    (empty / "list.yaml").write_text("list:\n  id: a-list\n  values: [a]\n", encoding="utf-8")
    (broken / "p.yaml").write_text("a: [", encoding="utf-8")
    stopped.expect(0, "init")
    stopped.expect(1, f"init --policies {broken}")
    stopped.expect(1, f"init --policies {empty}")
    stopped.expect(2, "init --account nonsense")
    stopped.expect(3, "init", AUDITSVC_DATA_DIR=str(stopped.folder / "log"))


def test_accounts(stopped: Shell) -> None:
    for call in (
        "create lin", "assign lin auditor", "withdraw lin auditor", "disable lin", "enable lin", "reset-password lin", "list",
    ):  # fmt: skip
        stopped.expect(0, f"account {call}")
    for call in ("create lin", "assign x auditor", "withdraw x auditor", "disable x", "enable x", "reset-password x"):
        stopped.expect(1, f"account {call}")


def test_sources(stopped: Shell) -> None:
    stopped.expect(0, "source list")
    stopped.expect(0, "source key create share-gateway")
    stopped.expect(1, "source key create nothing")
    stopped.expect(1, "source key revoke nothing")
    listed = json.loads(run_entry("source", "key", "list", "--json", environment=stopped.city.environment).stdout)
    stopped.expect(0, "source key list")
    stopped.expect(0, f"source key revoke {listed[0]['key_id']}")


def test_the_catalogue_and_the_policies(stopped: Shell) -> None:
    broken = stopped.folder / "wrong"
    broken.mkdir()
    (broken / "p.yaml").write_text("a: [", encoding="utf-8")
    for call in (f"catalog check {CATALOG}", f"catalog activate {CATALOG}", "catalog show", "catalog show sources"):
        stopped.expect(0, call)
    for call in (f"lint {POLICIES}", f"test {POLICIES}", f"activate {POLICIES}", "list", "explain -"):
        stopped.expect(0, f"policy {call}")
    for call in ("catalog check", "catalog activate", "policy lint", "policy test", "policy activate"):
        stopped.expect(1, f"{call} {broken}")
    stopped.expect(1, f"policy list --policies {broken}")
    stopped.expect(1, f"policy explain - --policies {broken}")
    stopped.expect(2, "catalog show nonsense")


def test_the_ledger(stopped: Shell) -> None:
    stopped.expect(0, "source key create share-gateway")
    stopped.expect(2, "ledger verify-archive")  # leaves that no checkpoint covers yet
    for call in (
        "status",
        "checkpoint --sign",
        "proof inclusion 0",
        "proof consistency 1 2",
        "orphans",
        "verify-archive",
    ):
        stopped.expect(0, f"ledger {call}")
    for call in ("proof inclusion 99999", "proof consistency 1 99999"):
        stopped.expect(1, f"ledger {call}")
    stopped.expect(2, "ledger proof inclusion x")
    stopped.expect(3, "ledger status", AUDITSVC_KEY_DIR=str(stopped.folder / "nowhere"))


def test_the_event_store_and_reports(stopped: Shell) -> None:
    stopped.expect(0, "doctor")
    stopped.expect(0, "store status")
    stopped.expect(0, f"report create {' '.join(NOVEMBER)} --language en")
    stopped.expect(1, f"report create {' '.join(NOVEMBER)} --kind project --project nothing")
    stopped.expect(0, "report list")
    listed = json.loads(run_entry("report", "list", "--json", environment=stopped.city.environment).stdout)
    out = stopped.folder / "out"
    stopped.expect(0, f"report fetch {listed[0]['id']} --out {out}")
    stopped.expect(1, f"report fetch {listed[0]['id']} --out {out}")
    stopped.expect(1, "report fetch nothing")


def test_verify(stopped: Shell) -> None:
    out = stopped.folder / "out"
    trust = stopped.folder / "trust.json"
    shutil.move(out / "trust.json", trust)
    stopped.expect(0, f"verify {out} --trust {trust}")
    stopped.expect(2, f"verify {out}")
    stopped.expect(3, f"verify {out} --trust {stopped.folder / 'log'}")
    report = next(out.glob("*.json"))
    report.write_bytes(report.read_bytes() + b" ")
    stopped.expect(1, f"verify {out} --trust {trust}")


def test_a_store_that_was_changed_is_1_and_one_that_was_not_is_0(stopped: Shell) -> None:
    stopped.expect(0, "reindex")
    with duckdb.connect(stopped.city.data_dir / "events.duckdb") as connection:
        connection.execute("UPDATE event SET \"user.id\" = 'other'")
    stopped.expect(1, "store reindex")
    stopped.expect(0, "reindex")


def test_doctor_and_verify_archive_of_a_damaged_installation(stopped: Shell) -> None:
    data = stopped.city.data_dir
    shutil.copytree(data, stopped.folder / "copy")
    copy = {"AUDITSVC_DATA_DIR": str(stopped.folder / "copy")}
    stopped.expect(0, "ledger verify-archive", **copy)
    stopped.expect(1, "doctor", **copy, AUDITSVC_KEY_DIR=str(stopped.folder / "nowhere"))
    segment = max((stopped.folder / "copy" / "archive").rglob("*.seg"), key=lambda path: path.stat().st_size)
    segment.write_bytes(segment.read_bytes()[:-1] + b"\0")
    stopped.expect(1, "ledger verify-archive", **copy)
    stopped.expect(3, "doctor", AUDITSVC_DATA_DIR=str(stopped.folder / "nothing"))

"""``make run`` in small: logs in, violations as planted, reports signed and verified, and every line accounted for."""

import gzip
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from auditsvc.runtime.locks import claim_folder
from examples.laiwu.city import ROOT, CityError
from examples.laiwu.run import refuse_second_run
from tests.support.report_schema import check_report

EVENTS = 4_000
REAL_LOG = ROOT.parent / "shared" / "data" / "apache_combined.log.gz"


def run_city(tmp_path: Path, *words: str | Path) -> dict[str, Any]:
    """Run the worked city once and return its compliance report."""
    out = tmp_path / "out"
    fixed = ["--once", "--events", EVENTS, "--data", tmp_path / "data", "--out", out]
    command = [sys.executable, "-m", "examples.laiwu.run", *map(str, [*fixed, *words])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "verified: every step was done and passed" in done.stdout
    report: dict[str, Any] = check_report(json.loads((out / "report.json").read_bytes()))
    return report


def check_counts(report: dict[str, Any]) -> None:
    for row in report["deliveries"]:
        assert row["records"] == row["events"] + row["quarantined"], row
    assert sum(row["records"] for row in report["deliveries"]) == report["log"]["records"]
    assert sum(row["quarantined"] for row in report["deliveries"]) == report["quarantine"]["records"]


def test_a_run_leaves_the_folder_of_a_service_that_runs_alone(tmp_path: Path) -> None:
    with claim_folder(tmp_path, "serve"), pytest.raises(CityError, match="belongs to a service that runs; stop it"):
        refuse_second_run(tmp_path, ())
    refuse_second_run(tmp_path, ())


def test_a_run_does_not_begin_while_its_ports_are_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(CityError, match=f"port {port} is taken by another program"):
            refuse_second_run(tmp_path, (port,))
    refuse_second_run(tmp_path, (port,))


@pytest.mark.slow
def test_the_city_runs_once_and_its_report_verifies_and_adds_up(tmp_path: Path) -> None:
    report = run_city(tmp_path)
    check_counts(report)
    truth = json.loads((tmp_path / "data" / "logs" / "truth.json").read_text(encoding="utf-8"))
    assert report["log"]["records"] == truth["records"]
    assert report["summary"]["violations"] == len(truth["violations"])


@pytest.mark.slow
def test_every_line_of_a_real_web_log_is_an_event_or_in_quarantine(tmp_path: Path) -> None:
    if not REAL_LOG.exists():
        pytest.skip("not run: the real web server log is not beside this checkout")
    lines = gzip.decompress(REAL_LOG.read_bytes()).count(b"\n")
    report = run_city(tmp_path, "--log", REAL_LOG)
    check_counts(report)
    truth = json.loads((tmp_path / "data" / "logs" / "truth.json").read_text(encoding="utf-8"))
    assert report["log"]["records"] == truth["records"] + lines

"""The verifier runs without the writing side, and documentation and code name the same codes."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_verifier_loads_no_database_and_no_web_library() -> None:
    script = (
        "import sys, auditsvc.ledger.verify\n"
        "heavy = {'sqlalchemy', 'flask', 'alembic', 'duckdb', 'auditsvc.ground.database', 'auditsvc.ledger.write.appender'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_the_manual_names_every_code_of_the_verifier() -> None:
    text = (ROOT / "auditsvc" / "ledger" / "verify" / "check.py").read_text()
    codes = set(re.findall(r'"([A-Z]+_?[A-Z_]+)"', text)) - {"NOT_DONE"}
    manual = (ROOT / "docs" / "ledger.md").read_text()
    assert len(codes) > 20
    assert {code for code in codes if f"`{code}`" not in manual} == set()

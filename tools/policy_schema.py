"""Writes ``auditsvc/policy/schema.json`` from the code; with ``--check`` exits 1 when it differs."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from auditsvc.policy.schema import build_schema  # noqa: E402  (the project's folder must be on the path first)

PATH = ROOT / "auditsvc" / "policy" / "schema.json"


def main() -> int:
    """Write the file, or compare it."""
    text = json.dumps(build_schema(), ensure_ascii=False, indent=2) + "\n"
    if "--check" in sys.argv[1:]:
        return int(not PATH.exists() or PATH.read_text(encoding="utf-8") != text)
    PATH.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

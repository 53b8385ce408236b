"""Writes the JSON Schemas that follow from the code; with ``--check`` exits 1 when one differs."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from auditsvc.policy.schema import build_schema  # noqa: E402  (the project's folder must be on the path first)
from auditsvc.reports.report_schema import build_report_schema  # noqa: E402

SCHEMAS = {
    ROOT / "auditsvc" / "policy" / "schema.json": build_schema,
    ROOT / "docs" / "schemas" / "report.schema.json": build_report_schema,
}


def main() -> int:
    """Write the files, or compare them."""
    stale = 0
    for path, build in SCHEMAS.items():
        text = json.dumps(build(), ensure_ascii=False, indent=2) + "\n"
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
    return stale if "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
